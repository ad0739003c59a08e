"""Sweeps over many machines: what each place is given, and what becomes of the answers."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.support.bench_results import ENVIRONMENT, RUN
from zoo.bench.comparability import machine_key
from zoo.bench.files import read
from zoo.bench.fleet import FleetDesk, FleetProgress
from zoo.bench.jobs import to_plain
from zoo.bench.plan import Grid
from zoo.bench.records import Effort, Environment, Run
from zoo.bench.summary import summarise_all
from zoo.devices import Device
from zoo.errors import UsageError
from zoo.executors.record import Ended, Place, Task

GRID = Grid(["resnet18"], modes=("latency", "throughput"), batches=(1,), threads=0)
EFFORT = Effort(runs=2)
OTHER = replace(ENVIRONMENT, cpu="another CPU", device=Device("cpu", "another CPU", ("fp32",)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name a folder that nothing else writes to."""
    return tmp_path / "fleet"


def place(name: str, environment: Environment = ENVIRONMENT) -> Place:
    """Make a place on a node of its own."""
    return Place(name, f"node of {name}", to_plain(asdict(environment)))


def answer(task: Task, environment: Environment = ENVIRONMENT, run: Run = RUN) -> dict[str, object]:
    """Measure as a station would."""
    del task
    return to_plain({"run": asdict(run), "environment": asdict(environment)})


def work(
    desk: FleetDesk, where: Place, run: Run = RUN, environment: Environment = ENVIRONMENT
) -> int:
    """Let a place do all that it is given; return how much that was."""
    count = 0
    while (task := desk.give(where)) is not None:
        desk.take(Ended(where, task, answer(task, environment, run)))
        count += 1
    return count


def test_each_kind_of_machine_measures_every_case_and_nothing_is_joined(folder: Path) -> None:
    """Two alike share four runs, a third does its own four; a folder for each kind."""
    desk = FleetDesk(GRID, EFFORT, folder)
    one, two, third = place("a"), place("b"), place("c", OTHER)
    desk.watch([one, two, third], [])
    first = desk.give(one)
    assert first is not None
    second = desk.give(two)
    assert second is not None
    assert first.name != second.name  # one case is never measured twice at once
    desk.take(Ended(one, first, answer(first)))
    desk.take(Ended(two, second, answer(second)))
    assert work(desk, one) == 2
    assert work(desk, two) == 0
    assert work(desk, third, environment=OTHER) == 4

    folders = {path.name for path in folder.iterdir()}
    assert folders == {machine_key(ENVIRONMENT), machine_key(OTHER)}
    results = read(folder)
    assert [len(result.runs) for result in results] == [2, 2, 2, 2]
    assert {run.host for result in results for run in result.runs} == {
        *("node of a", "node of b", "node of c")
    }
    assert {summary.machine for summary in summarise_all(results)} == folders
    assert {result.case.threads for result in results} == {ENVIRONMENT.cpus}


def test_a_run_of_a_lost_node_is_done_by_another_one(folder: Path) -> None:
    """And said; the lost one comes back as nothing."""
    told: list[FleetProgress] = []
    desk = FleetDesk(GRID, EFFORT, folder, told.append)
    one, two = place("a"), place("b")
    desk.watch([one, two], [])
    task = desk.give(one)
    assert task is not None
    desk.take(Ended(one, task, lost="the node of a was lost"))
    assert "the node of a was lost" in told[-1].note
    assert work(desk, two) == 4
    assert told[-1].done == told[-1].total == 4
    assert all(result.failure is None for result in read(folder))


def test_the_view_names_what_each_place_does_from_its_first_run_on(folder: Path) -> None:
    """Also where there is but one place, which never works while another one ends."""
    told: list[FleetProgress] = []
    desk = FleetDesk(replace(GRID, modes=("latency",)), EFFORT, folder, told.append)
    one = place("a")
    desk.watch([one], [])
    task = desk.give(one)
    assert task is not None
    (view,) = told[-1].at_work
    assert view.startswith("a: resnet18-latency")
    assert (told[-1].done, told[-1].total) == (0, 2)

    desk.take(Ended(one, task, answer(task)))
    assert desk.give(one) is not None
    *_, ended, begun = told
    assert list(ended.at_work) == []
    assert list(begun.at_work) == [view]
    assert begun.machine_hours_left is not None


def test_a_case_that_loses_every_node_is_given_up_and_resume_tries_again(folder: Path) -> None:
    """Three losses are the case's fault.

    The others go on. Later it may be measured all the same.
    """
    desk = FleetDesk(GRID, EFFORT, folder)
    where = place("a")
    desk.watch([where], [])
    deadly = desk.give(where)
    assert deadly is not None
    for _ in range(3):
        desk.take(Ended(where, deadly, lost="the node was lost"))
        for _ in range(9):
            given = desk.give(where)
            if given is None or given.name == deadly.name:
                break
            desk.take(Ended(where, given, answer(given)))
    failures = [result.failure for result in read(folder) if result.failure]
    assert [failure.kind for failure in failures] == ["lost"]
    assert "3 times with this case" in failures[0].message

    with pytest.raises(UsageError, match="--resume"):
        FleetDesk(GRID, EFFORT, folder)
    again = FleetDesk(GRID, EFFORT, folder, is_resume=True)
    again.watch([where], [])
    assert work(again, where) == 2
    assert all(len(result.runs) == 2 for result in read(folder))


def test_a_disturbed_run_is_repeated_elsewhere_and_kept_where_nobody_else_is(
    folder: Path,
) -> None:
    """Its card was throttled: it counts only if no other machine of that kind can do better."""
    hot = replace(RUN, conditions=replace(RUN.conditions, gpu_throttle=("power brake",)))
    grid, effort = replace(GRID, modes=("latency",)), Effort(runs=1)
    desk = FleetDesk(grid, effort, folder / "two")
    one, two = place("a"), place("b")
    desk.watch([one, two], [])
    task = desk.give(one)
    assert task is not None
    desk.take(Ended(one, task, answer(task, run=hot)))
    assert desk.give(one) is None
    assert work(desk, two) == 1
    (result,) = read(folder / "two")
    assert [run.conditions.gpu_throttle for run in result.runs] == [()]

    alone = FleetDesk(grid, effort, folder / "one")
    alone.watch([one], [])
    assert work(alone, one, run=hot) == 1
    (kept,) = summarise_all(read(folder / "one"))
    assert kept.faults == ("throttled (power brake)",)


def test_what_no_machine_is_left_for_is_marked(folder: Path) -> None:
    """Each case has its row, with what to do."""
    desk = FleetDesk(GRID, EFFORT, folder)
    where = place("a")
    desk.watch([where], [])
    task = desk.give(where)
    assert task is not None
    desk.take(Ended(where, task, answer(task)))
    desk.finish()
    results = read(folder)
    assert [result.failure.kind for result in results if result.failure] == ["lost", "lost"]
    assert sorted(len(result.runs) for result in results) == [0, 1]


def test_a_run_that_was_disturbed_everywhere_is_not_left_undone(folder: Path) -> None:
    """Through the loop, with one real place whose every run is throttled: it is kept and marked."""
    desk = FleetDesk(replace(GRID, modes=("latency",)), Effort(runs=1), folder)
    hot = replace(RUN, conditions=replace(RUN.conditions, gpu_throttle=("power brake",)))
    one, two = place("a"), place("b")
    for where in (one, two, one):
        desk.watch([one, two], [])
        task = desk.give(where)
        assert task is not None
        desk.take(Ended(where, task, answer(task, run=hot)))
    desk.finish()
    (result,) = read(folder)
    assert result.failure is None
    assert len(result.runs) == 1
