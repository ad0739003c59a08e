"""The layers of a family's networks packed for their pages: each text once, each figure once.

The tables that ship with zoo say of each module what it and all below it hold. Here a row says what
the module alone holds, which is nothing for most; the page adds them up again. Networks of a family
share their texts, so that all 130 tables fit into 100 kB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.inspector.layers import Layer, LayerTable


class _Texts:
    """Texts in the order in which they came, each under its number."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Give a text its number."""
        return self.places.setdefault(text, len(self.places))

    def as_list(self) -> list[str]:
        """List the texts by their numbers."""
        return list(self.places)


@dataclass(frozen=True, slots=True)
class _Family:
    """What the networks of a family share."""

    names: _Texts = field(default_factory=_Texts)
    types: _Texts = field(default_factory=_Texts)
    details: _Texts = field(default_factory=_Texts)
    shapes: _Texts = field(default_factory=_Texts)

    def columns(self, table: LayerTable) -> dict[str, Any]:
        """Write a table column by column."""
        columns: dict[str, list[int]] = {
            "depths": [],
            "names": [],
            "types": [],
            "details": [],
            "shapes": [],
        }
        for layer in table.layers:
            own_name = layer.path.rpartition(".")[2]
            sides = layer.output_shape or ()
            shape = "x".join(map(str, sides))

            columns["depths"].append(layer.depth)
            columns["names"].append(self.names.number(own_name))
            columns["types"].append(self.types.number(layer.type))
            columns["details"].append(self.details.number(layer.detail))
            columns["shapes"].append(self.shapes.number(shape))

        parameters = [layer.parameters for layer in table.layers]
        columns["parameters"] = _own(table.layers, parameters)
        if table.multiply_adds is not None:
            multiply_adds = [layer.multiply_adds for layer in table.layers]
            columns["multiply_adds"] = _own(table.layers, multiply_adds)
        return columns


def pack_layers(tables: Mapping[str, LayerTable]) -> dict[str, Any]:
    """Write the tables of some networks, by name."""
    family = _Family()
    models = {}
    for name, table in tables.items():
        models[name] = family.columns(table)

    texts = {
        "names": family.names.as_list(),
        "types": family.types.as_list(),
        "details": family.details.as_list(),
        "shapes": family.shapes.as_list(),
    }
    return {"texts": texts, "models": models}


def _own(layers: Sequence[Layer], totals: Sequence[int]) -> list[int]:
    """Subtract from each total those of the layers directly below."""
    own = list(totals)
    above: list[int] = []

    for place, layer in enumerate(layers):
        del above[layer.depth :]
        if above:
            parent = above[-1]
            own[parent] -= totals[place]
        above.append(place)
    return own
