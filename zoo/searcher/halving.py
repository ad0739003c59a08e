"""Successive halving: after each rung only the better trials go on.

Paper:
    Li et al.: "A system for massively parallel hyperparameter tuning", 2018, arXiv:1810.05934:
    asynchronous successive halving, in its variant that stops trials instead of pausing them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rungs_of(
    epochs: int,
    eta: int,
) -> list[int]:
    """List after how many epochs trials are compared; the last is the whole training.

    >>> rungs_of(9, 3), rungs_of(5, 2), rungs_of(4, 1)
    ([1, 3, 9], [1, 2, 5], [4])
    """
    rungs = [epochs]
    while eta > 1 and rungs[0] >= eta:
        shorter = rungs[0] // eta
        rungs.insert(0, shorter)
    return rungs


def goes_on(
    error_percent: float,
    others: Sequence[float],
    eta: int,
) -> bool:
    """Tell whether a trial is among the best ``1 / eta`` of those that have reached its rung.

    Args:
        error_percent: Of the trial at this rung.
        others: Of the other trials that have been there before it.
        eta: As above. The first trials at a rung go on.
    """
    better = sum(other < error_percent for other in others)
    reached = len(others) + 1
    places = -(-reached // eta)
    return better < places
