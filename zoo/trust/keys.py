"""Keys: Ed25519 in files, the private half encrypted with a passphrase, or ECDSA on a token.

A token (PKCS#11: a YubiKey, a network HSM) never gives its key away. ``NAME.key`` then holds a line
that says which key of which token it is, such as ``hsm:2?label=root-1``, and the passphrase is the
token's PIN. Whatever else securesystemslib signs with (``gnupg:``, ``awskms:`` ...) may stand there
too. ``$PYKCS11LIB`` is the path of the token's library.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.documents import read_regular_file
from zoo.errors import MissingPackageError, TrustError

if TYPE_CHECKING:
    from pathlib import Path

    from securesystemslib.signer import Signature, Signer, SSlibKey
    from tuf.api.metadata import Metadata

PRIVATE_SUFFIX = ".key"
PUBLIC_SUFFIX = ".pub"
LARGEST_BYTES = 1 << 16
PASSPHRASE_VARIABLE = "ZOO_TRUST_PASSPHRASE"  # noqa: S105 - a name, no passphrase
"""Name of the variable that holds the passphrase where nobody is there to type it."""
_LOCATION = re.compile(rb"[a-z0-9]{2,12}:[^\s]*\s*")
"""A key that lies elsewhere: one line, where."""
_SIGNING_ADVICE = "see that its token is there, $PYKCS11LIB names its library, and the PIN is right"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Where a new key lies."""

    private: Path
    public: Path
    key_id: str


def require() -> None:
    """Fail early where python-tuf is missing.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import cryptography
        import tuf.api.metadata
    except ImportError as error:
        raise MissingPackageError("tuf", "signing and updating", "trust") from error
    del cryptography, tuf


def create(path: Path, passphrase: str) -> KeyPair:
    """Make a key: ``NAME.key`` for its owner alone, ``NAME.pub`` for everybody.

    Args:
        path: The name without its suffix.
        passphrase: What encrypts the private half.

    Raises:
        TrustError: There is such a key already, or the passphrase is empty.
    """
    require()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner

    if not passphrase:
        raise TrustError(str(path), "a key without a passphrase protects nothing", "choose one")
    key = Ed25519PrivateKey.generate()
    signer = CryptoSigner(key)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    return _write_pair(path, encrypted, signer.public_key)


def create_on_token(
    path: Path,
    pin: str,
    *,
    key_id: int | None = None,
    token: str | None = None,
) -> KeyPair:
    """Use a key that a token holds: ``NAME.key`` says where it is, ``NAME.pub`` is for everybody.

    Args:
        path: The name without its suffix.
        pin: The token's; needed where it shows its public keys to its owner alone.
        key_id: Which key of the token; by default 2, where PIV keeps keys that sign.
        token: The token's label, where there are several.

    Raises:
        TrustError: There is no such token or key, or the name is taken.
        MissingPackageError: python-pkcs11 is not installed.
    """
    require()
    try:
        import pkcs11
    except ImportError as error:
        raise MissingPackageError("python-pkcs11", "keys on tokens", "hsm") from error
    from securesystemslib.signer import HSMSigner

    try:
        location, public = HSMSigner.import_(key_id, token, lambda _: pin)
    except (ValueError, pkcs11.PKCS11Error, RuntimeError) as error:
        fault = f"no key can be read from it: {_reason(error)}"
        raise TrustError("the token", fault, _SIGNING_ADVICE) from error
    return _write_pair(path, f"{location}\n".encode(), public)


def _write_pair(
    path: Path,
    private_content: bytes,
    public_key: SSlibKey,
) -> KeyPair:
    """Write both files of a key; the private one is its owner's alone, and never written over."""
    private = path.with_name(path.name + PRIVATE_SUFFIX)
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    try:
        handle = atomic.create_exclusively(private, 0o600)
    except FileExistsError as error:
        advice = "choose another name; a key is never written over"
        raise TrustError(str(private), "there is such a key already", advice) from error
    with os.fdopen(handle, "wb") as stream:
        stream.write(private_content)
    content = {
        "keyid": public_key.keyid,
        **public_key.to_dict(),
    }
    atomic.write_text(public, json.dumps(content, indent=1) + "\n")
    return KeyPair(private, public, public_key.keyid)


def load_private(path: Path, passphrase: str) -> Signer:
    """Read the private half of a key, or where it lies.

    Raises:
        TrustError: It cannot be read, or the passphrase is another.
    """
    require()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        data = read_regular_file(path, LARGEST_BYTES)
    except OSError as error:
        fault = f"cannot be read: {error.strerror or error}"
        raise TrustError(
            str(path), fault, 'name a private key, as made by "zoo trust key NAME"'
        ) from error
    if _LOCATION.fullmatch(data):
        return _signer_elsewhere(path, data.decode("ascii").strip(), passphrase)
    try:
        return CryptoSigner(load_pem_private_key(data, passphrase.encode()))
    except (ValueError, TypeError) as error:
        fault = "expected a key that this passphrase opens"
        raise TrustError(str(path), fault, "check the passphrase") from error


def load_public(path: Path) -> SSlibKey:
    """Read the public half of a key.

    Raises:
        TrustError: It is none.
    """
    require()
    from securesystemslib.signer import SSlibKey

    try:
        content: Any = json.loads(read_regular_file(path, LARGEST_BYTES))
        key_id = content.pop("keyid")
        return SSlibKey.from_dict(key_id, content)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        fault = f"expected a public key, got: {error}"
        raise TrustError(
            str(path), fault, f'name a {PUBLIC_SUFFIX} file, as made by "zoo trust key NAME"'
        ) from error


def sign_metadata(metadata: Metadata[Any], signer: Signer) -> None:
    """Add a signature.

    Raises:
        TrustError: The key cannot sign now.
    """
    from tuf.api.exceptions import UnsignedMetadataError

    try:
        metadata.sign(signer, append=True)
    except UnsignedMetadataError as error:
        raise _cannot_sign(signer, error.__cause__ or error) from error


def sign_bytes(data: bytes, signer: Signer) -> Signature:
    """Sign some bytes.

    Raises:
        TrustError: The key cannot sign now.
    """
    try:
        return signer.sign(data)
    except Exception as error:
        # Each kind of token has errors of its own.
        raise _cannot_sign(signer, error) from error


def _cannot_sign(signer: Signer, error: BaseException) -> TrustError:
    subject = f"the key {signer.public_key.keyid[:12]}"
    return TrustError(subject, f"it cannot sign: {_reason(error)}", _SIGNING_ADVICE)


def _reason(error: BaseException) -> str:
    """Say what is wrong; some errors of tokens have a name and no words."""
    return str(error) or type(error).__name__


def _signer_elsewhere(
    path: Path,
    location: str,
    pin: str,
) -> Signer:
    """Make a signer of a key that lies elsewhere; its public half lies beside the file."""
    from securesystemslib.signer import Signer

    public = load_public(path.with_suffix(PUBLIC_SUFFIX))
    try:
        return Signer.from_priv_key_uri(location, public, lambda _: pin)
    except Exception as error:
        # Each kind of place has errors of its own, and packages that may be missing.
        fault = f"cannot be used: {_reason(error)}"
        advice = "securesystemslib names its places and what each needs"
        raise TrustError(f"{path} ({location})", fault, advice) from error
