"""Engines: what turns a network into something to call. Each is one function, listed in ``_PREPARE``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from zoo.bench.devices import Call

_AUTOCAST = {"fp16-autocast": torch.float16, "bf16-autocast": torch.bfloat16}
_NATIVE = {"fp16": torch.float16, "bf16": torch.bfloat16}
_CAPTURE_WARMUPS = 3


def set_precision(precision: str) -> None:
    """Let matrix products and convolutions of fp32 numbers round to TF32, or forbid it."""
    wanted = "tf32" if precision == "tf32" else "ieee"
    torch.backends.cuda.matmul.fp32_precision = wanted
    torch.backends.cudnn.conv.fp32_precision = wanted  # type: ignore[attr-defined]  # made at import


def tensor_type(precision: str) -> torch.dtype:
    """Tell the type of parameters and inputs in a precision."""
    return _NATIVE.get(precision, torch.float32)


def memory_format(name: str, dimensions: int) -> torch.memory_format:
    """Tell torch's memory format for a tensor of so many dimensions; only pictures and clips have channels."""
    if name == "channels-last" and dimensions in (4, 5):
        return torch.channels_last if dimensions == 4 else torch.channels_last_3d
    return torch.contiguous_format


def convert(model: nn.Module, precision: str, layout: str, dimensions: int) -> nn.Module:
    """Give a network the precision and the memory format to measure it in, in place."""
    return model.to(dtype=tensor_type(precision)).to(memory_format=memory_format(layout, dimensions))


def with_precision(call: Call, precision: str, device: str) -> Call:
    """Wrap a call in autocast where the precision asks for it, as a user would: around each call."""
    if precision not in _AUTOCAST:
        return call
    kind, dtype = torch.device(device).type, _AUTOCAST[precision]

    def autocast_call(x: torch.Tensor) -> Any:
        with torch.autocast(kind, dtype=dtype):
            return call(x)

    return autocast_call


def prepare(engine: str, model: nn.Module, example: torch.Tensor, precision: str) -> Call:
    """Make a call out of a network in eval mode.

    Args:
        engine: A name of ``zoo.bench.plan.ENGINES``; after a colon, its mode.
        model: The network, converted to its precision and on its device.
        example: An input as those that will be measured.
        precision: Of the cell, for autocast.
    """
    name, _, mode = engine.partition(":")
    return _PREPARE[name](model, example, precision, mode)


def _eager(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    torch.backends.cudnn.benchmark = mode == "autotuned"
    return with_precision(model, precision, example.device.type)


def _compile(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    compiled = torch.compile(model, mode=mode or "default", dynamic=False)
    call = with_precision(compiled, precision, example.device.type)
    call(example)
    return call


def _cudagraphs(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    """Capture one call; each later call copies its input into the captured one's place and replays."""
    del mode
    inner = with_precision(model, precision, example.device.type)
    held = example.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_CAPTURE_WARMUPS):
            inner(held)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = inner(held)

    def replay(x: torch.Tensor) -> Any:
        held.copy_(x)
        graph.replay()
        return output

    return replay


_PREPARE: dict[str, Callable[[nn.Module, torch.Tensor, str, str], Call]] = {
    "eager": _eager,
    "compile": _compile,
    "cudagraphs": _cudagraphs,
}
