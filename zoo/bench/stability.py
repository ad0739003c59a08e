"""Whether the values of a run can be trusted, and if not, why.

Drift, two modes, throttling, a busy machine. Pure.
"""

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
"""Share of the variance that a split into two explains: 0.64 for a normal distribution, 0.75 for a
uniform one."""
_STOLEN_PERCENT = 2.0
_CROWDED_CPUS = 0.15
_GPU_HOST_THREADS = 1


def run_faults(
    run: Run,
    result: Result,
) -> list[str]:
    """Say what disturbed one run; an empty list for a quiet one.

    Args:
        run: The run.
        result: Its result, for the case and the machine.
    """
    faults = []
    if not run.is_steady:
        faults.append("not steady when the warm-up ended")
    if is_drifting(run.values_ns):
        faults.append("drift")
    if is_bimodal(run.values_ns):
        faults.append("two modes")

    throttle = run.conditions.gpu_throttle
    if throttle:
        reasons = ", ".join(throttle)
        faults.append(f"throttled ({reasons})")

    faults += crowding(run, result)
    return faults


def crowding(
    run: Run,
    result: Result,
) -> list[str]:
    """Say what took the CPUs away that a run needed: that can only make it slower."""
    faults = []
    stolen_percent = run.conditions.stolen_percent or 0
    if stolen_percent > _STOLEN_PERCENT:
        faults.append("CPU time stolen by other machines")

    needed = _GPU_HOST_THREADS
    if result.case.device == "cpu":
        needed = result.case.threads

    others = run.conditions.others_cpus or 0
    room = result.environment.cpus + _CROWDED_CPUS
    is_crowded = others + needed > room
    if is_crowded and others > _CROWDED_CPUS:
        faults.append("other programs kept CPUs busy")
    return faults


def usable_runs(result: Result) -> list[Run]:
    """Choose the runs to count: the quiet ones if there are as many as were wanted, else all.

    More runs than were wanted exist only after ``--until-stable``.
    """
    quiet = [run for run in result.runs if not run_faults(run, result)]
    wanted = result.effort.runs
    if len(quiet) >= wanted:
        return quiet
    return list(result.runs)


def is_drifting(values: Sequence[float]) -> bool:
    """Tell whether the second half of the values lies apart from the first.

    By 3 % and beyond chance (1 in 100).
    """
    blocks = block_medians(values, _DRIFT_BLOCKS)
    half = len(blocks) // 2
    first_half = blocks[:half]
    second_half = blocks[half:]
    found = shift(first_half, second_half, confidence=0.99)
    if found is None:
        return False

    excludes_one = found.low > 1 or found.high < 1
    if not excludes_one:
        return False

    change_percent = abs(found.ratio - 1) * 100
    return change_percent > _DRIFT_PERCENT


def is_bimodal(values: Sequence[float]) -> bool:
    """Tell whether the values fall into two groups.

    At least a tenth in each, 5 % apart, with a gap between.

    The split is the one that explains most of the variance (Otsu 1979); a distribution with one
    mode leaves more than 15 % unexplained. One value in a hundred at each end is left out.
    """
    lowest = quantile(values, 0.01)
    highest = quantile(values, 0.99)
    ordered = sorted(value for value in values if lowest <= value <= highest)
    if len(ordered) < _LEAST_VALUES:
        return False

    split, explained_share = _best_split(ordered)
    if explained_share < _BETWEEN_SHARE:
        return False

    share_below = split / len(ordered)
    has_two_groups = _LEAST_SHARE <= share_below <= 1 - _LEAST_SHARE
    if not has_two_groups:
        return False

    lower_mode = fmean(ordered[:split])
    upper_mode = fmean(ordered[split:])
    apart = (upper_mode - lower_mode) / median(ordered)
    return apart * 100 > _MODES_APART_PERCENT


def _best_split(ordered: Sequence[float]) -> tuple[int, float]:
    """Find where two groups of ordered values part best.

    Returns:
        How many values lie below, and the share of the variance that the split explains.
    """
    count = len(ordered)
    total = sum(ordered)
    mean = fmean(ordered)
    variance = fmean([(value - mean) ** 2 for value in ordered])
    if variance <= 0:
        return 0, 0.0

    split = 0
    most_between = 0.0
    sum_below = 0.0
    for below, value in enumerate(ordered[:-1], start=1):
        sum_below += value
        above = count - below
        mean_below = sum_below / below
        mean_above = (total - sum_below) / above

        share = below / count
        between = share * (1 - share) * (mean_below - mean_above) ** 2
        if between > most_between:
            most_between = between
            split = below

    return split, most_between / variance
