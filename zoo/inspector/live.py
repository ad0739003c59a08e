"""Inspect a network that is built for the purpose.

No parameter takes memory, none is initialised or downloaded.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.errors import ShapeError, UsageError
from zoo.inspector.tracing import trace_layers
from zoo.loader.construction import build_model, without_initialisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable

_USUAL_PIXELS = 224
_NOT_RUNNABLE = {"detection", "instance-segmentation", "keypoint-detection"}
"""Tasks whose networks cannot run on shapes alone."""
AUXILIARY_OPTIONS = {
    "googlenet": "aux_logits",
    "inception": "aux_logits",
    "fcn": "aux_loss",
    "deeplabv3": "aux_loss",
}
"""Family -> the option of its builders that adds auxiliary heads."""


def trace(
    architecture: Architecture,
    weights: Weights | None = None,
    input_size: Sequence[int] | None = None,
    num_classes: int | None = None,
) -> LayerTable:
    """Tabulate the layers of an architecture, as the registry counts it.

    Before quantization, without auxiliary heads.

    Args:
        architecture: Its record.
        weights: Build it as these weights need it.
        input_size: Another input than the weights' or the architecture's own, without the batch
            axis.
        num_classes: Another number of outputs.

    Raises:
        UsageError: An input is given for a network that cannot be run without real images.
        ShapeError: The network cannot take such an input.
    """
    is_runnable = architecture.task not in _NOT_RUNNABLE
    if input_size and not is_runnable:
        fault = f"{architecture.name} cannot be run without real images"
        raise UsageError(f"{fault}: leave --input out")

    options: dict[str, int] = {}
    if num_classes:
        options["num_classes"] = num_classes
    model = build_bare(architecture, weights, **options)

    described = weights or architecture
    usual_size = described.input_size
    compares_two_images = architecture.task == "optical-flow"
    try:
        return trace_layers(
            model,
            input_size or usual_size,
            name=architecture.name,
            inputs=2 if compares_two_images else 1,
            is_runnable=is_runnable,
        )
    except ShapeError as error:
        usual = "x".join(map(str, usual_size))
        raise ShapeError(f"{error}; its own input is {usual}") from error


def build_bare(
    architecture: Architecture, weights: Weights | None = None, **options: int
) -> nn.Module:
    """Build without initialisation, before quantization, without auxiliary heads.

    ``options`` may say otherwise.
    """
    bare: dict[str, int] = {}
    if architecture.task == "quantized-classification":
        bare["quantize"] = False

    auxiliary = AUXILIARY_OPTIONS.get(architecture.family)
    if auxiliary is not None:
        bare[auxiliary] = False

    bare.update(options)
    return _build(architecture, weights, **bare)


def state_bytes(architecture: Architecture, weights: Weights) -> int:
    """Add up what all parameters and saved buffers take; a tensor that is shared counts once."""
    model = build_bare(architecture, weights)
    tensors = {}
    for value in model.state_dict(keep_vars=True).values():
        if isinstance(value, torch.Tensor):
            tensors[id(value)] = value
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _build(architecture: Architecture, weights: Weights | None, **options: int) -> nn.Module:
    """Build without initialisation."""
    try:
        with without_initialisation():
            return build_model(architecture, weights, **options)
    except RuntimeError:
        if architecture.provider != "timm":
            raise
        # Some of timm's networks compute with their fresh parameters while they are built.
        return build_model(architecture, weights, **options)


def represent(
    architecture: Architecture,
    weights: Weights | None = None,
) -> str:
    """Write what ``print(model)`` prints for the network that :func:`zoo.load_model` gives."""
    return str(_build(architecture, weights))


def trace_module(
    model: nn.Module,
    input_size: Sequence[int] | None = None,
) -> LayerTable:
    """Tabulate the layers of any network, which is not changed and takes no more memory.

    Args:
        model: The network.
        input_size: ``(C, H, W)``; by default what timm recorded in it, else 224 pixels wide and
            high with the channels of its first convolution.

    Raises:
        UsageError: It is no network, or its input cannot be told.
        ShapeError: It cannot take such an input.
    """
    name = type(model).__name__
    if not isinstance(model, nn.Module):
        raise UsageError(f"expected a name or a torch.nn.Module, got {name}")

    size = input_size or _usual_size(model)
    empty = _empty_copy(model)
    return trace_layers(empty, size, name=name)


def _usual_size(model: nn.Module) -> Sequence[int]:
    recorded = getattr(model, "pretrained_cfg", None)
    if isinstance(recorded, dict) and recorded.get("input_size"):
        size: Sequence[int] = recorded["input_size"]
        return size

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            return (layer.in_channels, _USUAL_PIXELS, _USUAL_PIXELS)
    name = type(model).__name__
    raise UsageError(f"{name} has no convolution that tells its input: give input_size=(C, H, W)")


def _empty_copy(model: nn.Module) -> nn.Module:
    """Copy a network without copying its parameters and buffers: they have shapes only."""
    empty: dict[int, object] = {}
    for parameter in model.parameters():
        shape = torch.empty_like(parameter, device="meta")
        empty[id(parameter)] = nn.Parameter(
            shape,
            requires_grad=parameter.requires_grad,
        )

    for buffer in model.buffers():
        empty[id(buffer)] = torch.empty_like(buffer, device="meta")

    # What the memo of a deep copy holds is taken for the copy of it.
    return copy.deepcopy(model, empty)
