"""A table once, written as text, JSON, CSV or Markdown.

Text is laid out here and not by rich: it costs a twentieth of the time for a hundred rows, and a
narrow terminal loses whole columns instead of getting cells of three letters. What must not be lost
goes on below its row, folded between words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
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
        place = {index: number for number, index in enumerate(kept)}
        marked = {(row, place[index]) for row, index in self.marked if index in place}

        return Table(
            columns=tuple(self.columns[index] for index in kept),
            rows=[[row[index] for index in kept] for row in self.rows],
            optional=tuple(key for key in self.optional if key not in keys),
            bonus=self.bonus,
            marked=frozenset(marked),
            asked=self.asked,
            sentences=self.sentences,
        )

    def shown(self) -> list[list[str]]:
        """Write the values for people, column by column, each below its title."""
        by_column = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        shown = []
        for column, values in zip(self.columns, by_column, strict=True):
            shown.append([column.title, *map(column.show, values)])
        return shown


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
    drawn_over = sum(unicodedata.combining(letter) > 0 for letter in text)
    return len(text) + wide - drawn_over


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
    shown = table.shown()
    widths = [_widest(cells) for cells in shown]
    kept = _fitting(table, widths, width)
    in_line = _in_line(table, widths, kept, width)
    below = [index for index in kept if index not in in_line]

    padded = [_padded(shown[index], widths[index], table.columns[index]) for index in in_line]
    for row, index in table.marked:
        if index in in_line:
            cells = padded[in_line.index(index)]
            cells[row + 1] = _painted(cells[row + 1], paint)

    title, *rest = [GAP.join(cells).rstrip() for cells in zip(*padded, strict=True)]
    lines = [paint(title, "header")]
    for number, line in enumerate(rest, start=1):
        lines.append(line)
        if below and width is not None:
            cells = [column[number] for column in shown]
            lines += [paint(folded, "dim") for folded in _folded(table, cells, below, width)]

    lost = [column for index, column in enumerate(table.columns) if index not in kept]
    left_out = [column.title for column in lost if column.key not in table.bonus]
    return lines, left_out


def _is_plain(cells: Sequence[str]) -> bool:
    """Tell whether each letter of a column fills one cell of the terminal."""
    return "".join(cells).isascii()


def _widest(cells: Sequence[str]) -> int:
    measure = len if _is_plain(cells) else cell_width
    return max(map(measure, cells))


def _padded(cells: Sequence[str], width: int, column: Column) -> list[str]:
    """Bring the cells of a column to one width."""
    pad = str.rjust if column.is_number else str.ljust
    if _is_plain(cells):
        return [pad(cell, width) for cell in cells]

    # What fills two cells of the terminal counts as one letter there, and accents as one more.
    return [pad(cell, width + len(cell) - cell_width(cell)) for cell in cells]


def _painted(cell: str, paint: Painter) -> str:
    """Mark the text of a cell and not the space around it."""
    text = cell.strip()
    return cell.replace(text, paint(text, "marked"), 1) if text else cell


def _fitting(table: Table, widths: Sequence[int], width: int | None) -> list[int]:
    """Choose the columns that fit: drop in the table's order, then take back what has room after all."""
    kept = list(range(len(widths)))
    if width is None:
        return kept

    keys = [column.key for column in table.columns]
    costs = [column_width + len(GAP) for column_width in widths]
    room = width + len(GAP) - sum(costs)
    if room < 0:
        for index, key in enumerate(keys):
            if key in table.sentences:  # they go below their row
                costs[index] = 0
        room = width + len(GAP) - sum(costs)

    droppable = [keys.index(key) for key in table.optional if key not in table.asked]
    dropped = []
    for index in droppable:
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

    costs = [column_width + len(GAP) for column_width in widths]
    room = width + len(GAP)
    needed = sum(costs[index] for index in kept)
    if needed > room:
        kept = [index for index in kept if table.columns[index].key not in table.sentences]

    for count, index in enumerate(kept):
        room -= costs[index]
        if room < 0:
            return list(kept[: max(count, 1)])
    return list(kept)


def _folded(table: Table, cells: Sequence[str], below: Sequence[int], width: int) -> list[str]:
    """Write cells below their row: each with its title, a command on a line of its own."""
    lines: list[str] = []
    pairs: list[str] = []

    def end_pairs() -> None:
        if pairs:
            lines.extend(fold(", ".join(pairs), width, indent=_BELOW))
            pairs.clear()

    for index in below:
        cell = cells[index]
        column = table.columns[index]
        is_command = cell.startswith("zoo ")
        if is_command:
            end_pairs()
            lines.append(f"{_BELOW}{cell}")
        elif column.key in table.sentences:
            end_pairs()
            if cell != "-":
                lines += fold(cell, width, indent=_BELOW)
        elif cell not in ("", "-"):
            pairs.append(f"{column.title} {cell}")

    end_pairs()
    return lines


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


def to_records(table: Table) -> list[dict[str, Any]]:
    """Turn each row into an object of raw values."""
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def to_csv(table: Table) -> str:
    """Write raw values as CSV with a header; what is not known is empty."""
    import csv
    import io

    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.key for column in table.columns)
    for row in table.rows:
        writer.writerow(map(_in_csv, row))
    return stream.getvalue()


def _in_csv(value: Any) -> Any:
    """Write the sides of a shape as one value."""
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    return value


def to_markdown(table: Table) -> str:
    """Write a table of GitHub's Markdown."""
    titles, *rows = zip(*table.shown(), strict=True)
    rules = ["---:" if column.is_number else "---" for column in table.columns]
    lines = map(_markdown_line, [titles, rules, *rows])
    return "\n".join(lines) + "\n"


def _markdown_line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
