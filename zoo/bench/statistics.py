"""What the raw values of a case say: center, spread, how sure, and whether they can be trusted."""

from __future__ import annotations

import itertools
import random
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEADY_PERCENT = 5.0
_WINDOW_VALUES = 3
_WINDOW_NS = 50_000_000
_BLOCKS = 40
_RESAMPLES = 1000
_CONFIDENCE = 0.95


def quantile(
    values: Sequence[float],
    share: float,
) -> float:
    """Find the value below which a share of the values lies, interpolated between neighbours.

    >>> quantile([1, 2, 3, 4], 0.5), quantile([0, 10], 0.9)
    (2.5, 9.0)
    """
    ordered = sorted(values)
    last = len(ordered) - 1
    position = share * last
    below = int(position)
    above = min(below + 1, last)

    lower = ordered[below]
    upper = ordered[above]
    way = position - below
    return lower + (upper - lower) * way


def is_steady(values_ns: Sequence[int]) -> bool:
    """Tell whether a warm-up may end: its last two windows have medians within 5 % of each other.

    A window is at least three values and at least 50 ms.
    """
    last = _window(values_ns)
    rest = len(values_ns) - len(last)
    before = _window(values_ns[:rest])
    if not last or not before:
        return False

    change = median(last) / median(before) - 1
    change_percent = abs(change) * 100
    return change_percent <= _STEADY_PERCENT


def _window(values_ns: Sequence[int]) -> Sequence[int]:
    """Cut the last window off, or nothing where the values do not fill one."""
    total_ns = 0
    for count, value in enumerate(reversed(values_ns), start=1):
        total_ns += value
        if count >= _WINDOW_VALUES and total_ns >= _WINDOW_NS:
            return values_ns[len(values_ns) - count :]
    return ()


def block_medians(
    values: Sequence[float],
    blocks: int = _BLOCKS,
) -> list[float]:
    """Cut the values into at most ``blocks`` stretches of neighbours and keep the median of each.

    Neighbouring values share the machine's mood; stretches are nearly independent, so they can be
    resampled.
    """
    length = len(values)
    count = min(blocks, length)
    edges = [length * index // count for index in range(count + 1)]

    medians: list[float] = []
    for start, end in itertools.pairwise(edges):
        stretch = values[start:end]
        medians.append(median(stretch))
    return medians


def bootstrap_interval(
    runs: Sequence[Sequence[float]],
    seed: int = 0,
) -> tuple[float, float]:
    """Estimate a 95 % interval of the median by resampling runs, and stretches within each run.

    Args:
        runs: The values of each run, in the order in which they were taken.
        seed: Of the resampling; the same values give the same interval.
    """
    chance = random.Random(seed)  # noqa: S311 - statistics, not secrets
    stretches = [block_medians(values) for values in runs if values]
    medians = []
    for _ in range(_RESAMPLES):
        drawn: list[float] = []
        for run in chance.choices(stretches, k=len(stretches)):
            drawn += chance.choices(run, k=len(run))
        medians.append(median(drawn))

    everything = itertools.chain.from_iterable(runs)
    center = median(everything)
    tail = (1 - _CONFIDENCE) / 2
    low = quantile(medians, tail)
    high = quantile(medians, 1 - tail)
    return (
        min(center, low),
        max(center, high),
    )
