"""Select and order rows of the registry: filters, sorting, the Pareto front."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.catalog.registry import Registry, load_registry
from zoo.catalog.resolver import find_architecture, match_architectures
from zoo.catalog.rows import Row, Value, column_name, require_known
from zoo.catalog.where import parse_where
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zoo.catalog.records import Architecture, Weights


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows, in which order."""

    pattern: str | None = None
    family: str | None = None
    task: str | None = None
    provider: str | None = None
    year: str | None = None
    """``"2015"``, ``"2012..2016"``, ``"2015.."`` or ``"..2012"``."""
    where: str | None = None
    sort: str | None = None
    """A column; with a leading minus, largest first."""
    limit: int | None = None
    has_all_weights: bool = False
    """One row for each set of weights instead of one for the default weights."""


def select(
    selection: Selection,
    registry: Registry | None = None,
    *,
    is_cached: Callable[[Weights], bool] | None = None,
    extra: Mapping[str, Mapping[str, Value]] | None = None,
) -> list[Row]:
    """List the rows that fit, in the order asked for.

    Args:
        selection: Filters, order and limit.
        registry: By default the one that ships with zoo.
        is_cached: Tells whether all files of some weights lie in the cache.
        extra: More columns, by ``name:tag``, or by ``name`` for all weights that take the architecture's own input.

    Raises:
        UnknownNameError: No model, family, task, provider or column is called that.
        QueryError: The ``where`` expression cannot be read.
        UsageError: The year range or the limit makes no sense.
    """
    registry = registry or load_registry()
    architectures = (
        match_architectures(selection.pattern, registry) if selection.pattern else list(registry.architectures.values())
    )
    for attribute in ("family", "task", "provider"):
        wanted = getattr(selection, attribute)
        if wanted is not None:
            known = {getattr(architecture, attribute) for architecture in registry.architectures.values()}
            require_known(attribute, wanted, known)
            architectures = [a for a in architectures if getattr(a, attribute) == wanted]
    first, last = parse_years(selection.year)
    rows = [
        Row(a, w, bool(w and is_cached and is_cached(w)), _extra_of(a, w, extra or {}))
        for a in architectures
        if first <= a.year <= last
        for w in _weights_of(a, selection)
    ]
    extra_columns = {column for columns in (extra or {}).values() for column in columns}
    if selection.where:
        fits = parse_where(selection.where, extra_columns)
        rows = [row for row in rows if fits(row)]
    if selection.sort:
        rows = _sorted(rows, selection.sort, extra_columns)
    if selection.limit is not None:
        if selection.limit < 1:
            raise UsageError(f"--limit must be 1 or more, got {selection.limit}")
        rows = rows[: selection.limit]
    return rows


def _weights_of(architecture: Architecture, selection: Selection) -> Iterable[Weights | None]:
    if selection.has_all_weights and architecture.weights:
        return architecture.weights.values()
    return (architecture.default,)


def _extra_of(
    architecture: Architecture, weights: Weights | None, extra: Mapping[str, Mapping[str, Value]]
) -> Mapping[str, Value]:
    if weights is not None and (own := extra.get(f"{architecture.name}:{weights.tag}")):
        return own
    is_usual = weights is None or weights.input_size == architecture.input_size
    return extra.get(architecture.name, {}) if is_usual else {}


def parse_years(text: str | None) -> tuple[int, int]:
    """Read a year or a range of years.

    >>> parse_years("2012..2016"), parse_years("2015"), parse_years("..1999")
    ((2012, 2016), (2015, 2015), (0, 1999))

    Raises:
        UsageError: It is neither.
    """
    found = re.fullmatch(r"(\d{4})?(\.\.)?(\d{4})?", text or "..")
    if found is None or not (found[1] or found[2] or found[3]) or (found[1] and found[3] and not found[2]):
        raise UsageError(f"--year takes 2015, 2012..2016, 2015.. or ..2012, got {text!r}")
    first, last = int(found[1] or 0), int(found[3] or 9999)
    if not found[2]:
        last = first
    if first > last:
        raise UsageError(f"--year takes an earlier year first, got {text!r}")
    return first, last


def _sorted(rows: list[Row], sort: str, extra: Iterable[str]) -> list[Row]:
    is_descending = sort.startswith("-")
    column = column_name(sort.removeprefix("-"), extra)
    known = [row for row in rows if row[column] is not None]
    unknown = [row for row in rows if row[column] is None]
    known.sort(key=lambda row: row[column], reverse=is_descending)  # type: ignore[arg-type,return-value]  # one column, one type
    return known + unknown


def pareto_front(rows: Iterable[Row], cost: str, gain: str = "top5_error") -> list[Row]:
    """Keep the rows that no other row beats in both columns (smaller is better), cheapest first.

    Of rows that are equal in both columns the first is kept. Rows that lack one of the values are left out.
    """
    known = [row for row in rows if row[cost] is not None and row[gain] is not None]
    known.sort(key=lambda row: (row[cost], row[gain]))
    front: list[Row] = []
    for row in known:
        if not front or row[gain] < front[-1][gain]:  # type: ignore[operator]  # both are numbers
            front.append(row)
    return front


def list_models(
    pattern: str | None = None,
    *,
    family: str | None = None,
    task: str | None = None,
    provider: str | None = None,
    year: str | None = None,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
) -> list[str]:
    """List the names of the models that fit.

    Args:
        pattern: A shell pattern, or a part of the name.
        family: ``"resnet"``.
        task: ``"classification"``, ``"segmentation"``, ...
        provider: ``"torchvision"`` or ``"zoo"``.
        year: ``"2015"``, ``"2012..2016"``, ``"2015.."``.
        where: ``"parameters<10M and top5_error<8"``.
        sort: A column; with a leading minus, largest first.
        limit: At most so many.

    Raises:
        UnknownNameError: No model, family, task, provider or column is called that.
        QueryError: ``where`` cannot be read.
        UsageError: ``year`` or ``limit`` makes no sense.

    >>> list_models(where="parameters<10M and top5_error<8", sort="top5_error", limit=2)
    ['efficientnet_b2', 'efficientnet_b1']
    """
    selection = Selection(pattern, family, task, provider, year, where, sort, limit)
    return [row.architecture.name for row in select(selection)]


def model_info(name: str) -> Architecture:
    """Return the record of one model.

    Raises:
        UnknownNameError: No model is called that; offers the nearest.

    >>> model_info("resnet18").paper.reference
    'arXiv:1512.03385'
    """
    return find_architecture(name)
