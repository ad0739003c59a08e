"""A certificate authority (CA) that lives as long as one command and is believed by it only.

The mirror's own CA may vouch for a few hosts only (see its name constraints). A recording
has to see every host that a program talks to, so this one has no such limit. Its key is never
written; it ends with the command, and so does the file that names it.
"""

from __future__ import annotations

import ssl
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.certificates import key_usage, pem_of_key
from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

LIFE = timedelta(days=8)
GRACE = timedelta(hours=1)
"""For clocks that are behind."""


class TemporaryAuthority:
    """Vouch for any host, to programs that are told to believe it.

    Raises:
        MissingPackageError: cryptography is not installed.
    """

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError as error:
            raise MissingPackageError("cryptography", "recording", "mirror") from error
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._key = ec.generate_private_key(ec.SECP256R1())
        # One key serves all hosts: making one for each would cost more than the handshake.
        self._host_key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _certificate(
            "zoo record",
            self._key,
            None,
            None,
        )

    @property
    def pem(self) -> bytes:
        """The certificate that programs are to believe."""
        return _pem(self._certificate)

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with which to be a host."""
        with self._lock:
            context = self._contexts.get(host)
            if context is None:
                context = self._make_context(host)
                self._contexts[host] = context
            return context

    def _make_context(self, host: str) -> ssl.SSLContext:
        certificate = _certificate(
            host,
            self._host_key,
            self._certificate,
            self._key,
        )
        key = pem_of_key(self._host_key)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        # ssl reads certificates from files only; this one is the owner's alone and gone at once.
        with tempfile.NamedTemporaryFile(suffix=".pem") as chain:
            chain.write(key + _pem(certificate) + self.pem)
            chain.flush()
            context.load_cert_chain(Path(chain.name))
        return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey | None,
) -> x509.Certificate:
    """Make a certificate: of the CA itself, or of a host that it vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    is_authority = issuer is None
    signing_key = issuer_key or key
    begin = datetime.now(UTC) - GRACE
    end = begin + LIFE
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, name[:64])
    subject = x509.Name([common_name])
    issuer_name = subject
    if issuer is not None:
        issuer_name = issuer.subject

    public = key.public_key()
    own_id = x509.SubjectKeyIdentifier.from_public_key(public)
    issuer_public = signing_key.public_key()
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_public)
    usage = key_usage(is_authority=is_authority)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(
            x509.BasicConstraints(
                ca=is_authority,
                path_length=None,
            ),
            critical=True,
        )
        .add_extension(own_id, critical=False)
        .add_extension(issuer_id, critical=False)
        .add_extension(usage, critical=True)
    )
    if not is_authority:
        host = _general_name(name)
        alternative = x509.SubjectAlternativeName([host])
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        address = ip_address(host)
        return x509.IPAddress(address)
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
