"""Rows of the registry as a table: titles, units, which columns, and which go first on a narrow terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.catalog.rows import COLUMNS, column_name
from zoo.cli.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.catalog.rows import Row, Value
    from zoo.cli.output import Format

_SPECIAL = {
    column.key: column
    for column in (
        Column("parameters", "parameters", quantities.count, is_number=True),
        Column("multiply_adds", "multiply-adds", quantities.count, is_number=True),
        Column("top1_error", "top-1 error", quantities.percent, is_number=True),
        Column("top5_error", "top-5 error", quantities.percent, is_number=True),
        Column("year", "year", quantities.text, is_number=True),
        Column("size", "size", quantities.size, is_number=True),
        Column("activations", "activations", quantities.count, is_number=True),
        Column("input_size", "input", quantities.text),
        Column("p50", "p50 ms", quantities.digits, is_number=True),
        Column("p90", "p90 ms", quantities.digits, is_number=True),
        Column("p99", "p99 ms", quantities.digits, is_number=True),
        Column("throughput", "images/s", quantities.digits, is_number=True),
        Column("memory", "peak memory", quantities.size, is_number=True),
        Column("measured", "measured on", quantities.text),
    )
}
_KEYS = {
    "size": "size_bytes",
    "top1_error": "top1_error_percent",
    "top5_error": "top5_error_percent",
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "throughput": "throughput_per_s",
    "memory": "memory_bytes",
}
"""Columns whose key in JSON and CSV adds the unit."""
USUAL = (
    "name",
    "weights",
    "parameters",
    "multiply_adds",
    "top1_error",
    "top5_error",
    "year",
    "size",
    "licence",
    "cached",
)
_DROPPED_FIRST = (
    "cached",
    "licence",
    "year",
    "size",
    "weights",
    "top1_error",
    "multiply_adds",
    "parameters",
    "top5_error",
)
_ADDED_WHERE_ROOM = ("family", "task", "input_size", "provider", "title", "paper")


def chosen_columns(given: str | None, measured: Sequence[str] = ()) -> tuple[str, ...] | None:
    """Read ``--columns``, among which measured ones may be; ``None`` where nothing is given.

    Raises:
        UnknownNameError: There is no such column.
    """
    if given is None:
        return None
    if given == "all":
        return (*COLUMNS, *measured)
    return tuple(dict.fromkeys(column_name(name, measured) for name in given.split(",")))


def measured_columns(file: Path | None) -> tuple[tuple[str, ...], dict[str, dict[str, Value]]]:
    """Read ``--bench``: the columns that it adds, and their values as :func:`zoo.catalog.query.select` takes them.

    Raises:
        ResultFileError: The file cannot be used.
    """
    if file is None:
        return (), {}
    from zoo.bench.results import MEASURED, columns_by_model

    return MEASURED, columns_by_model(file)


def describe(name: str) -> Column:
    """Describe a column of the registry, or a measured one."""
    column = _SPECIAL.get(name) or Column(name, name.replace("_", " "), quantities.text)
    return Column(_KEYS.get(name, name), column.title, column.show, column.is_number)


def row_table(
    rows: Sequence[Row],
    given: Sequence[str] | None,
    form: Format,
    *,
    is_terminal: bool,
    measured: Sequence[str] = (),
) -> Table:
    """Make the table of some rows.

    Args:
        rows: From :func:`zoo.catalog.query.select`.
        given: The columns asked for; otherwise JSON and CSV get every column, people the usual ones, and people with
            a wide terminal some more.
        form: How it will be written.
        is_terminal: Whether the width is limited.
        measured: Columns that a result file adds.
    """
    bonus: tuple[str, ...] = ()
    if given:
        names, dropped_first = tuple(given), tuple(reversed(given[1:]))
    elif form in ("json", "csv"):
        names, dropped_first = (*COLUMNS, *measured), ()
    else:
        bonus = _ADDED_WHERE_ROOM if is_terminal and form == "table" else ()
        names = (*USUAL, *measured, *bonus)
        dropped_first = (*reversed(bonus), *_DROPPED_FIRST[:-1], *reversed(measured), *_DROPPED_FIRST[-1:])
    columns = {name: describe(name) for name in names}
    return Table(
        columns=tuple(columns.values()),
        rows=[[row[name] for name in names] for row in rows],
        optional=tuple(columns[name].key for name in dropped_first),
        bonus=frozenset(columns[name].key for name in bonus),
    )
