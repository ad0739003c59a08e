"""One line for each result: the figures that people read, and whether they can be trusted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from zoo.bench.comparability import machine_key
from zoo.bench.records import Ceilings, Failure
from zoo.bench.roofline import Roofline, roofline
from zoo.bench.stability import disturbances, shape_faults, usable_runs
from zoo.bench.statistics import bootstrap_interval, quantile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.bench.records import Case, Result, Run

WIDE_PERCENT = 5.0
_INFERENCE = ("latency", "throughput")
LEAST_VALUES = 5
"""The fewest that say something of their spread."""
TOLERANCE_FACTORS = {
    "fp32": 2e-3,
    "tf32": 1,
    "fp16": 1,
    "fp16-autocast": 1,
    "bf16": 4,
    "bf16-autocast": 4,
}
"""How far an output may be from eager fp32, as a multiple of the network's own sensitivity to
rounding.

A deep random network can move by 10 percent in bf16 where a shallow one moves by 0.4; as multiples
of the sensitivity eager stays within 2.0 in bf16 and 0.3 in fp16, and engines within 4e-4 in fp32,
on 15 architectures from AlexNet to ViT-B/16. What is further away is wrong, not rounded.
"""
_LEAST_SENSITIVITY = 1e-3
_MOST_ERROR = 0.5
"""For every precision; the only limit for int8, whose error hangs on the ranges of activations."""


def tolerance(
    run: Run,
    precision: str,
) -> float:
    """Tell how far the output of a run may be from eager fp32, relative to its norm."""
    factor = TOLERANCE_FACTORS.get(precision)
    if factor is None:
        return _MOST_ERROR
    return min(_MOST_ERROR, factor * max(run.sensitivity or 0.0, _LEAST_SENSITIVITY))


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one case; ``None`` where they were not measured or do not apply."""

    case: Case
    machine: str = ""
    """Key of the kind of machine that measured."""
    failure: Failure | None = None
    batch: int | None = None
    runs: int = 0
    """Those that count."""
    disturbed_runs: int = 0
    """Those that were taken and do not count, because something disturbed them."""
    values: int = 0
    p50_ns: float | None = None
    p90_ns: float | None = None
    p99_ns: float | None = None
    interval_ns: tuple[float, float] | None = None
    """95 % interval of the median."""
    faults: tuple[str, ...] = ()
    """Why the result is unstable; empty for a stable one."""
    error: float | None = None
    memory_bytes: int | None = None
    """What the model took at most: of torch's allocator, on the CPU of the process."""
    device_memory_bytes: int | None = None
    """What the device held at most, with the context and other processes; on the CPU, the whole
    process."""
    parameters: int | None = None
    prepare_ns: float | None = None
    """What the engine took before its first call, most of all runs: later ones find kernels that
    the first compiled."""
    input_copy_ns: float | None = None
    roofline: Roofline | None = None

    @property
    def spread_percent(self) -> float | None:
        """Half the width of the interval, in percent of the median."""
        if self.interval_ns is None or not self.p50_ns:
            return None
        if self.values < LEAST_VALUES:
            return None

        low, high = self.interval_ns
        half_width = (high - low) / 2
        return half_width / self.p50_ns * 100

    @property
    def items_per_s(self) -> float | None:
        """Items a second at the median."""
        if not self.batch or not self.p50_ns:
            return None
        return self.batch * 1e9 / self.p50_ns

    @property
    def flops(self) -> float | None:
        """Floating-point operations a second of inference, two for each multiply-add."""
        multiply_adds = self.case.multiply_adds
        rate = self.items_per_s
        if self.case.mode not in _INFERENCE or rate is None:
            return None
        if not multiply_adds:
            return None
        return 2 * multiply_adds * rate


def summarise(
    result: Result,
    ceilings: Ceilings | None = None,
) -> Summary:
    """Work out the figures of a result.

    Args:
        result: A case with its runs.
        ceilings: What its device reaches; by default what its own runs saw.
    """
    machine = machine_key(result.environment)
    if not result.runs:
        return Summary(result.case, machine, result.failure)

    first = result.runs[0]
    runs = usable_runs(result)
    counted = [run.values_ns for run in runs]
    values = [value for run in counted for value in run]
    interval_ns = bootstrap_interval(counted)
    center = median(values)

    errors = [run.error for run in result.runs if run.error is not None]
    memory = [run.memory.allocator_bytes or run.memory.model_bytes or 0 for run in runs]
    device_memory = [run.memory.device_bytes or 0 for run in runs]
    copies = [copy for run in runs for copy in run.input_copy_ns]
    return Summary(
        case=result.case,
        machine=machine,
        failure=result.failure or wrongness(result),
        batch=first.batch,
        runs=len(runs),
        disturbed_runs=len(result.runs) - len(runs),
        values=len(values),
        p50_ns=center,
        p90_ns=quantile(values, 0.9),
        p99_ns=quantile(values, 0.99),
        interval_ns=interval_ns,
        faults=tuple(_all_faults(result, runs, interval_ns, center)),
        error=max(errors, default=None),
        memory_bytes=max(memory) or None,
        device_memory_bytes=max(device_memory) or None,
        parameters=first.parameters,
        prepare_ns=max(run.prepare_ns for run in result.runs),
        input_copy_ns=median(copies or [0]) or None,
        roofline=_roofline(result, ceilings or best_ceilings([result]), center),
    )


def best_ceilings(results: Iterable[Result]) -> Ceilings | None:
    """Take the best of each ceiling that the runs of some results saw.

    What one run reached, the device can reach.
    """
    seen = [run.ceilings for result in results for run in result.runs if run.ceilings]
    if not seen:
        return None
    return Ceilings(
        matmul_flops=max(ceilings.matmul_flops for ceilings in seen),
        convolution_flops=max(ceilings.convolution_flops for ceilings in seen),
        copy_bytes=max(ceilings.copy_bytes for ceilings in seen),
        dispatch_ns=min(ceilings.dispatch_ns for ceilings in seen),
    )


def summarise_all(results: Sequence[Result]) -> list[Summary]:
    """Work out the figures of results that were measured together.

    Those of one kind share their ceilings.
    """
    kinds: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        alike = kinds.setdefault(_kind(result), [])
        alike.append(result)

    ceilings = {kind: best_ceilings(alike) for kind, alike in kinds.items()}
    summaries: list[Summary] = []
    for result in results:
        of_its_kind = ceilings[_kind(result)]
        summaries.append(summarise(result, of_its_kind))
    return summaries


def _kind(result: Result) -> tuple[object, ...]:
    """Tell results apart whose ceilings differ."""
    case = result.case
    return (
        machine_key(result.environment),
        case.device,
        case.precision,
        case.memory_format,
        case.threads,
    )


def _roofline(
    result: Result,
    ceilings: Ceilings | None,
    call_ns: float,
) -> Roofline | None:
    first = result.runs[0]
    if ceilings is None or result.case.mode not in _INFERENCE:
        return None
    return roofline(
        result.case,
        ceilings,
        call_ns=call_ns,
        batch=first.batch,
        parameters=first.parameters or 0,
        layers=first.layers or 0,
    )


def wrongness(result: Result) -> Failure | None:
    """Say what is wrong with the output of a result's engine, if anything is."""
    for run in result.runs:
        allowed = tolerance(run, result.case.precision)
        if run.error is not None and run.error > allowed:
            distance = f"the output is {run.error:.2g} from eager fp32"
            fault = f"{distance}, and rounding explains at most {allowed:.2g}"
            return Failure("wrong", fault)

        if run.follows_input is False:
            fault = "the output does not follow the input: it is nearer to another input's"
            return Failure("wrong", fault)
    return None


def _all_faults(
    result: Result,
    runs: list[Run],
    interval_ns: tuple[float, float],
    center: float,
) -> list[str]:
    """Collect what is wrong with each run and with all together, each fault once."""
    faults = shape_faults(runs)

    # While a session is on its way, fewer have been taken.
    wanted = min(result.effort.runs, len(result.runs))
    if len(runs) < wanted:
        faults.append(f"only {len(runs)} of {wanted} wanted runs undisturbed")
    if len(runs) < wanted or len(runs) == len(result.runs):
        of_runs = [fault for run in result.runs for fault in disturbances(run, result)]
        faults += dict.fromkeys(of_runs)

    values = sum(len(run.values_ns) for run in runs)
    if values < LEAST_VALUES:
        faults.append(f"fewer than {LEAST_VALUES} values: add --runs")

    low, high = interval_ns
    width_percent = (high - low) / center * 100
    if width_percent > WIDE_PERCENT:
        faults.append(f"wide interval: {width_percent:.0f} % of the median")
    return faults


def is_stable(result: Result) -> bool:
    """Tell whether nothing speaks against a result."""
    return bool(result.runs) and not summarise(result).faults
