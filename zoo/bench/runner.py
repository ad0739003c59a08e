"""One run: build the model, check the engine, take the values. Imports torch; called in a fresh process."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from zoo.bench import batches, engines, machine
from zoo.bench.devices import Clock, measure_ceilings, open_clock
from zoo.bench.models import build, load, make_typical, output_tensor
from zoo.bench.records import Cell, Effort, Run
from zoo.bench.timing import Values, conditions_since, take_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.bench.devices import Call

_SEED = 0
_VALUE_NS = 20_000_000
"""A value of throughput or training lasts at least this long, so that waiting for the device weighs little."""
_MOST_INPUTS = 16
_CACHE_BYTES = 64 * 2**20
"""More than the last cache of common devices: inputs that together exceed it do not lie in it when their turn comes."""
_CHECKED_ITEMS = 2
_FAR = 1e9
"""Stands for whatever is further away, for infinite and for not-a-number, which JSON cannot write."""
_TINY = 1e-30
_COPIES = 20
_NO_MEMORY = ("allocate memory", "out of memory", "ALLOC_FAILED")


def measure(cell: Cell, effort: Effort, started_ns: int) -> Run:
    """Measure one cell once.

    Args:
        cell: What to measure.
        effort: How long.
        started_ns: ``time.monotonic_ns()`` when this process was started.
    """
    stages = {"start": time.monotonic_ns() - started_ns}
    torch.set_num_threads(cell.threads)
    engines.set_precision("fp32")
    if cell.mode == "first-inference":
        return _first_inference(cell, stages, started_ns)
    if cell.mode == "load":
        return _load(cell, effort, stages)
    return _training(cell, effort, stages) if cell.mode == "training" else _inference(cell, effort, stages)


def make_inputs(cell: Cell, batch: int, count: int | None = None) -> list[torch.Tensor]:
    """Make random inputs on the device, by default as many as it takes to fill its cache."""
    shape = (batch, *cell.input_size)
    layout = engines.memory_format(cell.memory_format, len(shape))
    dtype = engines.tensor_type(cell.precision)
    size_bytes = torch.Size(shape).numel() * dtype.itemsize
    count = count or min(max(2, -(-_CACHE_BYTES // size_bytes)), _MOST_INPUTS)
    generator = torch.Generator().manual_seed(_SEED)
    pictures = (torch.randn(shape, generator=generator) for _ in range(count))
    return [picture.to(cell.device, dtype).contiguous(memory_format=layout) for picture in pictures]


def _inference(cell: Cell, effort: Effort, stages: dict[str, int]) -> Run:
    clock = open_clock(cell.device)
    ceilings = measure_ceilings(cell, clock) if effort.has_ceilings and cell.precision != "int8" else None
    engines.set_precision("fp32")  # for the references; the ceilings are those of the cell's precision
    model = build(cell)
    before_bytes = _bytes_without(model)
    with torch.inference_mode():
        probes = make_inputs(cell, _CHECKED_ITEMS, 2)
        make_typical(model, probes[0].float())
        references = _outputs(model, [probe.float() for probe in probes])
        sensitivity = _sensitivity(model, probes[0].float(), references[0])
        sizes = _sizes(model)
        model = _convert(cell, model, probes)
        batch = cell.batch or _best_batch(cell, engines.with_precision(model, cell.precision, cell.device), clock)
        inputs = make_inputs(cell, batch)
        for x, probe in zip(inputs, probes, strict=False):
            x[:_CHECKED_ITEMS] = probe[:batch]
        call, prepare_ns = _prepare(cell, model, inputs[0], clock)
        error, follows_input = compare_outputs(_outputs(call, inputs[:2]), references)
        clock.reset_peak()
        values = take_values(call, inputs, clock, effort, least_ns=0 if cell.mode == "latency" else _VALUE_NS)
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


def _bytes_without(model: nn.Module) -> int | None:
    """Tell what this process holds beside the parameters of a model that was just built on the CPU."""
    held_bytes = machine.resident_bytes()
    return None if held_bytes is None else held_bytes - sum(p.nbytes for p in model.parameters())


def _convert(cell: Cell, model: nn.Module, probes: Sequence[torch.Tensor]) -> nn.Module:
    """Give the model its precision and memory format."""
    engines.set_precision(cell.precision)
    return engines.convert(model, cell.precision, cell.memory_format, probes)


def _prepare(cell: Cell, model: nn.Module, example: torch.Tensor, clock: Clock) -> tuple[Call, int]:
    """Hand the model to the engine; tell how long that took with the first call."""
    start_ns = time.monotonic_ns()
    call = engines.prepare(cell.engine, model, example, cell.precision)
    call(example)
    clock.synchronise()
    return call, time.monotonic_ns() - start_ns


def _outputs(call: Call, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Take the first items of the output for each input to the host, at once: an engine may use their memory again."""
    return [output_tensor(call(x))[:_CHECKED_ITEMS].cpu().double() for x in inputs]


def _sensitivity(model: nn.Module, x: torch.Tensor, reference: torch.Tensor) -> float:
    """Round the parameters to bf16 for one call and tell how far that moves the output."""
    exact = [parameter.clone() for parameter in model.parameters()]
    for parameter in model.parameters():
        parameter.copy_(parameter.bfloat16())
    moved, _ = compare_outputs(_outputs(model, [x]), [reference])
    for parameter, value in zip(model.parameters(), exact, strict=True):
        parameter.copy_(value)
    return moved


def compare_outputs(outputs: list[torch.Tensor], references: list[torch.Tensor]) -> tuple[float, bool]:
    """Hold what an engine puts out for several inputs against the reference for each.

    Returns:
        The largest distance from the right reference, relative to its norm, and whether each output is nearer to its
        own input's reference than to another's: an engine that answers every input alike can be near to all of them.
    """
    wanted = [reference[: len(output)] for output, reference in zip(outputs, references, strict=True)]
    distances = [[(output - other).norm().item() for other in wanted] for output in outputs]
    relative = [row[i] / max(wanted[i].norm().item(), _TINY) for i, row in enumerate(distances)]
    error = max(min(distance, _FAR) if math.isfinite(distance) else _FAR for distance in relative)
    return error, all(row[i] <= min(row) for i, row in enumerate(distances))


def _best_batch(cell: Cell, call: Call, clock: Clock) -> int:
    """Find the batch with the best throughput of an eager call, whatever the engine: others prepare for one batch."""

    def call_s(batch: int) -> float | None:
        try:
            inputs = make_inputs(cell, batch, 1)
            clock.time_calls(call, inputs)
            return min(clock.time_calls(call, inputs) for _ in range(3)) / 1e9
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if torch.accelerator.is_available():
                torch.accelerator.empty_cache()
            return None

    return batches.find_best(call_s)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether memory ran out; beside torch's allocators, CUDA's libraries raise a plain ``RuntimeError``."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def _time_input_copies(example: torch.Tensor, clock: Clock) -> tuple[int, ...]:
    """Time copies of one batch from pinned host memory to the device; nothing on the CPU, where no copy is made."""
    if example.device.type == "cpu":
        return ()
    host = example.cpu()
    if example.device.type == "cuda":
        host = host.pin_memory()
    return tuple(clock.time_calls(example.copy_, [host]) for _ in range(_COPIES))


def _training(cell: Cell, effort: Effort, stages: dict[str, int]) -> Run:
    """Time a training step: forward, loss, backward, optimiser."""
    clock = open_clock(cell.device)
    model = build(cell).train()
    sizes, before_bytes = _sizes(model), _bytes_without(model)
    model = _convert(cell, model, make_inputs(cell, 1, 1))
    take_step = _make_training(cell, model)
    eager = engines.with_precision(model, cell.precision, cell.device)
    batch = cell.batch or _best_batch(cell, lambda x: take_step(eager, x), clock)
    inputs = make_inputs(cell, batch)
    start_ns = time.monotonic_ns()
    forward = engines.prepare(cell.engine, model, inputs[0], cell.precision)
    take_step(forward, inputs[0])
    clock.synchronise()
    prepare_ns = time.monotonic_ns() - start_ns
    clock.reset_peak()
    values = take_values(lambda x: take_step(forward, x), inputs, clock, effort, least_ns=_VALUE_NS)
    details = {"batch": batch, "inputs_rotated": len(inputs), "prepare_ns": prepare_ns, "stages_ns": stages}
    return _make_run(values, sizes, memory=clock.peak(before_bytes), **details)


def _make_training(cell: Cell, model: nn.Module) -> Callable[[Call, torch.Tensor], None]:
    """Make the training step as it is usual: SGD with momentum, and for fp16 the scaler that it needs."""
    optimiser = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    kind = torch.device(cell.device).type
    scaler = torch.amp.GradScaler(kind, enabled=cell.precision == "fp16-autocast")

    def take_step(forward: Call, x: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss = output_tensor(forward(x)).float().square().mean()
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        scaler.step(optimiser)
        scaler.update()

    return take_step


def _first_inference(cell: Cell, stages: dict[str, int], started_ns: int) -> Run:
    """Time from the start of the process to the first result; one value, because a process starts once."""
    clock = open_clock(cell.device)
    before = machine.CpuClock.read()
    model = build(cell)
    sizes, before_bytes = _sizes(model), _bytes_without(model)
    (x,) = make_inputs(cell, cell.batch or 1, 1)
    model = _convert(cell, model, [x])
    clock.synchronise()
    stages["build"] = time.monotonic_ns() - started_ns - stages["start"]
    with torch.inference_mode():
        _, prepare_ns = _prepare(cell, model, x, clock)
    total_ns = time.monotonic_ns() - started_ns
    stages["first-call"] = prepare_ns
    between_ns = (started_ns, started_ns + total_ns)
    values = Values((), (total_ns,), 1, True, between_ns, conditions_since(before))
    return _make_run(
        values,
        sizes,
        batch=cell.batch or 1,
        inputs_rotated=1,
        prepare_ns=prepare_ns,
        stages_ns=stages,
        memory=clock.peak(before_bytes),
    )


def _load(cell: Cell, effort: Effort, stages: dict[str, int]) -> Run:
    """Time from a name to a network with its published weights on the device; the file is in the cache and warm."""
    clock = open_clock(cell.device)
    model = load(cell)
    before_bytes = _bytes_without(model)
    clock.reset_peak()
    values = take_values(lambda _: load(cell), [None], clock, effort, least_ns=0)
    memory = clock.peak(before_bytes)
    return _make_run(values, _sizes(model), batch=1, inputs_rotated=1, prepare_ns=0, stages_ns=stages, memory=memory)


def _make_run(values: Values, sizes: tuple[int, int], **details: Any) -> Run:
    """Join the timings of a run with what the model is and with the details of its mode."""
    return Run(
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        loops=values.loops,
        warmup_ns=values.warmup_ns,
        values_ns=values.values_ns,
        is_steady=values.is_steady,
        measured_between_ns=values.between_ns,
        conditions=values.conditions,
        parameters=sizes[0],
        layers=sizes[1],
        **details,
    )


def _sizes(model: nn.Module) -> tuple[int, int]:
    """Count parameters and layers, before a conversion hides them."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return parameters, sum(1 for module in model.modules() if not any(module.children()))
