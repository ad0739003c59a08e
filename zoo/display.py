"""A table as the ``repr`` of a result: lines of text, and HTML for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_ROWS = 200


def text_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out below their titles; the first column stands left, the others right.

    >>> print(text_table(["model", "p50 ms"], [["resnet18", "1.5"]]))
    model     p50 ms
    resnet18     1.5
    """
    cells = [titles, *rows[:_MOST_ROWS]]
    widths = []
    for column in zip(*cells, strict=True):
        lengths = map(len, column)
        widths.append(max(lengths))

    lines = []
    for row in cells:
        padded: list[str] = []
        for cell, width in zip(row, widths, strict=True):
            is_first = not padded
            laid = cell.ljust(width) if is_first else cell.rjust(width)
            padded.append(laid)
        line = "  ".join(padded)
        lines.append(line.rstrip())

    lines += _rest(rows)
    return "\n".join(lines)


def html_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
) -> str:
    """Write a table for a notebook."""
    from html import escape  # notebooks alone need it

    heads = [f"<th>{title}</th>" for title in map(escape, titles)]
    head = "".join(heads)
    lines = [
        "<table>",
        f"<caption>{escape(caption)}</caption>",
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
    ]

    for row in rows[:_MOST_ROWS]:
        name, *others = map(escape, row)
        first = f'<td style="text-align: left; white-space: pre">{name}</td>'
        cells = [f"<td>{other}</td>" for other in others]
        rest = "".join(cells)
        lines.append(f"<tr>{first}{rest}</tr>")

    lines.append("</tbody>")
    lines.append("</table>")
    lines += [f"<p>{line}</p>" for line in _rest(rows)]
    return "".join(lines)


def _rest(rows: Sequence[Sequence[str]]) -> list[str]:
    hidden = len(rows) - _MOST_ROWS
    if hidden > 0:
        return [f"... and {hidden} more"]
    return []
