"""Workshops for the tests of executors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from zoo.searcher.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping


class Doubling:
    """Doubles numbers, and notes whether two tasks were ever here at once."""

    def __init__(self, device: str) -> None:
        """Keep the name of the device."""
        self._device = device
        self._lock = threading.Lock()

    def describe(self) -> Mapping[str, Any]:
        """Say which device this is."""
        return {"device": self._device}

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Double a number; refuse a second task while one is here."""
        if not self._lock.acquire(blocking=False):
            return {"doubled": None}
        try:
            return {"doubled": 2 * work["number"]}
        finally:
            self._lock.release()

    def close(self) -> None:
        """Have nothing to end."""


class TrainingHere:
    """Carries out the orders of a search in this process, which has loaded its libraries."""

    def __init__(self, device: str) -> None:
        """Keep the name of the device."""
        self._device = device

    def describe(self) -> Mapping[str, Any]:
        """Say which device this is."""
        return {"device": self._device}

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Train as ordered, as a worker would."""
        from zoo.documents import decode
        from zoo.searcher.training import Order, carry_out

        return carry_out(decode(Order, work["order"]))

    def close(self) -> None:
        """Have nothing to end."""


class WithoutMemoryForWinners(TrainingHere):
    """Trains every trial; has no memory for the first winner, and the others diverge."""

    def __init__(self, device: str) -> None:
        """Begin with the memory's."""
        super().__init__(device)
        self._kind = "out-of-memory"

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Train as ordered, or fail as a worker would."""
        if not work["order"]["is_final"]:
            return super().carry_out(work)
        failure = {"kind": self._kind, "message": "as was to be shown"}
        self._kind = "failed"
        return {"failure": failure}


class TrainingWithFates(Workshop):
    """Trains in a process of its own, as users do; what befalls some trials is for real."""

    module = "tests.support.search_worker"
