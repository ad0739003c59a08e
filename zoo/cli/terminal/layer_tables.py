"""A network's layers as a table: a tree for people, dotted names for machines."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli.terminal.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.inspector.layers import Layer, LayerTable

_COLUMNS = (
    Column("path", "layer", quantities.text),
    Column("type", "type", quantities.text),
    Column("detail", "detail", quantities.text),
    Column("output_shape", "output", quantities.shape),
    Column("parameters", "parameters", quantities.count, is_number=True),
    Column("parameters_percent", "share %", quantities.percent, is_number=True),
    Column("multiply_adds", "multiply-adds", quantities.count, is_number=True),
    Column("multiply_adds_percent", "share %", quantities.percent, is_number=True),
)
_DROPPED_FIRST = (
    "detail",
    "parameters_percent",
    "multiply_adds_percent",
    "output_shape",
    "type",
    "multiply_adds",
)
_ASKED = {"type", "detail", "output_shape", "multiply_adds"}
"""What somebody wants to know who names a layer."""


class Extent(Enum):
    """How much of each layer to show."""

    USUAL = auto()
    """All but the detail."""
    WHAT_FITS = auto()
    """The detail where the terminal is wide enough."""
    EVERYTHING = auto()


def layer_table(table: LayerTable, *, as_tree: bool, extent: Extent) -> Table:
    """Make the table to print.

    Args:
        table: The layers; shares are of the whole network, whatever was selected.
        as_tree: Draw a tree in the first column instead of writing dotted names.
        extent: How much of each layer to show.
    """
    names = (
        list(tree_labels(table.layers, table.model))
        if as_tree
        else [layer.path for layer in table.layers]
    )
    rows = [_row(layer, name, table) for layer, name in zip(table.layers, names, strict=True)]
    bonus = frozenset({"detail"} if extent is Extent.WHAT_FITS else ())
    asked = frozenset(_ASKED if extent is Extent.EVERYTHING else ())
    whole = Table(
        _COLUMNS,
        rows,
        optional=_DROPPED_FIRST,
        bonus=bonus,
        asked=asked,
        sentences=asked & {"detail"},
    )
    return whole.without(["detail"]) if extent is Extent.USUAL else whole


def _row(layer: Layer, name: str, table: LayerTable) -> list[Any]:
    multiply_adds = None if table.multiply_adds is None else layer.multiply_adds
    return [
        name,
        layer.type,
        layer.detail,
        layer.output_shape,
        layer.parameters,
        _share(layer.parameters, table.parameters),
        multiply_adds,
        _share(multiply_adds, table.multiply_adds),
    ]


def _share(part: int | None, whole: int | None) -> float | None:
    return round(100 * part / whole, 2) if whole and part is not None else None


def tree_labels(layers: Sequence[Layer], root: str) -> Iterator[str]:
    """Draw the branches of the tree before each layer's own name.

    Args:
        layers: In the order of the tree; the first is its root.
        root: Name of a root whose path is empty.
    """
    base = layers[0].depth
    depths = [layer.depth - base for layer in layers]
    is_last = [False] * len(layers)
    open_depths: set[int] = set()
    for index in reversed(range(len(layers))):
        is_last[index] = depths[index] not in open_depths
        open_depths = {depth for depth in open_depths if depth < depths[index]} | {depths[index]}
    trunk: list[str] = []
    for layer, depth, last in zip(layers, depths, is_last, strict=True):
        if depth == 0:
            yield layer.path or root
            continue
        del trunk[depth - 1 :]
        yield f"{''.join(trunk)}{'└─ ' if last else '├─ '}{layer.path.rpartition('.')[2]}"
        trunk.append("   " if last else "│  ")


def fitting_depth(table: LayerTable, lines: int) -> int:
    """Choose the greatest depth whose rows fit in so many lines; at least 1."""
    deepest = max((layer.depth for layer in table.layers), default=0)
    base = table.layers[0].depth if table.layers else 0
    for depth in range(deepest - base, 1, -1):
        if sum(layer.depth - base <= depth for layer in table.layers) <= lines:
            return depth
    return 1
