"""One file over many exchanges.

Worker threads fetch parts, the calling thread hashes what has arrived without a gap.

The first request asks for the first part and shows what the server can do. After a 206 more workers
start, if it helps; a 200 is taken as the whole file. Bytes are hashed while they are still in the
page cache, so the disk is never read.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from zoo.cache import digests, disk
from zoo.download import events, policy, tokens
from zoo.download.jobs import OutdatedError
from zoo.download.options import DEFAULT_CONNECTIONS
from zoo.download.scheduler import Scheduler
from zoo.download.transport import Transport
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.cache.digests import Expected
    from zoo.download.jobs import Job, Snapshot
    from zoo.download.options import FetchOptions
    from zoo.download.partial import Partial
    from zoo.download.responses import Response
    from zoo.download.sources import Source

RECORD_BYTES = 1 << 20
"""A worker notes its progress after this many bytes, or sooner: all workers together lose half a
part if killed ..."""
RECORD_S = 0.2
"""... or after this time."""
HASH_BYTES = 4 << 20
"""Hashed between two looks at the workers."""
HEAR_S = 0.5
"""The longest wait of a calling thread: Python does not hear a Ctrl-C that comes in the moment
before a wait begins."""
JOIN_S = 0.5
"""How long to wait for all workers at the end. One that waits for a connection cannot be woken,
and does no harm."""


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
        self.scheduler = Scheduler(
            open_partial,
            sources,
            expected,
            options,
            file_name,
        )
        self._expected = expected
        self._options = options
        self._listener = listener
        self._file_name = file_name
        connections = options.connections or DEFAULT_CONNECTIONS
        share_bytes = options.part_bytes // (2 * connections)
        self._record_bytes = max(1, min(RECORD_BYTES, share_bytes))
        known = tokens.from_environment() + options.bearer_tokens
        self._transport = Transport(options.timeouts, bearer_tokens=known)
        self._stopped = threading.Event()
        self._workers: list[threading.Thread] = []

    def run(self) -> str:
        """Fetch and verify the file.

        Return its SHA-256. The partial stays open, ready to be published.

        Raises:
            FetchError: No source gave the right bytes.
            CacheError: The disk is full or failed, or this machine is at its limits.
        """
        scheduler = self.scheduler
        partial = scheduler.partial
        length = partial.length_bytes or self._expected.size_bytes
        done_bytes = partial.finished.total_bytes
        shown = scheduler.source.shown
        self._listener(
            events.Started(
                self._file_name,
                length,
                done_bytes,
                shown,
            )
        )
        try:
            while True:
                self._add_worker()
                sha256 = self._hash()
                if self._expected.allows_digest(sha256):
                    return sha256
                scheduler.distrust(sha256)
                if scheduler.fatal is not None:
                    raise scheduler.fatal
        except (RuntimeError, MemoryError) as error:
            raise disk.out_of_means(error, self._file_name) from error
        finally:
            self.stop()
            self._join_workers()
            self._transport.close()
            self._tell_messages()

    def stop(self, reason: BaseException | None = None) -> None:
        """Wake and end all workers; with a reason, :meth:`run` raises it in its own thread."""
        self._stopped.set()
        self.scheduler.close(reason)
        self._transport.abort()

    # -- the calling thread

    def _join_workers(self) -> None:
        """Wait a moment for the workers to leave."""
        until_s = time.monotonic() + JOIN_S
        for worker in self._workers:
            worker.join(timeout=max(0.0, until_s - time.monotonic()))

    def _hash(self) -> str:
        """Hash the file from its start as it grows, until it is whole.

        Report progress on the way.
        """
        partial = self.scheduler.partial
        digest = hashlib.sha256()
        hashed = 0
        buffer = memoryview(bytearray(digests.BUFFER_BYTES))
        while True:
            now = self.scheduler.wait(partial, hashed, HEAR_S)
            if now.partial is not partial:
                # Somebody has started again from zero.
                partial = now.partial
                digest = hashlib.sha256()
                hashed = 0
            self._report(now)
            self._challenge()

            if hashed == now.length_bytes:
                return digest.hexdigest()
            # Not all at once: between two rounds somebody may have started again from zero.
            goal = min(now.frontier, hashed + HASH_BYTES)
            if partial.hash_span(digest, hashed, goal, buffer):
                hashed = goal

    def _report(self, now: Snapshot) -> None:
        """Tell the listener how far the transfer is."""
        self._tell_messages()
        length = now.length_bytes or self._expected.size_bytes
        self._listener(events.Advanced(self._file_name, now.done_bytes, length))

    def _tell_messages(self) -> None:
        """Pass on warnings that workers have left."""
        for message in self.scheduler.take_messages():
            self._listener(events.Warned(self._file_name, message))

    def _add_worker(self) -> None:
        """Start one more worker."""
        worker = self._thread(self._work)

        def start() -> None:
            worker.start()
            self._workers.append(worker)

        self.scheduler.enlist(start)

    def _challenge(self) -> None:
        """Ask the next source as well, if the one in use is silent."""
        job = self.scheduler.challenge()
        if job is None:
            return
        worker = self._thread(self._work, job)
        try:
            worker.start()
        except (RuntimeError, MemoryError):
            # No more threads here: then the source in use has to do, until it is given up.
            self.scheduler.finish(job)
        else:
            self._workers.append(worker)

    def _thread(
        self,
        work: Callable[..., None],
        *arguments: Job,
    ) -> threading.Thread:
        """Make a thread that does not keep the program from ending."""
        name = f"fetch {self._file_name}"
        return threading.Thread(
            target=work,
            args=arguments,
            name=name,
            daemon=True,
        )

    # -- the workers

    def _work(self, first: Job | None = None) -> None:
        """Do one job after another until there is none left."""
        try:
            job = first or self.scheduler.claim()
            while job is not None and self._do(job):
                job = self.scheduler.claim()
        except BaseException as error:  # noqa: BLE001  (carried over to the calling thread, which raises it)
            if isinstance(error, OSError):
                kept_bytes = self.scheduler.kept_bytes
                error = disk.translated(error, self._file_name, kept_bytes)
            self.scheduler.die(error)

    def _do(self, job: Job) -> bool:
        """Do one job, whatever comes; return whether this worker goes on."""
        try:
            length = self._exchange(job)
            return self.scheduler.finish(job, length)
        except OutdatedError:
            return self.scheduler.finish(job)
        except SourceError as failure:
            step = self.scheduler.fail(job, failure)
            if step.tries is None:
                return step.goes_on
            self._pause(step.tries, failure)
            return self.scheduler.give_back(job, step.tries)

    def _pause(
        self,
        tries: int,
        failure: SourceError,
    ) -> None:
        """Wait before the next try, as long as nobody stops the transfer."""
        longest_s = self._options.timeouts.longest_wait_s
        jitter = self._options.jitter()
        wait_s = policy.pause_s(tries, failure.retry_after_s, longest_s, jitter)
        sleep = self._options.sleep or self._stopped.wait
        sleep(wait_s)

    def _exchange(self, job: Job) -> int | None:
        """Ask for the bytes of a job and write what comes.

        Return the file's length if the end has shown it.
        """
        has_end = job.is_ranged and job.end is not None
        span = (job.start, job.end) if has_end and job.end is not None else None
        known = job.partial.validator(job.source.url)
        etag = known.etag if known else None
        with self._transport.open(job.source, span, etag) as response:
            self.scheduler.accept(job, response.head)
            offset = self._receive(job, response)

        if job.end is None and self._expected.allows_size(offset):
            return offset
        if job.end is None or offset < job.end:
            wanted = self._expected.size_words if job.end is None else f"{job.end} bytes"
            fault = f"expected {wanted}, its answer ended at {offset}"
            raise SourceError(job.source.shown, fault, is_retryable=True)
        return None

    def _receive(
        self,
        job: Job,
        response: Response,
    ) -> int:
        """Write a body to its place, noting progress; return where it ended."""
        offset = job.start
        noted_s = time.monotonic()
        try:
            for block in response.blocks(unpacks=job.unpacks):
                self._check_room(job, offset + len(block))
                job.write(offset, block)
                offset += len(block)

                is_much = offset - job.position >= self._record_bytes
                if is_much or time.monotonic() - noted_s > RECORD_S:
                    self._record(job, offset)
                    noted_s = time.monotonic()
                if self._options.pace is not None:
                    self._options.pace(len(block))
        finally:
            self.scheduler.record(job, offset)
        return offset

    def _record(
        self,
        job: Job,
        offset: int,
    ) -> None:
        """Note progress, and start the workers that would help."""
        for _ in range(self.scheduler.record(job, offset)):
            self._add_worker()

    def _check_room(
        self,
        job: Job,
        end: int,
    ) -> None:
        """Refuse bytes beyond the end of what was asked for."""
        limit = job.end if job.end is not None else self._expected.largest_bytes
        if limit is None or end <= limit:
            return
        if job.is_ranged:
            # It sends more than it has announced: perhaps the whole file.
            self.scheduler.refuse_range(job)
            raise OutdatedError
        fault = f"expected no byte beyond {limit}, got more"
        raise SourceError(job.source.shown, fault)
