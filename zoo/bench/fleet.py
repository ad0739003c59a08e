"""A sweep over many machines.

Every case on every kind of machine, by whichever of that kind is free.

Results of unlike machines are never joined: each kind has a folder of its own, named by its key.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo.bench.comparability import machine_key
from zoo.bench.files import Store, holds_results
from zoo.bench.jobs import join, next_job
from zoo.bench.plan import Grid, Plan, plan
from zoo.bench.records import Case, Effort, Environment, Failure, Result
from zoo.bench.stability import disturbances, is_short, missing_runs
from zoo.documents import decode
from zoo.errors import BenchError, UsageError
from zoo.executors.dispatching import dispatch
from zoo.executors.record import Task

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.executors.record import Ended, Executor, Place

RETRIES = 2
"""How often a run is begun anew after its node was lost, or elsewhere after it was disturbed."""


@dataclass(frozen=True, slots=True)
class FleetProgress:
    """What a fleet tells of itself."""

    done: int
    total: int
    """Runs; grows with each kind of machine that joins."""
    left_s: float | None
    machine_hours: float
    """Time that machines were at work so far, added up, what runs now too: what a bill is made
    of."""
    machine_hours_left: float | None
    at_work: tuple[str, ...] = ()
    """For each place that measures: its name and its case."""
    result: Result | None = None
    """The case that was just measured."""
    node: str = ""
    note: str = ""
    """What went wrong with a node, in a sentence."""


Tell = Callable[[FleetProgress], None]


@dataclass(slots=True)
class _Machine:
    """One kind of machine: what is to be measured on it, and what has been."""

    key: str
    environment: Environment
    plan: Plan
    store: Store
    at_work: dict[str, str] = field(default_factory=dict)
    """Place by the label of the case that it measures."""
    attempts: dict[str, int] = field(default_factory=dict)
    avoided: dict[str, set[str]] = field(default_factory=dict)
    """Places on which a case was disturbed."""

    def result_of(
        self,
        case: Case,
        effort: Effort,
    ) -> Result:
        """Return what there is of a case, with the effort of this session."""
        known = self.store.results.get(case.label)
        return replace(known or Result(case, effort, self.environment), effort=effort)

    def lacking(
        self,
        case: Case,
        effort: Effort,
    ) -> int:
        """Count the runs that a case still needs, retakes of disturbed ones among them."""
        known = self.store.results.get(case.label)
        return missing_runs(known, effort)

    def is_short(
        self,
        case: Case,
        effort: Effort,
    ) -> bool:
        """Tell whether runs of a case were never taken."""
        known = self.store.results.get(case.label)
        return is_short(known, effort.runs)


class FleetDesk:
    """Hands the runs of a grid to places and joins what comes back.

    Args:
        grid: What to measure; ``threads`` of 0 are as many as each machine has CPUs.
        effort: How long.
        folder: Where results go, a folder for each kind of machine.
        tell: Is told what happens.
        is_resume: Whether what lies in the folder is taken up.
    """

    def __init__(
        self,
        grid: Grid,
        effort: Effort,
        folder: Path,
        tell: Tell | None = None,
        *,
        is_resume: bool = False,
    ) -> None:
        if not is_resume and holds_results(folder):
            advice = "go on from there with --resume, or name another --output"
            raise UsageError(f"{folder} holds results: {advice}")
        self.machines: dict[str, _Machine] = {}
        self._grid = grid
        self._effort = effort
        self._folder = folder
        self._tell = tell
        self._is_resume = is_resume
        self._places: Sequence[Place] = ()
        self._begun_s: dict[str, float] = {}
        self._first_s: float | None = None
        self._busy_s = 0.0
        self._done = 0

    @property
    def results(self) -> list[Result]:
        """Everything that was measured, machine by machine."""
        found: list[Result] = []
        for machine in self.machines.values():
            found += machine.store.results.values()
        return found

    def give(self, place: Place) -> Task | None:
        """Choose the case of this kind of machine that lacks most, and nobody measures now."""
        machine = self._machine_of(place)
        effort = self._effort
        labels_at_work = set(machine.at_work.values())
        waiting: list[Case] = []
        for case in machine.plan.cases:
            avoided_by = machine.avoided.get(case.label, ())
            is_free = case.label not in labels_at_work
            if is_free and place.name not in avoided_by and machine.lacking(case, effort):
                waiting.append(case)

        if not waiting:
            return None

        case = max(waiting, key=lambda case: machine.lacking(case, effort))
        now_s = time.monotonic()
        machine.at_work[place.name] = case.label
        self._begun_s[place.name] = now_s
        self._first_s = self._first_s or now_s

        job = next_job(machine.result_of(case, effort))
        self._report()
        return Task(case.words, job)

    def take(self, ended: Ended) -> None:
        """Join an answer to its result, or give the run out again."""
        place = ended.place
        machine = self._machine_of(place)
        label = machine.at_work.pop(place.name)
        begun_s = self._begun_s.pop(place.name)
        self._busy_s += time.monotonic() - begun_s

        case = next(case for case in machine.plan.cases if case.label == label)
        if ended.answer is None:
            self._take_loss(machine, case, ended)
            return

        before = machine.result_of(case, self._effort)
        answer = dict(ended.answer)
        try:
            after = join(before, answer, host=place.node)
        except BenchError as error:
            # Another node of this kind with other software: its runs are no runs of this result.
            failure = Failure("failed", str(error))
            after = replace(before, failure=failure)

        if not self._is_to_be_repeated(machine, after, place):
            self._keep(machine, after, place)
            return

        attempts = machine.attempts.get(label, 0)
        machine.attempts[label] = attempts + 1
        avoided_by = machine.avoided.setdefault(label, set())
        avoided_by.add(place.name)
        self._report(note=f"{place.node} was disturbed; {case.words} runs elsewhere")

    def watch(
        self,
        places: Sequence[Place],
        at_work: Sequence[Task],
    ) -> None:
        """Look at who is there."""
        del at_work
        self._places = places
        for place in places:
            self._machine_of(place)
        names = {place.name for place in places}
        for machine in self.machines.values():
            for label, avoided in list(machine.avoided.items()):
                # Where nobody else is left, a disturbed place is better than none.
                if self._names_of(machine) <= avoided or not names:
                    del machine.avoided[label]

    def finish(self) -> None:
        """Mark what could not be measured because no machine of its kind is left."""
        for machine in self.machines.values():
            for case in machine.plan.cases:
                if machine.is_short(case, self._effort):
                    before = machine.result_of(case, self._effort)
                    fault = "no machine of this kind is left; go on with --resume when one is"
                    machine.store.put(replace(before, failure=Failure("lost", fault)))

    def _take_loss(
        self,
        machine: _Machine,
        case: Case,
        ended: Ended,
    ) -> None:
        """Give a run out again whose node was lost.

        After too many losses it is the case's fault.
        """
        attempts = machine.attempts.get(case.label, 0) + 1
        machine.attempts[case.label] = attempts
        note = f"{ended.lost} while it measured {case.words}"
        if attempts > RETRIES:
            fault = f"{ended.lost}, {attempts} times with this case; go on with --resume"
            before = machine.result_of(case, self._effort)
            machine.store.put(replace(before, failure=Failure("lost", fault)))
            note += "; given up"
        self._report(note=note)

    def _is_to_be_repeated(
        self,
        machine: _Machine,
        result: Result,
        place: Place,
    ) -> bool:
        """Tell whether a run was disturbed, and another place of this kind could do it again."""
        attempts = machine.attempts.get(result.case.label, 0)
        if result.failure or attempts >= RETRIES:
            return False

        run = result.runs[-1]
        if not disturbances(run, result):
            return False

        others = self._names_of(machine) - {place.name}
        return bool(others)

    def _names_of(self, machine: _Machine) -> set[str]:
        """Name the places of a kind of machine that exist now."""
        names: set[str] = set()
        for place in self._places:
            if self._key(place) == machine.key:
                names.add(place.name)
        return names

    def _keep(
        self,
        machine: _Machine,
        result: Result,
        place: Place,
    ) -> None:
        machine.store.put(result)
        self._done += 1
        self._report(result=result, node=place.node)

    @staticmethod
    def _key(place: Place) -> str:
        environment = decode(Environment, dict(place.facts))
        return machine_key(environment)

    def _machine_of(self, place: Place) -> _Machine:
        """Find the kind of machine of a place; plan for it when it is the first."""
        key = self._key(place)
        known = self.machines.get(key)
        if known is not None:
            return known

        environment = decode(Environment, dict(place.facts))
        store = Store(self._folder / key)
        if self._is_resume:
            store.resume()

        threads = self._grid.threads or environment.cpus
        grid = replace(self._grid, threads=threads)
        planned = plan(grid, environment.device)
        for case, reason in planned.refused:
            failure = Failure("unsupported", reason)
            empty = Result(case, self._effort, environment)
            store.put(replace(empty, failure=failure))

        machine = _Machine(key, environment, planned, store)
        self.machines[key] = machine
        return machine

    def _report(
        self,
        result: Result | None = None,
        node: str = "",
        note: str = "",
    ) -> None:
        if self._tell is None:
            return

        now_s = time.monotonic()
        machine_s = self._busy_s
        for begun_s in self._begun_s.values():
            machine_s += now_s - begun_s

        left = 0
        at_work: list[str] = []
        for machine in self.machines.values():
            for case in machine.plan.cases:
                left += machine.lacking(case, self._effort)
            for name, label in machine.at_work.items():
                at_work.append(f"{name}: {label}")

        left_s = None
        hours_left = None
        if self._done and self._first_s is not None:
            spent_s = now_s - self._first_s
            left_s = spent_s / self._done * left
            hours_left = self._busy_s / self._done * left / 3600

        progress = FleetProgress(
            done=self._done,
            total=self._done + left,
            left_s=left_s,
            machine_hours=machine_s / 3600,
            machine_hours_left=hours_left,
            at_work=tuple(at_work),
            result=result,
            node=node,
            note=note,
        )
        self._tell(progress)


def run_fleet(
    desk: FleetDesk,
    executor: Executor,
    *,
    waiting_limit_s: float = 60.0,
) -> None:
    """Measure until every case has its runs on every kind of machine, or no machine is left.

    Raises:
        BenchError: No machine came, or none of them can measure anything of what was asked for.
    """
    try:
        dispatch(executor, desk, waiting_limit_s=waiting_limit_s)
    finally:
        executor.close()
    desk.finish()
    if not desk.machines:
        raise BenchError(
            "no machine of the cluster has what was asked for, "
            f"or none was ready within {waiting_limit_s:.0f} s"
        )
    if not any(machine.plan.cases for machine in desk.machines.values()):
        refused = next(iter(desk.machines.values())).plan.refused
        raise BenchError(refused[0][1] if refused else "there is nothing to measure")
