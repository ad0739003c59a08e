"""A table once, written as text, JSON, CSV or Markdown.

Text is laid out here and not by rich: it costs a twentieth of the time for a hundred rows, and a
narrow terminal loses whole columns instead of getting cells of three letters. What must not be lost
goes on below its row, folded between words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GAP = "  "
_BELOW = "    "
_COMMAND = re.compile(r'"(?:zoo|pip|python) [^"]*"')
_JOINT = "\x00"
"""Stands for a space that no line may break at."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what machines call it, what people call it, and how its values are written for people."""

    key: str
    """Name in JSON and CSV, with its unit: ``"size_bytes"``."""
    title: str
    show: Callable[[Any], str]
    is_number: bool = False
    """Numbers stand at the right."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and rows of raw values."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Any]]
    optional: tuple[str, ...] = ()
    """Keys of the columns that a narrow terminal may lose, the first to go first."""
    bonus: frozenset[str] = frozenset()
    """Those of them that nobody misses: a wide terminal shows them."""
    marked: frozenset[tuple[int, int]] = frozenset()
    """(row, column) of the cells that stand out."""
    asked: frozenset[str] = frozenset()
    """Keys of the columns that somebody asked for: they are never lost."""
    sentences: frozenset[str] = frozenset()
    """Keys of the columns that hold sentences or commands: below their row, where a line has no room."""

    def without(self, keys: Sequence[str]) -> Table:
        """Leave columns out."""
        kept = [index for index, column in enumerate(self.columns) if column.key not in keys]
        return Table(
            columns=tuple(self.columns[index] for index in kept),
            rows=[[row[index] for index in kept] for row in self.rows],
            optional=tuple(key for key in self.optional if key not in keys),
            bonus=self.bonus,
            marked=frozenset(
                (row, kept.index(column)) for row, column in self.marked if column in kept
            ),
            asked=self.asked,
            sentences=self.sentences,
        )


Painter = Callable[[str, str], str]
"""(text, style) -> text; the styles are ``"header"``, ``"marked"`` and ``"unknown"``."""


def plain(text: str, _style: str) -> str:
    """Paint nothing."""
    return text


def cell_width(text: str) -> int:
    """Count the terminal columns that a text fills.

    >>> cell_width("abc"), cell_width("é"), cell_width("深層")
    (3, 1, 4)
    """
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) > 0 for letter in text)


def to_lines(
    table: Table, width: int | None = None, paint: Painter = plain
) -> tuple[list[str], list[str]]:
    """Lay a table out as text.

    Args:
        table: The table.
        width: Columns of the terminal; ``None`` is as wide as it takes.
        paint: Adds colours.

    Returns:
        The lines, and the titles of the columns that did not fit and are missed.
    """
    shown = [
        [column.show(value) for column, value in zip(table.columns, row, strict=True)]
        for row in table.rows
    ]
    titles = [column.title for column in table.columns]
    by_column = zip(titles, *shown, strict=True)
    widths = [max(map(cell_width, cells)) for cells in by_column]
    kept = _fitting(table, widths, width)
    in_line = _in_line(table, widths, kept, width)
    below = [index for index in kept if index not in in_line]

    lines = [paint(_line(table, titles, widths, in_line), "header")]
    for number, row in enumerate(shown):
        styles = {index: "marked" for index in in_line if (number, index) in table.marked}
        lines.append(_line(table, row, widths, in_line, paint, styles))
        if below and width is not None:
            lines += [paint(line, "dim") for line in _folded(table, row, below, width)]
    lost = [column for index, column in enumerate(table.columns) if index not in kept]
    left_out = [column.title for column in lost if column.key not in table.bonus]
    return lines, left_out


def _fitting(table: Table, widths: Sequence[int], width: int | None) -> list[int]:
    """Choose the columns that fit: drop in the table's order, then take back what has room after all."""
    kept = list(range(len(widths)))
    if width is None:
        return kept

    keys = [column.key for column in table.columns]
    costs = [column_width + len(GAP) for column_width in widths]
    room = width + len(GAP) - sum(costs)
    if room < 0:
        costs = [0 if keys[i] in table.sentences else cost for i, cost in enumerate(costs)]
        room = width + len(GAP) - sum(costs)
    dropped = []
    for index in (keys.index(key) for key in table.optional if key not in table.asked):
        if room >= 0:
            break
        kept.remove(index)
        dropped.append(index)
        room += costs[index]
    for index in reversed(dropped):
        if costs[index] <= room:
            kept.append(index)
            room -= costs[index]
    return sorted(kept)


def _in_line(
    table: Table, widths: Sequence[int], kept: Sequence[int], width: int | None
) -> list[int]:
    """Choose the columns that stand in one line: the first that fit, at least one."""
    if width is None:
        return list(kept)
    if sum(widths[index] + len(GAP) for index in kept) > width + len(GAP):
        kept = [index for index in kept if table.columns[index].key not in table.sentences]
    room = width + len(GAP)
    for count, index in enumerate(kept):
        room -= widths[index] + len(GAP)
        if room < 0:
            return list(kept[: max(count, 1)])
    return list(kept)


def _folded(table: Table, cells: Sequence[str], below: Sequence[int], width: int) -> list[str]:
    """Write cells below their row: each with its title, a command on a line of its own."""
    lines: list[str] = []
    pairs: list[str] = []
    for index in below:
        cell, column = cells[index], table.columns[index]
        is_apart = column.key in table.sentences or cell.startswith("zoo ")
        if not is_apart and cell not in ("", "-"):
            pairs.append(f"{column.title} {cell}")
        if is_apart and pairs:
            lines += fold(", ".join(pairs), width, indent=_BELOW)
            pairs = []
        if cell.startswith("zoo "):
            lines.append(f"{_BELOW}{cell}")
        elif is_apart and cell != "-":
            lines += fold(cell, width, indent=_BELOW)
    return lines + (fold(", ".join(pairs), width, indent=_BELOW) if pairs else [])


def fold(text: str, width: int, *, indent: str = "") -> list[str]:
    """Fold a line between words; what is quoted as a command stays together.

    >>> fold('it is damaged; run "zoo cache repair resnet18"', 30)
    ['it is damaged; run', '"zoo cache repair resnet18"']
    """
    import textwrap

    joined = _COMMAND.sub(lambda found: found[0].replace(" ", _JOINT), text)
    lines = textwrap.wrap(
        joined,
        max(width, len(indent) + 1),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_JOINT, " ") for line in lines]


def _line(
    table: Table,
    cells: Sequence[str],
    widths: Sequence[int],
    kept: Sequence[int],
    paint: Painter = plain,
    styles: Mapping[int, str] | None = None,
) -> str:
    parts = []
    for index in kept:
        cell = cells[index]
        padding = " " * (widths[index] - cell_width(cell))
        text = paint(cell, styles[index]) if styles and index in styles else cell
        parts.append(padding + text if table.columns[index].is_number else text + padding)
    return GAP.join(parts).rstrip()


def to_records(table: Table) -> list[dict[str, Any]]:
    """Turn each row into an object of raw values."""
    return [
        {c.key: value for c, value in zip(table.columns, row, strict=True)} for row in table.rows
    ]


def to_csv(table: Table) -> str:
    """Write raw values as CSV with a header; what is not known is empty."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.key for column in table.columns)
    for row in table.rows:
        writer.writerow(
            "x".join(map(str, value)) if isinstance(value, tuple) else value for value in row
        )
    return stream.getvalue()


def to_markdown(table: Table) -> str:
    """Write a table of GitHub's Markdown."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    lines = [line([column.title for column in table.columns])]
    lines.append(line(["---:" if column.is_number else "---" for column in table.columns]))
    lines += [
        line([c.show(value) for c, value in zip(table.columns, row, strict=True)])
        for row in table.rows
    ]
    return "\n".join(lines) + "\n"
