"""Inspect a model of the registry.

From the table that ships with zoo where it fits, else from a network built now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.resolver import resolve_loosely
from zoo.inspector.layers import load_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable


def inspect_model(
    model: str | nn.Module,
    *,
    input_size: Sequence[int] | None = None,
    depth: int | None = None,
    layer: str | None = None,
) -> LayerTable:
    """Tabulate the layers of a model: type, output shape, parameters and multiply-adds of each.

    Needs torch only for an input size, or for weights (``NAME:TAG``), that the shipped table is not
    for.

    Args:
        model: A network of your own, which is not changed; or ``"resnet18"``, or
            ``"vit_b_16:imagenet1k_swag_e2e_v1"`` for the network that these
            weights need.
        input_size: Another input than the usual one, without the batch axis: ``(3, 512, 512)``; of
            a network of your own, 224 pixels wide and high by default.
        depth: Leave deeper layers out; totals stay those of the whole network.
        layer: Only this layer and what is below it: ``"layer1.0"``.

    Raises:
        UnknownNameError: No model, weights or layer is called that.
        UsageError: ``depth`` is negative, or the network cannot be run on an input of a given size.
        ShapeError: The network cannot take such an input.

    The result prints as a table, in notebooks too.

    >>> table = inspect_model("resnet18", depth=1)
    >>> table.layers[1].type, table.layers[1].output_shape
    ('Conv2d', (1, 64, 112, 112))
    """
    if isinstance(model, str):
        architecture, weights = resolve_loosely(model)
        table = find_table(architecture, weights, input_size)
    else:
        from zoo.inspector.live import trace_module

        table = trace_module(model, input_size)
    return table.select(depth=depth, layer=layer)


def find_table(
    architecture: Architecture,
    weights: Weights | None = None,
    input_size: Sequence[int] | None = None,
) -> LayerTable:
    """Take the shipped table where it is for this network and input.

    Build the network only where it is not.

    Raises:
        UsageError: An input size is given for a network that cannot be run without real images.
        ShapeError: The network cannot take such an input.
    """
    if architecture.provider == "timm":
        return _timm_table(architecture, weights, input_size)

    usual = (weights or architecture).input_size
    is_usual = tuple(input_size or usual) == architecture.input_size
    is_same_network = weights is None or weights.parameters == architecture.parameters

    if is_same_network and is_usual:
        return load_table(architecture.name)

    from zoo.inspector import live

    return live.trace(architecture, weights, input_size)


def _timm_table(
    architecture: Architecture,
    weights: Weights | None,
    input_size: Sequence[int] | None,
) -> LayerTable:
    """Make the table of a network of timm, or take the one that was made before."""
    from zoo.inspector import live, made_tables

    weights = weights or architecture.default
    is_usual = weights is not None and tuple(input_size or weights.input_size) == weights.input_size
    if weights is not None and is_usual:
        return made_tables.find_made_table(architecture, weights)
    return live.trace(architecture, weights, input_size)
