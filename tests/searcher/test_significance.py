"""An exact test on a few seeds."""

from __future__ import annotations

import math

import pytest

from zoo.searcher.significance import compare


def test_three_seeds_below_three_others_are_just_significant() -> None:
    """One deal of 20 is as low: p = 0.05, the least that three against three can give."""
    verdict = compare([1.0, 1.5, 2.0], [2.5, 3.0, 4.0])
    assert verdict.p_value == pytest.approx(1 / 20)
    assert verdict.is_better
    assert str(verdict) == "better (1.67 points below on average, p = 0.05)"


def test_an_overlap_is_not_shown_to_be_better() -> None:
    """Two deals of 20 are as low as this one."""
    verdict = compare([1.0, 1.5, 2.6], [2.5, 3.0, 4.0])
    assert verdict.p_value == pytest.approx(2 / 20)
    assert not verdict.is_better
    assert "not shown to be better (1.47 points below" in str(verdict)


def test_equal_errors_show_nothing() -> None:
    """Every deal is as low."""
    assert compare([2.0, 2.0], [2.0, 2.0]).p_value == 1


def test_many_seeds_take_no_longer_than_few() -> None:
    """Of 1.4e11 deals of twenty and twenty, one is as low; counted by their sums."""
    low = [float(number % 4) for number in range(20)]
    verdict = compare(low, [10 + error for error in low])
    assert verdict.p_value == pytest.approx(1 / math.comb(40, 20))
    assert "p = 7.3e-12" in str(verdict)


def test_a_chance_just_above_the_level_is_not_written_as_the_level() -> None:
    """Three of 56 deals are as low: 0.0536."""
    verdict = compare([1.0, 2.0, 4.5], [3.0, 4.0, 5.0, 6.0, 7.0])
    assert verdict.p_value == pytest.approx(3 / 56)
    assert "not shown to be better" in str(verdict)
    assert "p = 0.054" in str(verdict)


def test_too_few_seeds_say_so() -> None:
    """Two against two cannot go below 1 / 6."""
    verdict = compare([1.0, 1.0], [5.0, 5.0])
    assert not verdict.is_better
    assert "so few seeds cannot show more than p = 0.17" in str(verdict)
