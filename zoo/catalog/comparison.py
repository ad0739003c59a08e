"""Models side by side: which is best in what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.resolver import find_architecture, find_weights
from zoo.catalog.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.catalog.records import Weights
    from zoo.catalog.registry import Registry

SMALLER_IS_BETTER = ("parameters", "multiply_adds", "activations", "size", "top1_error", "top5_error")


def find_rows(
    specs: Sequence[str], registry: Registry | None = None, *, is_cached: Callable[[Weights], bool] | None = None
) -> list[Row]:
    """Find the row of each ``NAME`` or ``NAME:TAG``; a name alone takes its default weights, if it has some.

    Raises:
        UnknownNameError: A name or a tag does not exist.
    """
    rows = []
    for spec in specs:
        name, _, tag = spec.partition(":")
        architecture = find_architecture(name, registry)
        weights = find_weights(architecture, tag) if tag else architecture.default
        rows.append(Row(architecture, weights, bool(weights and is_cached and is_cached(weights))))
    return rows


def best_of(rows: Sequence[Row], column: str) -> list[bool]:
    """Tell which rows have the smallest value of a column.

    Nothing is best where a smaller value is no better, where fewer than two values are known, or where all are equal.
    """
    known = [value for row in rows if isinstance(value := row[column], (int, float))]
    if column not in SMALLER_IS_BETTER or len(set(known)) < 2:
        return [False] * len(rows)
    return [row[column] == min(known) for row in rows]
