"""A network as a table of layers: the rows, their file format, selecting among them.

Knows no torch.

``zoo registry build`` writes one table for each model of the registry into
``zoo/inspector/layers/``, so that ``zoo inspect resnet18`` needs neither torch nor the time to
build a network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.catalog.nearness import nearest
from zoo.display import html_table, text_table
from zoo.documents import decode, parse_json, read_regular_file
from zoo.errors import DocumentError, RegistryError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent / "layers"
LARGEST_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Layer:
    """One module of a network."""

    path: str
    """Dotted name, ``"layer1.0.conv1"``; empty for the network itself."""
    type: str
    """Class name, ``"Conv2d"``."""
    detail: str
    """What ``print`` shows in the parentheses of a layer: ``"3, 64, kernel_size=(7, 7), ..."``."""
    output_shape: tuple[int, ...] | None
    """For a batch of one, at its last call.

    ``None`` if it was not called or returns no single tensor.
    """
    parameters: int
    """Of this module and all below it."""
    multiply_adds: int
    """Of this module and all below it, over all its calls."""

    @property
    def depth(self) -> int:
        """0 for the network itself, 1 for its children."""
        if not self.path:
            return 0
        return self.path.count(".") + 1


_TITLES = ("layer", "type", "output", "parameters", "multiply-adds")


@dataclass(frozen=True, slots=True, repr=False)
class LayerTable:
    """All modules of one network in the order of its tree, with totals; prints as a table."""

    model: str
    input_size: tuple[int, ...]
    parameters: int
    multiply_adds: int | None
    """``None`` where the network could not be run without real images.

    Then no row has an output shape.
    """
    activations: int | None
    """Values put out by convolutions and matrix products."""
    layers: tuple[Layer, ...]

    def select(
        self,
        *,
        depth: int | None = None,
        layer: str | None = None,
    ) -> LayerTable:
        """Keep the rows down to a depth, or one layer and what is below it.

        Totals stay those of the whole network.

        Raises:
            UnknownNameError: There is no such layer.
            UsageError: ``depth`` is negative.
        """
        if depth is not None and depth < 0:
            raise UsageError(f"--depth must be 0 or more, got {depth}")

        rows = self.layers
        if layer is not None:
            rows = self._below(layer)

        if depth is not None:
            deepest = rows[0].depth + depth
            rows = tuple(row for row in rows if row.depth <= deepest)

        return replace(self, layers=rows)

    def _below(self, layer: str) -> tuple[Layer, ...]:
        """Find a layer and what is below it."""
        beginning = f"{layer}."
        rows: list[Layer] = []
        for row in self.layers:
            is_below = row.path.startswith(beginning)
            if is_below or row.path == layer:
                rows.append(row)

        if not rows:
            paths = [row.path for row in self.layers]
            kind = f"layer of {self.model}"
            advice = f'to see all, run "zoo inspect {self.model}"'
            raise UnknownNameError(kind, layer, nearest(layer, paths), advice)

        return tuple(rows)

    def __repr__(self) -> str:
        """Show the layers, indented by their depth, below the totals."""
        heading = self._heading()
        table = text_table(_TITLES, self._cells())
        return f"{heading}\n{table}"

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        return html_table(_TITLES, self._cells(), self._heading())

    def _heading(self) -> str:
        """Write the totals of the network."""
        size = quantities.shape(self.input_size)
        parameters = quantities.count(self.parameters)
        totals = f"{parameters} parameters"
        if self.multiply_adds is not None:
            multiply_adds = quantities.count(self.multiply_adds)
            totals += f", {multiply_adds} multiply-adds (MACs)"
        return f"{self.model}, input {size}: {totals}"

    def _cells(self) -> list[list[str]]:
        """Write each row, indented by its depth."""
        is_counted = self.multiply_adds is not None
        cells: list[list[str]] = []
        for row in self.layers:
            _, _, own_name = row.path.rpartition(".")
            indent = "  " * row.depth
            multiply_adds = row.multiply_adds if is_counted else None
            cells.append(
                [
                    indent + (own_name or self.model),
                    row.type,
                    quantities.shape(row.output_shape),
                    quantities.count(row.parameters),
                    quantities.count(multiply_adds),
                ]
            )
        return cells

    def as_fields(self) -> dict[str, object]:
        """Each field by name, rows not converted."""
        names = [field.name for field in fields(self)]
        return {name: getattr(self, name) for name in names}

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, for JSON."""
        return asdict(self)


def to_text(table: LayerTable) -> str:
    """Write a table as JSON with one row a line, so that a change shows as the lines it touches."""
    head = table.as_fields()
    del head["layers"]
    opened = json.dumps(head, ensure_ascii=False).removesuffix("}")

    rows = [json.dumps(astuple(row), ensure_ascii=False) for row in table.layers]
    listing = ",\n".join(rows)
    return f'{opened}, "layers": [\n{listing}\n]}}\n'


def table_file(
    model: str,
    folder: Path = FOLDER,
) -> Path:
    """Where the shipped table of a model lies."""
    return folder / f"{model}.json"


def load_table(
    model: str,
    folder: Path = FOLDER,
) -> LayerTable:
    """Read the table of a model of the registry, by default the shipped one.

    Raises:
        RegistryError: It is missing or malformed.
    """
    file = table_file(model, folder)
    place = str(file)

    try:
        data = read_regular_file(file, LARGEST_BYTES)
        content = parse_json(data)
        content["layers"] = _named_rows(content["layers"])
        return decode(LayerTable, content)
    except DocumentError as error:
        raise RegistryError(error.json_path, error.fault, place) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        fault = f"cannot be read ({error})"
        raise RegistryError("$", fault, place) from error


def may_have_layers(
    model: str,
    paths: Iterable[str],
    folder: Path = FOLDER,
) -> bool:
    """Tell by the text of a table whether a model may have some layers; true where none is shipped.

    Nothing is decoded, which takes most of the time of reading a table.
    """
    try:
        text = read_regular_file(table_file(model, folder), LARGEST_BYTES)
    except (OSError, DocumentError):
        return True

    for path in paths:
        name = json.dumps(path, ensure_ascii=False)
        beginning = f"[{name}, "
        if beginning.encode("utf-8", "surrogatepass") not in text:
            return False
    return True


def _named_rows(rows: list[list[Any]]) -> list[dict[str, Any]]:
    """Give the values of each row the names that :class:`Layer` has for them."""
    names = [field.name for field in fields(Layer)]
    named: list[dict[str, Any]] = []
    for row in rows:
        pairs = zip(names, row, strict=True)
        named.append(dict(pairs))
    return named
