"""Medians, intervals and the end of a warm-up, on synthetic values with known distributions."""

import random
from statistics import median

import pytest

from zoo.bench.statistics import block_medians, bootstrap_interval, is_steady, quantile

MS = 1_000_000


def normal_values(count: int, center: float, spread: float, seed: int) -> list[float]:
    """Draw values of a normal distribution."""
    chance = random.Random(seed)  # noqa: S311 - synthetic values
    return [chance.gauss(center, spread) for _ in range(count)]


def test_quantile_interpolates_between_neighbours() -> None:
    """The 90 % point of 0, 10, ..., 100 is 90; the middle of 1 and 2 is 1.5."""
    assert quantile(range(0, 101, 10), 0.9) == 90
    assert quantile([2, 1], 0.5) == 1.5
    assert quantile([7], 0.99) == 7


def test_block_medians_keep_the_order_and_use_every_value() -> None:
    """Ten values in four stretches: of 2, 3, 2 and 3."""
    assert block_medians([1, 3, 5, 5, 9, 2, 4, 1, 1, 7], blocks=4) == [2, 5, 3, 1]
    assert block_medians([1, 2], blocks=40) == [1, 2]


def test_bootstrap_interval_covers_the_true_median_about_19_times_in_20() -> None:
    """Of 100 samples around a median of 50, at least 88 give an interval with it (three sigma)."""
    covered = 0
    for seed in range(100):
        low, high = bootstrap_interval([normal_values(200, 50, 5, seed)], seed)
        covered += low <= 50 <= high
    assert covered >= 88


def test_bootstrap_interval_holds_what_lies_between_runs() -> None:
    """Runs that agree within but not with each other give an interval as wide as they differ."""
    alike = [normal_values(100, 100, 0.1, seed) for seed in range(5)]
    apart = [normal_values(100, center, 0.1, 9) for center in (96, 98, 100, 102, 104)]
    narrow, wide = bootstrap_interval(alike), bootstrap_interval(apart)
    assert narrow[1] - narrow[0] < 0.5
    assert wide[1] - wide[0] > 3


def test_bootstrap_interval_is_the_same_each_time_and_holds_the_median() -> None:
    """The resampling has a seed of its own; one value is its own interval."""
    runs = [normal_values(30, 10, 1, 1)]
    low, high = bootstrap_interval(runs)
    assert (low, high) == bootstrap_interval(runs)
    assert low <= median(runs[0]) <= high
    assert bootstrap_interval([[5.0]]) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("values_ms", "expected"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 100, 100, 100, 100], False),
        ([100, 100, 100, 100, 100, 100], True),
        ([500, 300, 200, 100, 101, 100], False),
        ([500, 300, 200, 100, 101, 100, 101, 100], True),
        ([10] * 9, False),
        ([10] * 10, True),
    ],
)
def test_warm_up_ends_when_two_windows_of_three_values_and_50_ms_agree(
    values_ms: list[int], expected: bool
) -> None:
    """Six equal values of 100 ms are two windows; values of 10 ms need five to fill each."""
    assert is_steady([value * MS for value in values_ms]) is expected
