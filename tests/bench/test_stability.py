"""Reasons to distrust a run, on synthetic values with known distributions."""

import random

import pytest

from zoo.bench.stability import is_bimodal, is_drifting


def drawn(seed: int, count: int = 200, centre: float = 100.0, spread: float = 1.0) -> list[float]:
    """Draw values of a normal distribution."""
    chance = random.Random(seed)  # noqa: S311 - synthetic values
    return [chance.gauss(centre, spread) for _ in range(count)]


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
    values = drawn(1, 150) + drawn(2, 50, centre=110)
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
    assert not is_bimodal(drawn(5, 190) + drawn(6, 10, centre=200))


def test_groups_too_close_or_too_few_values_are_not_judged() -> None:
    """Two groups 2 % apart do not matter; 10 values say nothing."""
    assert not is_bimodal(drawn(1, spread=0.1) + drawn(2, centre=102, spread=0.1))
    assert not is_bimodal([1, 1, 1, 1, 1, 2, 2, 2, 2, 2])
