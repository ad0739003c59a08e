"""What stands under a final name, and what is to be done about it: look, then plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from zoo.cache import disk, paths, verified
from zoo.cache.digests import Expected, sha256_file
from zoo.cache.paths import Kind

if TYPE_CHECKING:
    from pathlib import Path


class State(Enum):
    """What stands under a final name."""

    MISSING = "missing"
    PARTIAL = "partial"
    WHOLE = "whole"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Found:
    """What :func:`look` has seen."""

    kind: Kind
    size_bytes: int = 0
    sha256: str | None = None
    """Digest of the file; ``None`` where there is none, or its length is wrong already."""
    kept_bytes: int = 0
    """What an earlier run has left in a partial file that can be gone on from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the matter with a file, and so what :func:`zoo.download.fetcher.fetch` does."""

    state: State
    reason: str

    @property
    def is_known_bad(self) -> bool:
        """Whether what stands under the final name is known to be bad."""
        return self.state is State.DAMAGED


def plan(
    found: Found,
    expected: Expected,
) -> Plan:
    """Decide what to do about one file. Pure: nothing is read or written."""
    if found.kind is Kind.OTHER:
        return Plan(State.FOREIGN, "expected a file, got a folder or a device")
    if found.kind is Kind.NOTHING:
        is_begun = found.kept_bytes > 0
        reason = "it is not there"
        if is_begun:
            reason = f"{found.kept_bytes} bytes are there from an earlier run"
        return Plan(State.PARTIAL if is_begun else State.MISSING, reason)
    fault = _fault(found, expected)
    if fault:
        return Plan(State.DAMAGED, fault)
    if expected.sha256 is None:
        return Plan(State.UNKNOWN, "nothing is known to check it against")
    return Plan(State.WHOLE, "it is there and right")


def _fault(
    found: Found,
    expected: Expected,
) -> str | None:
    """Say what is wrong with a file or link that is there."""
    if found.kind is Kind.BROKEN_LINK:
        return "it is a link to nothing"
    if not expected.allows_size(found.size_bytes) or not found.size_bytes:
        return f"expected {expected.size_words}, got {found.size_bytes}"
    if expected.sha256 is not None and (
        found.sha256 is None or not expected.allows_digest(found.sha256)
    ):
        return f"expected sha256 {expected.sha256}, got {found.sha256}"
    return None


def look(
    target: Path,
    expected: Expected,
    *,
    kept_bytes: int = 0,
    may_trust_receipt: bool = True,
) -> Found:
    """See what is on the disk.

    A file is read unless its length is wrong or a receipt vouches for it.

    Args:
        target: The final name.
        expected: What the registry and ``zoo.lock`` demand.
        kept_bytes: What an earlier download has left to go on from;
            :func:`zoo.download.recovery.best_kept` knows.
        may_trust_receipt: Whether an earlier full check counts if nothing touched the file since.

    Raises:
        CacheError: The file cannot be read.
    """
    kind = paths.kind_of(target)
    if kind is not Kind.FILE:
        return Found(kind, kept_bytes=kept_bytes)
    with disk.translating(target.name):
        stamp = verified.stamp(target)
        size_bytes = target.stat().st_size
        if size_bytes == 0 or not expected.allows_size(size_bytes):
            return Found(kind, size_bytes)
        sha256 = verified.recall(target) if may_trust_receipt else None
        if sha256 is None:
            sha256 = sha256_file(target)
            verified.remember(target, sha256, stamp)
    return Found(kind, size_bytes, sha256)
