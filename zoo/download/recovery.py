"""What crashed runs have left, here or on another machine that shares the cache.

A partial file of this running kernel is gone on with where it lies, under the lock. One of another
kernel (another machine, or this one before it was started anew) may still be written to by its
owner, so its bytes are copied.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.cache import paths
from zoo.download.partial import Partial, usable_journal

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.cache.digests import Expected
    from zoo.cache.paths import SideFiles
    from zoo.download.partial import Journal

COPY_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """The most useful partial file of a target."""

    side: SideFiles | None
    journal: Journal | None

    @property
    def kept_bytes(self) -> int:
        """How much of the file is in it."""
        if self.journal:
            return self.journal.finished.total_bytes
        return 0


def best_kept(
    target: Path,
    expected: Expected,
) -> Kept:
    """Find the partial file that has most of the target."""
    best = Kept(None, None)
    for path in paths.all_side_files(target):
        if path.name.endswith(paths.PARTIAL_SUFFIX):
            journal_path = path.with_name(
                path.name.removesuffix(paths.PARTIAL_SUFFIX) + paths.JOURNAL_SUFFIX
            )
            kept = Kept(
                paths.SideFiles(path, journal_path), usable_journal(path, journal_path, expected)
            )
            best = max(best, kept, key=lambda candidate: candidate.kept_bytes)
    return best


def copy_kept(
    target: Path,
    own: SideFiles,
    expected: Expected,
) -> None:
    """Copy the bytes of another kernel's partial file into our own, if it has more of them."""
    best = best_kept(target, expected)
    mine = usable_journal(own.partial, own.journal, expected)
    if best.side is None or best.journal is None or best.side == own:
        return
    if best.kept_bytes <= (mine.finished.total_bytes if mine else 0):
        return
    own.partial.unlink(missing_ok=True)
    partial = Partial(own.partial, own.journal, expected)
    try:
        with (
            contextlib.suppress(OSError),
            best.side.partial.open("rb", buffering=0) as stream,
        ):
            for start, end in best.journal.finished.parts:
                _copy_span(stream.fileno(), partial, start, end)
            if best.journal.length_bytes is not None:
                partial.set_length(best.journal.length_bytes)
            partial.take_validators(best.journal)
    finally:
        partial.close()


def _copy_span(
    source: int,
    partial: Partial,
    start: int,
    end: int,
) -> None:
    """Copy one span, noting each block."""
    while start < end:
        block = os.pread(source, min(COPY_BYTES, end - start), start)
        if not block:
            return
        partial.write(start, block)
        partial.record(start, start + len(block))
        start += len(block)
