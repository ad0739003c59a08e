"""What is still to fetch of a file.

Segments, cut into parts for workers. No threads, no files, no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.download.ranges import Spans


@dataclass(slots=True)
class Segment:
    """Bytes still to fetch."""

    start: int
    end: int | None
    """``None`` while nobody has said how long the file is."""
    tries: int = 0
    """How often a source has failed to deliver them, without any progress."""


class Segments:
    """All that is missing of one file, sorted."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return bool(self._segments)

    def refill(
        self,
        finished: Spans,
        length: int | None,
        tries: int = 0,
    ) -> None:
        """List all that is not finished."""
        if length is None:
            self._segments = [Segment(finished.prefix_bytes, None, tries)]
            return
        missing = finished.missing(0, length)
        self._segments = [Segment(start, end, tries) for start, end in missing.parts]

    def take(self, part_bytes: int) -> Segment:
        """Remove the first part of the first segment."""
        first = self._segments.pop(0)
        end = first.start + part_bytes
        if first.end is not None and first.end <= end:
            return first

        rest = Segment(end, first.end, first.tries)
        self._segments.insert(0, rest)
        return Segment(first.start, end, first.tries)

    def take_all(self) -> int:
        """Remove everything, because one answer will bring the whole file.

        Return the most tries of any segment.
        """
        tries = max((segment.tries for segment in self._segments), default=0)
        self._segments = []
        return tries

    def give_back(
        self,
        start: int,
        end: int | None,
        tries: int,
    ) -> None:
        """Add what was taken and not fetched."""
        self._segments.append(Segment(start, end, tries))
        self._segments.sort(key=lambda segment: segment.start)

    def end_at(self, length: int) -> None:
        """Learn how long the file is."""
        kept = [segment for segment in self._segments if segment.start < length]
        for segment in kept:
            segment.end = length if segment.end is None else min(segment.end, length)
        self._segments = kept

    def forgive(self) -> None:
        """Forget failed tries: the next ones are another source's."""
        for segment in self._segments:
            segment.tries = 0

    def parts_left(self, part_bytes: int) -> int:
        """Count the requests that are still to be made, where the end is known."""
        total = 0
        for segment in self._segments:
            if segment.end is not None:
                length = segment.end - segment.start
                total += -(-length // part_bytes)
        return total
