"""Which machine for this model, and which models for this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.bench_results import ENVIRONMENT, make_result, make_run
from zoo.bench.comparability import machine_key
from zoo.bench.files import Store
from zoo.bench.ranking import draw_fleet, machines_of, pivot, rank
from zoo.bench.results import columns_by_model
from zoo.devices import Device
from zoo.errors import UsageError

FAST = replace(ENVIRONMENT, cpu="fast", device=Device("cpu", "Fast CPU", ("fp32",)))
SLOW = replace(ENVIRONMENT, cpu="slow", device=Device("cpu", "Slow CPU", ("fp32",)))
RESULTS = [
    make_result([make_run([9.0] * 9)], SLOW),
    make_result([make_run([3.0] * 9)], FAST),
    make_result([make_run([2.0] * 9)], FAST, engine="compile"),
    make_result([make_run([4.0] * 9)], SLOW, model="alexnet"),
]


def test_machines_are_ranked_for_each_model_by_their_best_engine() -> None:
    """The compiled network counts, 2 ms against 9; a model that one machine lacks has one row."""
    standings = [
        (one.model, one.rank, one.machine, one.p50_ms, one.engine) for one in rank(RESULTS)
    ]
    fast, slow = machine_key(FAST), machine_key(SLOW)
    assert standings == [
        ("resnet18", 1, fast, 2.0, "compile"),
        ("resnet18", 2, slow, 9.0, "eager"),
        ("alexnet", 1, slow, 4.0, "eager"),
    ]


def test_models_are_ranked_for_each_machine() -> None:
    """On the slow one AlexNet is before ResNet."""
    ranked = rank(RESULTS, "machine")
    slow = [one.model for one in ranked if one.machine == machine_key(SLOW)]
    assert slow == ["alexnet", "resnet18"]


def test_which_machine_keeps_a_limit() -> None:
    """Under 5 ms: ResNet on the fast one, AlexNet on the slow one."""
    kept = [one for one in rank(RESULTS, limit=("p50", 5.0)) if one.is_within]
    assert [(one.model, one.p50_ms) for one in kept] == [("resnet18", 2.0), ("alexnet", 4.0)]


def test_machines_stand_side_by_side() -> None:
    """A row for each case, a column for each machine, nothing joined."""
    machines, rows = pivot(RESULTS)
    assert machines == [machine_key(SLOW), machine_key(FAST)]
    figures = [[row[machine] for machine in machines] for row in rows]
    assert figures == [[9.0, 3.0], [None, 2.0], [4.0, None]]


def test_what_one_machine_measured_in_two_ways_has_two_rows() -> None:
    """Threads are told apart where a machine has several, and no figure hides another."""
    both = [*RESULTS, make_result([make_run([1.0] * 9)], SLOW, threads=7)]
    machines, rows = pivot(both)
    resnets = [row for row in rows if row["model"] == "resnet18" and row["engine"] == "eager"]
    assert [(row["threads"], row[machines[0]]) for row in resnets] == [(1, 9.0), (7, 1.0)]
    assert "threads" not in pivot(RESULTS)[1][0]

    small = [*RESULTS, make_result([make_run([1.0] * 9)], SLOW, input_size=(3, 32, 32))]
    machines, rows = pivot(small)
    assert [row[machines[0]] for row in rows if row["input"] == "3x32x32"] == [1.0]


def test_inputs_of_unlike_sizes_are_ranked_apart() -> None:
    """An image of 32 x 32 pixels makes no machine faster than another that got a whole one."""
    small = [*RESULTS, make_result([make_run([1.0] * 9)], SLOW, input_size=(3, 32, 32))]
    standings = [(one.model, one.rank, one.p50_ms) for one in rank(small)]
    assert standings == [
        ("resnet18 at 3x224x224", 1, 2.0),
        ("resnet18 at 3x224x224", 2, 9.0),
        ("alexnet", 1, 4.0),
        ("resnet18 at 3x32x32", 1, 1.0),
    ]


def test_nothing_to_rank_is_said() -> None:
    """No result of that mode."""
    with pytest.raises(UsageError, match="throughput"):
        rank(RESULTS, mode="throughput")


def test_the_drawing_has_a_dot_for_each_standing() -> None:
    """The first of each group is marked."""
    chart = draw_fleet(rank(RESULTS), machines_of(RESULTS))
    assert [point.x for point in chart.front] == [2.0, 4.0]
    assert chart.points[1].name == "resnet18 on Slow CPU"


def test_columns_for_other_commands_are_of_one_machine(tmp_path: Path) -> None:
    """A list that takes the fastest of two machines would be of none."""
    for result in RESULTS:
        Store(tmp_path / machine_key(result.environment)).put(result)
    with pytest.raises(UsageError, match=r"--machine"):
        columns_by_model(tmp_path)
    alone = columns_by_model(tmp_path / machine_key(SLOW))
    assert {name: row["p50"] for name, row in alone.items()} == {"resnet18": 9.0, "alexnet": 4.0}
