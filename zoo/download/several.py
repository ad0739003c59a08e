"""Do several things at once in threads that never keep the program from ending.

A pool of :mod:`concurrent.futures` waits for its threads when an error leaves it, and again when
the interpreter ends: a signal handler that raises, or a daemon thread that downloads, would then
hang until everything has been fetched.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
Key = TypeVar("Key")
HEAR_S = 0.5
"""The longest wait: Python does not hear a Ctrl-C that comes in the moment before a wait begins."""
LEAVE_S = 5.0
"""How long threads that were stopped may take to put their things in order."""


class Several(Generic[Key, T]):
    """Run tasks, some at a time, in the order in which they were given."""

    def __init__(self, tasks: Iterable[tuple[Key, Callable[[], T]]]) -> None:
        self.results: dict[Key, T] = {}
        self.failures: dict[Key, BaseException] = {}
        self._waiting = list(tasks)
        self._changed = threading.Condition()
        self._running = 0

    def run(
        self,
        workers: int,
        stop: Callable[[], None],
    ) -> None:
        """Run all tasks; their results and failures are then in the attributes.

        Args:
            workers: How many run at a time.
            stop: Makes the tasks that run end soon. Called when anything is raised here, by a
                signal handler for one.

        Raises:
            RuntimeError: The system allows no more threads, not even the first.
        """
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        try:
            self._start(threads)
            self._wait(until_s=None)
        except BaseException:
            # First let nobody begin anything new, then end what runs: a thread that ends takes
            # the next task otherwise.
            with self._changed:
                self._waiting = []
            stop()
            self._wait(until_s=time.monotonic() + LEAVE_S)
            raise

    def _start(self, threads: list[threading.Thread]) -> None:
        """Start as many threads as the system allows; one is enough."""
        for number, thread in enumerate(threads):
            # Counted before it runs: it may be done before this thread is asked again.
            with self._changed:
                self._running += 1
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                with self._changed:
                    self._running -= 1
                if number == 0:
                    raise
                return

    def _wait(self, until_s: float | None) -> None:
        """Wait until no thread works any more, or until a moment on the monotonic clock."""
        with self._changed:
            while self._running:
                if until_s is not None and time.monotonic() >= until_s:
                    return
                self._changed.wait(HEAR_S)

    def _work(self) -> None:
        """Take one task after another until there is none left."""
        while True:
            with self._changed:
                if not self._waiting:
                    self._running -= 1
                    self._changed.notify_all()
                    return
                key, task = self._waiting.pop(0)
            try:
                self.results[key] = task()
            except BaseException as error:  # noqa: BLE001 - whoever asked for it decides what to raise
                self.failures[key] = error
