"""The workers of one transfer: how many run, how many may, and which jobs they have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.download.jobs import Job

FAST_BYTES_PER_S = 200 << 20
"""A connection as fast as this gets no companion: more would only compete with the hashing."""


class Crew:
    """Count workers. Its owner's lock guards it."""

    def __init__(self, most_workers: int) -> None:
        self.jobs: set[Job] = set()
        """What is being fetched now."""
        self.alive = 0
        """Workers that run; those of cancelled jobs and of challenges do not count."""
        self._most_workers = most_workers

    def start(self, start_thread: Callable[[], None]) -> None:
        """Start one more worker.

        Raises:
            RuntimeError: The system allows no more threads, not even the first.
        """
        try:
            start_thread()
        except (RuntimeError, MemoryError):
            if not self.alive:
                raise
            # Be content with the workers there are.
            self._most_workers = self.alive
        else:
            self.alive += 1

    def allow(self, most_workers: int) -> None:
        """Change how many workers may run."""
        self._most_workers = most_workers

    def do_with_fewer(self) -> None:
        """Count one worker as gone, and let no other take its place."""
        self.alive -= 1
        self._most_workers = self.alive

    def cancel_others(self, job: Job) -> None:
        """Let no other worker write any more; each leaves when it wakes."""
        for other in self.jobs - {job}:
            # Waits for a write that has begun; after it, not a byte of theirs is written.
            other.cancel()
            if not other.is_challenge:
                self.alive -= 1
        self.jobs = {job}

    def helpers_wanted(
        self,
        job: Job,
        parts_left: int,
        now_s: float,
    ) -> int:
        """Count the workers that would make this faster.

        Args:
            job: One that goes well.
            parts_left: Parts that nobody has taken yet.
            now_s: On the monotonic clock.
        """
        if not job.is_ranged or self.alive >= self._most_workers:
            return 0
        received_bytes = job.position - job.start
        if received_bytes > FAST_BYTES_PER_S * (now_s - job.begun_s):
            return 0
        return min(self._most_workers - self.alive, parts_left)
