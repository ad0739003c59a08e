"""Is one strategy better than another? An exact test on the errors of a few seeds each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVEL = 0.05
_SMALL = 0.1
"""Below, two decimals would write 0.054 as the level, and 0.004 as nothing."""
_TOLERANCE = 1e-6
_DECIMALS = 9
"""Of sums, so that those of equal errors are equal in whatever order they are added."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one sample of errors compares with another."""

    difference: float
    """Mean of the first minus mean of the second, in percentage points."""
    p_value: float
    """How often chance alone makes a difference that is at least so much lower."""
    least_p_value: float
    """The smallest that samples of these sizes can give."""

    @property
    def is_better(self) -> bool:
        """Whether the first has significantly lower errors."""
        return self.p_value <= LEVEL + _TOLERANCE

    def __str__(self) -> str:
        """Say it in a sentence."""
        points = abs(self.difference)
        amount = f"{points:.2f} points"
        direction = "below" if self.difference < 0 else "above"
        decimals = ".2f" if self.p_value >= _SMALL else ".2g"
        chance = f"{self.p_value:{decimals}}"
        figures = f"{amount} {direction} on average, p = {chance}"
        if self.is_better:
            return f"better ({figures})"
        if self.least_p_value > LEVEL + _TOLERANCE:
            few = f"so few seeds cannot show more than p = {self.least_p_value:.2f}"
            return f"not shown to be better ({figures}; {few})"
        return f"not shown to be better ({figures})"


def compare(
    first: Sequence[float],
    second: Sequence[float],
) -> Verdict:
    """Test whether the first errors are lower, by all ways to deal the values to the two samples.

    Args:
        first: Errors of one strategy, one a seed.
        second: Errors of the other.

    Source:
        Fisher 1935, "The design of experiments", section 21: the permutation test.

    >>> compare([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]).p_value
    0.05
    """
    values = [*first, *second]
    size = len(first)
    limit = sum(first) + _TOLERANCE
    deals = 0
    as_low = 0
    sums = _sums_of(values, size)
    for total, ways in sums.items():
        deals += ways
        if total <= limit:
            as_low += ways

    return Verdict(
        difference=mean(first) - mean(second),
        p_value=as_low / deals,
        least_p_value=1 / deals,
    )


def _sums_of(
    values: Sequence[float],
    size: int,
) -> Counter[float]:
    """Count the ways to choose so many values, by their sum.

    There are far fewer sums than ways: errors are counts of the same images.
    """
    by_size: list[Counter[float]] = [Counter() for _ in range(size + 1)]
    nothing, *_ = by_size
    nothing[0.0] = 1
    for value in values:
        # The larger ones first, so that no value is chosen twice.
        steps = list(pairwise(by_size))
        steps.reverse()
        for fewer, more in steps:
            for total, ways in fewer.items():
                larger = total + value
                key = round(larger, _DECIMALS)
                more[key] += ways
    return by_size[size]
