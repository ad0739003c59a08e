"""Give each free place a task and take what comes back, until nothing is left to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.executors.record import Ended, Executor, Place, Task

_PATIENCE_S = 1.0
"""How often places are counted anew while all are at work."""


class Desk(Protocol):
    """Who hands out the tasks, and takes what becomes of them."""

    def give(self, place: Place) -> Task | None:
        """Choose the next task for a place; ``None`` if there is none for it now."""

    def take(self, ended: Ended) -> None:
        """Take back a task; one whose place was lost may be given out again."""

    def watch(
        self,
        places: Sequence[Place],
        at_work: Sequence[Task],
    ) -> None:
        """Look who is there, before anything is given out."""


def dispatch(
    executor: Executor,
    desk: Desk,
    *,
    waiting_limit_s: float = 60.0,
) -> None:
    """Keep every place at work until the desk has nothing for any of them.

    Args:
        executor: Where.
        desk: What.
        waiting_limit_s: How long to wait for a place that is coming up while nothing is done: for
            the first, for one after all are gone, and for others when those that are there have
            done all that they can.
    """
    at_work: dict[str, Task] = {}
    idle_since_s = time.monotonic()
    while True:
        places = executor.places()
        desk.watch(places, list(at_work.values()))
        for place in places:
            task = None if place.name in at_work else desk.give(place)
            if task is not None:
                at_work[place.name] = task
                executor.start(place, task)

        now_s = time.monotonic()
        if at_work:
            idle_since_s = now_s
        else:
            # A node that another job keeps busy may be coming up for ever.
            idle_s = now_s - idle_since_s
            is_over = idle_s > waiting_limit_s
            if is_over or not executor.is_waiting():
                return
        for ended in executor.wait(_PATIENCE_S):
            at_work.pop(ended.place.name, None)
            desk.take(ended)
