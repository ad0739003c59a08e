"""The inputs of a case: random, on the device, as many as it takes to fill its cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zoo.engines import precision as precisions
from zoo.engines.known import find_engine

if TYPE_CHECKING:
    from zoo.bench.records import Case

_SEED = 0
_MOST = 16
_LEAST = 2
_CACHE_BYTES = 64 * 2**20
"""More than the last cache of common devices: inputs that together exceed it do not lie in it when
their turn comes."""


def layout_of(case: Case) -> str:
    """Name the memory format that the engine of a case works in."""
    return find_engine(case.engine).own_memory_format or case.memory_format


def make_inputs(
    case: Case,
    batch: int,
    count: int | None = None,
) -> list[torch.Tensor]:
    """Make random inputs on the device, by default as many as it takes to fill its cache."""
    shape = torch.Size((batch, *case.input_size))
    layout = precisions.memory_format(layout_of(case), len(shape))
    dtype = precisions.tensor_type(case.precision)
    if count is None:
        count = count_inputs(shape.numel() * dtype.itemsize)
    generator = torch.Generator().manual_seed(_SEED)
    inputs = []
    for _ in range(count):
        values = torch.randn(shape, generator=generator)
        on_device = values.to(case.device, dtype)
        inputs.append(on_device.contiguous(memory_format=layout))
    return inputs


def count_inputs(size_bytes: int) -> int:
    """Tell how many inputs of this size take turns.

    >>> count_inputs(600_000), count_inputs(2**25), count_inputs(2**30)
    (16, 2, 2)
    """
    filling = -(-_CACHE_BYTES // size_bytes)
    return min(max(_LEAST, filling), _MOST)
