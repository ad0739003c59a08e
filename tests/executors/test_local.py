"""Places on this machine, and the loop that keeps them at work."""

from collections.abc import Sequence

import pytest

from zoo.executors.dispatching import dispatch
from zoo.executors.local import LocalExecutor
from zoo.executors.record import Ended, Place, Task

DOUBLING = "tests.support.workshops:Doubling"


class Numbers:
    """Hands out numbers and keeps what comes back."""

    def __init__(self, numbers: Sequence[object]) -> None:
        """Keep the numbers to hand out."""
        self.left = list(numbers)
        self.ended: list[Ended] = []

    def give(self, place: Place) -> Task | None:
        """Hand out the next number."""
        del place
        return Task("double", {"number": self.left.pop(0)}) if self.left else None

    def take(self, ended: Ended) -> None:
        """Keep what came back."""
        self.ended.append(ended)

    def watch(self, places: Sequence[Place], at_work: Sequence[Task]) -> None:
        """Have nothing to do with who is there."""
        del places, at_work


def test_every_task_is_done_once_and_a_place_does_one_at_a_time() -> None:
    """Forty numbers on two devices; the workshop itself refuses a second task at once."""
    desk = Numbers(range(40))
    executor = LocalExecutor(DOUBLING, ["one", "two"])
    try:
        dispatch(executor, desk)
    finally:
        executor.close()
    doubled = sorted(ended.answer["doubled"] for ended in desk.ended if ended.answer)
    assert doubled == list(range(0, 80, 2))
    assert {ended.place.facts["device"] for ended in desk.ended} == {"one", "two"}


class OneIsBusy(LocalExecutor):
    """Waits for a second place that never comes up, as a node that another job reserved."""

    def is_waiting(self) -> bool:
        """Say that it is still coming."""
        return True


def test_a_place_that_never_comes_up_is_not_waited_for_for_ever() -> None:
    """The one that is there has done everything, and stays there."""
    desk = Numbers([1, 2])
    executor = OneIsBusy(DOUBLING, ["one"])
    try:
        dispatch(executor, desk, waiting_limit_s=0)
    finally:
        executor.close()
    assert len(desk.ended) == 2


def test_a_fault_of_the_workshop_is_not_swallowed() -> None:
    """A number that is none: the loop ends with the workshop's own error."""
    executor = LocalExecutor(DOUBLING, ["one"])
    try:
        with pytest.raises(TypeError):
            dispatch(executor, Numbers([None]))
    finally:
        executor.close()
