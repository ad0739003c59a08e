"""Obey a plan: a fresh process for each run, one device at a time, results kept as they come."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from zoo.bench import processes, sampling
from zoo.bench.environment import begin_environment
from zoo.bench.jobs import Station, join, next_job
from zoo.bench.records import Case, Effort, Failure, Result
from zoo.bench.summary import is_stable
from zoo.devices import Device, choose_name
from zoo.documents import decode
from zoo.errors import BenchError, DeviceError

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
    """Runs, not cases."""
    left_s: float | None
    """Estimate from the runs so far."""
    result: Result | None
    """The case that was just measured, with all its runs."""
    next_case: Case | None
    """The case that is measured now."""


Tell = Callable[[Progress], None]


def find_devices() -> list[Device]:
    """Ask a fresh process which devices torch finds.

    This process must not hold memory on one of them.
    """
    answer = processes.ask({"job": "devices"}, _QUESTION_TIMEOUT_S)
    if "failure" in answer:
        fault = answer["failure"]["message"]
        advice = "run python -c 'import torch'"
        raise BenchError(f"torch cannot list its devices: {fault}; {advice}")
    return [decode(Device, device) for device in answer["devices"]]


def choose_device(
    wanted: str,
    devices: Sequence[Device],
) -> Device:
    """Choose a device: ``"auto"`` is the first accelerator, else the CPU.

    ``"cuda"`` is ``"cuda:0"``.

    Raises:
        DeviceError: It does not exist; lists those that do.
    """
    name = choose_name(wanted, [device.name for device in devices])
    return next(device for device in devices if device.name == name)


@contextmanager
def hold(
    device: Device,
    wait_s: float = 0.0,
    say: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Keep every other session off a device: two timings at once spoil each other.

    Args:
        device: The device.
        wait_s: How long to wait for one that is busy.
        say: Is told why, before the wait begins.

    Raises:
        DeviceError: Another session holds it, or another program computes on it, and does not stop
            in time.
    """
    until_s = time.monotonic() + wait_s
    # CUDA_VISIBLE_DEVICES lets cuda:0 be any device.
    name = device.uuid or device.name.replace(":", "")
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


def _why_busy(
    device: Device,
    lock: FileLock,
) -> str | None:
    """Take the lock of a device that is free, or say why it is not."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return "another benchmark is measuring on it"
    except OSError as error:
        # Another user's lock, which stays when its session ends.
        fault = f"the lock {lock.lock_file} cannot be taken ({error.strerror})"
        return f"{fault}: let its owner remove it"
    if not sampling.is_busy(device):
        return None
    lock.release()
    return "another program is computing on it"


def run_plan(
    plan: Plan,
    device: Device,
    effort: Effort,
    store: Store,
    tell: Tell | None = None,
) -> None:
    """Measure every case and keep the results in a store.

    Runs go round: the first run of all cases, then the second of all, so that a slow minute of the
    machine touches every case and not one. What the store already holds is not measured again. On
    ``KeyboardInterrupt`` the store holds everything that was measured.

    Raises:
        BenchError: Nothing of what was asked for can be measured on this device.
        DeviceError: The device was lost on the way.
    """
    if not plan.cases:
        reasons = [reason for _, reason in plan.refused]
        raise BenchError(reasons[0] if reasons else "there is nothing to measure; name a model")
    for case, reason in plan.refused:
        if case.label in store.results and store.results[case.label].runs:
            continue  # measured elsewhere, on a device that could
        failure = Failure("unsupported", reason)
        empty = _empty(case, device, effort)
        store.put(replace(empty, failure=failure))
    with Station(device) as station:
        session = _Session(plan, station, effort, store, tell)
        for count in range(1, effort.runs + 1):
            for case in plan.cases:
                if session.lacks(case, count):
                    session.measure(case)
        if effort.stable_limit_s is not None:
            for case in plan.cases:
                session.settle(case, effort.stable_limit_s)


def _empty(
    case: Case,
    device: Device,
    effort: Effort,
) -> Result:
    """Begin a result before anything has run."""
    return Result(case, effort, begin_environment(device))


@dataclass(slots=True)
class _Session:
    """The runs of a session: which are done, how long they take."""

    plan: Plan
    station: Station
    effort: Effort
    store: Store
    tell: Tell | None
    done: int = 0
    start_s: float = 0.0

    def lacks(
        self,
        case: Case,
        count: int,
    ) -> bool:
        """Tell whether a case still needs its run of this number."""
        result = self.store.results.get(case.label)
        if result is None:
            return True
        if result.failure is not None:
            return False
        return len(result.runs) < count

    def settle(
        self,
        case: Case,
        limit_s: float,
    ) -> None:
        """Measure a case again and again until it is stable, for a limited time."""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            result = self.store.results[case.label]
            if result.failure or is_stable(result):
                break
            self.measure(case)

    def measure(self, case: Case) -> None:
        """Measure a case once more and keep it."""
        self.start_s = self.start_s or time.monotonic()
        self._report(None, case)

        device = self.station.device
        before = self.store.results.get(case.label)
        if before is None:
            before = _empty(case, device, self.effort)
        asked = replace(before, effort=self.effort)

        answer = self.station.carry_out(next_job(asked))
        result = join(asked, answer)
        self.store.put(result)
        self.done += 1
        self._report(result, None)

        can_be_lost = device.name != "cpu"
        if result.failure and can_be_lost and device not in find_devices():
            fault = f"it was lost while {case.label} ran"
            advice = "look at the system's log, then go on with --resume"
            raise DeviceError(device.name, fault, advice=advice)

    def _report(
        self,
        result: Result | None,
        next_case: Case | None,
    ) -> None:
        if self.tell is None:
            return

        left = 0
        for count in range(1, self.effort.runs + 1):
            for case in self.plan.cases:
                left += self.lacks(case, count)

        left_s = None
        if self.done:
            spent_s = time.monotonic() - self.start_s
            left_s = spent_s / self.done * left

        whole = self.done + left
        progress = Progress(self.done, whole, left_s, result, next_case)
        self.tell(progress)
