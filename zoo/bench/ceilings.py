"""What a device reaches on plain work: the roof that models are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from zoo.bench.records import Ceilings
from zoo.engines import precision as precisions

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.bench.clocks import Clock
    from zoo.bench.records import Case
    from zoo.engines.record import Call

_LONG_ENOUGH_NS = 8_000_000
_REPEATS = 3
_MATRIX_SIDES = (256, 512, 1024, 2048, 4096, 8192)
_CONVOLUTION_BATCHES = (1, 4, 16, 64, 256)
_CHANNELS, _SIDE, _KERNEL = 256, 28, 3
_COPY_BYTES = tuple(2**power for power in range(24, 31))
_DISPATCHES = 200


@dataclass(frozen=True, slots=True)
class _Work:
    """One size of one kind of work."""

    call: Call
    x: torch.Tensor
    amount: float
    """Operations or bytes."""


class _Bench:
    """Makes work on one device in one precision and memory format."""

    def __init__(self, case: Case) -> None:
        self.device = case.device
        self.dtype = precisions.low_precision(case.precision)
        self.layout = precisions.memory_format(case.memory_format, 4)

    def random(self, *shape: int) -> torch.Tensor:
        numbers = torch.randn(*shape, device=self.device)
        return numbers.to(self.dtype)

    def matrix_product(self, side: int) -> _Work:
        other = self.random(side, side)
        x = self.random(side, side)
        amount = 2.0 * side**3
        return _Work(other.matmul, x, amount)

    def convolution(self, batch: int) -> _Work:
        weight = self.random(_CHANNELS, _CHANNELS, _KERNEL, _KERNEL)
        weight = weight.contiguous(memory_format=self.layout)
        x = self.random(batch, _CHANNELS, _SIDE, _SIDE)
        x = x.contiguous(memory_format=self.layout)

        products = (_CHANNELS * _SIDE * _KERNEL) ** 2
        amount = 2.0 * batch * products

        def call(x: torch.Tensor) -> torch.Tensor:
            return functional.conv2d(x, weight, padding=1)

        return _Work(call, x, amount)

    def copy(self, size_bytes: int) -> _Work:
        source = torch.zeros(
            size_bytes,
            dtype=torch.uint8,
            device=self.device,
        )
        target = torch.empty_like(source)
        amount = 2.0 * size_bytes
        return _Work(target.copy_, source, amount)


def measure_ceilings(
    case: Case,
    clock: Clock,
) -> Ceilings:
    """Measure the ceilings of a case's device in its precision and memory format.

    Takes a fraction of a second.

    Each kind of work grows until a call lasts 8 ms; the best rate of all calls counts, because a
    ceiling is what can be reached.
    """
    precisions.set_precision(case.precision)
    bench = _Bench(case)
    with torch.inference_mode():
        return Ceilings(
            matmul_flops=_reach(bench.matrix_product, _MATRIX_SIDES, clock),
            convolution_flops=_reach(bench.convolution, _CONVOLUTION_BATCHES, clock),
            copy_bytes=_reach(bench.copy, _COPY_BYTES, clock),
            dispatch_ns=_time_dispatch(bench, clock),
        )


def _time_dispatch(
    bench: _Bench,
    clock: Clock,
) -> int:
    """Time an operation on one number."""
    one = bench.random(1)
    inputs = [one] * _DISPATCHES
    times_ns = [clock.time_calls(one.add, inputs) for _ in range(_REPEATS)]
    return min(times_ns) // _DISPATCHES


def _reach(
    make: Callable[[int], _Work],
    sizes: tuple[int, ...],
    clock: Clock,
) -> float:
    """Grow a kind of work until a call lasts long enough; return the most work done in a second."""
    best = 0.0
    for size in sizes:
        work = make(size)
        inputs = [work.x]
        clock.time_calls(work.call, inputs)
        times_ns = [clock.time_calls(work.call, inputs) for _ in range(_REPEATS)]

        fastest_ns = max(1, min(times_ns))
        reached = work.amount / fastest_ns * 1e9
        best = max(best, reached)
        if fastest_ns >= _LONG_ENOUGH_NS:
            break
    return best
