"""Keep all downloads of a sync together below a rate, and end them when the user asks."""

from __future__ import annotations

import threading
import time


class Pacer:
    """Called with the length of every block that arrives, from any thread.

    Waits where the rate is limited.

    Args:
        limit_bytes_per_s: The rate; ``None`` for as fast as it goes.
    """

    def __init__(self, limit_bytes_per_s: float | None = None) -> None:
        self._limit = limit_bytes_per_s
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._due = time.monotonic()

    def __call__(self, size_bytes: int) -> None:
        """Wait until the bytes that have arrived are no more than the rate allows.

        Raises:
            KeyboardInterrupt: :meth:`stop` was called.
        """
        if self._limit is not None:
            with self._lock:
                now_s = time.monotonic()
                begin_s = max(self._due, now_s)
                takes_s = size_bytes / self._limit
                self._due = begin_s + takes_s
                wait_s = self._due - now_s
            self._stopped.wait(wait_s)

        if self._stopped.is_set():
            raise KeyboardInterrupt

    def stop(self) -> None:
        """End every download that asks from now on."""
        self._stopped.set()
