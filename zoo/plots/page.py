"""A drawing as one HTML file with hover: no server, no other file, no network."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from zoo.plots.scatter import render

if TYPE_CHECKING:
    from zoo.plots.scatter import Scatter

_TEMPLATE = Path(__file__).with_name("page.html")


def render_page(chart: Scatter) -> str:
    """Write the page of a chart.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    drawing, places = render(chart, "svg")
    svg = drawing.decode()
    points: list[dict[str, object]] = []

    for point, (x, y) in zip(chart.points, places, strict=True):
        points.append(
            {
                "x": round(x, 5),
                "y": round(y, 5),
                "name": point.name,
                "facts": point.facts,
            }
        )

    # In a script element only "</" and "<!--" could end or hide what follows.
    data = json.dumps(points, ensure_ascii=True).replace("<", "\\u003c")
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(chart.title),
        svg=svg[svg.index("<svg") :],
        points=data,
    )
