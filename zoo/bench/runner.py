"""One run: build the model, check the engine, take the values. Imports torch.

Called in a fresh process.

The file is long because the steps of a run share what may stay on the device between them.
"""

from __future__ import annotations

import gc
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.bench import batches, machine
from zoo.bench.ceilings import measure_ceilings
from zoo.bench.clocks import Clock, open_clock
from zoo.bench.correctness import (
    CHECKED_ITEMS,
    compare_outputs,
    measure_sensitivity,
    outputs_of,
)
from zoo.bench.inputs import layout_of, make_inputs
from zoo.bench.models import build, load, make_typical
from zoo.bench.records import Case, Ceilings, Effort, Run
from zoo.bench.timing import Values, conditions_since, take_values
from zoo.bench.yardstick import Yardstick
from zoo.engines import precision as precisions
from zoo.engines.folding import fold_batch_norms
from zoo.engines.known import find_engine
from zoo.engines.outputs import main_tensor
from zoo.engines.record import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.engines.record import Call

_VALUE_NS = 20_000_000
"""A value of throughput or training lasts at least this long, so that waiting for the device weighs
little."""
_SEARCH_CALLS = 3
_COPIES = 20
_NO_MEMORY = ("allocate memory", "out of memory", "ALLOC_FAILED")
_LEARNING_RATE = 1e-4
_MOMENTUM = 0.9
_KNOWN_CEILINGS: dict[tuple[str, str, str, int], Ceilings] = {}
"""What this process has measured of its devices."""


def measure(
    case: Case,
    effort: Effort,
    started_ns: int,
) -> Run:
    """Measure a case once, in this process.

    Args:
        case: What to measure.
        effort: How long.
        started_ns: ``time.monotonic_ns()`` when this process was started.
    """
    stages = {"start": time.monotonic_ns() - started_ns}
    if effort.is_warm:
        _forget()
    torch.set_num_threads(case.threads)
    precisions.set_precision("fp32")
    if case.mode == "first-inference":
        return _first_inference(case, stages, started_ns)
    if case.mode == "load":
        return _load(case, effort, stages)
    if case.mode == "training":
        return _training(case, effort, stages)
    return _inference(case, effort, stages)


def _forget() -> None:
    """Drop what the task before has left in this process.

    Compiled code, memory of networks, settings.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    torch.backends.cudnn.benchmark = False
    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()


def _inference(
    case: Case,
    effort: Effort,
    stages: dict[str, int],
) -> Run:
    """Time calls, and hold what the engine answers against eager fp32."""
    clock = open_clock(case.device)
    ceilings = None
    if effort.has_ceilings and case.precision != "int8":
        ceilings = _ceilings(case, clock)
    yardstick = Yardstick(case.device, clock)
    # The ceilings are those of the case's precision, the references are not.
    precisions.set_precision("fp32")
    model = build(case)
    before_bytes = _bytes_without(model)
    with torch.inference_mode():
        probes = make_inputs(case, CHECKED_ITEMS, 2)
        exact_probes = [probe.float() for probe in probes]
        make_typical(model, exact_probes[0])
        references = outputs_of(model, exact_probes)
        sensitivity = measure_sensitivity(model, exact_probes[0], references[0])
        sizes = _sizes(model)

        model = _convert(case, model, probes)
        batch = case.batch or _best_batch(case, _eager_call(case, model), clock)
        inputs = make_inputs(case, batch)
        for x, probe in zip(inputs, probes, strict=False):
            x[:CHECKED_ITEMS] = probe[:batch]
        call, prepare_ns = _prepare(case, model, inputs[0], clock)
        error, follows_input = compare_outputs(outputs_of(call, inputs[:2]), references)

        clock.reset_peak()
        least_ns = 0 if case.mode == "latency" else _VALUE_NS
        values = take_values(call, inputs, clock, effort, least_ns, yardstick.time_ns)
        memory = clock.peak(before_bytes)
        copies_ns = _time_input_copies(inputs[0], clock)
    return _make_run(
        values,
        sizes,
        batch=batch,
        inputs_rotated=len(inputs),
        prepare_ns=prepare_ns,
        stages_ns=stages,
        memory=memory,
        input_copy_ns=copies_ns,
        error=error,
        sensitivity=sensitivity,
        follows_input=follows_input,
        ceilings=ceilings,
    )


def _ceilings(
    case: Case,
    clock: Clock,
) -> Ceilings:
    """Measure what the device reaches; a process that stays measures each kind once."""
    kind = (case.device, case.precision, case.memory_format, case.threads)
    if kind not in _KNOWN_CEILINGS:
        _KNOWN_CEILINGS[kind] = measure_ceilings(case, clock)
    return _KNOWN_CEILINGS[kind]


def _bytes_without(model: nn.Module) -> int | None:
    """Tell what this process holds beside the parameters of a model just built on the CPU."""
    held_bytes = machine.resident_bytes()
    if held_bytes is None:
        return None
    return held_bytes - sum(parameter.nbytes for parameter in model.parameters())


def _convert(
    case: Case,
    model: nn.Module,
    probes: Sequence[torch.Tensor],
) -> nn.Module:
    """Give the model its precision and memory format, folded first where the engine does that."""
    precisions.set_precision(case.precision)
    if find_engine(case.engine).folds_batch_norms:
        model, _ = fold_batch_norms(model)
    return precisions.convert(model, case.precision, layout_of(case), probes)


def _eager_call(
    case: Case,
    model: nn.Module,
) -> Call:
    """Run a converted model operation by operation, in its precision."""
    return precisions.with_precision(model, case.precision, case.device)


def _prepare(
    case: Case,
    model: nn.Module,
    example: torch.Tensor,
    clock: Clock,
) -> tuple[Call, int]:
    """Hand the model to the engine; tell how long that took with the first call."""
    start_ns = time.monotonic_ns()
    request = Request(model, example, case.precision)
    call = find_engine(case.engine).prepare(request)
    call(example)
    clock.synchronise()
    return call, time.monotonic_ns() - start_ns


def _best_batch(
    case: Case,
    call: Call,
    clock: Clock,
) -> int:
    """Find the batch with the best throughput of an eager call, whatever the engine.

    Others prepare for one batch.
    """

    def call_s(batch: int) -> float | None:
        try:
            inputs = make_inputs(case, batch, 1)
            clock.time_calls(call, inputs)
            times_ns = [clock.time_calls(call, inputs) for _ in range(_SEARCH_CALLS)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if torch.accelerator.is_available():
                torch.accelerator.empty_cache()
            return None
        return min(times_ns) / 1e9

    return batches.find_best(call_s)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out.

    Beside torch's allocators, CUDA's libraries raise a plain ``RuntimeError``.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    if not isinstance(error, RuntimeError):
        return False

    message = str(error)
    return any(words in message for words in _NO_MEMORY)


def _time_input_copies(
    example: torch.Tensor,
    clock: Clock,
) -> tuple[int, ...]:
    """Time copies of one batch from pinned host memory to the device.

    Nothing on the CPU, where no copy is made.
    """
    if example.device.type == "cpu":
        return ()
    host = example.cpu()
    if example.device.type == "cuda":
        host = host.pin_memory()

    times_ns = [clock.time_calls(example.copy_, [host]) for _ in range(_COPIES)]
    return tuple(times_ns)


def _training(
    case: Case,
    effort: Effort,
    stages: dict[str, int],
) -> Run:
    """Time a training step: forward, loss, backward, optimizer."""
    clock = open_clock(case.device)
    yardstick = Yardstick(case.device, clock)
    model = build(case).train()
    sizes = _sizes(model)
    before_bytes = _bytes_without(model)
    model = _convert(case, model, make_inputs(case, 1, 1))
    take_step = make_training_step(case, model)
    eager = _eager_call(case, model)

    batch = case.batch or _best_batch(case, lambda x: take_step(eager, x), clock)
    inputs = make_inputs(case, batch)
    start_ns = time.monotonic_ns()
    forward, _ = _prepare(case, model, inputs[0], clock)
    take_step(forward, inputs[0])
    clock.synchronise()
    prepare_ns = time.monotonic_ns() - start_ns

    clock.reset_peak()

    def step(x: torch.Tensor) -> None:
        take_step(forward, x)

    values = take_values(step, inputs, clock, effort, _VALUE_NS, yardstick.time_ns)
    return _make_run(
        values,
        sizes,
        batch=batch,
        inputs_rotated=len(inputs),
        prepare_ns=prepare_ns,
        stages_ns=stages,
        memory=clock.peak(before_bytes),
    )


def make_training_step(
    case: Case,
    model: nn.Module,
) -> Callable[[Call, torch.Tensor], None]:
    """Make the training step as it is usual.

    SGD with momentum, and for fp16 the scaler that it needs.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=_LEARNING_RATE, momentum=_MOMENTUM)
    kind = torch.device(case.device).type
    scaler = torch.amp.GradScaler(kind, enabled=case.precision == "fp16-autocast")

    def take_step(
        forward: Call,
        x: torch.Tensor,
    ) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss = main_tensor(forward(x)).float().square().mean()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        scaler.step(optimizer)
        scaler.update()

    return take_step


def _first_inference(
    case: Case,
    stages: dict[str, int],
    started_ns: int,
) -> Run:
    """Time from the start of the process to the first result.

    One value, because a process starts once.
    """
    clock = open_clock(case.device)
    before = machine.CpuClock.read()
    model = build(case)
    sizes = _sizes(model)
    before_bytes = _bytes_without(model)
    batch = case.batch or 1
    (x,) = make_inputs(case, batch, 1)
    model = _convert(case, model, [x])
    clock.synchronise()
    stages["build"] = time.monotonic_ns() - started_ns - stages["start"]

    with torch.inference_mode():
        _, prepare_ns = _prepare(case, model, x, clock)
    total_ns = time.monotonic_ns() - started_ns
    stages["first-call"] = prepare_ns
    values = Values(
        warmup_ns=(),
        values_ns=(total_ns,),
        loops=1,
        is_steady=True,
        between_ns=(started_ns, started_ns + total_ns),
        conditions=conditions_since(before),
    )
    return _make_run(
        values,
        sizes,
        batch=batch,
        inputs_rotated=1,
        prepare_ns=prepare_ns,
        stages_ns=stages,
        memory=clock.peak(before_bytes),
    )


def _load(
    case: Case,
    effort: Effort,
    stages: dict[str, int],
) -> Run:
    """Time from a name to a network with its published weights on the device.

    The file is in the cache and warm.
    """
    clock = open_clock(case.device)
    yardstick = Yardstick(case.device, clock)
    model = load(case)
    before_bytes = _bytes_without(model)
    clock.reset_peak()

    def load_again(_: None) -> None:
        load(case)

    values = take_values(load_again, [None], clock, effort, 0, yardstick.time_ns)
    return _make_run(
        values,
        _sizes(model),
        batch=1,
        inputs_rotated=1,
        prepare_ns=0,
        stages_ns=stages,
        memory=clock.peak(before_bytes),
    )


def _make_run(values: Values, sizes: tuple[int, int], **details: Any) -> Run:
    """Join the timings of a run with what the model is and with the details of its mode."""
    parameters, layers = sizes
    return Run(
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        loops=values.loops,
        warmup_ns=values.warmup_ns,
        values_ns=values.values_ns,
        is_steady=values.is_steady,
        measured_between_ns=values.between_ns,
        conditions=values.conditions,
        yardsticks_ns=values.yardsticks_ns,
        parameters=parameters,
        layers=layers,
        **details,
    )


def _sizes(model: nn.Module) -> tuple[int, int]:
    """Count parameters and layers, before a conversion hides them."""
    parameters = 0
    for parameter in model.parameters():
        parameters += parameter.numel()

    layers = 0
    for module in model.modules():
        has_children = any(module.children())
        if not has_children:
            layers += 1
    return parameters, layers
