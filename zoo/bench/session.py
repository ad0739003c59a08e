"""Obey a plan: a fresh process for each run, one device at a time, results kept as they come."""

from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from zoo.bench import machine, processes
from zoo.bench.records import Cell, Device, Effort, Environment, Failure, Result, Run
from zoo.catalog.decoding import decode
from zoo.errors import BenchError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.bench.plan import Plan
    from zoo.bench.results import Store

    Tell = Callable[["Progress"], None]

_QUESTION_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Progress:
    """What a session tells about itself after each run."""

    done: int
    total: int
    """Runs, not cells."""
    left_s: float | None
    """Estimate from the runs so far."""
    result: Result | None
    """The cell that was measured last, with all its runs."""
    next_cell: Cell | None


def find_devices() -> list[Device]:
    """Ask a fresh process which devices torch finds: this process must not hold memory on one of them."""
    answer = processes.ask({"job": "devices"}, _QUESTION_TIMEOUT_S)
    if "failure" in answer:
        raise BenchError(f"torch cannot list its devices: {answer['failure']['message']}; run python -c 'import torch'")
    return [decode(Device, device) for device in answer["devices"]]


def choose_device(wanted: str, devices: Sequence[Device]) -> Device:
    """Choose a device: ``"auto"`` is the first accelerator, else the CPU; ``"cuda"`` is ``"cuda:0"``.

    Raises:
        DeviceError: It does not exist; lists those that do.
    """
    if wanted == "auto":
        return devices[0]
    for device in devices:
        if wanted in (device.name, device.name.partition(":")[0]):
            return device
    raise DeviceError(wanted, "torch finds no such device", [device.name for device in devices])


@contextmanager
def hold(device: str, wait_s: float = 0.0) -> Iterator[None]:
    """Keep every other session off a device: two timings at once spoil each other.

    Raises:
        DeviceError: Another session holds it and does not let go in time.
    """
    path = Path(tempfile.gettempdir()) / f"zoo-bench-{device.replace(':', '')}.lock"
    lock = FileLock(path, mode=0o666)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout as error:
        advice = "wait until it ends, or let this one wait with --wait 600"
        raise DeviceError(device, "another zoo bench is measuring on it", advice=advice) from error
    try:
        yield
    finally:
        lock.release()


def run_plan(
    plan: Plan,
    device: Device,
    effort: Effort,
    store: Store,
    tell: Tell | None = None,
) -> None:
    """Measure every cell and keep the results in a store.

    Runs go round: the first run of all cells, then the second of all, so that a slow minute of the machine touches
    every cell and not one. What the store already holds is not measured again. On ``KeyboardInterrupt`` the store
    holds everything that was measured.

    Raises:
        BenchError: Nothing of what was asked for can be measured on this device.
    """
    if not plan.cells:
        raise BenchError(plan.refused[0][1] if plan.refused else "there is nothing to measure; name a model")
    for cell, reason in plan.refused:
        store.put(Result(cell, effort, _bare_environment(device), failure=Failure("unsupported", reason)))
    todo = _Todo(plan, device, effort, store, tell)
    for count in range(1, effort.runs + 1):
        for cell in plan.cells:
            if todo.lacks(cell, count):
                todo.measure(cell)


def _bare_environment(device: Device) -> Environment:
    """Describe the machine for a cell that never ran."""
    return Environment(device, machine.cpu_title(), machine.usable_cpus(), machine.system_title(), {})


class _Todo:
    """The runs of a session: which are done, how long they take."""

    def __init__(self, plan: Plan, device: Device, effort: Effort, store: Store, tell: Tell | None) -> None:
        self.device, self.effort, self.store, self.tell = device, effort, store, tell
        self.total = sum(self.lacks(cell, count) for cell in plan.cells for count in range(1, effort.runs + 1))
        self.done = 0
        self.start_s = time.monotonic()

    def lacks(self, cell: Cell, count: int) -> bool:
        """Tell whether a cell still needs its run of this number."""
        result = self.store.results.get(cell.label)
        return result is None or (result.failure is None and len(result.runs) < count)

    def measure(self, cell: Cell) -> None:
        """Measure a cell once more and keep it."""
        self._report(None, cell)
        before = self.store.results.get(cell.label) or Result(cell, self.effort, _bare_environment(self.device))
        result = with_another_run(replace(before, effort=self.effort))
        self.store.put(result)
        self.done += 1
        if result.failure:
            self.total -= self.effort.runs - len(result.runs) - 1
        self._report(result, None)

    def _report(self, result: Result | None, next_cell: Cell | None) -> None:
        if self.tell:
            spent_s = time.monotonic() - self.start_s
            left_s = spent_s / self.done * (self.total - self.done) if self.done else None
            self.tell(Progress(self.done, self.total, left_s, result, next_cell))


def with_another_run(result: Result) -> Result:
    """Measure a cell once more, in a fresh process; a batch that the first run found is used by the others."""
    cell = result.cell
    batch = result.runs[0].batch if result.runs else cell.batch
    task = {"job": "measure", "cell": asdict(replace(cell, batch=batch)), "effort": asdict(result.effort)}
    threads = str(cell.threads)
    variables = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    answer = processes.ask(task, result.effort.timeout_s, variables)
    if "failure" in answer:
        return replace(result, failure=decode(Failure, answer["failure"]))
    run, environment = decode(Run, answer["run"]), decode(Environment, answer["environment"])
    return replace(result, environment=environment, runs=(*result.runs, run))
