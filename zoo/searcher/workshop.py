"""What trains at a place of an executor: a warm process, ended and begun anew after a failure."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from zoo.bench.processes import WarmWorker

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKSHOP = "zoo.searcher.workshop:Workshop"
"""What executors open at each place."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Workshop:
    """Carries out orders in a process of its own.

    Args:
        device: The place's name: ``cpu:0``, ``cpu:1`` for several on one machine.
    """

    module = "zoo.searcher.worker"
    """What the process runs."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._worker: WarmWorker | None = None

    def describe(self) -> Mapping[str, Any]:
        """Say where this is."""
        cpus = os.cpu_count() or 1
        return {"node": platform.node(), "cpus": cpus}

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out one order within its time."""
        if self._worker is None:
            count = work["threads"]
            threads = str(count)
            variables = dict.fromkeys(_THREAD_VARIABLES, threads)
            self._worker = WarmWorker(variables, self.module)
        task = {"order": work["order"]}
        return self._worker.ask(task, work["timeout_s"])

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
