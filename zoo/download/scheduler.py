"""Who fetches what of one file, from where, and what has gone wrong.

The state that all workers of a transfer share.

Any thread may call any method; none reads the network, and only ``wait`` waits. A worker claims a
job, shows the response's headers, records bytes as they are written, and finishes the job or fails
it.

Two rules make this safe. Everything that is shared changes under one lock. And no two workers write
the same bytes: a job whose bytes are given to another is cancelled first, after which it cannot
write. The file is long because that lock is: whoever changes a state reads all of them here.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

from zoo.cache import disk
from zoo.download import policy
from zoo.download.crew import Crew
from zoo.download.jobs import Job, NextStep, OutdatedError, Snapshot, part_job, whole_job
from zoo.download.options import DEFAULT_CONNECTIONS
from zoo.download.partial import Partial, Validator
from zoo.download.segments import Segments
from zoo.download.source_order import SourceOrder
from zoo.download.trust import NoUsableRangeError, Trust
from zoo.errors import FetchError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.cache.digests import Expected
    from zoo.download.headers import Head
    from zoo.download.options import FetchOptions
    from zoo.download.sources import Source


class Scheduler:
    """The shared state of one transfer."""

    def __init__(
        self,
        open_partial: Callable[[], Partial],
        sources: list[Source],
        expected: Expected,
        options: FetchOptions,
        file_name: str,
    ) -> None:
        self.partial = open_partial()
        self.fatal: BaseException | None = None
        """What ended the transfer."""
        # Who is held back on purpose brings little for long.
        overlap_s = math.inf if options.pace is not None else options.timeouts.overlap_s
        self.order = SourceOrder(
            sources,
            overlap_s,
            options.timeouts.stall_bytes,
            time.monotonic(),
        )
        self._changed = threading.Condition()
        """Held by every method, and notified when the waiting thread may have something to do."""
        self._open_partial = open_partial
        self._expected = expected
        self._options = options
        self._file_name = file_name
        self._trust = Trust(expected)
        self._segments = Segments()
        self._segments.refill(self.partial.finished, self.partial.length_bytes)
        self._connections = options.connections or DEFAULT_CONNECTIONS
        self._crew = Crew(self._connections)
        self._high_water = 0
        self._is_over = False
        self._messages: list[str] = []

    # -- what others want to know

    @property
    def source(self) -> Source:
        """The source in use, or the one that was used last."""
        return self.order.current

    @property
    def can_resume(self) -> bool:
        """Whether a later run can go on from the partial file."""
        is_trusted = self._trust.uses_ranges and not self._trust.is_distrusted
        return is_trusted and self.partial.finished.total_bytes > 0

    @property
    def kept_bytes(self) -> int:
        """How much of the file a later run need not fetch again."""
        if self.can_resume:
            return self.partial.finished.total_bytes
        return 0

    def take_messages(self) -> list[str]:
        """Return the warnings since the last call."""
        with self._changed:
            messages = self._messages
            self._messages = []
            return messages

    def wait(
        self,
        partial: Partial,
        hashed: int,
        timeout_s: float,
    ) -> Snapshot:
        """Wait a moment for something to hash or the end, and say how far the transfer is.

        Args:
            partial: The file that is being hashed.
            hashed: How much of it is.
            timeout_s: The longest wait.

        Raises:
            FetchError: No source gave the right bytes.
            CacheError: The disk is full or failed.
        """
        with self._changed:
            if not self._has_news(partial, hashed):
                self._changed.wait(timeout_s)
            if self.fatal is not None:
                raise self.fatal

            now = self.partial
            frontier = now.finished.prefix_bytes
            done = now.finished.total_bytes
            # Cannot happen, and must not hang if it does: nobody is left who could bring a byte.
            is_stuck = now is partial and frontier == hashed != now.length_bytes
            if not self._crew.alive and is_stuck:
                raise RuntimeError(
                    f"no worker is left, {done} of {now.length_bytes} bytes are done"
                )
            return Snapshot(
                now,
                frontier,
                done,
                now.length_bytes,
            )

    def close(self, reason: BaseException | None = None) -> None:
        """Let no worker claim, write or record anything any more."""
        with self._changed:
            self._is_over = True
            # The first reason stands: what follows from it is no news.
            self.fatal = self.fatal or reason
            self._changed.notify_all()

    # -- workers come and go

    def enlist(self, start: Callable[[], None]) -> None:
        """Start one more worker.

        Raises:
            RuntimeError: The system allows no more threads, not even the first.
        """
        with self._changed:
            self._crew.start(start)

    def die(self, error: BaseException) -> None:
        """End everything because a worker cannot go on."""
        with self._changed:
            self._crew.alive -= 1
            self.fatal = self.fatal or error
            self._changed.notify_all()

    def claim(self) -> Job | None:
        """Take the first part of what is missing; with ``None`` the worker counts as gone."""
        with self._changed:
            is_done = self._is_over or self.fatal is not None or not self._segments
            # Who fetches everything in one piece does so alone.
            must_leave = not self._trust.uses_ranges and self._crew.jobs
            if is_done or must_leave:
                self._crew.alive -= 1
                self._changed.notify_all()
                return None

            job = self._next_job()
            self._crew.jobs.add(job)
            return job

    def challenge(self) -> Job | None:
        """Return a job for one worker more if the source in use is silent.

        Missing bytes, asked of the next source.
        """
        with self._changed:
            is_at_work = not self._is_over and self.fatal is None
            is_needed = is_at_work and bool(self._segments or self._crew.jobs)
            silent = self.source
            rival = self.order.challenger(time.monotonic()) if is_needed else None
            if rival is None:
                return None

            self._messages.append(f"{silent.shown} brings nothing; asking {rival.shown} as well")
            job = self._challenge_of(rival)
            self._crew.jobs.add(job)
            return job

    # -- a job from answer to end

    def accept(
        self,
        job: Job,
        head: Head,
    ) -> None:
        """Decide what a response is worth.

        This may make the job the whole file, or start again from zero.

        Raises:
            OutdatedError: The response is of no use.
            SourceError: The response cannot be the file.
        """
        with self._changed:
            self._check_is_current(job)
            is_in_use = job.source is self.source
            if not is_in_use and not job.is_challenge and self._expected.sha256 is None:
                # Its bytes would lie beside another source's: that one is asked instead.
                raise SourceError(job.source.shown, "another source is in use", is_retryable=True)

            length = self._judged_length(job, head)
            # Only now is it known that the response is of use: a rival that answers with nonsense
            # must not push aside a source that may yet come back.
            if job.is_challenge:
                self._take_over(job)
            # From here the speed is measured, without the wait for the headers.
            job.begun_s = time.monotonic()
            if job.source is self.source:
                self.order.note_answer(job.begun_s)

            self._trust.shape(job, head, length)
            # The whole file is coming: other workers would only write the same bytes again.
            if not job.is_ranged:
                self._segments.take_all()
            self._check_version(job, length, Validator(head.etag, head.modified))
            self._return_what_is_not_coming(job, head, length)

    def record(
        self,
        job: Job,
        offset: int,
    ) -> int:
        """Note bytes as written; return how many more workers would help."""
        with self._changed:
            # Written before the job was cancelled, noted after: somebody else answers for these
            # bytes now, and a journal must never promise what two may be writing.
            is_past = job.is_cancelled or job.partial is not self.partial or self._is_over
            if is_past or offset <= job.position:
                return 0

            now_s = time.monotonic()
            if job.source is self.source:
                self.order.note_bytes(offset - job.position, now_s)
            job.partial.record(job.position, offset)
            job.position = offset
            self._changed.notify_all()
            parts_left = self._segments.parts_left(self._options.part_bytes)
            return self._crew.helpers_wanted(job, parts_left, now_s)

    def finish(
        self,
        job: Job,
        length: int | None = None,
    ) -> bool:
        """End a job that is done or outdated; return whether its worker goes on.

        Args:
            job: It.
            length: How long the file is, if the end of the response has shown that.
        """
        with self._changed:
            if length is not None:
                self._check_is_current(job)
                self._set_length(length)
            self._crew.jobs.discard(job)
            self._changed.notify_all()
            return not job.is_cancelled and not job.is_challenge

    def fail(
        self,
        job: Job,
        failure: SourceError,
    ) -> NextStep:
        """Decide what follows from a failure.

        Try again later, do with fewer workers, or drop the source.
        """
        with self._changed:
            if job.is_cancelled or job.is_challenge:
                return self._end_challenge(job, failure)
            # What was asked of a source that is no longer in use is no fault of the one that is.
            if job.source is not self.source or self._is_gone(job):
                self.give_back(job, 0)
                return NextStep(goes_on=True)

            has_nothing = job.is_ranged and job.position == job.start
            is_about_range = policy.may_be_about_the_range(failure)
            # A server that has answered ranges before does not mean the range when it refuses.
            if job.is_ranged and is_about_range and not self._trust.has_seen_ranges:
                self._ask_in_one_piece(job)
                return NextStep(goes_on=True)
            if failure.is_retryable and has_nothing and self._crew.alive > 1:
                # Perhaps one connection too many for this server.
                self._crew.do_with_fewer()
                self.give_back(job, job.tries)
                return NextStep(goes_on=False)

            tries = self._tries_of(job)
            self.order.note_failure(job.source, tries)
            # Who was silent while another answered has had its chance already.
            most = 1 if self.order.was_overtaken(job.source) else self._options.retries
            if failure.is_retryable and tries <= most:
                return NextStep(goes_on=True, tries=tries)
            may_be_range = job.is_ranged and not self._trust.has_seen_ranges
            has_bytes = self.partial.finished.total_bytes > 0
            may_help = policy.may_give_the_whole(failure, has_bytes=has_bytes)
            if may_be_range and self.order.is_last and may_help:
                self._ask_in_one_piece(job)
            else:
                self.give_back(job, 0)
                self._drop(failure)
            return NextStep(goes_on=True)

    def give_back(
        self,
        job: Job,
        tries: int,
    ) -> bool:
        """End a job and list what it has left undone, if anybody needs it.

        Return whether its worker goes on.
        """
        with self._changed:
            self._crew.jobs.discard(job)
            # The parts of a cancelled job were listed again when it was cancelled.
            is_needed = not self._is_gone(job)
            if is_needed and job.is_ranged and self._trust.uses_ranges:
                self._segments.give_back(job.position, job.end, tries)
            elif is_needed and not self._segments:
                self._segments.give_back(0, self.partial.length_bytes, tries)
            self._changed.notify_all()
            return not job.is_cancelled

    def refuse_range(self, job: Job) -> None:
        """Ask for the whole file, of a source that has sent more than it announced."""
        with self._changed:
            if not self._is_gone(job):
                self._ask_in_one_piece(job)

    def distrust(self, sha256: str) -> None:
        """Decide what follows from a whole file with the wrong digest."""
        fault = f"expected sha256 {self._expected.sha256}, got {sha256}"
        with self._changed:
            if self._trust.is_distrusted:
                self._drop(SourceError(self.source.shown, fault))
                return
            self._trust.lose()
            again = "fetching it once more, in one piece"
            self._messages.append(f"{self.source.shown}: {fault}; {again}")
            self._start_again()

    # -- jobs

    def _next_job(self) -> Job:
        """Take the next part, or all of the file where ranges are of no use."""
        if self._trust.uses_ranges:
            part = self._segments.take(self._options.part_bytes)
            return part_job(self.partial, self.source, part)
        return whole_job(self.partial, self.source, self._segments.take_all())

    def _challenge_of(self, rival: Source) -> Job:
        """Ask a rival for the first missing bytes, whoever else is asked for them."""
        if self._trust.is_distrusted:
            job = whole_job(self.partial, rival, tries=0)
        else:
            missing = Segments()
            missing.refill(self.partial.finished, self.partial.length_bytes)
            job = part_job(self.partial, rival, missing.take(self._options.part_bytes))
        job.is_challenge = True
        return job

    def _take_over(self, job: Job) -> None:
        """Go on with a source that has answered while the one in use was silent.

        Raises:
            OutdatedError: The one in use has come back to life.
        """
        # Two sources at once would write the same bytes: the one that was there first goes on.
        if self.order.has_shown_life_since(job.begun_s):
            self.order.may_ask_again(job.source)
            raise OutdatedError
        if job.source is not self.source:
            self._messages.append(f"going on with {job.source.shown}")
        # Before anything is listed again, so that no cancelled worker writes what another claims.
        self._crew.cancel_others(job)
        job.is_challenge = False
        self._crew.alive += 1
        self._begin_source(lambda now_s: self.order.prefer(job.source, now_s))
        finished = self.partial.finished
        if job.is_ranged and job.end is not None:
            finished = finished.with_span(job.start, job.end)
        self._segments.refill(finished, self.partial.length_bytes)

    def _end_challenge(
        self,
        job: Job,
        failure: SourceError,
    ) -> NextStep:
        """Let a worker go whose source nobody waits for."""
        self._crew.jobs.discard(job)
        if job.is_challenge and failure.is_retryable:
            self.order.silent.add(job.source.url)
        elif job.is_challenge:
            self.order.remove(job.source, failure)
        self._changed.notify_all()
        return NextStep(goes_on=False)

    def _check_is_current(self, job: Job) -> None:
        """Leave a job that belongs to a past attempt."""
        is_mere_part = job.is_ranged and not self._trust.uses_ranges
        # What the source in use does with ranges says nothing about its rival.
        is_of_no_use = is_mere_part and not job.is_challenge
        if is_of_no_use or self._is_gone(job):
            raise OutdatedError

    def _is_gone(self, job: Job) -> bool:
        """Tell whether nobody needs what a job has left undone."""
        is_over = self.fatal is not None or self._is_over
        return job.is_cancelled or job.partial is not self.partial or is_over

    def _tries_of(self, job: Job) -> int:
        """Count a failed try.

        A thousandth of the file is progress, after which counting begins anew.
        """
        floor = job.start if job.is_ranged else self._high_water
        self._high_water = max(self._high_water, job.position)
        much = (self.partial.length_bytes or 0) // 1000
        if job.position - floor > much:
            return 1
        return job.tries + 1

    # -- responses

    def _judged_length(
        self,
        job: Job,
        head: Head,
    ) -> int | None:
        """Return the length of the file as a response states it, if the response is of use."""
        try:
            return self._trust.length_of(job, head)
        except NoUsableRangeError:
            if not job.is_challenge:
                self._ask_in_one_piece(job)
            raise OutdatedError from None

    def _check_version(
        self,
        job: Job,
        length: int | None,
        validator: Validator,
    ) -> None:
        """Note length and version of the file at a source.

        Start again if they are not those of an earlier response.
        """
        url = job.source.url
        if self._trust.must_start_again(job, length, validator, self.partial):
            self._start_again()
            # A part of the new version is asked for anew; a whole file can be written from here on.
            if job.is_ranged:
                raise OutdatedError
            self._segments.take_all()
            job.partial = self.partial
        self._trust.note_origin(url)
        if self.partial.validator(url) is None:
            self.partial.set_validator(url, validator)
        if length is not None and self.partial.length_bytes is None:
            self._set_length(length)

    def _return_what_is_not_coming(
        self,
        job: Job,
        head: Head,
        length: int | None,
    ) -> None:
        """List the end of a part again that a response leaves out."""
        if not job.is_ranged or head.content_range is None or length is None:
            return
        wanted_end = min(job.end or length, length)
        job.end = head.content_range.end
        if job.end < wanted_end:
            self._segments.give_back(job.end, wanted_end, job.tries)

    def _set_length(self, length: int) -> None:
        """Note how long the file is, and that it fits."""
        missing = length - self.partial.finished.total_bytes
        disk.check_space(self.partial.path.parent, missing, self._file_name)
        # First the list of what is missing, then the length: who hashes takes the file for whole
        # as soon as the length is known and reached.
        self._segments.end_at(length)
        self.partial.set_length(length)

    # -- sources

    def _ask_in_one_piece(self, job: Job) -> None:
        """Ask the source in use for the whole file from now on.

        It does not answer ranges as it should.
        """
        # The others' parts would be written over by the one response that is coming.
        self._trust.uses_ranges = False
        self._crew.cancel_others(job)
        self._crew.jobs.discard(job)
        self._segments.refill(self.partial.finished, self.partial.length_bytes, job.tries)

    def _drop(self, failure: SourceError) -> None:
        """Turn to the next source for what is missing."""
        now_s = time.monotonic()
        if self.order.is_last:
            self.order.drop(failure, now_s)
            self.fatal = FetchError(self._file_name, self.order.failures, self.kept_bytes)
            self._changed.notify_all()
            return

        was_ranged = self._trust.uses_ranges
        self._begin_source(lambda moment_s: self.order.drop(failure, moment_s))
        self._messages.append(f"{failure}; going on with {self.source.shown}")
        # Bytes of a source that has lied are not kept; those of one that gave none in ranges were
        # taken from the list of what is missing when it was asked for the whole file.
        if self._trust.is_distrusted:
            self._start_again()
        elif not was_ranged:
            self._segments.refill(self.partial.finished, self.partial.length_bytes)
        self._segments.forgive()

    def _begin_source(self, choose: Callable[[float], object]) -> None:
        """Start counting anew for another source."""
        choose(time.monotonic())
        self._trust.begin_source()
        self._high_water = 0
        self._crew.allow(self._connections)

    def _start_again(self) -> None:
        """Begin a new partial file; workers on the old one notice when they next look."""
        # A new object and a new inode: whoever still writes to the old one does no harm.
        self.partial.discard()
        self.partial = self._open_partial()
        self._trust.begin_file()
        self._segments.refill(self.partial.finished, self.partial.length_bytes)
        self._changed.notify_all()

    def _has_news(
        self,
        partial: Partial,
        hashed: int,
    ) -> bool:
        """Tell whether the hashing thread has anything to do."""
        is_over = self.fatal is not None or self.partial is not partial or not self._crew.alive
        return is_over or partial.finished.prefix_bytes > hashed or hashed == partial.length_bytes
