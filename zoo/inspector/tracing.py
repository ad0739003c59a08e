"""Run a network on the meta device, where tensors have shapes only; fill its table of layers."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.errors import ShapeError
from zoo.inspector.counting import COUNTERS, Call
from zoo.inspector.layers import Layer, LayerTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def trace_layers(
    model: nn.Module,
    input_size: Sequence[int],
    *,
    name: str = "",
    inputs: int = 1,
    is_runnable: bool = True,
) -> LayerTable:
    """Tabulate the layers of a network for one input.

    The network is moved to the meta device: pass one that was built for this purpose. It is run in
    eval mode on a batch of one, so no memory is taken and nothing is computed.

    Args:
        model: The network.
        input_size: Shape of one input without the batch axis, ``(C, H, W)``.
        name: Goes into the table.
        inputs: How many such inputs ``forward`` takes (optical flow compares two images).
        is_runnable: False for networks whose run depends on values (detection): their rows have no
            output shapes.

    Raises:
        ShapeError: The network cannot take inputs of this shape.
    """
    # On the meta device tied parameters are two: they are counted before, once, as torch does.
    parameters = {path: _parameters_of(module) for path, module in model.named_modules()}
    model = model.to("meta").eval()
    counts = _Counts()

    if is_runnable:
        image = torch.empty(1, *input_size, device="meta")
        try:
            _run(model, [image] * inputs, counts)
        except (RuntimeError, ValueError, AssertionError) as error:
            title = name or type(model).__name__
            size = "x".join(map(str, input_size))
            raise ShapeError(f"{title} cannot take an input of {size}: {error}") from error

    rows = tuple(
        _row(path, module, parameters[path], counts) for path, module in model.named_modules()
    )
    return LayerTable(
        model=name,
        input_size=tuple(input_size),
        parameters=rows[0].parameters,
        multiply_adds=counts.multiply_adds[""] if is_runnable else None,
        activations=counts.activations if is_runnable else None,
        layers=rows,
    )


def _run(
    model: nn.Module,
    images: Sequence[torch.Tensor],
    counts: _Counts,
) -> None:
    """Run a network under the eyes of the counter."""
    with (
        _slow_attention(),
        torch.no_grad(),
        _watched(model, counts),
        counts,
    ):
        model(*images)


def _parameters_of(module: nn.Module) -> int:
    """Count what a module can learn; what it uses in several places counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def _row(
    path: str,
    module: nn.Module,
    parameters: int,
    counts: _Counts,
) -> Layer:
    return Layer(
        path=path,
        type=type(module).__name__,
        detail=" ".join(module.extra_repr().split()),
        output_shape=counts.output_shapes.get(path),
        parameters=parameters,
        multiply_adds=counts.multiply_adds[path],
    )


class _Counts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Add each operator's multiply-adds to every module that is running."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.running: list[str] = []
        self.multiply_adds: Counter[str] = Counter()
        self.activations = 0
        self.output_shapes: dict[str, tuple[int, ...]] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        named = kwargs or {}
        out = func(*args, **named)

        counter = COUNTERS.get(str(func.overloadpacket))
        if counter is None:
            return out

        first = out[0] if isinstance(out, tuple) else out
        self.activations += first.numel()

        call = Call([_shape(argument) for argument in args], tuple(first.shape), args)
        multiply_adds = counter(call)
        for path in dict.fromkeys(self.running):
            self.multiply_adds[path] += multiply_adds

        return out


def _shape(argument: object) -> tuple[int, ...] | None:
    return tuple(argument.shape) if isinstance(argument, torch.Tensor) else None


@contextmanager
def _watched(
    model: nn.Module,
    counts: _Counts,
) -> Iterator[None]:
    """Tell ``counts`` which modules are running, and note their output shapes."""

    def enter(path: str) -> Any:
        return lambda _module, _arguments: counts.running.append(path)

    def leave(path: str) -> Any:
        def note(
            _module: nn.Module,
            _arguments: Any,
            output: Any,
        ) -> None:
            counts.running.pop()
            if isinstance(output, torch.Tensor):
                counts.output_shapes[path] = tuple(output.shape)

        return note

    handles = []
    for path, module in model.named_modules():
        handles += [
            module.register_forward_pre_hook(enter(path)),
            module.register_forward_hook(leave(path)),
        ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _slow_attention() -> Iterator[None]:
    """Switch off the fused path of nn.MultiheadAttention, which hides its matrix products."""
    was_enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(value=False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was_enabled)
