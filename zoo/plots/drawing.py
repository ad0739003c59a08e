"""Draw a chart into a file of the kind that its ending names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.atomic import replacing
from zoo.errors import UsageError
from zoo.plots.page import render_page
from zoo.plots.scatter import render

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.plots.scatter import Scatter


def draw(chart: Scatter, file: Path) -> None:
    """Draw into a file; its ending says what kind: ``.png``, ``.svg`` or ``.html``.

    Raises:
        UsageError: Another ending, or nothing to draw.
        WriteError: The file system refuses.
        MissingPackageError: matplotlib is not installed.
    """
    kind = file.suffix.lower()
    if kind not in (".png", ".svg", ".html"):
        raise UsageError(f"a drawing ends in .png, .svg or .html, got {file.name!r}")
    if not chart.points:
        raise UsageError("there is nothing to draw: loosen the limits")
    if kind == ".html":
        content = render_page(chart).encode()
    else:
        content, _ = render(chart, kind[1:])
    with replacing(file) as path:
        path.write_bytes(content)
