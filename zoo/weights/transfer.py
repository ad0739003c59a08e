"""One file over many exchanges: worker threads fetch parts, the calling thread hashes what has arrived without a gap.

The first request asks for the first part and shows what the server can do. After a 206 more workers start, if it helps;
a 200 is taken as the whole file. Bytes are hashed while they are still in the page cache, so the disk is never read.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

from zoo.errors import SourceError
from zoo.weights import digests, disk, events, verdicts
from zoo.weights.ledger import Job, Ledger, OutdatedError
from zoo.weights.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.weights.digests import Expected
    from zoo.weights.options import FetchOptions
    from zoo.weights.partial import Partial
    from zoo.weights.sources import Source
    from zoo.weights.transport import Answer

RECORD_BYTES = 1 << 20
"""A worker notes its progress after this many bytes, or sooner: all workers together lose half a part if killed ..."""
RECORD_S = 0.2
"""... or after this time."""
HASH_BYTES = 4 << 20
"""Hashed between two looks at the workers."""
HEAR_S = 0.5
"""The longest wait of a calling thread: Python does not hear a Ctrl-C that comes in the moment before a wait begins."""
JOIN_S = 2.0
"""How long to wait for a worker at the end. One that waits for a name server cannot be woken, and does no harm."""


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
        self.ledger = Ledger(open_partial, sources, expected, options, file_name)
        self._expected = expected
        self._options = options
        self._listener = listener
        self._file_name = file_name
        self._record_bytes = max(1, min(RECORD_BYTES, options.part_bytes // (2 * options.connections)))
        self._transport = Transport(options.timeouts, bearer_tokens=options.bearer_tokens)
        self._stopped = threading.Event()
        self._workers: list[threading.Thread] = []

    def run(self) -> str:
        """Fetch and verify the file; return its SHA-256. The partial stays open, ready to be published.

        Raises:
            FetchError: No source gave the right bytes.
            CacheError: The disk is full or failed.
        """
        ledger, partial = self.ledger, self.ledger.partial
        length, done = partial.length_bytes or self._expected.size_bytes, partial.finished.total_bytes
        self._listener(events.Started(self._file_name, length, done, ledger.source.shown))
        try:
            while True:
                self._add_worker()
                sha256 = self._hash()
                if self._expected.allows_digest(sha256):
                    return sha256
                ledger.distrust(sha256)
                if ledger.fatal is not None:
                    raise ledger.fatal
        finally:
            self.stop()
            for worker in self._workers:
                worker.join(timeout=JOIN_S)
            self._transport.close()
            self._tell_messages()

    def stop(self, reason: BaseException | None = None) -> None:
        """Wake and end all workers; with a reason, :meth:`run` raises it in its own thread."""
        self._stopped.set()
        self.ledger.close(reason)
        self._transport.abort()

    def _hash(self) -> str:
        """Hash the file from its start as it grows, until it is whole; report progress on the way."""
        ledger = self.ledger
        partial, digest, hashed = ledger.partial, hashlib.sha256(), 0
        buffer = memoryview(bytearray(digests.BUFFER_BYTES))
        while True:
            with ledger.changed:
                while not self._has_news(partial, hashed):
                    ledger.changed.wait(HEAR_S)
                if ledger.fatal is not None:
                    raise ledger.fatal
                if ledger.partial is not partial:
                    partial, digest, hashed = ledger.partial, hashlib.sha256(), 0
                frontier, done = partial.finished.prefix_bytes, partial.finished.total_bytes
                length = partial.length_bytes
                if not ledger.alive and frontier == hashed != length:
                    raise RuntimeError(f"no worker is left, and {done} of {length} bytes are done")
            self._tell_messages()
            self._listener(events.Advanced(self._file_name, done, length or self._expected.size_bytes))
            if hashed == length:
                return digest.hexdigest()
            goal = min(frontier, hashed + HASH_BYTES)
            if partial.hash_span(digest, hashed, goal, buffer):
                hashed = goal

    def _has_news(self, partial: Partial, hashed: int) -> bool:
        """Tell whether the hashing thread has anything to do."""
        ledger = self.ledger
        is_over = ledger.fatal is not None or ledger.partial is not partial or not ledger.alive
        return is_over or partial.finished.prefix_bytes > hashed or hashed == partial.length_bytes

    def _tell_messages(self) -> None:
        """Pass on warnings that workers have left."""
        for message in self.ledger.take_messages():
            self._listener(events.Warned(self._file_name, message))

    def _add_worker(self) -> None:
        """Start one more worker."""
        worker = threading.Thread(target=self._work, name=f"fetch {self._file_name}", daemon=True)
        with self.ledger.changed:
            try:
                worker.start()
            except RuntimeError:  # the system allows no more threads
                if not self.ledger.alive:
                    raise
                self.ledger.limit_workers()
                return
            self.ledger.alive += 1
            self._workers.append(worker)

    def _work(self) -> None:
        """Fetch one part after another until there is none left."""
        try:
            while (job := self.ledger.claim()) is not None:
                if not self._do(job):
                    return
        except BaseException as error:  # noqa: BLE001  (carried over to the calling thread, which raises it)
            if isinstance(error, OSError):
                error = disk.translated(error, self._file_name)
            with self.ledger.changed:
                self.ledger.alive -= 1
                self.ledger.fatal = self.ledger.fatal or error
                self.ledger.changed.notify_all()

    def _do(self, job: Job) -> bool:
        """Do one job, whatever comes; return whether this worker goes on."""
        try:
            length = self._exchange(job)
            self.ledger.finish(job, length)
        except OutdatedError:
            self.ledger.finish(job)
        except SourceError as failure:
            recovery = self.ledger.fail(job, failure)
            if recovery.tries is not None:
                longest_s = self._options.timeouts.longest_wait_s
                wait_s = verdicts.pause_s(recovery.tries, failure.retry_after_s, longest_s, self._options.jitter())
                (self._options.sleep or self._stopped.wait)(wait_s)
                self.ledger.give_back(job, recovery.tries)
            return recovery.goes_on
        return True

    def _exchange(self, job: Job) -> int | None:
        """Ask for the bytes of a job and write what comes; return the file's length if the end has shown it."""
        span = (job.start, job.end) if job.is_ranged and job.end is not None else None
        known = job.partial.validator(job.source.url)
        with self._transport.open(job.source, span, known.etag if known else None) as answer:
            self.ledger.accept(job, answer.head)
            offset = self._receive(job, answer)
        if job.end is None and self._expected.allows_size(offset):
            return offset
        if job.end is None or offset < job.end:
            wanted = self._expected.size_words if job.end is None else f"{job.end} bytes"
            raise SourceError(job.source.shown, f"expected {wanted}, its answer ended at {offset}", is_retryable=True)
        return None

    def _receive(self, job: Job, answer: Answer) -> int:
        """Write a body to its place, noting progress; return where it ended."""
        limit = job.end if job.end is not None else self._expected.largest_bytes
        offset, noted_s = job.start, time.monotonic()
        try:
            for block in answer.blocks():
                if limit is not None and offset + len(block) > limit:
                    raise SourceError(job.source.shown, f"expected no byte beyond {limit}, got more")
                if not job.partial.write(offset, block):
                    raise OutdatedError
                if self._options.pace is not None:
                    self._options.pace(len(block))
                offset += len(block)
                if offset - job.position >= self._record_bytes or time.monotonic() - noted_s > RECORD_S:
                    for _ in range(self.ledger.record(job, offset)):
                        self._add_worker()
                    noted_s = time.monotonic()
        finally:
            self.ledger.record(job, offset)
        return offset
