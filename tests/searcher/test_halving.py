"""Successive halving."""

from __future__ import annotations

import pytest

from zoo.searcher.halving import goes_on, rungs_of


@pytest.mark.parametrize(
    ("error", "others", "eta", "expected"),
    [
        (50.0, [], 2, True),  # the first goes on
        (50.0, [40.0], 2, False),  # one place of two, taken
        (30.0, [40.0], 2, True),
        (40.0, [40.0], 2, True),  # equals do not push each other out
        (50.0, [40.0, 60.0], 2, True),  # two places of three
        (50.0, [40.0, 45.0, 60.0], 2, False),
        (50.0, [40.0, 60.0, 70.0, 80.0, 90.0], 3, True),  # two places of six
        (50.0, [40.0, 45.0, 70.0, 80.0, 90.0], 3, False),
        (99.0, [1.0, 2.0, 3.0], 1, True),  # eta 1 stops none
    ],
)
def test_the_best_share_of_a_rung_goes_on(
    error: float,
    others: list[float],
    eta: int,
    expected: bool,
) -> None:
    """Places are counted with the trial itself, rounded up."""
    assert goes_on(error, others, eta) is expected


@pytest.mark.parametrize(
    ("epochs", "eta", "rungs"),
    [(1, 2, [1]), (2, 2, [1, 2]), (4, 2, [1, 2, 4]), (27, 3, [1, 3, 9, 27]), (6, 1, [6])],
)
def test_rungs_are_powers_below_the_whole_training(epochs: int, eta: int, rungs: list[int]) -> None:
    """The last one is the whole training."""
    assert rungs_of(epochs, eta) == rungs
