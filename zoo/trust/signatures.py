"""Detached signatures of weights files: these bytes, under this name, by this key.

A signature is a small JSON document beside the file. What is signed is a text of four lines, so
that another program can check it with any Ed25519 library::

    zoo weights signature 1
    name mine.safetensors
    size 46807446
    sha256 f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache.digests import sha256_file
from zoo.catalog.file_names import name_fault
from zoo.documents import parse_document, read_regular_file
from zoo.errors import DocumentError, TrustError
from zoo.hashes import is_sha256
from zoo.trust import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from securesystemslib.signer import Signer, SSlibKey

SUFFIX = ".sig.json"
SCHEMA_VERSION = 1
LARGEST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class WeightsSignature:
    """What stands in a signature's document."""

    schema_version: int
    name: str
    size_bytes: int
    sha256: str
    key_id: str
    signature: str
    """Of the statement, in hex."""
    signed_at: str
    """UTC; for people, not signed."""

    @property
    def statement(self) -> bytes:
        """The text that is signed."""
        lines = (
            f"zoo weights signature {self.schema_version}",
            f"name {self.name}",
            f"size {self.size_bytes}",
            f"sha256 {self.sha256}",
        )
        return "".join(f"{line}\n" for line in lines).encode()


def signature_path(file: Path) -> Path:
    """Return where a file's signature lies unless somebody says otherwise."""
    return file.with_name(file.name + SUFFIX)


def sign(
    file: Path,
    signer: Signer,
    *,
    advance: Callable[[int], None] | None = None,
) -> WeightsSignature:
    """Sign a file's name, length and SHA-256.

    Raises:
        OSError: The file cannot be read.
    """
    unsigned = WeightsSignature(
        schema_version=SCHEMA_VERSION,
        name=file.name,
        size_bytes=file.stat().st_size,
        sha256=sha256_file(file, advance),
        key_id=signer.public_key.keyid,
        signature="",
        signed_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    made = keys.sign_bytes(unsigned.statement, signer)
    return WeightsSignature(
        **{
            **asdict(unsigned),
            "signature": made.signature,
        }
    )


def write(path: Path, signature: WeightsSignature) -> None:
    """Write a signature's document.

    Raises:
        WriteError: It cannot be written.
    """
    atomic.write_text(path, json.dumps(asdict(signature), indent=1) + "\n")


def read(path: Path) -> WeightsSignature:
    """Read a signature's document.

    Raises:
        TrustError: It is none.
    """
    advice = "name the file of its signature with --signature"
    try:
        data = read_regular_file(path, LARGEST_BYTES)
        signature = parse_document(data, WeightsSignature, SCHEMA_VERSION)
    except DocumentError as error:
        fault = f"expected a signature, at {error.json_path}: {error.fault}"
        raise TrustError(str(path), fault, advice) from error
    except OSError as error:
        fault = f"the signature cannot be read: {error.strerror or error}"
        raise TrustError(str(path), fault, advice) from error
    if name_fault(signature.name) or not is_sha256(signature.sha256):
        raise TrustError(str(path), "expected a plain name and a SHA-256", advice)
    return signature


def verify(
    file: Path,
    signature: WeightsSignature,
    public: Sequence[SSlibKey],
    *,
    advance: Callable[[int], None] | None = None,
) -> SSlibKey:
    """Check that a file is what one of some keys has signed, under any name.

    Returns:
        The key that has signed it.

    Raises:
        TrustError: Another key has signed it, the signature does not fit, or the bytes are others.
        OSError: The file cannot be read.
    """
    keys.require()
    key = next((one for one in public if one.keyid == signature.key_id), None)
    if key is None:
        fault = f"it is signed by the key {signature.key_id[:12]}, which is none of those given"
        raise TrustError(str(file), fault, "name the signer's public key with --key")
    _verify_statement(file, signature, key)

    size_bytes = file.stat().st_size
    advice = "get the file again, or ask its signer"
    if size_bytes != signature.size_bytes:
        fault = f"{signature.size_bytes} bytes are signed, it has {size_bytes}"
        raise TrustError(str(file), fault, advice)
    sha256 = sha256_file(file, advance)
    if sha256 != signature.sha256:
        fault = f"sha256 {signature.sha256} is signed, it has {sha256}"
        raise TrustError(str(file), fault, advice)
    return key


def _verify_statement(
    file: Path,
    signature: WeightsSignature,
    key: SSlibKey,
) -> None:
    from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
    from securesystemslib.signer import Signature

    given = Signature(signature.key_id, signature.signature)
    try:
        key.verify_signature(given, signature.statement)
    except (UnverifiedSignatureError, VerificationError, ValueError) as error:
        fault = "the signature does not fit what it says: it was changed"
        raise TrustError(str(file), fault, "get file and signature again") from error
