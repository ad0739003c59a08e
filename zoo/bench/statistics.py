"""What the raw values of a cell say: centre, spread, how sure, and whether they can be trusted."""

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


def quantile(values: Sequence[float], share: float) -> float:
    """Find the value below which a share of the values lies, interpolated between neighbours.

    >>> quantile([1, 2, 3, 4], 0.5), quantile([0, 10], 0.9)
    (2.5, 9.0)
    """
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def is_steady(values_ns: Sequence[int]) -> bool:
    """Tell whether a warm-up may end: its last two windows have medians within 5 % of each other.

    A window is at least three values and at least 50 ms.
    """
    last = _window(values_ns)
    before = _window(values_ns[: len(values_ns) - len(last)])
    if not last or not before:
        return False
    return abs(median(last) / median(before) - 1) * 100 <= _STEADY_PERCENT


def _window(values_ns: Sequence[int]) -> Sequence[int]:
    """Cut the last window off, or nothing where the values do not fill one."""
    total_ns = 0
    for count, value in enumerate(reversed(values_ns), start=1):
        total_ns += value
        if count >= _WINDOW_VALUES and total_ns >= _WINDOW_NS:
            return values_ns[len(values_ns) - count :]
    return ()


def block_medians(values: Sequence[float], blocks: int = _BLOCKS) -> list[float]:
    """Cut the values into at most ``blocks`` stretches of neighbours and keep the median of each.

    Neighbouring values share the machine's mood; stretches are nearly independent, so they can be resampled.
    """
    count = min(blocks, len(values))
    edges = [len(values) * index // count for index in range(count + 1)]
    return [median(values[start:end]) for start, end in itertools.pairwise(edges)]


def bootstrap_interval(runs: Sequence[Sequence[float]], seed: int = 0) -> tuple[float, float]:
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
    centre = median([value for values in runs for value in values])
    tail = (1 - _CONFIDENCE) / 2
    return min(centre, quantile(medians, tail)), max(centre, quantile(medians, 1 - tail))
