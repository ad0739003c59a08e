"""A scatter plot with a front: what to draw, and drawing it with matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError, UsageError
from zoo.whole_files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_INCHES = (9.6, 6.0)
_DOTS_PER_INCH = 150
_INK, _QUIET, _FAINT, _ACCENT = "#1f2933", "#8592a3", "#d5dce4", "#d1495b"
_FITTING = "#3d6fa5"
_LINE_POINTS = 9.0
"""How far apart two slanted names must be, in points."""
_ROOM_LEFT, _ROOM_BELOW = 4.0, 2.2
"""Factors by which the axes go on beyond the smallest values, for the names."""


@dataclass(frozen=True, slots=True)
class Point:
    """One dot."""

    label: str
    """Short, for the drawing."""
    name: str
    """In full, for the pointer."""
    x: float
    y: float
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values to show when the pointer is near."""
    is_front: bool = False
    is_faint: bool = False
    """Outside what was asked for; drawn for comparison."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """One drawing; smaller is better on both axes, and both are logarithmic."""

    title: str
    subtitle: str
    x_title: str
    y_title: str
    points: tuple[Point, ...]
    has_prefixes: bool = True
    """Whether the numbers of x are written as counts are: 10 M."""

    @property
    def front(self) -> list[Point]:
        """Points of the front, from left to right."""
        return sorted((point for point in self.points if point.is_front), key=lambda point: point.x)


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
        from zoo.plots.page import render_page

        content = render_page(chart).encode()
    else:
        content, _ = render(chart, kind[1:])
    with replacing(file) as path:
        path.write_bytes(content)


def render(chart: Scatter, kind: str) -> tuple[bytes, list[tuple[float, float]]]:
    """Draw a chart.

    Args:
        chart: What to draw.
        kind: ``"png"`` or ``"svg"``.

    Returns:
        The file's bytes, and where each point lies, as fractions of width and height from the upper left corner.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "a drawing", "plot") from error
    import io

    # Text stays text and the file is the same each time.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "zoo", "font.family": "sans-serif"}):
        figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw_points(axes, chart)
        _decorate(axes, chart)
        figure.canvas.draw()
        _draw_labels(axes, chart.front)
        places = axes.transData.transform([(point.x, point.y) for point in chart.points])
        width, height = figure.canvas.get_width_height()
        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return stream.getvalue(), [(float(x) / width, 1 - float(y) / height) for x, y in places]


def _draw_points(axes: Any, chart: Scatter) -> None:
    layers = (
        ([p for p in chart.points if p.is_faint and not p.is_front], _FAINT, 22, "outside the limits"),
        ([p for p in chart.points if not p.is_faint and not p.is_front], _FITTING, 26, "beaten by another"),
    )
    for points, colour, area, name in layers:
        if points:
            xs, ys = [p.x for p in points], [p.y for p in points]
            axes.scatter(xs, ys, s=area, color=colour, linewidths=0, alpha=0.75, label=name, zorder=2)
    front = chart.front
    xs, ys = [p.x for p in front], [p.y for p in front]
    axes.step(xs, ys, where="post", color=_ACCENT, linewidth=1.2, alpha=0.8, zorder=3)
    axes.scatter(xs, ys, s=42, color=_ACCENT, edgecolors="white", linewidths=0.8, zorder=4, label="nothing beats it")


def _decorate(axes: Any, chart: Scatter) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    x_format = EngFormatter(sep=" ") if chart.has_prefixes else "{x:g}"
    for axis, format_tick in ((axes.xaxis, x_format), (axes.yaxis, "{x:g}")):
        axis.axes.set(**{f"{axis.axis_name}scale": "log"})
        axis.set_major_formatter(format_tick)
        axis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.set_xlim(left=min(point.x for point in chart.points) / _ROOM_LEFT)
    axes.set_ylim(bottom=min(point.y for point in chart.points) / _ROOM_BELOW)
    axes.set_xlabel(chart.x_title, color=_INK)
    axes.set_ylabel(chart.y_title, color=_INK)
    axes.set_title(chart.title, loc="left", fontsize=14, fontweight="bold", color=_INK, pad=24)
    axes.text(0, 1.02, chart.subtitle, transform=axes.transAxes, fontsize=9.5, color=_QUIET)
    axes.grid(visible=True, which="major", color="#e8ecf1", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=_QUIET, length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)
    axes.legend(frameon=False, fontsize=9, labelcolor=_INK)


def _draw_labels(axes: Any, front: Sequence[Point]) -> None:
    """Name the points of the front, slanted to their lower left: nothing lies there, or it would beat them."""
    scale = _DOTS_PER_INCH / 72
    spots = [(x / scale, y / scale) for x, y in axes.transData.transform([(p.x, p.y) for p in front])] if front else []
    for point, has_room in zip(front, labels_with_room(spots), strict=True):
        if has_room:
            axes.annotate(
                point.label,
                (point.x, point.y),
                xytext=(-3, -3),
                textcoords="offset points",
                rotation=45,
                ha="right",
                va="top",
                fontsize=7.5,
                color=_INK,
                zorder=5,
            )


def labels_with_room(spots: Sequence[tuple[float, float]]) -> list[bool]:
    """Tell which points of a front can be named without covering the name before.

    Names slant at 45 degrees and the front falls to the right, so two names are apart by the sum of the steps to the
    right and down, divided by the root of two.

    Args:
        spots: The points from left to right, in typographic points, upwards.

    >>> labels_with_room([(0, 50), (3, 48), (20, 40)])
    [True, False, True]
    """
    chosen: list[bool] = []
    last = float("-inf")
    for x, y in spots:
        chosen.append((x - y - last) / sqrt(2) >= _LINE_POINTS)
        if chosen[-1]:
            last = x - y
    return chosen
