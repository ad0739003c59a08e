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
    """What machines call a column, what people call it, and how its values are written for them."""

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
    """Keys of the columns with sentences or commands: below their row where a line has no room."""

    def without(self, keys: Sequence[str]) -> Table:
        """Leave columns out."""
        kept = [index for index, column in enumerate(self.columns) if column.key not in keys]
        columns = [self.columns[index] for index in kept]
        rows = [[row[index] for index in kept] for row in self.rows]
        optional = [key for key in self.optional if key not in keys]

        new_places = {index: place for place, index in enumerate(kept)}
        marked = set()
        for row, index in self.marked:
            if index in new_places:
                marked.add((row, new_places[index]))

        return Table(
            columns=tuple(columns),
            rows=rows,
            optional=tuple(optional),
            bonus=self.bonus,
            marked=frozenset(marked),
            asked=self.asked,
            sentences=self.sentences,
        )

    def shown(self) -> list[list[str]]:
        """Write the values for people, column by column, each below its title."""
        values_of: list[Sequence[Any]] = list(zip(*self.rows, strict=True))
        if not self.rows:
            values_of = [()] * len(self.columns)

        shown = []
        for column, values in zip(self.columns, values_of, strict=True):
            cells = [column.title]
            cells += map(column.show, values)
            shown.append(cells)
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
        paint: Adds colors.

    Returns:
        The lines, and the titles of the columns that did not fit and are missed.
    """
    shown = table.shown()
    widths = [_widest(cells) for cells in shown]
    kept = _fitting(table, widths, width)
    in_line = _in_line(table, widths, kept, width)
    below = [index for index in kept if index not in in_line]

    title, *rest = _joined(table, shown, widths, in_line, paint)
    lines = [paint(title, "header")]
    for number, line in enumerate(rest, start=1):
        lines.append(line)
        if below and width is not None:
            cells = [column[number] for column in shown]
            folded = _folded(table, cells, below, width)
            lines += [paint(line_below, "dim") for line_below in folded]

    missed = []
    for index, column in enumerate(table.columns):
        if index not in kept and column.key not in table.bonus:
            missed.append(column.title)
    return lines, missed


def _joined(
    table: Table,
    shown: Sequence[Sequence[str]],
    widths: Sequence[int],
    in_line: Sequence[int],
    paint: Painter,
) -> list[str]:
    """Write the title and each row as one line of the columns that stand in it."""
    padded = {
        index: _padded(shown[index], widths[index], table.columns[index]) for index in in_line
    }

    for row, index in table.marked:
        if index in padded:
            below_title = row + 1
            cells = padded[index]
            cells[below_title] = _painted(cells[below_title], paint)

    rows = zip(*padded.values(), strict=True)
    return [GAP.join(cells).rstrip() for cells in rows]


def _is_plain(cells: Sequence[str]) -> bool:
    """Tell whether each letter of a column fills one cell of the terminal."""
    letters = "".join(cells)
    return letters.isascii()


def _widest(cells: Sequence[str]) -> int:
    """Count the terminal columns of the widest cell; ``len`` is much quicker where it will do."""
    measure = len if _is_plain(cells) else cell_width
    return max(map(measure, cells))


def _padded(cells: Sequence[str], width: int, column: Column) -> list[str]:
    """Bring the cells of a column to one width."""
    pad = str.rjust if column.is_number else str.ljust
    if _is_plain(cells):
        return [pad(cell, width) for cell in cells]

    # What fills two cells of the terminal counts as one letter there, and accents as one more.
    padded = []
    for cell in cells:
        letters = width + len(cell) - cell_width(cell)
        padded.append(pad(cell, letters))
    return padded


def _painted(cell: str, paint: Painter) -> str:
    """Mark the text of a cell and not the space around it."""
    text = cell.strip()
    if not text:
        return cell
    return cell.replace(text, paint(text, "marked"), 1)


def _fitting(table: Table, widths: Sequence[int], width: int | None) -> list[int]:
    """Choose the columns that fit: drop in the table's order, then take back what has room."""
    kept = list(range(len(widths)))
    if width is None:
        return kept

    keys = [column.key for column in table.columns]
    costs = [column_width + len(GAP) for column_width in widths]
    all_room = width + len(GAP)
    if sum(costs) > all_room:
        for index, key in enumerate(keys):
            if key in table.sentences:  # they go below their row
                costs[index] = 0
    room = all_room - sum(costs)

    dropped = []
    droppable = [keys.index(key) for key in table.optional if key not in table.asked]
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
    candidates = list(kept)
    if width is None:
        return candidates

    costs = [column_width + len(GAP) for column_width in widths]
    room = width + len(GAP)
    needed = sum(costs[index] for index in kept)
    if needed > room:
        keys = [column.key for column in table.columns]
        candidates = [index for index in kept if keys[index] not in table.sentences]

    fitting: list[int] = []
    for index in candidates:
        room -= costs[index]
        if room < 0 and fitting:
            break
        fitting.append(index)
    return fitting


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

    records = []
    for row in table.rows:
        named = zip(keys, row, strict=True)
        records.append(dict(named))
    return records


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

    lines = [_markdown_line(titles), _markdown_line(rules)]
    lines += map(_markdown_line, rows)
    return "\n".join(lines) + "\n"


def _markdown_line(cells: Sequence[str]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    line = " | ".join(escaped)
    return f"| {line} |"
