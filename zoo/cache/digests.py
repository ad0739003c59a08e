"""SHA-256 digests: what a file should have and what it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.catalog.records import WeightsFile

BUFFER_BYTES = 1 << 18
"""Fits the second-level cache of a core, so that bytes are hashed where they were read to."""
SHORTEST_PREFIX = 8
_DIGITS = 64
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Expected:
    """All that is known beforehand about a file's bytes.

    ``sha256`` is a whole digest or its first digits; ``None`` where the publisher states none.
    """

    sha256: str | None
    size_bytes: int | None = None
    size_tolerance_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether the whole digest is known, not just its beginning."""
        return self.sha256 is not None and len(self.sha256) == _DIGITS

    @property
    def largest_bytes(self) -> int | None:
        """The most bytes that the file can have."""
        if self.size_bytes is None:
            return None
        return self.size_bytes + self.size_tolerance_bytes

    def allows_size(self, size_bytes: int) -> bool:
        """Tell whether a file of this length can be the right one."""
        return (
            self.size_bytes is None
            or abs(size_bytes - self.size_bytes) <= self.size_tolerance_bytes
        )

    def allows_digest(self, sha256: str) -> bool:
        """Tell whether a file with this digest is the right one."""
        return self.sha256 is None or sha256.startswith(self.sha256)

    @property
    def size_words(self) -> str:
        """The length as a message states it."""
        if self.size_tolerance_bytes:
            return f"{self.size_bytes} bytes (within {self.size_tolerance_bytes})"
        return f"{self.size_bytes} bytes"


def expected_of(
    file: WeightsFile,
    locked_sha256: str | None = None,
) -> Expected:
    """Collect what a record and the lock file know about a file.

    Raises:
        CacheError: The record's digest is not one, or it contradicts the lock file.
    """
    _check_digest(file, file.sha256, _DIGITS)
    _check_digest(file, file.sha256_prefix, SHORTEST_PREFIX)

    published = file.sha256 or file.sha256_prefix
    if locked_sha256 and published and not locked_sha256.startswith(published):
        fault = f"zoo.lock demands sha256 {locked_sha256}, the registry {published}"
        advice = "find out which is right, then fix the registry or remove the line"
        raise CacheError(file.file_name, fault, advice)
    known = file.sha256 or locked_sha256 or published
    return Expected(known, file.size_bytes, file.size_tolerance_bytes)


def _check_digest(
    file: WeightsFile,
    digest: str | None,
    least_digits: int,
) -> None:
    """Refuse a record whose digest is none."""
    if digest is None:
        return
    is_long_enough = least_digits <= len(digest) <= _DIGITS
    if is_long_enough and _HEX.fullmatch(digest):
        return
    fault = (
        f"the record of {file.file_name!r} states the sha256 {digest!r}, which is not "
        f"{_DIGITS} (or, as a prefix, at least {SHORTEST_PREFIX}) lower-case hex digits"
    )
    raise CacheError(file.file_name, fault, "fix the registry")


def sha256_file(
    path: Path,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Compute the SHA-256 of a file in bounded memory.

    Args:
        path: The file.
        advance: Called with the length of every block that has been hashed.
    """
    import hashlib  # late: lists compare lengths and hash nothing

    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BUFFER_BYTES))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            digest.update(buffer[:count])
            if advance is not None:
                advance(count)
    return digest.hexdigest()
