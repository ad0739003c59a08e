"""What is still to fetch of a file: gaps, cut into parts for workers. No threads, no files, no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.weights.ranges import Spans


@dataclass(slots=True)
class Gap:
    """Bytes still to fetch."""

    start: int
    end: int | None
    """``None`` while nobody has said how long the file is."""
    tries: int = 0
    """How often a source has failed to deliver them, without any progress."""


class Gaps:
    """All gaps of one file, sorted."""

    def __init__(self) -> None:
        self._gaps: list[Gap] = []

    def __bool__(self) -> bool:
        """Tell whether anything is left."""
        return bool(self._gaps)

    def refill(self, finished: Spans, length: int | None, tries: int = 0) -> None:
        """List all that is not finished."""
        if length is None:
            self._gaps = [Gap(finished.prefix_bytes, None, tries)]
        else:
            self._gaps = [Gap(start, end, tries) for start, end in finished.missing(0, length).parts]

    def take(self, part_bytes: int) -> Gap:
        """Remove the first part of the first gap."""
        first = self._gaps.pop(0)
        end = first.start + part_bytes
        if first.end is not None and first.end <= end:
            return first
        self._gaps.insert(0, Gap(end, first.end, first.tries))
        return Gap(first.start, end, first.tries)

    def take_all(self) -> int:
        """Remove everything, because one answer will bring the whole file; return the most tries of any gap."""
        tries = max((gap.tries for gap in self._gaps), default=0)
        self._gaps = []
        return tries

    def give_back(self, start: int, end: int | None, tries: int) -> None:
        """Add what was taken and not fetched."""
        self._gaps = sorted([*self._gaps, Gap(start, end, tries)], key=lambda gap: gap.start)

    def end_at(self, length: int) -> None:
        """Learn how long the file is."""
        ends = [length if gap.end is None else min(gap.end, length) for gap in self._gaps]
        self._gaps = [
            Gap(gap.start, end, gap.tries) for gap, end in zip(self._gaps, ends, strict=True) if gap.start < end
        ]

    def forgive(self) -> None:
        """Forget failed tries: the next ones are another source's."""
        for gap in self._gaps:
            gap.tries = 0

    def parts_left(self, part_bytes: int) -> int:
        """Count the requests that are still to be made, where the end is known."""
        return sum(-(-(gap.end - gap.start) // part_bytes) for gap in self._gaps if gap.end is not None)
