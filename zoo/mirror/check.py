"""Check a file against what its publisher says of it, before it enters the mirror."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.cache.digests import sha256_file
from zoo.errors import SourceError, ZooError
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.git_objects import git_oid

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.mirror.published import RemoteFile, RemoteItem

FULL_DIGEST_DIGITS = 64


def check_bytes(
    path: Path,
    item: RemoteItem,
    file: RemoteFile,
) -> None:
    """Check a file against everything but its SHA-256.

    Raises:
        SourceError: Length or git's digest are wrong.
        MirrorError: Its content could harm a client.
    """
    size_bytes = path.stat().st_size
    if not has_allowed_size(file, size_bytes):
        fault = f"expected {file.size_bytes} bytes, got {size_bytes}"
        raise SourceError(file.origin, fault, is_retryable=True)
    if file.git_oid is not None and (oid := git_oid(path)) != file.git_oid:
        fault = f"expected the git digest {file.git_oid}, got {oid}"
        raise SourceError(file.origin, fault, is_retryable=True)
    ecosystems.of(item.kind).check(path, item)


def checked_digest(
    path: Path,
    item: RemoteItem,
    file: RemoteFile,
) -> str | None:
    """Return the digest of a file that is exactly what its publisher describes, else ``None``."""
    if file.sha256 is None and file.git_oid is None:
        return None
    try:
        check_bytes(path, item, file)
        sha256 = sha256_file(path)
    except (ZooError, OSError):
        return None
    if sha256.startswith(file.sha256 or ""):
        return sha256
    return None


def has_allowed_size(
    file: RemoteFile,
    size_bytes: int,
) -> bool:
    """Tell whether a length can be that of a file."""
    if file.size_bytes is None:
        return True
    return abs(size_bytes - file.size_bytes) <= file.size_tolerance_bytes


def has_full_digest(file: RemoteFile) -> bool:
    """Tell whether the whole SHA-256 of a file is published."""
    return file.sha256 is not None and len(file.sha256) == FULL_DIGEST_DIGITS
