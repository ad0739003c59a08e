"""Run a network on the meta device, where tensors have shapes but no values, and fill its table of layers."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.errors import ShapeError
from zoo.inspector.counting import COUNTERS
from zoo.inspector.layers import Layer, LayerTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def trace_layers(
    model: nn.Module, input_size: Sequence[int], *, name: str = "", inputs: int = 1, is_runnable: bool = True
) -> LayerTable:
    """Tabulate the layers of a network for one input.

    The network is moved to the meta device: pass one that was built for this purpose. It is run in eval mode on a
    batch of one, so no memory is taken and nothing is computed.

    Args:
        model: The network.
        input_size: Shape of one input without the batch axis, ``(C, H, W)``.
        name: Goes into the table.
        inputs: How many such inputs ``forward`` takes (optical flow compares two pictures).
        is_runnable: False for networks whose run depends on values (detection): their rows have no output shapes.

    Raises:
        ShapeError: The network cannot take inputs of this shape.
    """
    model = model.to("meta").eval()
    counts = _Counts()
    if is_runnable:
        arguments = [torch.empty(1, *input_size, device="meta") for _ in range(inputs)]
        with _slow_attention(), torch.no_grad(), _watched(model, counts), counts:
            try:
                model(*arguments)
            except (RuntimeError, ValueError, AssertionError) as error:
                size = "x".join(map(str, input_size))
                raise ShapeError(f"{name or type(model).__name__} cannot take an input of {size}: {error}") from error
    rows = tuple(_row(path, module, counts) for path, module in model.named_modules())
    return LayerTable(
        model=name,
        input_size=tuple(input_size),
        parameters=rows[0].parameters,
        multiply_adds=counts.multiply_adds[""] if is_runnable else None,
        activations=counts.activations if is_runnable else None,
        layers=rows,
    )


def _row(path: str, module: nn.Module, counts: _Counts) -> Layer:
    parameters = sum(parameter.numel() for parameter in module.parameters())
    detail = " ".join(module.extra_repr().split())
    shape = counts.output_shapes.get(path)
    return Layer(path, type(module).__name__, detail, shape, parameters, counts.multiply_adds[path])


class _Counts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Add each operator's multiply-adds to every module that is running."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.running: list[str] = []
        self.multiply_adds: Counter[str] = Counter()
        self.activations = 0
        self.output_shapes: dict[str, tuple[int, ...]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        counter = COUNTERS.get(str(func.overloadpacket))
        if counter is not None:
            first = out[0] if isinstance(out, tuple) else out
            shapes = [tuple(arg.shape) if isinstance(arg, torch.Tensor) else None for arg in args]
            multiply_adds = counter(shapes, tuple(first.shape), args)
            self.activations += first.numel()
            for path in dict.fromkeys(self.running):
                self.multiply_adds[path] += multiply_adds
        return out


@contextmanager
def _watched(model: nn.Module, counts: _Counts) -> Iterator[None]:
    """Tell ``counts`` which modules are running, and note their output shapes."""

    def enter(path: str) -> Any:
        return lambda _module, _arguments: counts.running.append(path)

    def leave(path: str) -> Any:
        def note(_module: nn.Module, _arguments: Any, output: Any) -> None:
            counts.running.pop()
            if isinstance(output, torch.Tensor):
                counts.output_shapes[path] = tuple(output.shape)

        return note

    handles = []
    for path, module in model.named_modules():
        handles += [module.register_forward_pre_hook(enter(path)), module.register_forward_hook(leave(path))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _slow_attention() -> Iterator[None]:
    """Switch off the fused path of nn.MultiheadAttention, which hides its matrix products from any counter."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)
