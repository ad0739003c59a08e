"""Make a network faster for inference without changing its answers.

:func:`optimize` folds each batch norm into the convolution before it, lays weights and pictures out channels-last, and
runs the result with one of three engines:

* ``"eager"``: operation by operation. Ready at once, takes any size of picture.
* ``"compile"``: ``torch.compile`` with frozen weights. Takes a minute or two to prepare a large network and needs a C++
  compiler on a CPU; packs weights once and joins small operations. Another size of picture compiles again.
* ``"cudagraphs"``: one recorded CUDA graph. Ready at once, takes pictures of the recorded size only.

The model itself is left as it is.
"""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from zoo.errors import OptimizeError, ShapeError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Engine = Literal["eager", "compile", "cudagraphs"]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-3}
_TOLERANCE_OF_HALVES = 0.1


class OptimizedModel(nn.Module):
    """A network prepared for inference; call it like the one that it was made from.

    Args:
        network: The folded network, in its final type and layout.
        run: Runs it: the network itself, or what an engine made of it.
        engine: Name of the engine.
        folded: Number of batch norms that are gone.
        dtype: What pictures are converted to; results come back in the type of the picture.
        memory_format: How pictures are laid out.
    """

    def __init__(
        self,
        network: nn.Module,
        run: Callable[[Tensor], Any],
        *,
        engine: Engine,
        folded: int,
        dtype: torch.dtype,
        memory_format: torch.memory_format,
    ) -> None:
        super().__init__()
        self.network = network
        self.run = run
        self.engine = engine
        self.folded = folded
        self.dtype = dtype
        self.memory_format = memory_format
        self.eval()

    def forward(self, x: Tensor) -> Any:
        """Run the network; nothing is recorded for gradients."""
        with torch.inference_mode():
            result = self.run(_prepared(x, self.dtype, self.memory_format))
            return _map_tensors(result, lambda t: t.to(x.dtype) if t.is_floating_point() else t)

    def train(self, mode: bool = True) -> OptimizedModel:
        """Stay in evaluation mode.

        Raises:
            UsageError: ``mode`` is true; there is no batch norm left to train.
        """
        if mode:
            raise UsageError("an optimized network is for inference: train the model that it was made from")
        super().train(mode=False)
        return self

    def extra_repr(self) -> str:
        """Show what was done."""
        return f"engine={self.engine}, folded={self.folded} batch norms, dtype={self.dtype}"


class _RecordedGraph:
    """A network recorded as one CUDA graph: fixed memory for the picture and for the result."""

    def __init__(self, network: nn.Module, example: Tensor) -> None:
        self._picture = example.clone()
        warm_up = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch's class has no annotations
        warm_up.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(warm_up), torch.inference_mode():
            for _ in range(3):  # cuDNN chooses its algorithms and allocates before the recording
                network(self._picture)
        torch.cuda.current_stream().wait_stream(warm_up)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph), torch.inference_mode():
            self._result = network(self._picture)

    def __call__(self, x: Tensor) -> Any:
        """Copy the picture in, replay, copy the result out."""
        if x.shape != self._picture.shape:
            raise ShapeError(
                f"this CUDA graph was recorded for pictures of {tuple(self._picture.shape)}, got {tuple(x.shape)}; "
                "optimize the model again with such an example"
            )
        self._picture.copy_(x)
        self._graph.replay()
        return _map_tensors(self._result, Tensor.clone)


def optimize(
    model: nn.Module,
    example: Tensor,
    *,
    engine: Engine = "eager",
    dtype: torch.dtype | None = None,
    channels_last: bool = True,
) -> OptimizedModel:
    """Make a faster copy of a network for inference, and check on an example that it answers the same.

    >>> import torch, torchvision
    >>> model = torchvision.models.resnet18().eval()
    >>> picture = torch.rand(1, 3, 224, 224)
    >>> fast = optimize(model, picture)
    >>> fast.folded
    20
    >>> torch.allclose(fast(picture), model(picture), atol=1e-4)
    True

    Args:
        model: Any network that takes one tensor; it is run as in evaluation mode and not changed.
        example: A typical input, on the device of the model.
        engine: ``"eager"``, ``"compile"`` or ``"cudagraphs"``; see the head of this module.
        dtype: Compute in this type, for example ``torch.bfloat16``; by default in the model's own.
        channels_last: Lay weights and pictures out channels-last; on some GPUs, depthwise convolutions in 32 bits are
            faster without.

    Returns:
        The prepared network. Batch norms that do not follow a convolution, or of a network that ``torch.fx`` cannot
        trace, are not folded; ``folded`` counts the others.

    Raises:
        UsageError: There is no such engine, or it cannot work with this example.
        OptimizeError: The engine fails, or the result differs from the model's.
    """
    _check_usage(model, example, engine)
    evaluated = copy.deepcopy(model).eval()
    with torch.inference_mode():
        expected = evaluated(example)
    network, folded = fold_batch_norms(evaluated)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    dtype = dtype or example.dtype
    network = network.to(dtype=dtype).to(memory_format=memory_format)
    try:
        run = _start_engine(engine, network, _prepared(example, dtype, memory_format))
        optimized = OptimizedModel(network, run, engine=engine, folded=folded, dtype=dtype, memory_format=memory_format)
        result = optimized(example)
    except Exception as error:
        raise OptimizeError(engine, f"{type(error).__name__}: {_first_line(error)}") from error
    _check_result(result, expected, engine, dtype)
    return optimized


def fold_batch_norms(model: nn.Module) -> tuple[nn.Module, int]:
    """Fold each batch norm into the convolution or linear layer before it, where nothing else reads that layer.

    Args:
        model: A network in evaluation mode. Its modules may end up in the result.

    Returns:
        The folded network and the number of batch norms that are gone; ``model`` itself and 0 if ``torch.fx`` cannot
        trace it.
    """
    try:
        traced = fx.symbolic_trace(model)
    except Exception:  # noqa: BLE001 - the model's code runs on stand-ins for tensors, where anything may fail
        return model, 0
    folded = 0
    for before, norm in list(_foldable_pairs(traced)):
        layer, batch_norm = traced.get_submodule(str(before.target)), traced.get_submodule(str(norm.target))
        traced.set_submodule(str(before.target), _fuse(layer, batch_norm))
        norm.replace_all_uses_with(before)
        traced.graph.erase_node(norm)
        folded += 1
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced, folded


def _foldable_pairs(traced: fx.GraphModule) -> Iterator[tuple[fx.Node, fx.Node]]:
    """Yield each layer that only one batch norm reads, with that batch norm; both run once."""
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    for norm in traced.graph.nodes:
        if norm.op != "call_module" or calls[norm.target] > 1 or not isinstance(norm.args[0], fx.Node):
            continue
        before = norm.args[0]
        if before.op != "call_module" or calls[before.target] > 1 or len(before.users) > 1:
            continue
        layer, batch_norm = traced.get_submodule(str(before.target)), traced.get_submodule(str(norm.target))
        has_statistics = type(batch_norm) in _BATCH_NORMS and getattr(batch_norm, "running_var", None) is not None
        if has_statistics and type(layer) in {*_CONVOLUTIONS, nn.Linear}:
            yield before, norm


def _fuse(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """Join two layers; the products are formed in 64 bits, so that each weight is rounded once."""
    dtype = next(layer.parameters()).dtype
    wide: Any = copy.deepcopy(layer).double()
    wide_norm: Any = copy.deepcopy(norm).double()
    if isinstance(layer, nn.Linear):
        fused: nn.Module = fuse_linear_bn_eval(wide, wide_norm)
    else:
        is_transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        fused = fuse_conv_bn_eval(wide, wide_norm, is_transposed)
    return fused.to(dtype)


def _start_engine(engine: Engine, network: nn.Module, example: Tensor) -> Callable[[Tensor], Any]:
    """Return what runs the network from now on; never a module, which would be listed twice."""
    if engine == "compile":
        return _compiled(network)
    if engine == "cudagraphs":
        return _RecordedGraph(network, example)
    return network.__call__


def _compiled(network: nn.Module) -> Callable[[Tensor], Any]:
    """Compile a network with frozen weights: packed once, for oneDNN on a CPU."""
    from torch._inductor import config as inductor_config  # takes a second

    compiled = torch.compile(network, dynamic=False)

    def run(x: Tensor) -> Any:
        with inductor_config.patch(freezing=True):  # torch.compile(options={"freezing": True}) packs nothing
            return compiled(x)

    return run


def _prepared(x: Tensor, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    """Bring a picture into a network's type and layout; whatever is no picture keeps its layout."""
    return x.to(dtype=dtype, memory_format=memory_format if x.dim() == 4 else torch.preserve_format)


def _check_usage(model: nn.Module, example: Tensor, engine: str) -> None:
    """Refuse what no engine, or not this one, can work with."""
    if engine not in get_args(Engine):
        raise UsageError(f"no engine is called {engine!r}; choose one of {', '.join(get_args(Engine))}")
    devices = {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]} - {example.device.type}
    if devices:
        raise UsageError(
            f"the model is on {', '.join(sorted(devices))} and the example on {example.device.type}; "
            "move both to one device with .to()"
        )
    if engine == "cudagraphs" and example.device.type != "cuda":
        raise UsageError(
            f"the engine cudagraphs needs model and example on a CUDA device, got {example.device.type}; "
            "move both with .cuda(), or choose the engine compile"
        )


def _check_result(result: Any, expected: Any, engine: str, dtype: torch.dtype) -> None:
    """Compare an optimized network's answer with the model's."""
    tolerance = _TOLERANCES.get(dtype, _TOLERANCE_OF_HALVES)
    for got, wanted in zip(_tensors(result), _tensors(expected), strict=True):
        error = float((got.double() - wanted.double()).norm() / wanted.double().norm().clamp_min(1e-30))
        if not error <= tolerance:  # also where it is no number
            raise OptimizeError(engine, f"its answer to the example is {error:.2g} away from the model's, by length")


def _tensors(value: Any) -> list[Tensor]:
    """List the tensors of a result, which may be a tensor or a dict, list or tuple of results."""
    if isinstance(value, Tensor):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for part in parts for tensor in _tensors(part)]


def _map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to each tensor of a result and keep its structure."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return type(value)((key, _map_tensors(part, function)) for key, part in value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_map_tensors(part, function) for part in value))
    if isinstance(value, list | tuple):
        return type(value)(_map_tensors(part, function) for part in value)
    return value


def _first_line(error: Exception) -> str:
    """Shorten what torch says to its first line."""
    return (str(error).strip().splitlines() or ["no message"])[0]
