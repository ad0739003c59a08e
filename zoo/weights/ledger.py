"""Who fetches what of one file, from where, and what has gone wrong: the state that all workers of a transfer share.

Any thread may call any method; none waits, reads the network or starts a thread. A worker claims a job,
shows the answer's headers, records bytes as they are written, and finishes the job or fails it.

Trust is spent in this order: parts in parallel; if the digest is then wrong, once more from zero in one piece from the
same source; if it is wrong again, that source lies and the next one is asked, in one piece as well.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import FetchError, SourceError
from zoo.weights import disk, verdicts
from zoo.weights.gaps import Gaps
from zoo.weights.partial import Partial, Validator

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.weights.digests import Expected
    from zoo.weights.options import FetchOptions
    from zoo.weights.sources import Source
    from zoo.weights.transport import Head

FAST_BYTES_PER_S = 200 << 20
"""A connection as fast as this gets no companion: more would only compete with the hashing."""
MOST_RESTARTS = 2
"""How often a source may change its file under us before it is asked for one piece only."""


class OutdatedError(Exception):
    """A worker's job no longer matters: another has started again from zero, or the transfer is over."""


@dataclass(slots=True)
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
    """On the monotonic clock: when it was claimed, then when its answer began."""
    position: int = 0
    """One past the last byte written and noted."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a worker does after a failure."""

    goes_on: bool
    tries: int | None = None
    """If set, the worker waits and then gives its job back with this count."""


class Ledger:
    """The shared state of one transfer."""

    def __init__(
        self,
        open_partial: Callable[[], Partial],
        sources: list[Source],
        expected: Expected,
        options: FetchOptions,
        file_name: str,
    ) -> None:
        self.changed = threading.Condition()
        """Held by every method, and notified when a waiting thread may have something to do."""
        self.partial = open_partial()
        self.fatal: BaseException | None = None
        """What ended the transfer."""
        self.alive = 0
        """Workers that run."""
        self._open_partial = open_partial
        self._sources = list(sources)
        self._expected = expected
        self._options = options
        self._file_name = file_name
        self._gaps = Gaps()
        self._gaps.refill(self.partial.finished, self.partial.length_bytes)
        self._is_ranged = True
        self._is_distrusted = False
        self._is_over = False
        self._jobs = 0
        self._most_workers = options.connections
        self._restarts = 0
        self._high_water = 0
        self._failures: list[SourceError] = []
        self._messages: list[str] = []

    @property
    def source(self) -> Source:
        """The source in use, or the one that was used last."""
        return self._sources[0]

    @property
    def can_resume(self) -> bool:
        """Whether a later run can go on from the partial file."""
        return self._is_ranged and not self._is_distrusted and self.partial.finished.total_bytes > 0

    def close(self, reason: BaseException | None = None) -> None:
        """Let no worker claim, write or record anything any more."""
        with self.changed:
            self._is_over = True
            self.fatal = self.fatal or reason
            self.changed.notify_all()

    def take_messages(self) -> list[str]:
        """Return the warnings since the last call."""
        with self.changed:
            messages, self._messages = self._messages, []
            return messages

    def claim(self) -> Job | None:
        """Take the first gap, or a part of it; with ``None`` the worker counts as gone."""
        with self.changed:
            if self._is_over or self.fatal or not self._gaps or (not self._is_ranged and self._jobs):
                self.alive -= 1
                self.changed.notify_all()
                return None
            self._jobs += 1
            if self._is_ranged:
                gap = self._gaps.take(self._options.part_bytes)
                return Job(self.partial, self.source, gap.start, gap.end, True, gap.tries, time.monotonic(), gap.start)
            return Job(self.partial, self.source, 0, None, False, self._gaps.take_all(), time.monotonic())

    def accept(self, job: Job, head: Head) -> None:
        """Decide what an answer is worth; this may make the job the whole file, or start again from zero.

        Raises:
            OutdatedError: The answer is of no use.
            SourceError: The answer cannot be the file.
        """
        with self.changed:
            self._check_is_current(job)
            job.begun_s = time.monotonic()
            if head.status == 200:
                length = head.length_bytes
                if job.is_ranged:
                    self._is_ranged = False
                    self._gaps.take_all()
                job.is_ranged, job.start, job.position, job.end = False, 0, 0, length
            elif not job.is_ranged:
                raise SourceError(job.source.shown, f"expected the whole file, got HTTP status {head.status}")
            else:
                length = verdicts.length_of_range(head, (job.start, job.end or 0), self._expected)
                if length is None:  # 416, or a range that is not the one we asked for
                    self._is_ranged = False
                    self._start_again(job.tries)
                    raise OutdatedError
            if fault := verdicts.length_fault(length, head, self._expected):
                raise SourceError(job.source.shown, fault)
            self._check_version(job, length, Validator(head.etag, head.modified))
            if job.is_ranged and head.content_range is not None and length is not None:
                wanted_end, job.end = min(job.end or length, length), head.content_range.end
                if job.end < wanted_end:
                    self._gaps.give_back(job.end, wanted_end, job.tries)

    def record(self, job: Job, offset: int) -> int:
        """Note bytes as written; return how many more workers would help."""
        with self.changed:
            if offset <= job.position or job.partial is not self.partial or self._is_over:
                return 0
            job.partial.record(job.position, offset)
            job.position = offset
            self.changed.notify_all()
            if not job.is_ranged or self.alive >= self._most_workers:
                return 0
            if offset - job.start > FAST_BYTES_PER_S * (time.monotonic() - job.begun_s):
                return 0
            return min(self._most_workers - self.alive, self._gaps.parts_left(self._options.part_bytes))

    def limit_workers(self) -> None:
        """Be content with the workers there are."""
        with self.changed:
            self._most_workers = self.alive

    def finish(self, job: Job, length: int | None = None) -> None:
        """End a job that is done or outdated; with a length, its end has shown how long the file is."""
        with self.changed:
            if length is not None:
                self._check_is_current(job)
                self._set_length(length)
            self._jobs -= 1
            self.changed.notify_all()

    def fail(self, job: Job, failure: SourceError) -> Recovery:
        """Decide what follows from a failure: try again later, do with fewer workers, or drop the source."""
        with self.changed:
            tries = self._tries_of(job)
            is_crowded = failure.is_retryable and job.is_ranged and job.position == job.start and self.alive > 1
            if job.source is not self.source or self._is_gone(job):
                self.give_back(job, 0)
            elif is_crowded:  # perhaps one connection too many for this server
                self.alive -= 1
                self._most_workers = self.alive
                self.give_back(job, job.tries)
                return Recovery(goes_on=False)
            elif failure.is_retryable and tries <= self._options.retries:
                return Recovery(goes_on=True, tries=tries)
            else:
                self.give_back(job, 0)
                self._drop(failure)
            return Recovery(goes_on=True)

    def give_back(self, job: Job, tries: int) -> None:
        """End a job and make the rest of it a gap again, if anybody still needs it."""
        with self.changed:
            self._jobs -= 1
            if not self._is_gone(job):
                if job.is_ranged and self._is_ranged:
                    self._gaps.give_back(job.position, job.end, tries)
                elif not self._gaps:
                    self._gaps.give_back(0, self.partial.length_bytes, tries)
            self.changed.notify_all()

    def distrust(self, sha256: str) -> None:
        """Decide what follows from a whole file with the wrong digest."""
        fault = f"expected sha256 {self._expected.sha256}, got {sha256}"
        with self.changed:
            if self._is_distrusted:
                self._drop(SourceError(self.source.shown, fault))
            else:
                self._is_distrusted = True
                self._is_ranged = False
                self._messages.append(f"{self.source.shown}: {fault}; fetching it once more, in one piece")
                self._start_again()

    def _check_is_current(self, job: Job) -> None:
        """Leave a job that belongs to a past attempt."""
        if self._is_gone(job) or (job.is_ranged and not self._is_ranged):
            raise OutdatedError

    def _is_gone(self, job: Job) -> bool:
        """Tell whether nobody needs what a job has left undone."""
        return job.partial is not self.partial or self.fatal is not None or self._is_over

    def _check_version(self, job: Job, length: int | None, validator: Validator) -> None:
        """Note length and version of the file at a source; start again if they are not those of an earlier answer."""
        url = job.source.url
        known = self.partial.validator(url)
        is_other_length = None not in (length, self.partial.length_bytes) and length != self.partial.length_bytes
        is_changed = is_other_length or (known is not None and known.contradicts(validator))
        if is_changed or (not job.is_ranged and self.partial.finished.parts):
            self._start_again()
            if job.is_ranged:
                self._restarts += 1
                self._is_ranged = self._restarts <= MOST_RESTARTS
                raise OutdatedError
            self._gaps.take_all()
            job.partial = self.partial
        if self.partial.validator(url) is None:
            self.partial.set_validator(url, validator)
        if length is not None and self.partial.length_bytes is None:
            self._set_length(length)

    def _set_length(self, length: int) -> None:
        """Note how long the file is, and that it fits."""
        self._gaps.end_at(length)
        disk.check_space(self.partial.path.parent, length - self.partial.finished.total_bytes, self._file_name)
        self.partial.set_length(length)

    def _tries_of(self, job: Job) -> int:
        """Count a failed try; a thousandth of the file is progress, after which counting begins anew."""
        floor = job.start if job.is_ranged else self._high_water
        self._high_water = max(self._high_water, job.position)
        has_progress = job.position - floor > (self.partial.length_bytes or 0) // 1000
        return 1 if has_progress else job.tries + 1

    def _drop(self, failure: SourceError) -> None:
        """Turn to the next source for what is missing."""
        self._failures.append(failure)
        if len(self._sources) == 1:
            kept = self.partial.finished.total_bytes if self.can_resume else 0
            self.fatal = FetchError(self._file_name, self._failures, kept)
            self.changed.notify_all()
            return
        self._sources.pop(0)
        self._messages.append(f"{failure}; going on with {self.source.shown}")
        self._restarts = self._high_water = 0
        self._most_workers = self._options.connections
        if self._is_distrusted:
            self._start_again()
        elif not self._is_ranged:
            self._is_ranged = True
            self._gaps.refill(self.partial.finished, self.partial.length_bytes)
        self._gaps.forgive()

    def _start_again(self, tries: int = 0) -> None:
        """Begin a new partial file; workers on the old one notice when they next look."""
        self.partial.discard()
        self.partial = self._open_partial()
        self._gaps.refill(self.partial.finished, self.partial.length_bytes, tries)
        self.changed.notify_all()
