"""Models side by side: which is best in what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.index import index_for
from zoo.catalog.local import with_local
from zoo.catalog.nearness import nearest
from zoo.catalog.rows import OTHER_TASKS, Row
from zoo.catalog.specs import find_spec
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.catalog.entries import Entry
    from zoo.catalog.index import Index
    from zoo.catalog.registry import Registry

SMALLER_IS_BETTER = (
    "parameters",
    "multiply_adds",
    "activations",
    "size",
    "top1_error",
    "top5_error",
)
_ERROR_ENDINGS = ("_epe", "_fl")
"""Optical flow is judged by its errors; mAP, mIoU and accuracies are better when larger."""
LARGER_IS_BETTER = tuple(column for column in OTHER_TASKS if not column.endswith(_ERROR_ENDINGS))
HAS_A_BEST = (*SMALLER_IS_BETTER, *OTHER_TASKS)


def find_rows(
    specs: Sequence[str],
    registry: Registry | None = None,
    *,
    is_cached: Callable[[Entry], bool] | None = None,
) -> list[Row]:
    """Find the row of each ``NAME`` or ``NAME:TAG``.

    A name alone takes its default weights, if it has some. Without a registry, models of one's own
    are found too.

    Raises:
        UnknownNameError: A name or a tag does not exist.
    """
    index = index_for(registry)
    if registry is None:
        index = with_local(index)
    rows = []

    for text in specs:
        spec = find_spec(text, index)
        entry = _find_entry(spec.name, spec.tag, index)
        is_here = is_cached is not None and is_cached(entry)
        row = Row(entry, is_here)
        rows.append(row)

    return rows


def _find_entry(
    name: str,
    tag: str | None,
    index: Index,
) -> Entry:
    """Find the entry of some weights.

    Raises:
        UnknownNameError: There are no such weights.
    """
    wanted = (tag or "default").lower()
    if wanted == "default":
        return index.default(name)

    entries = {}
    for entry in index.by_name[name]:
        if entry.tag:
            entries[entry.tag.lower()] = entry
    if wanted in entries:
        return entries[wanted]

    near = nearest(wanted, entries) or list(entries)
    kind = f"set of weights of {name}"
    advice = f'to see all, run "zoo inspect {name}"'
    raise UnknownNameError(kind, tag or "", near, advice=advice)


def best_of(rows: Sequence[Row], column: str) -> list[bool]:
    """Tell which rows have the best value of a column: mostly the smallest.

    Nothing is best where no value is better than another, where fewer than two values are known, or
    where all are equal.
    """
    values = [row.number(column) for row in rows]
    nobody = [False] * len(values)
    if column not in HAS_A_BEST:
        return nobody

    known = {value for value in values if value is not None}
    if len(known) < 2:
        return nobody

    best = max(known) if column in LARGER_IS_BETTER else min(known)
    return [value == best for value in values]
