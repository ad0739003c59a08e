"""Draw what ``zoo choose`` chose: error against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.catalog.chooser import column_of, label
from zoo.plots.drawing import draw
from zoo.plots.scatter import Point, Scatter

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.chooser import Choice
    from zoo.catalog.rows import Row

_TITLES = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds for one image",
    "size": "bytes to download",
    "p50": "milliseconds for one image, median",
    "published_ms": "milliseconds an image, as others published",
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
    points: list[Point] = []

    for row in choice.considered:
        is_front = id(row) in front
        is_faint = id(row) not in fitting
        points.append(_point(row, choice, is_front=is_front, is_faint=is_faint))

    subtitle = (
        f"{len(choice.considered)} sets of published weights, {len(fitting)} within the limits; "
        "top-5 error as their publishers state it"
    )
    return Scatter(
        title="ImageNet error against cost",
        subtitle=subtitle,
        x_title=_TITLES[choice.cost],
        y_title="top-5 error in percent",
        points=tuple(points),
        has_prefixes=choice.cost not in ("p50", "published_ms"),
    )


def _point(row: Row, choice: Choice, *, is_front: bool, is_faint: bool) -> Point:
    top5 = quantities.percent(row.number("top5_error"))
    top1 = quantities.percent(row.number("top1_error"))
    multiply_adds = quantities.count(row.number("multiply_adds"))
    parameters = quantities.count(row.number("parameters"))
    about = row.entry.about_size_bytes
    size = quantities.size(quantities.About(about) if about else row.number("size"))

    facts = (
        ("top-5 error", f"{top5} %"),
        ("top-1 error", f"{top1} %"),
        ("multiply-adds", multiply_adds),
        ("parameters", parameters),
        ("download", size),
        ("license", quantities.text(row["license"])),
        ("paper", f"{row['year']}, {row['paper']}"),
    )
    return Point(
        label=row.name,
        name=label(row),
        x=row.number(column_of(choice.cost)) or 0.0,
        y=row.number("top5_error") or 0.0,
        facts=facts,
        is_front=is_front,
        is_faint=is_faint,
    )
