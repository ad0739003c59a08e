"""The proxy's own certificate authority (CA).

It can vouch for the intercepted hosts, and for no other.

The certificate carries critical name constraints, so that a client that trusts it takes nothing
more on its word, even if its key is stolen. ``docs/decisions/0032-proxy-tls.md`` says why this is
cryptography and the standard library.

The certificate lies in the mirror, for everybody. The key does not: a web server that is pointed at
the folder must not be able to publish it. It is found by the certificate's fingerprint, so the
mirror may be moved. Servers of a bucket have a CA each, or one that both of its files (``ca.pem``
beside the key) are carried to.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.certificates import key_usage, pem_of_key
from zoo.config import own_folder
from zoo.errors import MirrorError, MissingPackageError
from zoo.mirror import layout
from zoo.mirror.ecosystems.known import ECOSYSTEMS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    from zoo.mirror.store import Store

HOSTS = tuple(sorted({host for ecosystem in ECOSYSTEMS for host in ecosystem.hosts}))
"""The intercepted hosts."""
AUTHORITY_DAYS = 3650
HOST_DAYS = 90
RENEW_AFTER_S = 30 * 86400
PRIVATE_MODE = 0o600


def require() -> None:
    """Fail early where the proxy's package is missing.

    Raises:
        MissingPackageError: cryptography is not installed.
    """
    _cryptography()


def keys_folder() -> Path:
    """Return where the keys of this machine's mirrors lie where no place was named."""
    return own_folder("state") / "mirror-keys"


def default_key_path(certificate: bytes) -> Path:
    """Return where the key of a certificate lies where no place was named."""
    digest = hashlib.sha256(certificate)
    fingerprint = digest.hexdigest()[:16]
    return keys_folder() / f"{fingerprint}.key"


def certificate_path(
    store: Store,
    key_path: Path | None = None,
) -> Path:
    """Return where the certificate lies: in the mirror's folder, or beside the key for a bucket."""
    if store.is_local:
        return store.root / layout.CERTIFICATE
    if key_path is not None:
        return key_path.absolute().with_name(layout.CERTIFICATE)
    return store.objects.home / layout.CERTIFICATE


def check_place(
    mirror: str,
    key_path: Path | None = None,
) -> None:
    """Refuse a place for a new key that is taken, or that a web server may publish.

    Args:
        mirror: The mirror's folder, which need not be there yet, or its address.
        key_path: The place, if one was named.

    Raises:
        MirrorError: It cannot be used.
    """
    place = key_path or keys_folder() / "new.key"
    advice = "name another place with --ca-key"
    is_taken = place.exists() or place.name == layout.CERTIFICATE
    if is_taken:
        raise MirrorError(str(place), "expected a place where no file is yet", advice)

    root = Path(mirror).resolve()
    if "://" not in mirror and place.resolve().is_relative_to(root):
        fault = "expected a place outside of the mirror, which any web server may publish"
        raise MirrorError(str(place), fault, advice)


def create(
    store: Store,
    key_path: Path | None = None,
) -> Path:
    """Make the CA of a new mirror, and return where its private key lies.

    Args:
        store: The mirror, whose folder gets the certificate; a bucket's stays on this machine.
        key_path: Where to put the key; outside of the mirror, where no file is yet.

    Raises:
        MissingPackageError: cryptography is not installed.
        MirrorError: The key would lie in the mirror, or cannot be written.
    """
    modules = _cryptography()
    check_place(store.address, key_path)
    key = modules.ec.generate_private_key(modules.ec.SECP256R1())
    own = os.urandom(4).hex()
    name = _name(modules, f"zoo mirror {own}")
    subtrees = [modules.x509.DNSName(host) for host in HOSTS]
    constraints = modules.x509.BasicConstraints(ca=True, path_length=0)
    usage = key_usage(is_authority=True)
    certificate = (
        _builder(modules, name, name, key.public_key(), AUTHORITY_DAYS)
        .add_extension(constraints, critical=True)
        .add_extension(modules.x509.NameConstraints(subtrees, None), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, modules.hashes.SHA256())
    )
    pem = certificate.public_bytes(modules.serialization.Encoding.PEM)
    chosen = key_path or default_key_path(pem)
    place = chosen.absolute()
    certificate_file = certificate_path(store, key_path)

    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificate_file.parent.mkdir(parents=True, exist_ok=True)
        _write_private(place, pem_of_key(key))
    except OSError as error:
        fault = f"the proxy's key cannot be written: {error.strerror or error}"
        raise MirrorError(str(place), fault, "name another place with --ca-key") from error
    atomic.write_bytes(certificate_file, pem)
    return place


def _name(
    modules: _Modules,
    common_name: str,
) -> x509.Name:
    """Make the name of a certificate's owner."""
    attribute = modules.x509.NameAttribute(modules.NameOID.COMMON_NAME, common_name)
    name: x509.Name = modules.x509.Name([attribute])
    return name


class CertificateAuthority:
    """Vouch for the intercepted hosts, with certificates that are made when they are first needed.

    Args:
        store: The mirror.
        key_path: Where its key lies, if not in the usual place.
        hosts: What it answers for.

    Raises:
        MirrorError: The certificate or the key cannot be read.
    """

    def __init__(
        self,
        store: Store,
        key_path: Path | None = None,
        hosts: Iterable[str] = HOSTS,
    ) -> None:
        modules = _cryptography()
        self._modules = modules
        self._lock = threading.Lock()
        self._contexts: dict[str, tuple[float, ssl.SSLContext]] = {}
        self.hosts = frozenset(hosts)
        place = key_path
        try:
            self.certificate = certificate_path(store, key_path).read_bytes()
            place = key_path or default_key_path(self.certificate)
            self._certificate = modules.x509.load_pem_x509_certificate(self.certificate)
            key = modules.serialization.load_pem_private_key(place.read_bytes(), None)
        except (OSError, ValueError) as error:
            fault = (
                f"its certificate authority cannot be read ({place or layout.CERTIFICATE}): {error}"
            )
            advice = "copy the key there, or name it with --ca-key"
            raise MirrorError(store.address, fault, advice) from error
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
        """Make a certificate for a host, and the settings of a server that has it."""
        modules = self._modules
        x509_module = modules.x509
        key = modules.ec.generate_private_key(modules.ec.SECP256R1())
        name = _name(modules, host)
        own_key = self._key.public_key()
        own_id = x509_module.AuthorityKeyIdentifier.from_issuer_public_key(own_key)
        purposes = x509_module.ExtendedKeyUsage([modules.ExtendedKeyUsageOID.SERVER_AUTH])
        names = x509_module.SubjectAlternativeName([x509_module.DNSName(host)])
        constraints = x509_module.BasicConstraints(ca=False, path_length=None)
        certificate = (
            _builder(modules, name, self._certificate.subject, key.public_key(), HOST_DAYS)
            .add_extension(constraints, critical=True)
            .add_extension(names, critical=False)
            .add_extension(key_usage(is_authority=False), critical=True)
            .add_extension(purposes, critical=False)
            .add_extension(own_id, critical=False)
            .sign(self._key, modules.hashes.SHA256())
        )
        pem = certificate.public_bytes(modules.serialization.Encoding.PEM)
        chain = pem_of_key(key) + pem + self.certificate

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.TemporaryDirectory() as folder:  # ssl reads certificates from files only
            file = Path(folder, "chain.pem")
            _write_private(file, chain)
            context.load_cert_chain(file)
        return context


class _Modules:
    """What is used of cryptography, imported late."""

    def __init__(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

        self.x509 = x509
        self.hashes = hashes
        self.serialization = serialization
        self.ec = ec
        self.NameOID = NameOID
        self.ExtendedKeyUsageOID = ExtendedKeyUsageOID


def _cryptography() -> _Modules:
    try:
        return _Modules()
    except ImportError as error:
        raise MissingPackageError("cryptography", "the mirror's proxy", "mirror") from error


def _builder(
    modules: _Modules,
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    days: int,
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


def _write_private(
    path: Path,
    data: bytes,
) -> None:
    """Write a file that only its owner may read, from its first moment on: whole or not at all."""
    own = os.urandom(6).hex()
    temporary = path.with_name(f".{path.name}.{own}")
    handle = atomic.create_exclusively(temporary, PRIVATE_MODE)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    atomic.sync_folder(path.parent)
