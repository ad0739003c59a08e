"""Select and order rows of the registry: filters, sorting, the Pareto front."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING

from zoo.catalog.index import HUB_SOURCE, index_for
from zoo.catalog.local import SOURCE as LOCAL_SOURCE
from zoo.catalog.local import with_local
from zoo.catalog.nearness import require_known
from zoo.catalog.rows import Row, Value, column_name
from zoo.catalog.specs import match_names
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from zoo.catalog.entries import Entry
    from zoo.catalog.index import Index
    from zoo.catalog.records import Architecture
    from zoo.catalog.registry import Registry

_ATTRIBUTES = ("family", "task", "source")
_YEARS = re.compile(r"(?P<year>\d{4})|(?P<first>\d{4})?\.\.(?P<last>\d{4})?")
_FIRST_YEAR = 0
_LAST_YEAR = 9999


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows, in which order."""

    pattern: str | Sequence[str] | None = None
    """A part of a name or a shell pattern, or several of them."""
    family: str | None = None
    task: str | None = None
    source: str | None = None
    """PyTorch Hub's repositories are listed for ``"hub"``, and for patterns such as ``hub/*``.

    Foreign code builds their networks, so that hardly a column of theirs is known.
    """
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
    is_cached: Callable[[Entry], bool] | None = None,
    extra: Mapping[str, Mapping[str, Value]] | None = None,
    has_local: bool = False,
) -> list[Row]:
    """List the rows that fit, in the order asked for.

    Args:
        selection: Filters, order and limit.
        registry: By default everything that zoo knows, of every source.
        is_cached: Tells whether all files of some weights lie in the cache.
        extra: More columns, by ``name:tag``, or by ``name`` for all weights that take the
            architecture's own input.
        has_local: Also the user's own models.

    Raises:
        UnknownNameError: No model, family, task, source or column is called that.
        QueryError: The ``where`` expression cannot be read.
        UsageError: The year range or the limit makes no sense.
    """
    if selection.limit is not None and selection.limit < 1:
        raise UsageError(f"--limit must be 1 or more, got {selection.limit}")
    index = index_for(registry)
    if has_local:
        index = with_local(index)
    extra = extra or {}

    sources = {LOCAL_SOURCE} if has_local else set()
    entries = _fitting(selection, index, sources)
    is_in_order = not (selection.where or selection.sort)
    if is_in_order:
        entries = entries[: selection.limit]
    rows = []
    for entry in entries:
        is_here = is_cached is not None and is_cached(entry)
        own = _own_columns(entry, index, extra) if extra else {}
        row = Row(
            entry=entry,
            is_cached=is_here,
            extra=own,
            registry=registry,
        )
        rows.append(row)

    extra_columns = _columns_of(extra)
    if selection.where:
        from zoo.catalog.where import parse_where

        fits = parse_where(selection.where, extra_columns)
        rows = [row for row in rows if fits(row)]
    if selection.sort:
        rows = _sorted(rows, selection.sort, extra_columns)
    return rows[: selection.limit]


def why_none(
    selection: Selection,
    *,
    is_cached: Callable[[Entry], bool] | None = None,
    extra: Mapping[str, Mapping[str, Value]] | None = None,
    has_local: bool = False,
) -> str | None:
    """Say which condition no row meets any more; ``None`` if some rows meet all.

    Arguments and errors are those of :func:`select`.
    """
    so_far = Selection(
        pattern=selection.pattern,
        has_all_weights=selection.has_all_weights,
    )
    rows = select(so_far, is_cached=is_cached, extra=extra, has_local=has_local)

    for name in (*_ATTRIBUTES, "year"):
        value = getattr(selection, name)
        if value is None:
            continue
        so_far = replace(so_far, **{name: value})
        kept = select(so_far, is_cached=is_cached, extra=extra, has_local=has_local)
        if not kept:
            before = len(rows)
            return f"--{name} {value} leaves none of {before}"
        rows = kept

    if not selection.where:
        return None

    from zoo.catalog.where import conditions_of

    columns = _columns_of(extra or {})
    for condition in conditions_of(selection.where, columns):
        kept = [row for row in rows if condition.holds(row)]
        if not kept:
            before = len(rows)
            return f'"{condition.text}" leaves none of {before}'
        rows = kept
    return None


def _columns_of(extra: Mapping[str, Mapping[str, Value]]) -> set[str]:
    """Name the columns that come from elsewhere."""
    names: set[str] = set()
    for columns in extra.values():
        names.update(columns)
    return names


def _names(
    selection: Selection,
    index: Index,
) -> Iterable[str]:
    """List the names that fit the patterns, each once."""
    has_repositories = selection.source == HUB_SOURCE
    patterns = selection.pattern
    if not patterns:
        prefix = f"{HUB_SOURCE}/"
        listed = []
        for name in index.by_name:
            is_repository = name.startswith(prefix)
            if is_repository == has_repositories:
                listed.append(name)
        return listed
    if isinstance(patterns, str):
        patterns = (patterns,)

    names: dict[str, None] = {}
    for pattern in patterns:
        found = match_names(pattern, index, has_repositories=has_repositories)
        names.update(dict.fromkeys(found))
    return names


def _fitting(
    selection: Selection,
    index: Index,
    sources: set[str],
) -> list[Entry]:
    """Find the entries of the name, family, task, source and years that are asked for.

    Args:
        selection: What is asked for.
        index: Where.
        sources: Sources that exist although they may have no entry.
    """
    entries: list[Entry] = []
    names = _names(selection, index)
    for name in names:
        entries += index.by_name[name]
    if not selection.has_all_weights:
        entries = [entry for entry in entries if entry.is_default]

    for attribute in _ATTRIBUTES:
        wanted = getattr(selection, attribute)
        if wanted is None:
            continue
        read = attrgetter(attribute)
        known = set(map(read, index.entries))
        if attribute == "source":
            known |= sources
        require_known(attribute, wanted, known)
        entries = [entry for entry in entries if read(entry) == wanted]

    if selection.year is None:
        return entries

    first, last = parse_years(selection.year)
    years = range(first, last + 1)
    return [entry for entry in entries if entry.year in years]


def _own_columns(
    entry: Entry,
    index: Index,
    extra: Mapping[str, Mapping[str, Value]],
) -> Mapping[str, Value]:
    """Find what stands under the name and tag of an entry, or under its name alone."""
    key = f"{entry.name}:{entry.tag}"
    own = extra.get(key)
    if own is not None:
        return own

    # What was measured under the name alone holds for weights of the usual input size.
    is_usual = entry.input_size == index.default(entry.name).input_size
    if is_usual:
        return extra.get(entry.name, {})
    return {}


def parse_years(text: str | None) -> tuple[int, int]:
    """Read a year or a range of years.

    >>> parse_years("2012..2016"), parse_years("2015"), parse_years("..1999")
    ((2012, 2016), (2015, 2015), (0, 1999))

    Raises:
        UsageError: It is neither.
    """
    found = _YEARS.fullmatch(text or "..")
    if found is None:
        raise UsageError(f"--year takes 2015, 2012..2016, 2015.. or ..2012, got {text!r}")

    year = found["year"]
    if year is not None:
        return int(year), int(year)

    first = found["first"] or _FIRST_YEAR
    last = found["last"] or _LAST_YEAR
    earliest = int(first)
    latest = int(last)
    if earliest > latest:
        raise UsageError(f"--year takes an earlier year first, got {text!r}")
    return earliest, latest


def _sorted(
    rows: list[Row],
    sort: str,
    extra: Iterable[str],
) -> list[Row]:
    typed = sort.removeprefix("-")
    column = column_name(typed, extra)
    read = itemgetter(column)

    known = []
    unknown = []
    for row in rows:
        if read(row) is None:
            unknown.append(row)
        else:
            known.append(row)

    is_descending = sort != typed
    known.sort(key=read, reverse=is_descending)
    return known + unknown


def pareto_front(
    rows: Iterable[Row],
    cost: str,
    gain: str = "top5_error",
) -> list[Row]:
    """Keep the rows that no other row beats in both columns (smaller is better), cheapest first.

    Of rows that are equal in both columns the first is kept. Rows that lack one of the values are
    left out.
    """
    known = []
    for row in rows:
        figures = (row[cost], row[gain])
        if None not in figures:
            known.append(row)
    known.sort(key=itemgetter(cost, gain))

    front: list[Row] = []
    least = inf
    for row in known:
        value = row.number(gain)
        if value is not None and value < least:
            front.append(row)
            least = value
    return front


def model_info(name: str) -> Architecture:
    """Return the record of one model.

    Raises:
        UnknownNameError: No model is called that; offers the nearest.

    >>> model_info("resnet18").year
    2015
    """
    from zoo.catalog.resolver import find_architecture  # late: lists need no records

    return find_architecture(name)
