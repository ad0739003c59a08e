"""A network as a table of layers: the rows, their file format, selecting among them; knows no torch.

``zoo registry build`` writes one table for each model of the registry into ``zoo/inspector/layers/``, so that
``zoo inspect resnet18`` needs neither torch nor the time to build a network.
"""

from __future__ import annotations

import json
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from zoo.catalog.decoding import decode
from zoo.catalog.resolver import nearest
from zoo.errors import RegistryError, UnknownNameError, UsageError

FOLDER = Path(__file__).parent / "layers"


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
    """For a batch of one, at its last call; ``None`` if it was not called or returns no single tensor."""
    parameters: int
    """Of this module and all below it."""
    multiply_adds: int
    """Of this module and all below it, over all its calls."""

    @property
    def depth(self) -> int:
        """0 for the network itself, 1 for its children."""
        return self.path.count(".") + 1 if self.path else 0


@dataclass(frozen=True, slots=True)
class LayerTable:
    """All modules of one network in the order of its tree, with totals."""

    model: str
    input_size: tuple[int, ...]
    parameters: int
    multiply_adds: int | None
    """``None`` where the network could not be run without real pictures; then no row has an output shape."""
    activations: int | None
    """Values put out by convolutions and matrix products."""
    layers: tuple[Layer, ...]

    def select(self, *, depth: int | None = None, layer: str | None = None) -> LayerTable:
        """Keep the rows down to a depth, or one layer and what is below it; totals stay those of the whole network.

        Raises:
            UnknownNameError: There is no such layer.
            UsageError: ``depth`` is negative.
        """
        if depth is not None and depth < 0:
            raise UsageError(f"--depth must be 0 or more, got {depth}")
        rows = self.layers
        if layer is not None:
            rows = tuple(row for row in rows if row.path == layer or row.path.startswith(f"{layer}."))
            if not rows:
                near = nearest(layer, (row.path for row in self.layers))
                raise UnknownNameError(
                    f"layer of {self.model}", layer, near, f'run "zoo inspect {self.model}" to see all'
                )
        base = rows[0].depth if layer is not None else 0
        if depth is not None:
            rows = tuple(row for row in rows if row.depth - base <= depth)
        values = {**self.as_fields(), "layers": rows}
        return LayerTable(**values)  # type: ignore[arg-type]  # the same fields

    def as_fields(self) -> dict[str, object]:
        """Each field by name, rows not converted."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def as_dict(self) -> dict[str, object]:
        """Everything as plain values, for JSON."""
        return asdict(self)


def to_text(table: LayerTable) -> str:
    """Write a table as JSON with one row a line, so that a change shows as the lines it touches."""
    head = {name: value for name, value in table.as_fields().items() if name != "layers"}
    rows = ",\n".join(json.dumps(astuple(row), ensure_ascii=False) for row in table.layers)
    return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "layers": [\n{rows}\n]}}\n'


def table_file(model: str, folder: Path = FOLDER) -> Path:
    """Where the shipped table of a model lies."""
    return folder / f"{model}.json"


def load_table(model: str, folder: Path = FOLDER) -> LayerTable:
    """Read the table of a model of the registry, by default the shipped one.

    Raises:
        RegistryError: It is missing or malformed.
    """
    file = table_file(model, folder)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        names = list(Layer.__dataclass_fields__)
        content["layers"] = [dict(zip(names, row, strict=True)) for row in content["layers"]]
        return decode(LayerTable, content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError("$", f"cannot be read ({error})", str(file)) from error
