"""Compare two result files.

Which cases belong together, how they differ, whether that is a regression. Pure.

The runs are compared, not the values: values of one process share its memory layout and its minute,
so their number says nothing about how sure a difference is. Each run is one figure, its median time
for one item.

Runs that something disturbed are left out where each side has four others. What the machine's
yardstick takes at best is then that of both sides, and where one side never came near it there is
no verdict: the machine was another.

Where other programs took CPUs away on either side and too few runs are left, the floor of each run
is compared instead, the value that a tenth of its values stay below, and of all runs only the
faster half: what others do can make a call slower and never faster, so the fast values of the fast
runs are the undisturbed ones (Chen and Revels 2016, arXiv:1608.04295). Over chosen runs the
interval is narrower than its 95 %: for 10 or 20 equal runs a side it misses 1 in 10 to 15 % of
simulated pairs, but a difference past the threshold is found in 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

from zoo.bench.comparability import differences, machine_key
from zoo.bench.ranks import Shift, shift
from zoo.bench.stability import crowding, is_slow, quiet_runs, yardstick_best_ns
from zoo.bench.statistics import quantile
from zoo.bench.summary import wrongness
from zoo.errors import BenchError, UnlikeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.bench.records import Result, Run

Verdict = Literal["slower", "faster", "same", "unsure", "broken"]
Basis = Literal["median", "floor"]
_FLOOR = 0.1
LEAST_RUNS = 4
"""The fewest runs on each side for which a 95 % interval exists."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two results of one model."""

    first: Result
    second: Result
    shift: Shift | None
    """Time of the second over that of the first; ``None`` with too few runs."""
    ratio: float | None
    """The same as one number, also with too few runs; ``None`` where one has no figures."""
    verdict: Verdict
    differing: Mapping[str, tuple[object, object]]
    """What of their comparability keys differs; only a forced comparison has any."""
    basis: Basis = "median"
    """Which figure of each run was compared."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The cases of two files, paired."""

    pairs: tuple[tuple[Result, Result], ...]
    only_first: tuple[Result, ...]
    only_second: tuple[Result, ...]


def pair(
    first: Sequence[Result],
    second: Sequence[Result],
) -> Pairing:
    """Find the result of the second file for each result of the first.

    The same case, else the same model and mode.
    """
    left = list(second)
    partners: list[Result | None] = [None] * len(first)
    for is_match in (_is_same_place, _is_same_case, _is_same_subject):
        for index, result in enumerate(first):
            if partners[index] is not None:
                continue

            matches = [other for other in left if is_match(result, other)]
            if matches:
                partners[index] = matches[0]
                left.remove(matches[0])

    pairs: list[tuple[Result, Result]] = []
    only_first: list[Result] = []
    for result, partner in zip(first, partners, strict=True):
        if partner is None:
            only_first.append(result)
        else:
            pairs.append((result, partner))
    return Pairing(tuple(pairs), tuple(only_first), tuple(left))


def _is_same_place(
    one: Result,
    other: Result,
) -> bool:
    is_same_machine = machine_key(one.environment) == machine_key(other.environment)
    return is_same_machine and _is_same_case(one, other)


def _is_same_case(
    one: Result,
    other: Result,
) -> bool:
    return one.case.label == other.case.label


def _is_same_subject(
    one: Result,
    other: Result,
) -> bool:
    is_same_model = one.case.model == other.case.model
    is_same_mode = one.case.mode == other.case.mode
    return is_same_model and is_same_mode


def compare(
    first: Sequence[Result],
    second: Sequence[Result],
    *,
    threshold_percent: float = 5.0,
    is_forced: bool = False,
) -> list[Comparison]:
    """Compare the results of two files.

    Args:
        first: What was before.
        second: What is now.
        threshold_percent: A difference below this is called none.
        is_forced: Compare results that were not measured alike as well.

    Raises:
        UnlikeError: Two results were not measured alike; names what differs.
        BenchError: The files have no model in common.
    """
    pairing = pair(first, second)
    if not pairing.pairs:
        raise BenchError(
            "the two files have no model and mode in common; measure the same models for both"
        )
    compared = []
    for one, other in pairing.pairs:
        differing = differences(one.comparability, other.comparability)
        if differing and not is_forced and not (one.failure or other.failure):
            raise UnlikeError(one.case.model, differing)
        compared.append(_compare_pair(one, other, threshold_percent, differing))
    return compared


def _compare_pair(
    one: Result,
    other: Result,
    threshold_percent: float,
    differing: Mapping[str, tuple[object, object]],
) -> Comparison:
    if one.failure or wrongness(one):
        return Comparison(one, other, None, None, "unsure", differing)
    if other.failure or wrongness(other):
        return Comparison(one, other, None, None, "broken", differing)

    best_ns = _shared_best_ns(one, other)
    quiet = quiet_runs(one, best_ns)
    quiet_other = quiet_runs(other, best_ns)
    basis: Basis = "median"
    fewest = min(len(quiet), len(quiet_other))
    if fewest >= LEAST_RUNS:
        before = run_figures(quiet, basis)
        after = run_figures(quiet_other, basis)
    else:
        if _is_crowded(one) or _is_crowded(other):
            basis = "floor"
        before = run_figures(one.runs, basis)
        after = run_figures(other.runs, basis)

    found = shift(before, after)
    if found is None:
        ratio = median(after) / median(before)
    else:
        ratio = found.ratio
    verdict = judge(found, threshold_percent)
    if _was_slow(one, best_ns) != _was_slow(other, best_ns):
        # The machine itself was another on the two sides: that is no verdict on the code.
        verdict = "unsure"
    return Comparison(
        first=one,
        second=other,
        shift=found,
        ratio=ratio,
        verdict=verdict,
        differing=differing,
        basis=basis,
    )


def _shared_best_ns(
    one: Result,
    other: Result,
) -> int | None:
    """Find the best of the yardstick for both sides, where it means the same on both."""
    hosts = {run.host for run in (*one.runs, *other.runs)}
    if len(hosts) != 1 or _yardstick_kind(one) != _yardstick_kind(other):
        return None

    (host,) = hosts
    best_ns = yardstick_best_ns(one, host)
    best_of_other_ns = yardstick_best_ns(other, host)
    if best_ns is None or best_of_other_ns is None:
        return None
    return min(best_ns, best_of_other_ns)


def _yardstick_kind(result: Result) -> tuple[object, ...]:
    """Tell apart where the yardstick is other work, or takes another time."""
    return (
        machine_key(result.environment),
        result.environment.versions.get("torch"),
        result.case.device,
        result.case.threads,
    )


def _was_slow(
    result: Result,
    best_ns: int | None,
) -> bool:
    """Tell whether the machine was never near its best while a side was measured."""
    if best_ns is None:
        return False
    return all(is_slow(run, best_ns) for run in result.runs)


def _is_crowded(result: Result) -> bool:
    return any(crowding(run, result) for run in result.runs)


def run_figures(
    runs: Sequence[Run],
    basis: Basis,
) -> list[float]:
    """Take one time for one item from each run that counts.

    Its median, or the floors of the faster half.
    """
    if basis == "median":
        return [median(run.values_ns) / run.batch for run in runs]

    floors = sorted(quantile(run.values_ns, _FLOOR) / run.batch for run in runs)
    half = (len(floors) + 1) // 2
    counted = max(LEAST_RUNS, half)
    return floors[:counted]


def judge(
    found: Shift | None,
    threshold_percent: float,
) -> Verdict:
    """Call a ratio slower or faster if it is past the threshold and its interval excludes 1.

    It is the same if the whole interval lies within the threshold; anything else is unsure, and
    more runs would tell.
    """
    if found is None:
        return "unsure"

    slowest = 1 + threshold_percent / 100
    fastest = 1 / slowest
    if found.ratio >= slowest and found.low > 1:
        return "slower"
    if found.ratio <= fastest and found.high < 1:
        return "faster"
    if found.low > fastest and found.high < slowest:
        return "same"
    return "unsure"


def regressions(compared: Sequence[Comparison]) -> list[Comparison]:
    """Choose what a check must fail on: slower or broken results.

    Raises:
        BenchError: What was before failed, or there are too few runs for a verdict: the check could
            not fail.
    """
    for comparison in compared:
        first = comparison.first
        label = first.case.label
        fault = first.failure or wrongness(first)
        if fault:
            raise BenchError(f"{label} has nothing to compare with: {fault.message}")

        if comparison.ratio is not None and comparison.shift is None:
            runs = len(first.runs)
            other_runs = len(comparison.second.runs)
            got = f"{label} has {runs} and {other_runs} runs"
            needed = f"a verdict needs {LEAST_RUNS} on each side"
            raise BenchError(f"{got}, and {needed}; measure both with --runs 5")
    return [comparison for comparison in compared if comparison.verdict in ("slower", "broken")]
