"""Rows and columns of the registry: what ``zoo list`` shows, sorts by and filters on.

A *row* is one architecture with one set of its weights (or none). Its *columns* are plain values, so the same names
serve ``--columns``, ``--sort`` and ``--where``. A value that is not known is ``None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.catalog.resolver import nearest
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zoo.catalog.records import Architecture, Weights

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture with one set of its weights, or with none."""

    architecture: Architecture
    weights: Weights | None
    is_cached: bool = False
    extra: Mapping[str, Value] = field(default_factory=dict)
    """Columns from elsewhere, such as a benchmark file."""

    def __getitem__(self, column: str) -> Value:
        """Look a column up by its name."""
        return COLUMNS[column](self) if column in COLUMNS else self.extra.get(column)

    def number(self, column: str) -> float | None:
        """Look up a column that holds numbers."""
        value = self[column]
        return value if isinstance(value, (int, float)) else None

    def as_dict(self) -> dict[str, Value]:
        """Every column by name."""
        return {name: read(self) for name, read in COLUMNS.items()} | dict(self.extra)


def _top_error(row: Row, metric: str) -> Value:
    published = row.weights.published if row.weights else None
    return getattr(published, f"{metric}_error_percent") if published else None


def _activations(row: Row) -> Value:
    """Give the count for the architecture's own input: weights for another input size put out more."""
    is_own = row.weights is None or row.weights.input_size == row.architecture.input_size
    return row.architecture.activations if is_own else None


COLUMNS: dict[str, Callable[[Row], Value]] = {
    "name": lambda row: row.architecture.name,
    "weights": lambda row: row.weights.tag if row.weights else None,
    "parameters": lambda row: row.weights.parameters if row.weights else row.architecture.parameters,
    "multiply_adds": lambda row: row.weights.multiply_adds if row.weights else row.architecture.multiply_adds,
    "top1_error": lambda row: _top_error(row, "top1"),
    "top5_error": lambda row: _top_error(row, "top5"),
    "year": lambda row: row.architecture.year,
    "size": lambda row: row.weights.size_bytes if row.weights else None,
    "licence": lambda row: row.weights.licence if row.weights else None,
    "cached": lambda row: row.is_cached,
    "family": lambda row: row.architecture.family,
    "task": lambda row: row.architecture.task,
    "provider": lambda row: row.architecture.provider,
    "title": lambda row: row.architecture.title,
    "activations": _activations,
    "input_size": lambda row: "x".join(
        map(str, row.weights.input_size if row.weights else row.architecture.input_size)
    ),
    "paper": lambda row: row.architecture.paper.reference,
}
"""What can be shown, sorted by and filtered on. Errors are in percent, ``size`` is in bytes."""


def column_name(name: str, extra: Iterable[str] = ()) -> str:
    """Resolve a column as a user types it: ``top5-error``, ``Top5_Error`` and ``top5_error_percent`` are one.

    Raises:
        UnknownNameError: There is no such column; offers the nearest.
    """
    plain = name.strip().lower().replace("-", "_").replace("top_5", "top5").replace("top_1", "top1")
    for unit in ("_percent", "_bytes", "_ms", "_per_s"):
        plain = plain.removesuffix(unit)
    known = [*COLUMNS, *extra]
    require_known("column", plain, known)
    return plain


def require_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        UnknownNameError: With the nearest names and the whole list.
    """
    names = list(known)
    if name not in names:
        raise UnknownNameError(kind, name, nearest(name, names), advice=f"use one of {', '.join(sorted(names))}")
