"""A scatter plot with a front: what to draw, and drawing it with matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INCHES = (9.6, 6.0)
_DOTS_PER_INCH = 150
_INK, _QUIET, _FAINT, _ACCENT = "#1f2933", "#8592a3", "#d5dce4", "#d1495b"
_FITTING = "#3d6fa5"
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "zoo",
    "font.family": "sans-serif",
}
"""Text stays text, and the file is the same each time."""
_NO_DATE = {"svg": {"Date": None}, "png": {"Software": None}}
_LINE_POINTS = 9.0
"""How far apart two slanted names must be, in points."""
_ROOM_BELOW = 2.2
"""Factor by which the axis goes on beyond the smallest value, for the names."""
_NARROW = 100.0
"""Up to this factor between its ends, an axis has more ticks than one a decade."""


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
    """Drawn for comparison only."""


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
    faint: str = "outside the limits"
    """What faint points are, for the legend."""
    room_left: float = 4.0
    """Factor by which x goes on beyond its smallest value, for the names."""

    @property
    def front(self) -> list[Point]:
        """Points of the front, from left to right."""
        chosen = [point for point in self.points if point.is_front]
        return sorted(chosen, key=lambda point: point.x)


def render(chart: Scatter, kind: str) -> tuple[bytes, list[tuple[float, float]]]:
    """Draw a chart.

    Args:
        chart: What to draw.
        kind: ``"png"`` or ``"svg"``.

    Returns:
        The file's bytes, and where each point lies, as fractions of width and height from the upper
        left corner.

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

    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()

        _draw_points(axes, chart)
        _decorate(axes, chart)
        # Only a drawn figure knows where its axes are, and so where names have room.
        figure.canvas.draw()
        _draw_labels(axes, chart.front)

        spots = axes.transData.transform([(point.x, point.y) for point in chart.points])
        width, height = figure.canvas.get_width_height()
        places = [(float(x) / width, 1 - float(y) / height) for x, y in spots]

        stream = io.BytesIO()
        figure.savefig(stream, format=kind, metadata=_NO_DATE[kind])

    return stream.getvalue(), places


def _draw_points(axes: Any, chart: Scatter) -> None:
    beaten = [point for point in chart.points if not point.is_front]
    outside = [point for point in beaten if point.is_faint]
    inside = [point for point in beaten if not point.is_faint]

    _draw_dots(axes, outside, color=_FAINT, s=22, label=chart.faint)
    _draw_dots(axes, inside, color=_FITTING, s=26, label="beaten by another")
    _draw_front(axes, chart.front)


def _draw_dots(axes: Any, points: Sequence[Point], **looks: Any) -> None:
    """Draw points that are not on the front, if there are any."""
    if points:
        xs = [point.x for point in points]
        ys = [point.y for point in points]
        axes.scatter(
            xs,
            ys,
            linewidths=0,
            alpha=0.75,
            zorder=2,
            **looks,
        )


def _draw_front(axes: Any, front: Sequence[Point]) -> None:
    """Draw the points that nothing beats, and the stairs between them."""
    xs = [point.x for point in front]
    ys = [point.y for point in front]
    axes.step(
        xs,
        ys,
        where="post",
        color=_ACCENT,
        linewidth=1.2,
        alpha=0.8,
        zorder=3,
    )
    axes.scatter(
        xs,
        ys,
        s=42,
        color=_ACCENT,
        edgecolors="white",
        linewidths=0.8,
        zorder=4,
        label="nothing beats it",
    )


def _decorate(axes: Any, chart: Scatter) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=" ") if chart.has_prefixes else "{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(NullFormatter())

    smallest_x = min(point.x for point in chart.points)
    smallest_y = min(point.y for point in chart.points)
    axes.set_xlim(left=smallest_x / chart.room_left)
    axes.set_ylim(bottom=smallest_y / _ROOM_BELOW)

    left, right = axes.get_xlim()
    if right / left < _NARROW:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))

    axes.set_xlabel(chart.x_title, color=_INK)
    axes.set_ylabel(chart.y_title, color=_INK)
    axes.set_title(
        chart.title,
        loc="left",
        fontsize=14,
        fontweight="bold",
        color=_INK,
        pad=24,
    )
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
    """Name the points of the front, slanted to their lower left.

    Nothing lies there, or it would beat them.
    """
    if not front:
        return

    dots = axes.transData.transform([(point.x, point.y) for point in front])
    points_per_dot = 72 / _DOTS_PER_INCH
    spots = [(x * points_per_dot, y * points_per_dot) for x, y in dots]

    for point, has_room in zip(front, labels_with_room(spots), strict=True):
        if not has_room:
            continue
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

    Names slant at 45 degrees and the front falls to the right, so two names are apart by the sum of
    the steps to the right and down, divided by the root of two.

    Args:
        spots: The points from left to right, in typographic points, upwards.

    >>> labels_with_room([(0, 50), (3, 48), (20, 40)])
    [True, False, True]
    """
    chosen: list[bool] = []
    last = float("-inf")

    for x, y in spots:
        along = x - y
        has_room = (along - last) / sqrt(2) >= _LINE_POINTS
        chosen.append(has_room)
        if has_room:
            last = along

    return chosen
