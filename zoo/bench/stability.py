"""Whether the values of a run can be trusted, and if not, why.

Drift, two modes, throttling, a busy machine. Pure.
"""

from __future__ import annotations

from collections import Counter
from statistics import fmean, median
from typing import TYPE_CHECKING

from zoo.bench.ranks import shift
from zoo.bench.statistics import block_medians, quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Effort, Result, Run

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
_SLOW_PERCENT = 8.0
"""On the virtual machine where this was worked out, the yardstick stays within 8 % of its best, or
takes 20 % and more longer."""
_SHAPE_SHARE = 0.25


def shape_faults(runs: Sequence[Run]) -> list[str]:
    """Say what the values of more than a quarter of the runs look like that they should not."""
    counts: Counter[str] = Counter()
    for run in runs:
        if not run.is_steady:
            counts["not steady when the warm-up ended"] += 1
        if is_drifting(run.values_ns):
            counts["drift"] += 1
        if is_bimodal(run.values_ns):
            counts["two modes"] += 1

    few = _SHAPE_SHARE * len(runs)
    return [fault for fault, count in counts.items() if count > few]


def disturbances(
    run: Run,
    result: Result,
    best_ns: float | None = None,
) -> list[str]:
    """Say what disturbed a run; an empty list for a quiet one.

    None of it is read from the values of the run: to choose runs by their own results would be to
    choose the lucky ones.

    Args:
        run: The run.
        result: Its result, for the case and the machine.
        best_ns: What the machine's yardstick takes at best; by default, see
            :func:`yardstick_best_ns`.
    """
    faults = []
    throttle = run.conditions.gpu_throttle
    if throttle:
        reasons = ", ".join(throttle)
        faults.append(f"throttled ({reasons})")

    faults += crowding(run, result)

    if best_ns is None:
        best_ns = yardstick_best_ns(result, run.host)
    if best_ns is not None and is_slow(run, best_ns):
        faults.append("the machine was slow by its yardstick")
    return faults


def is_slow(
    run: Run,
    best_ns: float,
) -> bool:
    """Tell whether the yardstick took longer than at its best, before the values or after them."""
    longest_ns = max(run.yardsticks_ns, default=0)
    ratio = longest_ns / best_ns
    longer_percent = (ratio - 1) * 100
    return longer_percent > _SLOW_PERCENT


def yardstick_best_ns(
    result: Result,
    host: str = "",
) -> int | None:
    """Find the least time of the yardstick that the sessions of a result saw on one node."""
    seen_ns: list[int] = []
    for run in result.runs:
        if run.host == host:
            seen_ns += run.yardsticks_ns

    told_ns = result.yardstick_best_ns
    if told_ns is not None:
        seen_ns.append(told_ns)
    return min(seen_ns, default=None)


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


def quiet_runs(
    result: Result,
    best_ns: float | None = None,
) -> list[Run]:
    """Choose the runs that nothing disturbed; see :func:`disturbances`."""
    quiet: list[Run] = []
    for run in result.runs:
        faults = disturbances(run, result, best_ns)
        if not faults:
            quiet.append(run)
    return quiet


def usable_runs(result: Result) -> list[Run]:
    """Choose the runs to count: the quiet ones; where there is none, all."""
    quiet = quiet_runs(result)
    return quiet or list(result.runs)


def is_short(
    result: Result | None,
    wanted: int,
) -> bool:
    """Tell whether some of the runs that are wanted were never taken; a failure needs none."""
    if result is None:
        return True
    if result.failure is not None:
        return False
    return len(result.runs) < wanted


def missing_runs(
    result: Result | None,
    effort: Effort,
) -> int:
    """Count the runs that a result still needs: those never taken, and retakes of disturbed ones.

    Args:
        result: What there is, if anything.
        effort: How many runs are wanted, and how many retakes at most.
    """
    if result is None:
        return effort.runs
    if result.failure is not None:
        return 0

    taken = len(result.runs)
    not_taken = max(0, effort.runs - taken)

    retaken = max(0, taken - effort.runs)
    retakes_left = max(0, effort.retakes - retaken)

    quiet = len(quiet_runs(result))
    to_replace = max(0, effort.runs - not_taken - quiet)
    return not_taken + min(to_replace, retakes_left)


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
