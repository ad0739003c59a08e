"""Models as tables in plain HTML: for browsers without scripts, text browsers and printing."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import groupby
from string import Template
from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.site import pages
from zoo.site.columns import value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.rows import Row
    from zoo.site.pages import Frame

ROWS_A_PAGE = 500


@dataclass(frozen=True, slots=True)
class PlainPage:
    """One page of plain tables."""

    file_name: str
    title: str
    rows: tuple[Row, ...]


def plain_pages(rows: Sequence[Row]) -> list[PlainPage]:
    """Share the rows among pages: each source has its own, long ones have several."""
    found: list[PlainPage] = []
    by_source = sorted(rows, key=lambda row: (_source(row), row.name))

    for source, members in groupby(by_source, key=_source):
        found += _split(source, tuple(members))
    return found


def _source(row: Row) -> str:
    return str(value_of(row, "source"))


def _split(source: str, rows: tuple[Row, ...]) -> list[PlainPage]:
    """Give a source as many pages as its rows need."""
    letters = [letter if letter.isalnum() else "-" for letter in source.lower()]
    stem = "".join(letters)
    if len(rows) <= ROWS_A_PAGE:
        return [PlainPage(f"{stem}.html", source, rows)]

    starts = range(0, len(rows), ROWS_A_PAGE)
    found = []
    for number, start in enumerate(starts, start=1):
        title = f"{source}, part {number} of {len(starts)}"
        shown = rows[start : start + ROWS_A_PAGE]
        found.append(PlainPage(f"{stem}-{number}.html", title, shown))
    return found


def links(found: Sequence[PlainPage]) -> str:
    """List the plain pages, for the start page."""
    lines = ["<ul>"]
    for page in found:
        address = escape(f"plain/{page.file_name}")
        link = f'<a href="{address}">{escape(page.title)}</a>'
        lines.append(f"<li>{link}, {len(page.rows)} sets of weights</li>")
    lines.append("</ul>")
    return "\n".join(lines)


_HEAD = """\
<p class="soft">Errors are published ones in percent, multiply-adds are for one input.</p>
<div class="scroll" tabindex="0" role="region" aria-label="Models, scrolls">
<table class="plain-table">
<thead><tr>
<th scope="col">model</th>
<th scope="col">weights</th>
<th scope="col">task</th>
<th scope="col" class="number">top-1 error</th>
<th scope="col" class="number">top-5 error</th>
<th scope="col" class="number">parameters</th>
<th scope="col" class="number">multiply-adds</th>
<th scope="col" class="number">size</th>
<th scope="col">year</th>
<th scope="col">license</th>
<th scope="col">files</th>
</tr></thead>
<tbody>
"""


def render(page: PlainPage, frame: Frame) -> str:
    """Write a page with one table, a row for each set of weights."""
    title = f"Models of {page.title}"
    lines = "\n".join(map(_line, page.rows))
    main = f"<h1>{escape(title)}</h1>\n{_HEAD}{lines}\n</tbody></table></div>\n"
    return pages.render_plain(title, main, frame)


_LINE = Template(
    '<tr><th scope="row">$name</th><td>$weights</td><td>$task</td>'
    '<td class="number">$top1_error</td><td class="number">$top5_error</td>'
    '<td class="number">$parameters</td><td class="number">$multiply_adds</td>'
    '<td class="number">$size</td><td>$year</td><td>$license</td><td>$files</td></tr>'
)


def _line(row: Row) -> str:
    """Write a row with the cells that the head names."""
    return _LINE.substitute(
        name=_text(row, "name"),
        weights=_text(row, "weights"),
        task=_text(row, "task"),
        top1_error=quantities.percent(row.number("top1_error")),
        top5_error=quantities.percent(row.number("top5_error")),
        parameters=quantities.count(row.number("parameters")),
        multiply_adds=quantities.count(row.number("multiply_adds")),
        size=_size(row),
        year=_text(row, "year"),
        license=_text(row, "license"),
        files=_files(row),
    )


def _size(row: Row) -> str:
    """Write how long the files are, or about how long where nobody states it."""
    about = row.entry.about_size_bytes
    if about is not None:
        return quantities.size(quantities.About(about))
    return quantities.size(row.number("size"))


def _text(row: Row, key: str) -> str:
    shown = quantities.text(value_of(row, key))
    return escape(shown)


def _files(row: Row) -> str:
    """Name the files of some weights, or the repository that they lie in."""
    places = [file.repository or file.file_name for file in row.entry.files]
    return escape(", ".join(places))
