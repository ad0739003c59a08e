"""Disturbed runs are taken again, in turns and within limits, at a station with a script."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench_results import ENVIRONMENT, make_result, make_run
from zoo.bench.files import Store, read
from zoo.bench.jobs import Answer, Job, Station, to_plain
from zoo.bench.plan import Plan
from zoo.bench.records import Case, Effort, Run
from zoo.bench.session import measure_at
from zoo.bench.summary import summarise

FIRST, SECOND = make_result().case, make_result(model="resnet50").case
QUIET, SLOW = 100, 150


class ScriptedStation(Station):
    """Answers every job with the next run of a script, and keeps whose turn it was."""

    def __init__(self, runs: Iterable[Run]) -> None:
        super().__init__(ENVIRONMENT.device)
        self.turns: list[str] = []
        self._runs = iter(runs)

    def carry_out(self, job: Job) -> Answer:
        """See above."""
        self.turns.append(job["case"]["model"])
        plain = {"run": asdict(next(self._runs)), "environment": asdict(ENVIRONMENT)}
        return to_plain(plain)


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the station's folder apart."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@contextmanager
def station_of(yardsticks_ns: Iterable[int]) -> Iterator[ScriptedStation]:
    """Open a station whose runs differ in the yardstick only."""
    runs = (make_run([10.0] * 20, yardsticks_ns=(taken, taken)) for taken in yardsticks_ns)
    with ScriptedStation(runs) as station:
        yield station


def measure(
    station: ScriptedStation, cases: Sequence[Case], path: Path | None = None, **effort: Any
) -> tuple[Store, list[float]]:
    """Measure at a station; return what came out and the rests that were taken."""
    store, rests = Store(path), list[float]()
    measure_at(station, Plan(list(cases)), Effort(**effort), store, rest=rests.append)
    return store, rests


def test_disturbed_runs_are_taken_again_in_turns_with_other_cases() -> None:
    """Both cases had a slow machine in their second run; the first again in its third.

    Every raw run is kept, and the quiet ones count.
    """
    script = [QUIET, QUIET, SLOW, SLOW, SLOW, QUIET, QUIET]
    with station_of(script) as station:
        store, rests = measure(station, [FIRST, SECOND], runs=2, retakes=4)
    first, second = FIRST.model, SECOND.model
    assert station.turns == [first, second, first, second, first, second, first]
    assert rests == []
    summaries = [summarise(store.results[case.label]) for case in (FIRST, SECOND)]
    assert [(summary.runs, summary.disturbed_runs) for summary in summaries] == [(2, 2), (2, 1)]
    assert [summary.faults for summary in summaries] == [(), ()]


def test_a_machine_that_stays_slow_is_given_time_and_then_given_up() -> None:
    """One quiet run and then none: after four retakes, further and further apart, it is marked."""
    with station_of([QUIET] + [SLOW] * 20) as station:
        store, rests = measure(station, [FIRST], runs=2, retakes=4)
    assert len(station.turns) == 6
    assert rests == [1, 2, 4, 8]
    summary = summarise(store.results[FIRST.label])
    assert (summary.runs, summary.disturbed_runs) == (1, 5)
    assert summary.faults == (
        "only 1 of 2 wanted runs undisturbed",
        "the machine was slow by its yardstick",
    )


@pytest.mark.parametrize("name", ["sweep", "sweep.json", None])
def test_what_one_case_shows_of_the_machine_counts_for_the_others(
    tmp_path: Path, name: str | None
) -> None:
    """The first case met a slow machine only, which the second case shows: it is measured again.

    The file holds that, and no run twice.
    """
    path = None if name is None else tmp_path / name
    with station_of([SLOW, QUIET, QUIET]) as station:
        store, _ = measure(station, [FIRST, SECOND], path, runs=1, retakes=2)
    assert station.turns == [FIRST.model, SECOND.model, FIRST.model]

    kept = store.results if path is None else {item.case.label: item for item in read(path)}
    summary = summarise(kept[FIRST.label])
    assert (summary.runs, summary.disturbed_runs) == (1, 1)
    assert kept[FIRST.label].yardstick_best_ns == QUIET


def test_threads_have_yardsticks_of_their_own() -> None:
    """With more threads the same work takes another time: that is no slow machine."""
    with station_of([SLOW, QUIET]) as station:
        measure(station, [FIRST, replace(FIRST, threads=2)], runs=1, retakes=2)
    assert len(station.turns) == 2


def test_runs_are_added_until_the_interval_is_narrow() -> None:
    """Two runs a fifth apart leave the median open; with more near the first it is stable."""
    levels_ms = [10.0, 12.0, 10.0, 10.1, 10.0, 10.1, 10.0, 10.1, 10.0, 10.1]
    runs = [make_run([level_ms] * 20) for level_ms in levels_ms]
    with ScriptedStation(runs) as station:
        store, _ = measure(station, [FIRST], runs=2, stable_limit_s=1000.0)
    summary = summarise(store.results[FIRST.label])
    assert summary.faults == ()
    assert 2 < summary.runs < len(levels_ms)


def test_until_stable_ends_at_its_limit() -> None:
    """Rests count: 1 + 2 + 4 + 8 + 10 s are more than 20."""
    with station_of([QUIET] + [SLOW] * 20) as station:
        _, rests = measure(station, [FIRST], runs=2, stable_limit_s=20.0)
    assert rests == [1, 2, 4, 8, 10]
