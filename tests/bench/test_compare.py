"""Comparing two result files: pairs, verdicts, refusals; on synthetic values."""

import random
from dataclasses import replace

import pytest

from tests.support.bench_results import ENVIRONMENT, RUN, make_result, make_run, noisy_runs
from zoo.bench.compare import compare, judge, pair, regressions, run_figures
from zoo.bench.ranks import Shift
from zoo.bench.records import Conditions, Failure, Run
from zoo.errors import BenchError, UnlikeError


def verdict_of(before_ms: float, after_ms: float, seed: int) -> str:
    """Compare five noisy runs with five others."""
    first = make_result(noisy_runs(2 * seed, center_ms=before_ms))
    second = make_result(noisy_runs(2 * seed + 1, center_ms=after_ms))
    return compare([first], [second])[0].verdict


def test_a_slow_down_of_ten_percent_is_found_ten_of_ten_times() -> None:
    """Runs that differ by 1 %, values by 2 %, and one model a tenth slower."""
    assert [verdict_of(10.0, 11.0, seed) for seed in range(10)] == ["slower"] * 10


def test_a_hundred_identical_pairs_give_no_alarm() -> None:
    """With runs that differ by 1 %, a difference past 5 % does not come about by chance."""
    assert not [seed for seed in range(100) if verdict_of(10.0, 10.0, seed) in ("slower", "faster")]


def test_a_speed_up_of_ten_percent_is_found() -> None:
    """The other direction."""
    assert verdict_of(11.0, 10.0, 1) == "faster"


def crowded_runs(seed: int, center_ms: float = 10.0) -> list[Run]:
    """Draw ten runs on a machine that others use.

    Two in three calls wait, one run in four is a fifth slower.
    """
    chance = random.Random(seed)  # noqa: S311 - synthetic values
    runs = []
    for _ in range(10):
        level = center_ms * chance.gauss(1, 0.02) * (1.2 if chance.random() < 0.25 else 1)
        waits = (
            chance.expovariate(1 / level) if chance.random() < 2 / 3 else 0 for _ in range(100)
        )
        runs.append(
            make_run([level + wait for wait in waits], conditions=Conditions(others_cpus=8.0))
        )
    return runs


def test_on_a_crowded_machine_the_floor_of_the_faster_runs_is_compared() -> None:
    """A tenth more is found at least 9 times in 10; of equal pairs at most 1 in 20 differs."""

    def verdict(seed: int, after_ms: float) -> str:
        first, second = (
            make_result(crowded_runs(2 * seed)),
            make_result(crowded_runs(2 * seed + 1, after_ms)),
        )
        (comparison,) = compare([first], [second])
        assert comparison.basis == "floor"
        return comparison.verdict

    assert [verdict(seed, 11.0) for seed in range(50)].count("slower") >= 45
    assert [verdict(seed, 10.0) in ("slower", "faster") for seed in range(100)].count(True) <= 5


def test_one_crowded_side_puts_both_on_the_floor() -> None:
    """The median of one side and the floor of the other would be no comparison."""
    quiet = make_result([make_run([10.0] * 10)] * 5)
    crowded = make_result(
        [make_run([10.0] * 5 + [30.0] * 5, conditions=Conditions(others_cpus=8.0))] * 5
    )
    (comparison,) = compare([quiet], [crowded])
    assert (comparison.basis, comparison.ratio, comparison.verdict) == ("floor", 1.0, "same")


def on_machine(level_ms: float, yardstick_ns: int, seed: int) -> list[Run]:
    """Draw five runs beside which the yardstick took so long."""
    runs = noisy_runs(seed, center_ms=level_ms)
    return [replace(run, yardsticks_ns=(yardstick_ns, yardstick_ns)) for run in runs]


def test_a_machine_that_changed_between_two_sides_gives_no_verdict() -> None:
    """All took half as long again, the yardstick too; on a machine that stayed it is slower."""
    before = make_result(on_machine(10.0, 100, 1))
    (changed,) = compare([before], [make_result(on_machine(15.0, 150, 2))])
    (slower,) = compare([before], [make_result(on_machine(15.0, 101, 2))])
    assert (changed.verdict, slower.verdict) == ("unsure", "slower")


def test_runs_on_a_slow_machine_are_left_out_of_a_comparison() -> None:
    """Each side ran five times in both states of the machine: those of the best are compared."""
    sides = [
        make_result([*on_machine(15.0, 150, 2 * seed + 5), *on_machine(level_ms, 100, 2 * seed)])
        for seed, level_ms in ((1, 10.0), (2, 11.0), (3, 10.0))
    ]
    base, tenth_more, same = sides
    (found,) = compare([base], [tenth_more])
    (no_alarm,) = compare([base], [same])
    assert (found.basis, found.verdict) == ("median", "slower")
    assert found.ratio == pytest.approx(1.1, abs=0.03)
    assert no_alarm.verdict == "same"


def test_the_floor_keeps_the_faster_half_and_never_fewer_than_a_verdict_needs() -> None:
    """Of ten runs five, of five runs four."""
    runs = [make_run([float(level)] * 10) for level in (5, 1, 4, 2, 3)]
    assert [figure / 1e6 for figure in run_figures(runs, "floor")] == [1, 2, 3, 4]
    assert [figure / 1e6 for figure in run_figures(runs * 2, "floor")] == [
        1,
        1,
        2,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (Shift(1.10, 1.02, 1.15), "slower"),
        (Shift(1.10, 0.99, 1.20), "unsure"),
        (Shift(1.04, 1.03, 1.049), "same"),
        (Shift(1.04, 1.03, 1.06), "unsure"),
        (Shift(1.00, 0.97, 1.03), "same"),
        (Shift(0.90, 0.85, 0.95), "faster"),
        (Shift(0.90, 0.85, 1.01), "unsure"),
        (None, "unsure"),
    ],
)
def test_verdicts_need_a_ratio_past_the_threshold_and_an_interval_without_one(
    shift: Shift | None, expected: str
) -> None:
    """At 5 %: slower from 1.05 on if the interval excludes 1, same if it lies in 1/1.05..1.05."""
    assert judge(shift, 5.0) == expected


def test_results_that_were_not_measured_alike_are_refused_with_what_differs() -> None:
    """Another precision, thread count and torch: all three are named, with both values."""
    other = replace(ENVIRONMENT, versions={"torch": "2.15.0"})
    first, second = make_result(), make_result([RUN], other, precision="bf16", threads=4)
    with pytest.raises(UnlikeError) as raised:
        compare([first], [second])
    assert raised.value.differing == {
        "precision": ("fp32", "bf16"),
        "threads": (1, 4),
        "torch": ("2.14.1", "2.15.0"),
    }
    assert "--force" in str(raised.value)
    (comparison,) = compare([first], [second], is_forced=True)
    assert comparison.differing == raised.value.differing


def test_the_commit_may_differ() -> None:
    """Two commits are what a check in CI compares."""
    first = make_result([RUN], replace(ENVIRONMENT, commit="aaaa"))
    second = make_result([RUN], replace(ENVIRONMENT, commit="bbbb+"))
    assert compare([first], [second])[0].differing == {}


def test_the_same_case_is_paired_before_the_same_model() -> None:
    """Two precisions on each side, in another order; a model that only one side has stays alone."""
    fp32, bf16 = make_result(), make_result(precision="bf16")
    alone = make_result(model="vgg16")
    pairing = pair([fp32, bf16, alone], [bf16, fp32])
    assert pairing.pairs == ((fp32, fp32), (bf16, bf16))
    assert pairing.only_first == (alone,)
    assert pairing.only_second == ()


def test_files_without_a_model_in_common_are_refused() -> None:
    """Nothing to compare is no success."""
    with pytest.raises(BenchError, match="in common"):
        compare([make_result()], [make_result(model="vgg16")])


def test_batches_that_were_found_are_compared_by_item() -> None:
    """16 items in 32 ms and 8 in 16 ms are the same speed."""
    first = make_result([make_run([32.0] * 10, batch=16)] * 5, mode="throughput", batch=None)
    second = make_result([make_run([16.0] * 10, batch=8)] * 5, mode="throughput", batch=None)
    (comparison,) = compare([first], [second])
    assert (comparison.ratio, comparison.verdict) == (1.0, "same")


def test_a_check_fails_on_what_became_slower_or_broken() -> None:
    """One model twice as slow, one that crashes now, one the same.

    The first two are regressions.
    """
    before = [make_result(noisy_runs(1), model=name) for name in ("slow", "broken", "same")]
    after = [
        make_result(noisy_runs(2, center_ms=20.0), model="slow"),
        replace(make_result((), model="broken"), failure=Failure("crashed", "ended by SIGSEGV")),
        make_result(noisy_runs(1), model="same"),
    ]
    compared = compare(before, after)
    assert [comparison.verdict for comparison in compared] == ["slower", "broken", "same"]
    assert [comparison.first.case.model for comparison in regressions(compared)] == [
        "slow",
        "broken",
    ]


def test_a_wrong_output_is_broken_however_fast() -> None:
    """An engine that became twice as fast and wrong is a regression."""
    wrong = [make_run([5.0] * 10, error=0.3)] * 5
    (comparison,) = compare([make_result(noisy_runs(1))], [make_result(wrong)])
    assert comparison.verdict == "broken"


def test_a_check_with_too_few_runs_is_refused() -> None:
    """With three runs on a side no interval exists, so the check could never fail."""
    few = make_result([RUN] * 3)
    with pytest.raises(BenchError, match="3 and 3 runs, and a verdict needs 4"):
        regressions(compare([few], [few]))


def test_a_check_against_a_broken_baseline_is_refused() -> None:
    """Whatever came after, nothing can be said: a check that cannot fail is none."""
    good = make_result([make_run([1.0] * 10)] * 5)
    crashed = replace(good, runs=(), failure=Failure("crashed", "ended by SIGSEGV"))
    for broken in (crashed, make_result([make_run([1.0] * 10, error=0.5)] * 5)):
        with pytest.raises(BenchError, match="has nothing to compare with"):
            regressions(compare([broken], [good]))
