"""Draw what ``zoo choose`` chose: error against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.catalog.chooser import label
from zoo.plots.scatter import Point, Scatter, draw

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.chooser import Choice
    from zoo.catalog.rows import Row

_TITLES = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds for one picture",
    "size": "bytes to download",
    "p50": "milliseconds for one picture, median",
}


def draw_choice(choice: Choice, file: Path) -> None:
    """Draw a choice into a ``.png``, ``.svg`` or ``.html`` file.

    Raises:
        UsageError: See :func:`zoo.plots.scatter.draw`.
        MissingPackageError: matplotlib is not installed.
    """
    draw(chart_of(choice), file)


def chart_of(choice: Choice) -> Scatter:
    """Describe the drawing of a choice."""
    front = {id(place.row) for place in choice.places}
    fitting = {id(row) for row in choice.fitting}
    points = tuple(
        _point(row, choice, is_front=id(row) in front, is_faint=id(row) not in fitting) for row in choice.considered
    )
    return Scatter(
        title="ImageNet error against cost",
        subtitle=f"{len(choice.considered)} sets of published weights, {len(fitting)} within the limits; "
        "top-5 error as their publishers state it",
        x_title=_TITLES[choice.cost],
        y_title="top-5 error in percent",
        points=points,
        has_prefixes=choice.cost != "p50",
    )


def _point(row: Row, choice: Choice, *, is_front: bool, is_faint: bool) -> Point:
    facts = (
        ("top-5 error", f"{quantities.percent(row.number('top5_error'))} %"),
        ("top-1 error", f"{quantities.percent(row.number('top1_error'))} %"),
        ("multiply-adds", quantities.count(row.number("multiply_adds"))),
        ("parameters", quantities.count(row.number("parameters"))),
        ("download", quantities.size(row.number("size"))),
        ("licence", quantities.text(row["licence"])),
        ("paper", f"{row['year']}, {row['paper']}"),
    )
    x, y = row.number(choice.cost) or 0.0, row.number("top5_error") or 0.0
    return Point(row.architecture.name, label(row), x, y, facts, is_front, is_faint)
