"""Certificates: which authorities (CAs) count here, and what all that are made here have in common.

cryptography is imported late: most programs that import this make no certificate.
"""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec


BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""As requests reads them, and last the one that Python and OpenSSL read."""


def named_bundle(environment: Mapping[str, str]) -> str | None:
    """Return the file of CAs that counts in place of the usual ones, if a variable names one."""
    for variable in BUNDLE_VARIABLES:
        named = environment.get(variable)
        if named:
            return named
    return None


def join_authorities(environment: Mapping[str, str], own: bytes) -> bytes:
    """Join the CAs that count in an environment with one more, as PEM.

    The variables that name such a file replace the usual CAs, so those have to be in it.
    """
    named = named_bundle(environment)
    files = [Path(named)] if named else _usual_files()
    parts = []
    for file in files:
        with contextlib.suppress(OSError):
            parts.append(file.read_bytes())
    return b"\n".join([*parts, own])


def _usual_files() -> list[Path]:
    """Name the files of the CAs that count where no variable names one."""
    files = []
    usual = ssl.get_default_verify_paths().cafile
    if usual:
        files.append(Path(usual))
    with contextlib.suppress(ImportError):
        import certifi

        files.append(Path(certifi.where()))
    return files


def key_usage(*, is_authority: bool) -> x509.KeyUsage:
    """Say what a key may do: that of a CA signs certificates, that of a host signs handshakes."""
    from cryptography import x509

    return x509.KeyUsage(
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


def pem_of_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a private key as PEM, without a passphrase."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
