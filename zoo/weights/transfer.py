"""One file over many exchanges: worker threads fetch parts, the calling thread hashes what has arrived without a gap.

The first request asks for the first part and shows what the server can do. A 206 lets more workers start; a 200 is
taken as the whole file. Bytes are hashed while they are still in the page cache, so the disk is never read.

Trust is spent in this order: parts in parallel; if the digest is then wrong, once more from zero in one piece from the
same source; if it is wrong again, that source lies and the next one is asked, in one piece as well.
"""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import CacheError, FetchError, SourceError
from zoo.weights import digests, disk, events
from zoo.weights.gaps import Gaps
from zoo.weights.partial import Partial, Validator
from zoo.weights.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.weights.digests import Expected
    from zoo.weights.options import FetchOptions
    from zoo.weights.sources import Source
    from zoo.weights.transport import Answer, Head

RECORD_BYTES = 1 << 20
"""A worker notes its progress after this many bytes, or sooner: all workers together lose half a part if killed ..."""
RECORD_S = 0.2
"""... or after this time."""
HASH_BYTES = 4 << 20
"""Hashed between two looks at the workers."""
FAST_BYTES_PER_S = 200 << 20
"""A connection as fast as this gets one companion at most: more would only compete with the hashing."""
MOST_RESTARTS = 2
"""How often a source may change its file under us before it is asked for one piece only."""


class _Outdated(Exception):  # noqa: N818  (no error: a worker learns that its job no longer matters)
    """Another worker has started again from zero, or the transfer is over."""


@dataclass(slots=True)
class _Job:
    """What one worker is fetching."""

    partial: Partial
    source: Source
    start: int
    end: int | None
    is_ranged: bool
    tries: int
    begun_s: float
    """On the monotonic clock."""
    position: int = 0
    """One past the last byte written and noted."""


class Transfer:
    """Fetch one file into its partial. Make one, call :meth:`run` once."""

    def __init__(
        self,
        open_partial: Callable[[], Partial],
        sources: list[Source],
        expected: Expected,
        options: FetchOptions,
        listener: events.Listener,
        file_name: str,
    ) -> None:
        self._open_partial = open_partial
        self._sources = list(sources)
        self._expected = expected
        self._options = options
        self._listener = listener
        self._file_name = file_name
        self._record_bytes = max(1, min(RECORD_BYTES, options.part_bytes // (2 * options.connections)))
        self._transport = Transport(options.timeouts, bearer_tokens=options.bearer_tokens)
        # Everything below is shared with the workers and belongs to whoever holds the condition.
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self.partial = open_partial()
        self._gaps = Gaps()
        self._is_ranged = True
        self._is_distrusted = False
        self._jobs = 0
        self._workers: list[threading.Thread] = []
        self._alive = 0
        self._most_workers = options.connections
        self._restarts = 0
        self._high_water = 0
        self._failures: list[SourceError] = []
        self._fatal: BaseException | None = None
        self._messages: list[str] = []

    @property
    def source(self) -> Source:
        """The source in use, or the one that was used last."""
        return self._sources[0]

    @property
    def can_resume(self) -> bool:
        """Whether a later run can go on from the partial file."""
        return self._is_ranged and not self._is_distrusted and self.partial.finished.total_bytes > 0

    def run(self) -> str:
        """Fetch and verify the file; return its SHA-256. The partial stays open, ready to be published.

        Raises:
            FetchError: No source gave the right bytes.
            CacheError: The disk is full or failed.
        """
        self._gaps.refill(self.partial.finished, self.partial.length_bytes)
        length, done = self.partial.length_bytes, self.partial.finished.total_bytes
        self._listener(events.Started(self._file_name, length or self._expected.size_bytes, done, self.source.shown))
        try:
            while True:
                with self._changed:
                    self._add_worker()
                sha256 = self._hash()
                if self._expected.allows_digest(sha256):
                    return sha256
                with self._changed:
                    self._distrust(sha256)
                    self._raise_fatal()
        finally:
            self.stop()
            self._tell_messages()

    def stop(self, reason: BaseException | None = None) -> None:
        """End all workers; with a reason, :meth:`run` raises it in its own thread."""
        with self._changed:
            self._stopped.set()
            self._fatal = self._fatal or reason
            self._changed.notify_all()
            workers = list(self._workers)
        self._transport.abort()
        if reason is None:
            for worker in workers:
                worker.join(timeout=2)  # one that waits for a name server cannot be woken; it can do no harm any more
            self._transport.close()

    # -- the calling thread ------------------------------------------------------------------------------------------

    def _hash(self) -> str:
        """Hash the file from its start as it grows, until it is whole; report progress on the way."""
        partial, digest, hashed = self.partial, hashlib.sha256(), 0
        buffer = memoryview(bytearray(digests.BUFFER_BYTES))
        while True:
            with self._changed:
                self._changed.wait_for(lambda at=partial, to=hashed: self._has_news(at, to))  # type: ignore[misc]  # mypy cannot type defaults of a lambda
                self._raise_fatal()
                if self.partial is not partial:
                    partial, digest, hashed = self.partial, hashlib.sha256(), 0
                frontier, done = partial.finished.prefix_bytes, partial.finished.total_bytes
                if not self._alive and frontier == hashed != partial.length_bytes:
                    raise RuntimeError(f"no worker is left, {done} bytes are done, {len(self._messages)} messages wait")
                length = partial.length_bytes
            self._tell_messages()
            self._listener(events.Advanced(self._file_name, done, length or self._expected.size_bytes))
            if hashed == length:
                return digest.hexdigest()
            goal = min(frontier, hashed + HASH_BYTES)
            while hashed < goal:
                count = partial.read_into(buffer[: goal - hashed], hashed)
                if count == 0:
                    raise CacheError(self._file_name, "its partial file has been cut by someone else", "try again")
                digest.update(buffer[:count])
                hashed += count

    def _has_news(self, partial: Partial, hashed: int) -> bool:
        """Tell whether the hashing thread has anything to do."""
        is_over = self._fatal is not None or self.partial is not partial or hashed == partial.length_bytes
        return is_over or partial.finished.prefix_bytes > hashed or bool(self._messages) or not self._alive

    def _raise_fatal(self) -> None:
        """Raise what ended the transfer, if anything did."""
        if self._fatal is not None:
            raise self._fatal

    def _tell_messages(self) -> None:
        """Pass on warnings that workers have left."""
        with self._changed:
            messages, self._messages = self._messages, []
        for message in messages:
            self._listener(events.Warned(self._file_name, message))

    def _distrust(self, sha256: str) -> None:
        """Decide what to do about a whole file with the wrong digest."""
        fault = f"expected sha256 {self._expected.sha256}, got {sha256}"
        if not self._is_distrusted:
            self._is_distrusted = True
            self._is_ranged = False
            self._messages.append(f"{self.source.shown}: {fault}; fetching it once more, in one piece")
            self._start_again()
        else:
            self._drop(SourceError(self.source.shown, fault))

    # -- worker threads ----------------------------------------------------------------------------------------------

    def _add_worker(self) -> None:
        """Start one more worker."""
        worker = threading.Thread(target=self._work, name=f"fetch {self._file_name}", daemon=True)
        self._workers.append(worker)
        self._alive += 1
        worker.start()

    def _work(self) -> None:
        """Fetch one part after another until there is none left."""
        try:
            while (job := self._claim()) is not None:
                if not self._do(job):
                    return
        except BaseException as error:  # noqa: BLE001  (carried over to the calling thread, which raises it)
            if isinstance(error, OSError):
                error = disk.translated(error, self._file_name)
            with self._changed:
                self._fatal = self._fatal or error
                self._alive -= 1
                self._changed.notify_all()

    def _claim(self) -> _Job | None:
        """Take the first gap, or a part of it; with ``None`` the worker counts as gone."""
        with self._changed:
            is_over = self._fatal is not None or self._stopped.is_set() or not self._gaps
            if is_over or (not self._is_ranged and self._jobs):
                self._alive -= 1
                self._changed.notify_all()
                return None
            self._jobs += 1
            if self._is_ranged:
                gap = self._gaps.take(self._options.part_bytes)
                return _Job(self.partial, self.source, gap.start, gap.end, True, gap.tries, time.monotonic(), gap.start)
            return _Job(self.partial, self.source, 0, None, False, self._gaps.take_all(), time.monotonic())

    def _do(self, job: _Job) -> bool:
        """Do one job, whatever comes; return whether this worker goes on."""
        try:
            self._exchange(job)
        except SourceError as error:
            return self._recover(job, error)
        except _Outdated:
            pass
        with self._changed:
            self._jobs -= 1
        return True

    def _exchange(self, job: _Job) -> None:
        """Ask for the bytes of a job and write what comes."""
        span = (job.start, job.end) if job.is_ranged and job.end is not None else None
        known = job.partial.validator(job.source.url)
        with self._transport.open(job.source, span, known.etag if known else None) as answer:
            with self._changed:
                self._accept(job, answer.head)
            self._receive(job, answer)

    def _accept(self, job: _Job, head: Head) -> None:
        """Decide what an answer is worth; may start again from zero, or make the job the whole file."""
        self._check_is_current(job)
        content = head.content_range
        if head.status == 206 and job.is_ranged and content is not None and content.start == job.start:
            length = content.total_bytes or (None if self._expected.size_tolerance_bytes else self._expected.size_bytes)
            if length is None or content.end > (job.end or 0):
                self._forgo_ranges(job)
        elif head.status == 200:
            length = head.length_bytes
            if job.is_ranged:
                self._is_ranged = False
                self._gaps.take_all()
            job.is_ranged, job.start, job.position, job.end = False, 0, 0, length
        elif job.is_ranged:  # 416, or a range that is not the one we asked for
            self._forgo_ranges(job)
        else:
            raise SourceError(job.source.shown, f"expected the whole file, got HTTP status {head.status}")
        self._check_length(job.source, length, head)
        self._check_version(job, length, Validator(head.etag, head.modified))
        if job.is_ranged and content is not None and job.end is not None:
            if content.end < min(job.end, length or 0):
                self._gaps.give_back(content.end, min(job.end, length or 0), job.tries)
            job.end = content.end

    def _check_is_current(self, job: _Job) -> None:
        """Leave a job that belongs to a past attempt."""
        if self._stopped.is_set() or self._fatal is not None or job.partial is not self.partial:
            raise _Outdated
        if job.is_ranged and not self._is_ranged:
            raise _Outdated

    def _check_length(self, source: Source, length: int | None, head: Head) -> None:
        """Refuse an answer whose length cannot be that of the file."""
        is_wrong = length is not None and not self._expected.allows_size(length)
        if head.is_web_page and (is_wrong or length is None):
            raise SourceError(source.shown, "expected the file, got a web page (does it want a login?)")
        if is_wrong:
            raise SourceError(source.shown, f"expected {self._expected.size_words}, it offers {length}")

    def _check_version(self, job: _Job, length: int | None, validator: Validator) -> None:
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
                raise _Outdated
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

    def _forgo_ranges(self, job: _Job) -> None:
        """Ask this source for one piece from now on, from zero."""
        self._is_ranged = False
        self._start_again(job.tries)
        raise _Outdated

    def _receive(self, job: _Job, answer: Answer) -> None:
        """Write a body to its place, noting progress."""
        limit = job.end if job.end is not None else self._expected.largest_bytes
        offset, noted_s = job.start, time.monotonic()
        try:
            for block in answer.blocks():
                if limit is not None and offset + len(block) > limit:
                    raise SourceError(job.source.shown, f"expected no byte beyond {limit}, got more")
                if not job.partial.write(offset, block):
                    raise _Outdated
                if self._options.pace is not None:
                    self._options.pace(len(block))
                offset += len(block)
                if offset - job.position >= self._record_bytes or time.monotonic() - noted_s > RECORD_S:
                    self._record(job, offset)
                    noted_s = time.monotonic()
        finally:
            self._record(job, offset)
        if job.end is None and self._expected.allows_size(offset):
            with self._changed:
                self._check_is_current(job)
                self._set_length(offset)
                self._changed.notify_all()
        elif job.end is None or offset < job.end:
            wanted = self._expected.size_words if job.end is None else f"{job.end} bytes"
            raise SourceError(job.source.shown, f"expected {wanted}, its answer ended at {offset}", is_retryable=True)

    def _record(self, job: _Job, offset: int) -> None:
        """Note bytes as written, and wake the hashing thread."""
        with self._changed:
            if offset > job.position and job.partial is self.partial and not self._stopped.is_set():
                job.partial.record(job.position, offset)
                job.position = offset
                self._grow(job)
                self._changed.notify_all()

    def _grow(self, job: _Job) -> None:
        """Start more workers as soon as it shows that a connection is slower than the hashing."""
        if job.is_ranged and self._alive < self._most_workers and self._gaps:
            rate = (job.position - job.start) / (time.monotonic() - job.begun_s + 1e-9)
            most = self._most_workers if rate < FAST_BYTES_PER_S else min(2, self._most_workers)
            for _ in range(min(most - self._alive, self._gaps.parts_left(self._options.part_bytes))):
                self._add_worker()

    def _recover(self, job: _Job, failure: SourceError) -> bool:
        """Give back what a failed job has not fetched, and wait, or drop the source; return whether to go on."""
        with self._changed:
            tries = self._tries_of(job)
            is_crowded = failure.is_retryable and job.is_ranged and job.position == job.start and self._alive > 1
            if job.source is not self.source or self._is_gone(job):
                self._give_back(job, 0)
                return True
            if is_crowded:  # perhaps one connection too many for this server
                self._alive -= 1
                self._most_workers = self._alive
                self._give_back(job, job.tries)
                return False
            if not failure.is_retryable or tries > self._options.retries:
                self._give_back(job, 0)
                self._drop(failure)
                return True
        self._pause(tries, failure.retry_after_s)
        with self._changed:
            self._give_back(job, tries)
        return True

    def _tries_of(self, job: _Job) -> int:
        """Count a failed try; a thousandth of the file is progress, after which counting begins anew."""
        floor = job.start if job.is_ranged else self._high_water
        self._high_water = max(self._high_water, job.position)
        has_progress = job.position - floor > (self.partial.length_bytes or 0) // 1000
        return 1 if has_progress else job.tries + 1

    def _is_gone(self, job: _Job) -> bool:
        """Tell whether nobody needs what a job has left undone."""
        return job.partial is not self.partial or self._fatal is not None or self._stopped.is_set()

    def _give_back(self, job: _Job, tries: int) -> None:
        """End a job and make the rest of it a gap again, if anybody still needs it."""
        self._jobs -= 1
        if not self._is_gone(job):
            if job.is_ranged and self._is_ranged:
                self._gaps.give_back(job.position, job.end, tries)
            elif not self._gaps:
                self._gaps.give_back(0, self.partial.length_bytes, tries)
        self._changed.notify_all()

    def _pause(self, tries: int, asked_s: float | None) -> None:
        """Wait before the next try: as long as the server asks, else longer each time; not all workers at once."""
        longest_s = self._options.timeouts.longest_wait_s
        backoff_s = min(longest_s, 0.5 * 2 ** (tries - 1)) * (0.5 + self._options.jitter() / 2)
        seconds = min(longest_s, asked_s) if asked_s is not None else backoff_s
        (self._options.sleep or self._stopped.wait)(seconds)

    def _drop(self, failure: SourceError) -> None:
        """Turn to the next source for what is missing."""
        self._failures.append(failure)
        if len(self._sources) == 1:
            kept = self.partial.finished.total_bytes if self.can_resume else 0
            self._fatal = FetchError(self._file_name, self._failures, kept)
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
        self._changed.notify_all()
