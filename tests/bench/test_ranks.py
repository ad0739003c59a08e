"""The ratio of two samples and its exact interval."""

import itertools
import math

import pytest

from zoo.bench.ranks import critical_u, shift


def two_tails(first: int, second: int, u: int) -> float:
    """Count by hand how often chance gives a U of at most ``u``, or as far at the other end."""
    everyone = range(first + second)
    orders = [
        sum(a > b for a in chosen for b in everyone if b not in chosen)
        for chosen in itertools.combinations(everyone, first)
    ]
    return 2 * sum(order <= u for order in orders) / len(orders)


@pytest.mark.parametrize(("first", "second"), [(4, 4), (5, 5), (3, 6), (6, 4), (7, 5)])
def test_critical_u_is_the_largest_that_chance_reaches_less_than_one_time_in_twenty(
    first: int, second: int
) -> None:
    """The counting formula agrees with going through all orders of two small samples."""
    critical = critical_u(first, second, 0.95)
    assert critical is not None
    assert two_tails(first, second, critical) <= 0.05 < two_tails(first, second, critical + 1)


def test_three_of_each_are_too_few_for_an_interval() -> None:
    """The most extreme of 20 orders of 3 and 3 comes up one time in ten, over one in twenty."""
    assert two_tails(3, 3, 0) == 0.1
    assert shift([1, 2, 3], [4, 5, 6]) is None


def test_shift_finds_a_known_factor_and_its_interval() -> None:
    """Four values against the same four times 1.1.

    The ratio is 1.1, the interval the extremes of all 16 ratios.
    """
    first = [100.0, 101.0, 102.0, 104.0]
    found = shift(first, [value * 1.1 for value in first])
    assert found is not None
    assert math.isclose(found.ratio, 1.1)
    assert math.isclose(found.low, 110 / 104)
    assert math.isclose(found.high, 114.4 / 100)


def test_one_disturbed_run_in_five_hardly_moves_the_ratio() -> None:
    """A run that took three times as long moves the ratio of the other four by less than 2 %."""
    found = shift([100, 100.5, 101, 99.5, 300], [110, 110.5, 111, 109.5, 110.2])
    assert found is not None
    assert abs(found.ratio / 1.1 - 1) < 0.02
