"""Inspect a network that is built for the purpose: no parameter takes memory, none is initialised or downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ShapeError, UsageError
from zoo.inspector.tracing import trace_layers
from zoo.loader.construction import build_model, without_initialisation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable

_NOT_RUNNABLE = {"detection", "instance-segmentation", "keypoint-detection"}
"""Tasks whose networks cannot run on shapes alone."""
AUXILIARY_OPTIONS = {"googlenet": "aux_logits", "inception": "aux_logits", "fcn": "aux_loss", "deeplabv3": "aux_loss"}
"""Family -> the option of its builders that adds auxiliary heads."""


def trace(
    architecture: Architecture,
    weights: Weights | None = None,
    input_size: Sequence[int] | None = None,
    num_classes: int | None = None,
) -> LayerTable:
    """Tabulate the layers of an architecture, as the registry counts it: before quantization, without auxiliary heads.

    Args:
        architecture: Its record.
        weights: Build it as these weights need it.
        input_size: Another input than the weights' or the architecture's own, without the batch axis.
        num_classes: Another number of outputs.

    Raises:
        UsageError: An input is given for a network that cannot be run without real pictures.
        ShapeError: The network cannot take such an input.
    """
    is_runnable = architecture.task not in _NOT_RUNNABLE
    if input_size and not is_runnable:
        raise UsageError(f"{architecture.name} cannot be run without real pictures: leave --input out")
    size = input_size or (weights or architecture).input_size
    inputs = 2 if architecture.task == "optical-flow" else 1
    model = build_bare(architecture, weights, **({"num_classes": num_classes} if num_classes else {}))
    try:
        return trace_layers(model, size, name=architecture.name, inputs=inputs, is_runnable=is_runnable)
    except ShapeError as error:
        usual = "x".join(map(str, (weights or architecture).input_size))
        raise ShapeError(f"{error}; its own input is {usual}") from error


def build_bare(architecture: Architecture, weights: Weights | None = None, **options: int) -> nn.Module:
    """Build without initialisation, before quantization, without auxiliary heads unless ``options`` say otherwise."""
    bare: dict[str, int] = {}
    if architecture.task == "quantized-classification":
        bare["quantize"] = False
    if architecture.family in AUXILIARY_OPTIONS:
        bare[AUXILIARY_OPTIONS[architecture.family]] = False
    with without_initialisation():
        return build_model(architecture, weights, **{**bare, **options})


def represent(architecture: Architecture, weights: Weights | None = None) -> str:
    """Write what ``print(model)`` prints for the network that :func:`zoo.load_model` gives."""
    with without_initialisation():
        return str(build_model(architecture, weights))
