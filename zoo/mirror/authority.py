"""The proxy's own certificate authority: it can vouch for the hosts that the mirror stands in for, and for no other.

The certificate carries critical name constraints, so that a client that trusts it takes nothing more on its word, even
if its key is stolen. ``docs/decisions/0032-proxy-tls.md`` says why this is cryptography and the standard library.
"""

from __future__ import annotations

import os
import ssl
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import MirrorError, MissingPackageError
from zoo.mirror import layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

HOSTS = (
    "github.com",
    "codeload.github.com",
    "api.github.com",
    "download.pytorch.org",
    "huggingface.co",
    "release-assets.githubusercontent.com",
    "objects.githubusercontent.com",
    "dl.fbaipublicfiles.com",
    "storage.googleapis.com",
)
"""The hosts that the proxy answers for."""
KEY = f"{layout.PRIVATE}/ca.key"
AUTHORITY_DAYS = 3650
HOST_DAYS = 90
RENEW_AFTER_S = 30 * 86400


def require() -> None:
    """Fail early where the proxy's package is missing.

    Raises:
        MissingPackageError: cryptography is not installed.
    """
    _cryptography()


def create(root: Path) -> None:
    """Make the authority of a new mirror: its key, which stays private, and its certificate, which clients get.

    Raises:
        MissingPackageError: cryptography is not installed.
    """
    modules = _cryptography()
    key = modules.ec.generate_private_key(modules.ec.SECP256R1())
    name = modules.x509.Name(
        [modules.x509.NameAttribute(modules.NameOID.COMMON_NAME, f"zoo mirror {os.urandom(4).hex()}")]
    )
    subtrees = [modules.x509.DNSName(host) for host in HOSTS]
    usage = _key_usage(modules, is_authority=True)
    certificate = (
        _builder(modules, name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(modules.x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(modules.x509.NameConstraints(subtrees, None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, modules.hashes.SHA256())
    )
    _write_private(root / KEY, _pem_of_key(modules, key))
    (root / layout.CERTIFICATE).write_bytes(certificate.public_bytes(modules.serialization.Encoding.PEM))


class Authority:
    """Vouch for the hosts of a mirror, with certificates that are made when they are first needed.

    Args:
        root: The mirror's folder.
        hosts: What it answers for.
    """

    def __init__(self, root: Path, hosts: Sequence[str] = HOSTS) -> None:
        modules = _cryptography()
        self._modules = modules
        self._lock = threading.Lock()
        self._contexts: dict[str, tuple[float, ssl.SSLContext]] = {}
        self.hosts = frozenset(hosts)
        try:
            self._chain = (root / layout.CERTIFICATE).read_bytes()
            self._certificate = modules.x509.load_pem_x509_certificate(self._chain)
            key = modules.serialization.load_pem_private_key((root / KEY).read_bytes(), None)
        except (OSError, ValueError) as error:
            fault = f"the proxy's authority cannot be read: {error}"
            raise MirrorError(
                str(root), fault, f"restore {layout.CERTIFICATE} and {KEY}, or make a new mirror"
            ) from error
        self._key: ec.EllipticCurvePrivateKey = key

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with which to be a host."""
        with self._lock:
            made_at, context = self._contexts.get(host, (0.0, None))
            if context is None or time.monotonic() - made_at > RENEW_AFTER_S:
                context = self._make_context(host)
                self._contexts[host] = (time.monotonic(), context)
            return context

    def _make_context(self, host: str) -> ssl.SSLContext:
        modules = self._modules
        key = modules.ec.generate_private_key(modules.ec.SECP256R1())
        name = modules.x509.Name([modules.x509.NameAttribute(modules.NameOID.COMMON_NAME, host)])
        own_id = modules.x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        purposes = modules.x509.ExtendedKeyUsage([modules.ExtendedKeyUsageOID.SERVER_AUTH])
        certificate = (
            _builder(modules, name, self._certificate.subject, key.public_key(), HOST_DAYS)
            .add_extension(modules.x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(modules.x509.SubjectAlternativeName([modules.x509.DNSName(host)]), critical=False)
            .add_extension(_key_usage(modules, is_authority=False), critical=True)
            .add_extension(purposes, critical=False)
            .add_extension(own_id, critical=False)
            .sign(self._key, modules.hashes.SHA256())
        )
        pem = certificate.public_bytes(modules.serialization.Encoding.PEM)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files only
            chain = Path(folder, "chain.pem")
            _write_private(chain, _pem_of_key(modules, key) + pem + self._chain)
            context.load_cert_chain(chain)
        return context


class _Modules:
    """What is used of cryptography, imported late."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        self.x509, self.hashes, self.serialization, self.ec = x509, hashes, serialization, ec
        self.NameOID, self.ExtendedKeyUsageOID = NameOID, ExtendedKeyUsageOID


def _cryptography() -> _Modules:
    try:
        return _Modules()
    except ImportError as error:
        raise MissingPackageError("cryptography", "the mirror's proxy", "mirror") from error


def _builder(
    modules: _Modules, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    """Begin a certificate; an hour of grace for clocks that are behind."""
    begin = datetime.now(UTC) - timedelta(hours=1)
    builder: x509.CertificateBuilder = (
        modules.x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(modules.x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(modules.x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    return builder


def _key_usage(modules: _Modules, *, is_authority: bool) -> x509.KeyUsage:
    usage: x509.KeyUsage = modules.x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    return usage


def _pem_of_key(modules: _Modules, key: ec.EllipticCurvePrivateKey) -> bytes:
    serialization = modules.serialization
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, from its first moment on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(data)
