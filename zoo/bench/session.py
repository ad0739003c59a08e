"""Obey a plan: a fresh process for each run, one device at a time, results kept as they come."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from zoo.bench import machine, processes, sampling
from zoo.bench.comparability import comparability, differences
from zoo.bench.records import Cell, Device, Effort, Environment, Failure, Result, Run
from zoo.bench.summary import is_stable
from zoo.catalog.decoding import decode
from zoo.errors import BenchError, DeviceError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.bench.files import Store
    from zoo.bench.plan import Plan

_QUESTION_TIMEOUT_S = 120.0
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class Progress:
    """What a session tells about itself before and after each run."""

    done: int
    total: int
    """Runs, not cells."""
    left_s: float | None
    """Estimate from the runs so far."""
    result: Result | None
    """The cell that was just measured, with all its runs."""
    next_cell: Cell | None
    """The cell that is measured now."""


Tell = Callable[[Progress], None]


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
def hold(device: Device, wait_s: float = 0.0, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Keep every other session off a device: two timings at once spoil each other.

    Args:
        device: The device.
        wait_s: How long to wait for one that is busy.
        say: Is told why, before the wait begins.

    Raises:
        DeviceError: Another session holds it, or another program computes on it, and does not stop in time.
    """
    until_s = time.monotonic() + wait_s
    name = device.uuid or device.name.replace(":", "")  # CUDA_VISIBLE_DEVICES lets cuda:0 be any device
    path = Path(tempfile.gettempdir()) / f"zoo-bench-{name}.lock"
    lock = FileLock(path, mode=0o666)
    is_told = False
    while True:
        reason = _why_busy(device, lock)
        if reason is None:
            break
        if time.monotonic() >= until_s:
            advice = "wait until it ends, or let this one wait with --wait 600"
            raise DeviceError(device.name, reason, advice=advice)
        if say and not is_told:
            say(f"{device.name}: {reason}; waiting up to {wait_s:g} s")
            is_told = True
        time.sleep(_POLL_S)
    try:
        yield
    finally:
        lock.release()


def _why_busy(device: Device, lock: FileLock) -> str | None:
    """Take the lock of a device that is free, or say why it is not."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return "another zoo bench is measuring on it"
    except OSError as error:  # another user's lock, which stays when its session ends
        return f"the lock {lock.lock_file} cannot be taken ({error.strerror}): let its owner remove it"
    if not sampling.is_busy(device):
        return None
    lock.release()
    return "another program is computing on it"


def run_plan(plan: Plan, device: Device, effort: Effort, store: Store, tell: Tell | None = None) -> None:
    """Measure every cell and keep the results in a store.

    Runs go round: the first run of all cells, then the second of all, so that a slow minute of the machine touches
    every cell and not one. What the store already holds is not measured again. On ``KeyboardInterrupt`` the store
    holds everything that was measured.

    Raises:
        BenchError: Nothing of what was asked for can be measured on this device.
        DeviceError: The device was lost on the way.
    """
    if not plan.cells:
        raise BenchError(plan.refused[0][1] if plan.refused else "there is nothing to measure; name a model")
    for cell, reason in plan.refused:
        if cell.label in store.results and store.results[cell.label].runs:
            continue  # measured elsewhere, on a device that could
        store.put(replace(_empty(cell, device, effort), failure=Failure("unsupported", reason)))
    with tempfile.TemporaryDirectory(prefix="zoo-bench-") as folder:
        session = _Session(plan, device, effort, store, tell, Path(folder))
        for count in range(1, effort.runs + 1):
            for cell in plan.cells:
                if session.lacks(cell, count):
                    session.measure(cell)
        if effort.stable_limit_s is not None:
            for cell in plan.cells:
                session.settle(cell, effort.stable_limit_s)


def _empty(cell: Cell, device: Device, effort: Effort) -> Result:
    """Begin a result before anything has run."""
    system = machine.system_title()
    return Result(cell, effort, Environment(device, machine.cpu_title(), machine.usable_cpus(), system, {}))


@dataclass(slots=True)
class _Session:
    """The runs of a session: which are done, how long they take."""

    plan: Plan
    device: Device
    effort: Effort
    store: Store
    tell: Tell | None
    folder: Path
    done: int = 0
    start_s: float = 0.0

    def lacks(self, cell: Cell, count: int) -> bool:
        """Tell whether a cell still needs its run of this number."""
        result = self.store.results.get(cell.label)
        return result is None or (result.failure is None and len(result.runs) < count)

    def settle(self, cell: Cell, limit_s: float) -> None:
        """Measure a cell again and again until it is stable, for a limited time."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            result = self.store.results[cell.label]
            if result.failure or is_stable(result):
                break
            self.measure(cell)

    def measure(self, cell: Cell) -> None:
        """Measure a cell once more and keep it."""
        self.start_s = self.start_s or time.monotonic()
        self._report(None, cell)
        before = self.store.results.get(cell.label) or _empty(cell, self.device, self.effort)
        result = with_another_run(replace(before, effort=self.effort), self.device, self.folder)
        self.store.put(result)
        self.done += 1
        self._report(result, None)
        if result.failure and self.device.name != "cpu" and self.device not in find_devices():
            advice = "look at the system's log, then go on with --resume"
            raise DeviceError(self.device.name, f"it was lost while {cell.label} ran", advice=advice)

    def _report(self, result: Result | None, next_cell: Cell | None) -> None:
        if self.tell:
            left = sum(self.lacks(cell, n) for cell in self.plan.cells for n in range(1, self.effort.runs + 1))
            spent_s = time.monotonic() - self.start_s
            left_s = spent_s / self.done * left if self.done else None
            self.tell(Progress(self.done, self.done + left, left_s, result, next_cell))


def with_another_run(result: Result, device: Device, folder: Path) -> Result:
    """Measure a cell once more, in a fresh process.

    A batch that the first run found is used by the others, so are kernels that ``torch.compile`` made in the first;
    they lie in ``folder``, apart from those of other cells and of other sessions.
    """
    cell, effort = result.cell, replace(result.effort, has_ceilings=result.effort.has_ceilings and not result.runs)
    batch = result.runs[0].batch if result.runs else cell.batch
    task = {"job": "measure", "cell": asdict(replace(cell, batch=batch)), "effort": asdict(effort)}
    kernels = f"{cell.label}-{len(result.runs)}" if cell.mode == "first-inference" else cell.label
    variables = {
        "OMP_NUM_THREADS": str(cell.threads),
        "MKL_NUM_THREADS": str(cell.threads),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / kernels),
    }
    if cell.engine == "onnxruntime":
        variables["NVIDIA_TF32_OVERRIDE"] = "0"  # its convolutions round to TF32 whatever its options say
    with sampling.Sampler(device) as sampler:
        answer = processes.ask(task, effort.timeout_s, variables)
    if "failure" in answer:
        return replace(result, failure=decode(Failure, answer["failure"]))
    try:
        run, environment = decode(Run, answer["run"]), decode(Environment, answer["environment"])
    except RegistryError as error:
        fault = f"its figures make no sense: {error.fault} at {error.json_path}"
        return replace(result, failure=Failure("failed", fault))
    run = replace(run, conditions=sampling.add_samples(run.conditions, sampler.samples, run.measured_between_ns))
    like = comparability(cell, environment)
    changed = differences(result.comparability, like) if result.runs else {}
    if changed:
        listing = ", ".join(f"{key} was {before} and is {now}" for key, (before, now) in changed.items())
        raise BenchError(f"{cell.label} cannot get runs of another kind: {listing}; name another --output")
    return replace(result, environment=environment, runs=(*result.runs, run), comparability=like)
