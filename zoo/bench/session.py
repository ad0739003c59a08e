"""Obey a plan: a fresh process for each run, one device at a time, results kept as they come."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from zoo.bench import processes, sampling
from zoo.bench.environment import begin_environment
from zoo.bench.jobs import Station, join, next_job
from zoo.bench.records import Case, Effort, Failure, Result
from zoo.bench.stability import is_short, missing_runs, quiet_runs, yardstick_best_ns
from zoo.bench.summary import is_stable
from zoo.devices import Device, choose_name, describe_device, may_have_accelerator
from zoo.documents import decode
from zoo.errors import BenchError, DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.bench.files import Store
    from zoo.bench.plan import Plan

_QUESTION_TIMEOUT_S = 120.0
_POLL_S = 0.5
_FIRST_REST_S = 1.0
_LONGEST_REST_S = 10.0
"""A slow machine stays slow for a while: retakes that are disturbed as well come further apart."""


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

    This process must not hold memory on one of them. Where there is no driver of any, nobody is
    asked.
    """
    if not may_have_accelerator():
        return [describe_device("cpu")]

    answer = processes.ask({"job": "devices"}, _QUESTION_TIMEOUT_S)
    if "failure" in answer:
        fault = answer["failure"]["message"]
        advice = "run python -c 'import torch'"
        raise BenchError(f"torch cannot list its devices: {fault}; {advice}")
    return [decode(Device, device) for device in answer["devices"]]


def find_device(wanted: str) -> Device:
    """Find a device by its name; the CPU is there without a process that asks torch for it.

    Raises:
        DeviceError: See :func:`choose_device`.
    """
    if wanted == "cpu":
        return describe_device(wanted)
    return choose_device(wanted, find_devices())


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
    machine touches every case and not one. So do the runs that are added: retakes of those that
    were disturbed, or with a limit of time whatever it takes to be stable. What the store already
    holds is not measured again. On ``KeyboardInterrupt`` the store holds everything that was
    measured.

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
        measure_at(station, plan, effort, store, tell)


def measure_at(
    station: Station,
    plan: Plan,
    effort: Effort,
    store: Store,
    tell: Tell | None = None,
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Measure the cases of a plan at a station; see :func:`run_plan`.

    Args:
        station: Carries out the runs.
        plan: What to measure.
        effort: How long.
        store: Where results are kept.
        tell: Is told what happens.
        rest: Waits for so many seconds, where the machine is slow.
    """
    session = _Session(plan, station, effort, store, tell, rest)
    for count in range(1, effort.runs + 1):
        for case in plan.cases:
            if session.lacks(case, count):
                session.measure(case)
    if effort.stable_limit_s is None:
        session.retake()
    else:
        session.settle(effort.stable_limit_s)


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
    rest: Callable[[float], None]
    done: int = 0
    start_s: float = 0.0
    best_ns: dict[int, int] = field(default_factory=dict)
    """The least time of the machine's yardstick so far, for each number of threads."""
    added_s: dict[str, float] = field(default_factory=dict)
    """How long runs were added to a case."""

    def lacks(
        self,
        case: Case,
        count: int,
    ) -> bool:
        """Tell whether a case still needs its run of this number."""
        result = self.store.results.get(case.label)
        return is_short(result, count)

    def retake(self) -> None:
        """Take runs that were disturbed again, case by case in turns, as often as was agreed."""

        def needs_more(result: Result) -> bool:
            return missing_runs(result, self.effort) > 0

        self._go_on_while(needs_more)

    def settle(self, limit_s: float) -> None:
        """Add runs in turns until every case is stable, each for a limited time."""

        def needs_more(result: Result) -> bool:
            is_over = self.added_s.get(result.case.label, 0.0) >= limit_s
            return not is_over and not result.failure and not is_stable(result)

        self._go_on_while(needs_more)

    def _go_on_while(self, needs_more: Callable[[Result], bool]) -> None:
        """Measure every case that needs more, once each, until none does."""
        rest_s = _FIRST_REST_S
        while True:
            self._share_best()
            results = [self.store.results[case.label] for case in self.plan.cases]
            waiting = [result.case for result in results if needs_more(result)]
            if not waiting:
                return

            quiet_before = self._count_quiet(waiting)
            for case in waiting:
                began_s = time.monotonic()
                self.measure(case)
                self._add_time(case, time.monotonic() - began_s)

            if self._count_quiet(waiting) > quiet_before:
                rest_s = _FIRST_REST_S
                continue
            self.rest(rest_s)
            for case in waiting:
                self._add_time(case, rest_s)
            rest_s = min(2 * rest_s, _LONGEST_REST_S)

    def _add_time(
        self,
        case: Case,
        spent_s: float,
    ) -> None:
        before_s = self.added_s.get(case.label, 0.0)
        self.added_s[case.label] = before_s + spent_s

    def _count_quiet(self, cases: Sequence[Case]) -> int:
        count = 0
        for case in cases:
            result = self.store.results[case.label]
            count += len(quiet_runs(result))
        return count

    def _share_best(self) -> None:
        """Let every result know the best that the machine's yardstick has taken since."""
        for case in self.plan.cases:
            result = self.store.results[case.label]
            best_ns = self.best_ns.get(case.threads)
            known_ns = yardstick_best_ns(result)
            if best_ns is None or known_ns is None or best_ns >= known_ns:
                continue

            knowing = replace(result, yardstick_best_ns=best_ns)
            self.store.put(knowing)

    def _learn_best(self, result: Result) -> None:
        seen_ns = yardstick_best_ns(result)
        threads = result.case.threads
        if seen_ns is not None:
            self.best_ns[threads] = min(seen_ns, self.best_ns.get(threads, seen_ns))

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
        self._learn_best(result)
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
        for case in self.plan.cases:
            known = self.store.results.get(case.label)
            left += missing_runs(known, self.effort)

        left_s = None
        if self.done:
            spent_s = time.monotonic() - self.start_s
            left_s = spent_s / self.done * left

        whole = self.done + left
        progress = Progress(self.done, whole, left_s, result, next_case)
        self.tell(progress)
