"""Reasons to distrust a run, on synthetic values with known distributions."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.bench_results import make_result, make_run
from zoo.bench.records import Conditions, Effort, Failure, Run
from zoo.bench.stability import (
    disturbances,
    is_bimodal,
    is_drifting,
    missing_runs,
    shape_faults,
    usable_runs,
    yardstick_best_ns,
)


def drawn(seed: int, count: int = 200, center: float = 100.0, spread: float = 1.0) -> list[float]:
    """Draw values of a normal distribution."""
    chance = random.Random(seed)  # noqa: S311 - synthetic values
    return [chance.gauss(center, spread) for _ in range(count)]


def false_alarms(judge: object, spread: float) -> int:
    """Count how often a judge objects to 100 samples that have one mode and no trend."""
    assert callable(judge)
    return sum(judge(drawn(seed, spread=spread)) for seed in range(100))


def test_a_rise_of_ten_percent_is_drift_and_noise_is_not() -> None:
    """Values that rise from 100 to 110 drift.

    Of 100 samples without a trend at most one is called drifting.
    """
    rising = [value + index / 20 for index, value in enumerate(drawn(1))]
    assert is_drifting(rising)
    assert false_alarms(is_drifting, spread=1.0) <= 1
    assert false_alarms(is_drifting, spread=20.0) <= 4


def test_a_drift_too_small_to_matter_is_none() -> None:
    """Two percent, however sure, does not make a result unstable."""
    assert not is_drifting([100 + index / 100 for index in range(200)])


def test_two_groups_ten_percent_apart_are_two_modes() -> None:
    """Three quarters at 100 and a quarter at 110, in any order."""
    values = drawn(1, 150) + drawn(2, 50, center=110)
    random.Random(3).shuffle(values)  # noqa: S311 - synthetic values
    assert is_bimodal(values)


@pytest.mark.parametrize("spread", [0.5, 5.0, 20.0])
def test_one_group_is_one_mode_however_wide(spread: float) -> None:
    """Of 100 normal samples none is called bimodal."""
    assert false_alarms(is_bimodal, spread) == 0


def test_a_long_tail_is_no_second_mode() -> None:
    """Latency has a tail: exponential values, and five percent that took twice as long."""
    chance = random.Random(4)  # noqa: S311 - synthetic values
    assert not is_bimodal([100 + chance.expovariate(0.1) for _ in range(500)])
    assert not is_bimodal(drawn(5, 190) + drawn(6, 10, center=200))


def test_groups_too_close_or_too_few_values_are_not_judged() -> None:
    """Two groups 2 % apart do not matter; 10 values say nothing."""
    assert not is_bimodal(drawn(1, spread=0.1) + drawn(2, center=102, spread=0.1))
    assert not is_bimodal([1, 1, 1, 1, 1, 2, 2, 2, 2, 2])


QUIET, SLOW = (100, 104), (100, 140)
SLOW_WORDS = ["the machine was slow by its yardstick"]


def timed(yardsticks_ns: Sequence[int], level_ms: float = 10.0, **changes: object) -> Run:
    """Make a run of equal values with these times of the yardstick."""
    return make_run([level_ms] * 20, yardsticks_ns=tuple(yardsticks_ns), **changes)


def test_a_run_is_disturbed_if_the_yardstick_took_longer_before_it_or_after_it() -> None:
    """By more than 8 % of the best seen around any run of the result, or by the session."""
    runs = [timed(QUIET), timed(SLOW), timed((140, 100)), timed((107, 107)), timed((109, 100))]
    result = make_result(runs)
    found = [disturbances(run, result) for run in runs]
    assert found == [[], SLOW_WORDS, SLOW_WORDS, [], SLOW_WORDS]

    all_alike = make_result([timed((140, 141))] * 5)
    assert disturbances(all_alike.runs[0], all_alike) == []
    told = replace(all_alike, yardstick_best_ns=100)
    assert disturbances(told.runs[0], told) == SLOW_WORDS


def test_no_run_is_chosen_by_its_own_values() -> None:
    """One run twice as fast, one slow, on a machine that was the same: all count."""
    runs = [timed(QUIET, level_ms) for level_ms in (10.0, 5.0, 10.0, 10.0, 30.0)]
    result = replace(make_result(runs), effort=Effort(runs=3, retakes=2))
    assert usable_runs(result) == runs


def test_runs_without_a_yardstick_are_not_disturbed_by_it() -> None:
    """First inferences have none, nor have files of before."""
    result = make_result([timed(())])
    assert yardstick_best_ns(result) is None
    assert disturbances(result.runs[0], result) == []


def test_nodes_of_one_kind_have_a_best_of_their_own() -> None:
    """The second node is half as fast again, always: its runs are as good as those of the first."""
    result = make_result([timed((100, 100), host="a"), timed((150, 150), host="b")])
    assert [disturbances(run, result) for run in result.runs] == [[], []]


@pytest.mark.parametrize(
    ("runs", "effort", "expected"),
    [
        ([], Effort(runs=5), 5),
        ([QUIET] * 5, Effort(runs=5, retakes=10), 0),
        ([QUIET] * 3 + [SLOW] * 2, Effort(runs=5, retakes=10), 2),
        ([QUIET] * 3 + [SLOW] * 2, Effort(runs=5, retakes=1), 1),
        ([QUIET] * 3 + [SLOW] * 2, Effort(runs=5), 0),
        ([QUIET, SLOW], Effort(runs=5, retakes=10), 4),
        ([QUIET] * 4 + [SLOW] * 11, Effort(runs=5, retakes=10), 0),
        ([QUIET] * 4 + [SLOW] * 10, Effort(runs=5, retakes=10), 1),
    ],
)
def test_runs_that_are_missing(
    runs: Sequence[Sequence[int]], effort: Effort, expected: int
) -> None:
    """Those that were never taken, and retakes of disturbed ones as far as was agreed."""
    result = make_result([timed(yardsticks_ns) for yardsticks_ns in runs])
    assert missing_runs(result, effort) == expected


def test_what_failed_misses_nothing_and_a_crowded_run_is_taken_again() -> None:
    """Any disturbance counts, not only a slow machine."""
    crowded = make_run([10.0] * 20, conditions=Conditions(others_cpus=8.0))
    assert missing_runs(make_result([crowded]), Effort(retakes=2)) == 1
    failed = replace(make_result([crowded]), failure=Failure("crashed", "it crashed"))
    assert missing_runs(failed, Effort(retakes=2)) == 0


def test_one_odd_run_of_five_does_not_make_a_result_odd_and_two_do() -> None:
    """How the values of a run look is judged over the runs, whose medians give the interval."""
    steady, odd = make_run([10.0] * 20), make_run([10.0] * 20, is_steady=False)
    assert shape_faults([steady] * 4 + [odd]) == []
    assert shape_faults([steady] * 3 + [odd] * 2) == ["not steady when the warm-up ended"]
    assert shape_faults([odd]) == ["not steady when the warm-up ended"]
