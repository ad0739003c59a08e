"""Inspect a model of the registry: from the table that ships with zoo where it fits, else from a network built now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.resolver import find_architecture, find_weights
from zoo.inspector.layers import load_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable


def inspect_model(
    name: str, *, input_size: Sequence[int] | None = None, depth: int | None = None, layer: str | None = None
) -> LayerTable:
    """Tabulate the layers of a model: type, output shape, parameters and multiply-adds of each.

    Needs torch only for an input size, or for weights (``NAME:TAG``), that the shipped table is not for.

    Args:
        name: ``"resnet18"``, or ``"vit_b_16:imagenet1k_swag_e2e_v1"`` for the network that these weights need.
        input_size: Another input than the usual one, without the batch axis: ``(3, 512, 512)``.
        depth: Leave deeper layers out; totals stay those of the whole network.
        layer: Only this layer and what is below it: ``"layer1.0"``.

    Raises:
        UnknownNameError: No model, weights or layer is called that.
        UsageError: ``depth`` is negative, or the network cannot be run on an input of a given size.
        ShapeError: The network cannot take such an input.

    >>> table = inspect_model("resnet18", depth=1)
    >>> table.layers[1].type, table.layers[1].output_shape
    ('Conv2d', (1, 64, 112, 112))
    """
    model, _, tag = name.partition(":")
    architecture = find_architecture(model)
    weights = find_weights(architecture, tag) if tag else None
    return find_table(architecture, weights, input_size).select(depth=depth, layer=layer)


def find_table(
    architecture: Architecture, weights: Weights | None = None, input_size: Sequence[int] | None = None
) -> LayerTable:
    """Take the shipped table where it is for this network and input; build the network only where it is not.

    Raises:
        UsageError: An input size is given for a network that cannot be run without real pictures.
        ShapeError: The network cannot take such an input.
    """
    size = tuple(input_size or (weights or architecture).input_size)
    is_same_network = weights is None or weights.parameters == architecture.parameters
    if is_same_network and size == architecture.input_size:
        return load_table(architecture.name)
    from zoo.inspector import live

    return live.trace(architecture, weights, input_size)
