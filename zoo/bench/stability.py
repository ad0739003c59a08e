"""Whether the values of a run can be trusted, and if not, why: drift, two modes, throttling, a busy machine. Pure."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING

from zoo.bench.ranks import shift
from zoo.bench.statistics import block_medians, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Result, Run

_DRIFT_PERCENT = 3.0
_DRIFT_BLOCKS = 20
_MODES_APART_PERCENT = 5.0
_LEAST_VALUES = 20
_LEAST_SHARE = 0.1
_BETWEEN_SHARE = 0.85
"""Share of the variance that a split into two explains: 0.64 for a normal distribution, 0.75 for a uniform one."""
_STOLEN_PERCENT = 2.0
_CROWDED_CPUS = 0.15
_GPU_HOST_THREADS = 1


def run_faults(run: Run, result: Result) -> list[str]:
    """Say what disturbed one run; an empty list for a quiet one.

    Args:
        run: The run.
        result: Its result, for the cell and the machine.
    """
    faults = []
    if not run.is_steady:
        faults.append("not steady when the warm-up ended")
    if is_drifting(run.values_ns):
        faults.append("drift")
    if is_bimodal(run.values_ns):
        faults.append("two modes")
    if run.conditions.gpu_throttle:
        faults.append(f"throttled ({', '.join(run.conditions.gpu_throttle)})")
    return faults + crowding(run, result)


def crowding(run: Run, result: Result) -> list[str]:
    """Say what took the CPUs away that a run needed: that can only make it slower."""
    conditions, faults = run.conditions, []
    if (conditions.stolen_percent or 0) > _STOLEN_PERCENT:
        faults.append("CPU time stolen by other machines")
    needed = result.cell.threads if result.cell.device == "cpu" else _GPU_HOST_THREADS
    others = conditions.others_cpus or 0
    if others > _CROWDED_CPUS and others + needed > result.environment.cpus + _CROWDED_CPUS:
        faults.append("other programs kept CPUs busy")
    return faults


def usable_runs(result: Result) -> list[Run]:
    """Choose the runs to count: the quiet ones if there are as many as were wanted, else all.

    More runs than were wanted exist only after ``--until-stable``.
    """
    quiet = [run for run in result.runs if not run_faults(run, result)]
    return quiet if len(quiet) >= result.effort.runs else list(result.runs)


def is_drifting(values: Sequence[float]) -> bool:
    """Tell whether the second half of the values lies apart from the first: by 3 % and beyond chance (1 in 100)."""
    blocks = block_medians(values, _DRIFT_BLOCKS)
    half = len(blocks) // 2
    found = shift(blocks[:half], blocks[half:], confidence=0.99)
    if found is None:
        return False
    is_sure = found.low > 1 or found.high < 1
    return is_sure and abs(found.ratio - 1) * 100 > _DRIFT_PERCENT


def is_bimodal(values: Sequence[float]) -> bool:
    """Tell whether the values fall into two groups: at least a tenth in each, 5 % apart, with a gap between.

    The split is the one that explains most of the variance (Otsu 1979); a distribution with one mode leaves more
    than 15 % unexplained. One value in a hundred at each end is left out.
    """
    low, high = quantile(values, 0.01), quantile(values, 0.99)
    ordered = sorted(value for value in values if low <= value <= high)
    count = len(ordered)
    if count < _LEAST_VALUES:
        return False
    mean, total = fmean(ordered), sum(ordered)
    variance = fmean([(value - mean) ** 2 for value in ordered])
    best, split, below = 0.0, 0, 0.0
    for index, value in enumerate(ordered[:-1], start=1):
        below += value
        share = index / count
        between = share * (1 - share) * (below / index - (total - below) / (count - index)) ** 2
        if between > best:
            best, split = between, index
    if variance <= 0 or best / variance < _BETWEEN_SHARE or not _LEAST_SHARE <= split / count <= 1 - _LEAST_SHARE:
        return False
    return (fmean(ordered[split:]) - fmean(ordered[:split])) / median(ordered) * 100 > _MODES_APART_PERCENT
