"""Results of measurements that never were: synthetic values with known distributions."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.bench.comparability import comparability
from zoo.bench.records import Case, Conditions, Effort, Environment, Memory, Result, Run
from zoo.devices import Device

if TYPE_CHECKING:
    from collections.abc import Sequence

CASE = Case("resnet18", "latency", "cpu", (3, 224, 224), 1, multiply_adds=10**9, activations=10**6)
ENVIRONMENT = Environment(
    Device("cpu", "some CPU", ("fp32",)), "some CPU", 8, "Linux", {"torch": "2.14.1"}
)
RUN = Run(
    started_at="2026-11-25T00:00:00+00:00",
    batch=1,
    loops=1,
    warmup_ns=(2_000_000,),
    values_ns=(1_000_000,) * 10,
    is_steady=True,
    inputs_rotated=2,
    prepare_ns=5_000_000,
    measured_between_ns=(0, 10**9),
    conditions=Conditions(stolen_percent=0.0, others_cpus=0.0),
    memory=Memory(device_bytes=10**8, model_bytes=10**7),
    stages_ns={},
    error=1e-7,
    follows_input=True,
    parameters=11_689_512,
    layers=60,
)


def make_run(values_ms: Sequence[float], **changes: Any) -> Run:
    """Make a run with these values."""
    return replace(RUN, values_ns=tuple(round(value * 1e6) for value in values_ms), **changes)


def make_result(
    runs: Sequence[Run] = (RUN,), environment: Environment = ENVIRONMENT, **changes: Any
) -> Result:
    """Make a result; the changes are to its case."""
    case = replace(CASE, **changes)
    return Result(
        case,
        Effort(runs=len(runs)),
        environment,
        tuple(runs),
        comparability=comparability(case, environment),
    )


def noisy_runs(
    seed: int,
    *,
    center_ms: float = 10.0,
    within: float = 0.02,
    between: float = 0.01,
) -> list[Run]:
    """Draw five runs of 60 values.

    Runs differ from each other, and values within each, by these relative spreads.
    """
    chance = random.Random(seed)  # noqa: S311 - synthetic values
    runs = []
    for _ in range(5):
        level = center_ms * chance.gauss(1, between)
        runs.append(make_run([level * abs(chance.gauss(1, within)) for _ in range(60)]))
    return runs
