"""Places on this machine: a thread each, which waits for the processes that its workshop starts."""

from __future__ import annotations

import platform
import queue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from zoo.executors.record import Ended, Place
from zoo.executors.workshops import open_workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from typing import Any

    from zoo.executors.record import Task


class LocalExecutor:
    """The devices of this machine.

    Args:
        workshop: Dotted path of what does the work.
        devices: A place for each, as torch names them.
    """

    def __init__(
        self,
        workshop: str,
        devices: Sequence[str],
    ) -> None:
        node = platform.node() or "localhost"
        self._workshops = {}
        self._places = []
        for device in devices:
            opened = open_workshop(workshop, device)
            place = Place(f"{node} {device}", node, opened.describe())
            self._workshops[place.name] = opened
            self._places.append(place)
        self._threads = ThreadPoolExecutor(len(devices), thread_name_prefix="zoo-place")
        self._ended: queue.Queue[Ended | BaseException] = queue.Queue()

    def places(self) -> Sequence[Place]:
        """See :class:`~zoo.executors.record.Executor`."""
        return self._places

    def is_waiting(self) -> bool:
        """See :class:`~zoo.executors.record.Executor`: all are there from the beginning."""
        return False

    def start(
        self,
        place: Place,
        task: Task,
    ) -> None:
        """See :class:`~zoo.executors.record.Executor`."""
        workshop = self._workshops[place.name]
        future = self._threads.submit(workshop.carry_out, task.work)
        future.add_done_callback(lambda done: self._put(place, task, done))

    def _put(
        self,
        place: Place,
        task: Task,
        done: Future[Mapping[str, Any]],
    ) -> None:
        if done.cancelled():
            return
        error = done.exception()
        self._ended.put(error or Ended(place, task, done.result()))

    def wait(self, timeout_s: float) -> list[Ended]:
        """See :class:`~zoo.executors.record.Executor`."""
        found: list[Ended] = []
        try:
            found.append(self._unwrap(self._ended.get(timeout=timeout_s)))
            while True:
                found.append(self._unwrap(self._ended.get_nowait()))
        except queue.Empty:
            return found

    @staticmethod
    def _unwrap(ended: Ended | BaseException) -> Ended:
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def close(self) -> None:
        """See :class:`~zoo.executors.record.Executor`."""
        for workshop in self._workshops.values():
            # What it has started ends first, so that its thread does.
            workshop.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
