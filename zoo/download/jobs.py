"""What one worker of a transfer is doing."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.download.partial import Partial
    from zoo.download.segments import Segment
    from zoo.download.sources import Source


class OutdatedError(Exception):
    """A worker's job no longer matters.

    Another has started again from zero, or the transfer is over.
    """


@dataclass(slots=True, eq=False)
class Job:
    """What one worker is fetching."""

    partial: Partial
    source: Source
    start: int
    end: int | None
    """``None``: to the end, wherever that is."""
    is_ranged: bool
    tries: int
    begun_s: float
    """On the monotonic clock: when it was claimed, then when its response began."""
    position: int = 0
    """One past the last byte written and noted."""
    unpacks: bool = False
    """Whether the body comes packed."""
    is_challenge: bool = False
    """Asked beside the current source, which is silent; whoever answers first goes on."""
    is_cancelled: bool = False
    """Somebody else fetches this now: not a byte of it may be written any more."""
    gate: threading.Lock = field(default_factory=threading.Lock)

    def write(
        self,
        offset: int,
        data: bytes,
    ) -> None:
        """Write bytes at their place.

        Raises:
            OutdatedError: Somebody else may be writing there, or the file has been closed.
        """
        # Two who write the same bytes could change them after they were hashed.
        with self.gate:
            if self.is_cancelled or not self.partial.write(offset, data):
                raise OutdatedError

    def cancel(self) -> None:
        """Let the worker write nothing any more; wait for a write that has begun."""
        with self.gate:
            self.is_cancelled = True


def part_job(
    partial: Partial,
    source: Source,
    part: Segment,
) -> Job:
    """Make a job of a part of the file."""
    return Job(
        partial,
        source,
        start=part.start,
        end=part.end,
        is_ranged=True,
        tries=part.tries,
        begun_s=time.monotonic(),
        position=part.start,
    )


def whole_job(
    partial: Partial,
    source: Source,
    tries: int,
) -> Job:
    """Make a job of the whole file, asked for without a range."""
    return Job(
        partial,
        source,
        start=0,
        end=None,
        is_ranged=False,
        tries=tries,
        begun_s=time.monotonic(),
    )


@dataclass(frozen=True, slots=True)
class NextStep:
    """What a worker does after a failure."""

    goes_on: bool
    tries: int | None = None
    """If set, the worker waits and then gives its job back with this count."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far a transfer is."""

    partial: Partial
    """Another one than before if the transfer has started again."""
    frontier: int
    """So many bytes from the start of the file are there without a gap."""
    done_bytes: int
    length_bytes: int | None
