"""A network that an engine made ready: any number of images in, tensors of its own out."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.engines.folding import fold_batch_norms
from zoo.engines.known import find_engine
from zoo.engines.outputs import map_tensors, tensors
from zoo.engines.precision import memory_format, set_precision, tensor_type
from zoo.engines.record import Request
from zoo.errors import OptimizeError, ShapeError, UsageError, ZooError

if TYPE_CHECKING:
    from zoo.engines.record import Call, Engine


@dataclass(frozen=True, slots=True)
class Form:
    """How a network and its inputs are brought into shape for an engine."""

    engine: Engine
    precision: str
    dtype: torch.dtype
    memory_format: torch.memory_format

    def bring(self, x: Tensor) -> Tensor:
        """Bring an input into its type and layout; whatever is no image keeps its layout."""
        layout = self.memory_format if x.dim() == 4 else torch.preserve_format
        return x.to(dtype=self.dtype, memory_format=layout)


class PreparedModel(nn.Module):
    """A network prepared for inference; call it like the one that it was made from.

    An engine that is bound to one shape, or would compile for another, gets batches of that shape:
    smaller ones are filled up, larger ones cut.

    Args:
        network: The network in its final type and layout.
        call: What the engine made of it.
        form: How inputs are brought into shape.
        shape: Shape of the example.
        folded: Number of batch norms that are gone.
    """

    def __init__(
        self,
        network: nn.Module,
        call: Call,
        form: Form,
        *,
        shape: tuple[int, ...],
        folded: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.form = form
        self.shape = shape
        self.folded = folded
        # A module assigned as it is would be listed twice.
        self.run = call.__call__ if isinstance(call, nn.Module) else call
        self.eval()

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.form.engine.name

    def forward(self, x: Tensor) -> Any:
        """Run the network without gradients; results have the type of the input.

        Raises:
            ShapeError: The engine is bound to items of another shape.
        """
        with torch.inference_mode():
            brought = self.form.bring(x)
            engine = self.form.engine
            has_usual_items = x.shape[1:] == self.shape[1:]
            is_compiled = engine.compiles_each_shape and has_usual_items
            if engine.has_fixed_shape or is_compiled:
                result = self._run_in_batches(brought)
            else:
                result = self.run(brought)
            return map_tensors(result, lambda t: t.to(x.dtype) if t.is_floating_point() else t)

    def _run_in_batches(self, x: Tensor) -> Any:
        """Run batches of the example's size."""
        if not x.shape or x.shape[1:] != self.shape[1:]:
            wanted, given = self.shape[1:], tuple(x.shape[1:])
            raise ShapeError(
                f"the engine {self.engine} was prepared for items of {wanted}, got {given}; "
                "prepare the model again with such an example"
            )
        size = self.shape[0]
        parts = [self._run_filled_up(part, size) for part in torch.split(x, size)]
        if len(parts) == 1:
            return parts[0]
        columns = zip(*[tensors(part) for part in parts], strict=True)
        joined = iter([torch.cat(column) for column in columns])
        return map_tensors(parts[0], lambda _: next(joined))

    def _run_filled_up(
        self,
        x: Tensor,
        size: int,
    ) -> Any:
        """Run one batch, filled up where it is short; the engine will write over its own result."""
        count = len(x)
        if count < size:
            padding = [0] * (2 * x.dim() - 1) + [size - count]
            x = functional.pad(x, padding)
        return map_tensors(self.run(self.form.bring(x)), lambda t: t[:count].clone())

    def train(self, mode: bool = True) -> PreparedModel:
        """Stay in evaluation mode.

        Raises:
            UsageError: ``mode`` is true; what an engine made cannot be trained.
        """
        if mode:
            raise UsageError(
                "a prepared network is for inference: train the model that it was made from"
            )
        super().train(mode=False)
        return self

    def extra_repr(self) -> str:
        """Show what was done."""
        folded = f", folded={self.folded} batch norms" if self.folded else ""
        return f"engine={self.engine}{folded}, dtype={self.form.dtype}"


def prepare_model(
    model: nn.Module,
    example: Tensor,
    engine: str = "eager",
    precision: str = "fp32",
) -> PreparedModel:
    """Make a network ready to run on an engine.

    >>> import torch
    >>> from torch import nn
    >>> ready = prepare_model(nn.Conv2d(3, 4, 3), torch.zeros(2, 3, 8, 8), "optimize")
    >>> ready(torch.zeros(5, 3, 8, 8)).shape
    torch.Size([5, 4, 6, 6])

    Args:
        model: Any network that takes one tensor. It is run as in evaluation mode and not changed;
            where nothing has to be converted, its parameters are shared.
        example: A typical input, on the device of the model; its first dimension counts items.
        engine: A name of :func:`zoo.engines.known.known_engines`.
        precision: As ``zoo bench`` names them; ``tf32`` holds for the whole process.

    Raises:
        UnknownNameError: There is no such engine.
        UsageError: It cannot work on this device or in this precision.
        MissingPackageError: Its package is not installed.
        OptimizeError: It fails on this network.
    """
    record = find_engine(engine)
    form = choose_form(record, precision)
    check_usage(model, example, form)
    is_kept = (
        not record.folds_batch_norms
        and form.dtype == example.dtype
        and form.memory_format == torch.contiguous_format
        and not model.training
    )
    network = model if is_kept else copy.deepcopy(model).eval()
    return make_ready(network, example, form)


def choose_form(
    engine: Engine,
    precision: str = "fp32",
    dtype: torch.dtype | None = None,
    *,
    channels_last: bool = True,
) -> Form:
    """Choose how networks and inputs are laid out for an engine.

    Args:
        engine: Its record.
        precision: As ``zoo bench`` names them.
        dtype: Type to compute in, where that is not the precision's.
        channels_last: Whether an engine that likes channels-last may have it.
    """
    layout = engine.own_memory_format or "contiguous"
    if not channels_last:
        layout = "contiguous"
    chosen = dtype or tensor_type(precision)
    return Form(engine, precision, chosen, memory_format(layout, 4))


def make_ready(
    network: nn.Module,
    example: Tensor,
    form: Form,
) -> PreparedModel:
    """Bring a network into its form and hand it to the engine; see :func:`prepare_model`.

    Args:
        network: In evaluation mode; may be changed.
        example: A typical input.
        form: What it is brought into.
    """
    engine = form.engine
    if form.precision == "tf32":
        set_precision("tf32")
    try:
        folded = 0
        if engine.folds_batch_norms:
            network, folded = fold_batch_norms(network)
        network = network.to(dtype=form.dtype)
        if form.memory_format != torch.contiguous_format:
            network = network.to(memory_format=form.memory_format)
        request = Request(network, form.bring(example), form.precision)
        with torch.inference_mode():
            call = engine.prepare(request)
    except ZooError:
        raise
    except Exception as error:
        # Tracers, exporters and compilers meet every kind of code, and raise every kind of error.
        raise OptimizeError(engine.name, describe(error)) from error
    return PreparedModel(network, call, form, shape=tuple(example.shape), folded=folded)


def describe(error: Exception) -> str:
    """Shorten what torch says to its kind and its first line."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"


def check_usage(
    model: nn.Module,
    example: Tensor,
    form: Form,
) -> None:
    """Refuse what this engine cannot work with.

    Raises:
        UsageError: Model and example lie on two devices, or the engine lacks device or precision.
    """
    engine = form.engine
    kind = example.device.type
    places = {tensor.device.type for tensor in [*model.parameters(), *model.buffers()]}
    elsewhere = places - {kind}
    if elsewhere:
        names = ", ".join(sorted(elsewhere))
        raise UsageError(
            f"the model is on {names} and the example on {kind}; move both to one device with .to()"
        )
    if kind not in engine.devices:
        names = ", ".join(engine.devices)
        raise UsageError(f"the engine {engine.name} runs on {names}, not on {kind}; try eager")
    if form.precision not in engine.precisions:
        names = ", ".join(engine.precisions)
        raise UsageError(f"the engine {engine.name} has no {form.precision}; it has {names}")
