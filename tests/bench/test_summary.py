"""Figures of a result, the roofline, rows and columns; worked out by hand on synthetic runs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench_results import CASE, make_result, make_run, noisy_runs
from zoo.bench.files import Store
from zoo.bench.records import Ceilings, Conditions, Effort, Failure, Result
from zoo.bench.results import columns_by_model, parse_latency, to_rows
from zoo.bench.roofline import roofline
from zoo.bench.stability import usable_runs
from zoo.bench.summary import best_ceilings, is_stable, summarise, tolerance
from zoo.errors import UsageError

CEILINGS = Ceilings(matmul_flops=1e11, convolution_flops=2e11, copy_bytes=1e10, dispatch_ns=1000)
BUSY = Conditions(others_cpus=8.0)


def test_figures_of_a_run_of_101_values() -> None:
    """Values 1, 2, ..., 101 ms.

    The median is 51, nine tenths lie below 91, 99 of 100 below 100; batch 4.
    """
    summary = summarise(make_result([make_run(range(1, 102), batch=4)]))
    assert (summary.p50_ns, summary.p90_ns, summary.p99_ns) == (51e6, 91e6, 100e6)
    assert summary.items_per_s == pytest.approx(4 / 0.051)
    assert summary.flops == pytest.approx(2 * 10**9 * 4 / 0.051)
    assert "drift" in summary.faults


def test_a_quiet_result_is_stable_and_a_disturbed_one_says_why() -> None:
    """Each disturbance gives its own reason."""
    assert is_stable(make_result(noisy_runs(1)))
    steady = [10.0] * 30
    reasons = {
        "not steady when the warm-up ended": make_run(steady, is_steady=False),
        "other programs kept CPUs busy": make_run(steady, conditions=BUSY),
        "CPU time stolen by other machines": make_run(
            steady, conditions=Conditions(stolen_percent=5.0)
        ),
        "throttled (power brake)": make_run(
            steady, conditions=Conditions(gpu_throttle=("power brake",))
        ),
        "two modes": make_run([10.0, 12.0] * 30),
        "drift": make_run([10 + index / 10 for index in range(30)]),
    }
    for reason, run in reasons.items():
        assert reason in summarise(make_result([run])).faults


def test_other_programs_do_not_matter_where_cpus_are_left() -> None:
    """Four of eight CPUs are taken and one is needed."""
    assert is_stable(make_result([make_run([10.0] * 30, conditions=Conditions(others_cpus=4.0))]))
    crowded = make_result(
        [make_run([10.0] * 30, conditions=Conditions(others_cpus=4.0))], threads=6
    )
    assert not is_stable(crowded)


def test_one_value_says_nothing_of_its_spread() -> None:
    """First inference has one value in a run."""
    summary = summarise(make_result([make_run([9.0])]))
    assert (summary.spread_percent, summary.faults) == (None, ("fewer than 5 values: add --runs",))


def test_a_wide_interval_is_unstable() -> None:
    """Runs at 9, 10 and 11 ms leave the median open by about a fifth."""
    faults = summarise(make_result([make_run([level] * 20) for level in (9.0, 10.0, 11.0)])).faults
    assert len(faults) == 1
    assert faults[0].startswith("wide interval")


def test_disturbed_runs_are_left_out_when_enough_quiet_ones_exist() -> None:
    """Two runs were wanted; the third and the fourth make up for two that were disturbed."""
    quiet, disturbed = make_run([10.0] * 20), make_run([30.0] * 20, conditions=BUSY)
    wanted_two = replace(make_result([disturbed, quiet]), runs=(disturbed, quiet, disturbed, quiet))
    assert usable_runs(wanted_two) == [quiet, quiet]
    assert summarise(wanted_two).p50_ns == 10e6
    too_few = make_result([disturbed, quiet])
    assert usable_runs(too_few) == [quiet]
    assert summarise(too_few).faults == (
        "only 1 of 2 wanted runs undisturbed",
        "other programs kept CPUs busy",
    )
    on_its_way = replace(make_result([quiet]), effort=Effort(runs=5))
    assert summarise(on_its_way).faults == ()
    assert usable_runs(make_result([disturbed, disturbed])) == [disturbed, disturbed]


@pytest.mark.parametrize(
    ("precision", "error", "follows_input", "is_wrong"),
    [
        ("fp32", 3e-5, True, False),
        ("fp32", 5e-5, True, True),
        ("fp16", 0.015, True, False),
        ("fp16", 0.025, True, True),
        ("bf16", 0.06, True, False),
        ("bf16", 0.1, True, True),
        ("bf16", 0.01, False, True),
        ("bf16", 1e9, True, True),
        ("int8", 0.4, True, False),
        ("int8", 0.6, True, True),
        ("fp32", None, None, False),
    ],
)
def test_a_wrong_engine_is_reported_as_wrong(
    precision: str, error: float | None, follows_input: bool | None, is_wrong: bool
) -> None:
    """Rounding to bf16 moves the network by 2 %.

    4e-5 is allowed in fp32, 2 % in fp16, 8 % in bf16, half in int8.
    """
    run = make_run([1.0], error=error, follows_input=follows_input, sensitivity=0.02)
    failure = summarise(make_result([run], precision=precision)).failure
    assert (failure is not None and failure.kind == "wrong") is is_wrong


def test_tolerance_has_a_floor_and_a_ceiling() -> None:
    """A thousandth where rounding hardly moves a network, at most half where it is chaotic."""
    assert tolerance(make_run([1.0], sensitivity=0.0), "fp32") == pytest.approx(2e-6)
    assert tolerance(make_run([1.0], sensitivity=None), "bf16") == pytest.approx(4e-3)
    assert tolerance(make_run([1.0], sensitivity=0.9), "bf16") == 0.5


def test_roofline_of_a_compute_bound_call() -> None:
    """2 GFLOP at 200 GFLOP/s take 10 ms, 4 bytes x (1M + 2M) values at 10 GB/s 1.2 ms.

    In 20 ms that is 50 %.
    """
    found = roofline(CASE, CEILINGS, call_ns=20e6, batch=1, parameters=10**6, layers=50)
    assert found is not None
    assert found.percent == pytest.approx(50)
    assert found.bound_by == "compute"


def test_roofline_of_a_memory_bound_call_and_of_a_dispatch_bound_one() -> None:
    """100 M parameters take 40 ms to read.

    20,000 layers of a microsecond 20 ms, unless a compiler fuses them.
    """
    heavy = roofline(CASE, CEILINGS, call_ns=50e6, batch=1, parameters=10**8, layers=50)
    assert heavy is not None
    assert (heavy.bound_by, round(heavy.percent)) == ("memory", 82)
    deep = roofline(CASE, CEILINGS, call_ns=50e6, batch=1, parameters=10**6, layers=20_000)
    assert deep is not None
    assert (deep.bound_by, round(deep.percent)) == ("dispatch", 20)
    for engine in ("compile", "an engine of others"):
        fused = roofline(
            replace(CASE, engine=engine),
            CEILINGS,
            call_ns=50e6,
            batch=1,
            parameters=10**6,
            layers=20_000,
        )
        assert fused is not None
        assert fused.bound_by == "compute"


def test_roofline_is_unknown_without_multiply_adds() -> None:
    """A network from elsewhere has no count."""
    case = replace(CASE, multiply_adds=None)
    assert roofline(case, CEILINGS, call_ns=1e6, batch=1, parameters=1, layers=1) is None


def test_the_best_of_each_ceiling_counts() -> None:
    """What one run reached, the device can reach."""
    slower = Ceilings(matmul_flops=3e11, convolution_flops=1e11, copy_bytes=1e9, dispatch_ns=900)
    results = [
        make_result([make_run([1.0], ceilings=CEILINGS)]),
        make_result([make_run([1.0], ceilings=slower)]),
    ]
    assert best_ceilings(results) == Ceilings(3e11, 2e11, 1e10, 900)
    assert best_ceilings([make_result()]) is None


def test_rows_hold_plain_values_with_units_and_a_reason() -> None:
    """A measured case and one that crashed have the same keys."""
    crashed = replace(make_result(()), failure=Failure("crashed", "ended by SIGSEGV"))
    good, bad = to_rows([make_result([make_run([2.0] * 10, batch=4)]), crashed])
    assert good.keys() == bad.keys()
    assert (good["p50_ms"], good["items_per_s"], good["status"], good["reason"]) == (
        2.0,
        2000.0,
        "ok",
        None,
    )
    assert (bad["p50_ms"], bad["status"], bad["reason"]) == (None, "crashed", "ended by SIGSEGV")


def test_columns_for_other_commands_take_the_fastest_case_that_is_not_wrong(tmp_path: Path) -> None:
    """Eager takes 4 ms, a right engine 2 ms, a wrong one 1 ms.

    Throughput is the best of its cases.
    """

    def timed(value_ms: float, error: float = 0.0, **changes: Any) -> Result:
        return make_result(
            [make_run([value_ms] * 10, error=error, batch=changes.get("batch", 1))], **changes
        )

    store = Store(tmp_path / "results.json")
    for result in (
        timed(4.0),
        timed(2.0, engine="compile"),
        timed(1.0, error=0.5, engine="onnxruntime"),
        timed(10.0, mode="throughput", batch=8),
        timed(10.0, mode="throughput", batch=16),
        replace(make_result((), model="vgg16"), failure=Failure("out-of-memory", "too large")),
    ):
        store.put(result)
    assert columns_by_model(tmp_path / "results.json") == {
        "resnet18": {
            "p50": 2.0,
            "p90": 2.0,
            "p99": 2.0,
            "throughput": 1600.0,
            "memory": 10**7,
            "measured": "cpu compile fp32",
        }
    }


@pytest.mark.parametrize(
    "wrong", ["", "10ms", "p50", "p50<10", "p75<10ms", "p50>10ms", "p50<ms", "p50<10min"]
)
def test_a_latency_limit_needs_a_quantile_a_number_and_a_unit(wrong: str) -> None:
    """Anything else shows how it is written."""
    with pytest.raises(UsageError, match="p50<10ms"):
        parse_latency(wrong)
    assert parse_latency("p90<250us") == ("p90", 0.25)
