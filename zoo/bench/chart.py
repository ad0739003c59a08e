"""Draw results: published error against measured time, the front marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.bench.results import registered_name
from zoo.bench.summary import summarise_all
from zoo.catalog import quantities
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import UsageError
from zoo.plots.scatter import Point, Scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Cell, Result
    from zoo.bench.summary import Summary

_X_TITLES = {"latency": "milliseconds for one picture, median", "throughput": "milliseconds for a picture of a batch"}


def chart_of(results: Sequence[Result], mode: Literal["latency", "throughput"] = "latency") -> Scatter:
    """Describe the drawing of some results.

    A dot is a cell of this mode that is neither failed nor wrong and whose model has published weights with a top-5
    error: that of the tag it was measured for, else of the default weights. They must take the input measured.

    Raises:
        UsageError: No result is of that kind.
    """
    usable = [
        (summary, error)
        for summary in summarise_all(results)
        if summary.cell.mode == mode and summary.failure is None and summary.items_per_s
        if (error := _published_error(summary.cell)) is not None
    ]
    if not usable:
        raise UsageError(f"there is nothing to draw: no result of mode {mode} has a published top-5 error")
    times = [1000 / (summary.items_per_s or 1) for summary, _ in usable]
    front = front_of([(time, error) for time, (_, error) in zip(times, usable, strict=True)])
    points = tuple(
        _point(summary, time, error, is_front=index in front)
        for index, (time, (summary, error)) in enumerate(zip(times, usable, strict=True))
    )
    machines = sorted({result.environment.device.title for result in results})
    return Scatter(
        title=f"ImageNet error against {mode}",
        subtitle=f"{len(points)} results on {', '.join(machines)}; top-5 error as the weights' publishers state it",
        x_title=_X_TITLES[mode],
        y_title="top-5 error in percent",
        points=points,
        has_prefixes=False,
    )


def front_of(points: Sequence[tuple[float, float]]) -> set[int]:
    """Find the points that no other beats in both numbers; of equal ones the first.

    >>> sorted(front_of([(1, 9), (2, 5), (3, 7), (4, 1), (2, 5)]))
    [0, 1, 3]
    """
    front: set[int] = set()
    lowest = float("inf")
    for index in sorted(range(len(points)), key=lambda index: points[index]):
        if points[index][1] < lowest:
            front.add(index)
            lowest = points[index][1]
    return front


def _published_error(cell: Cell) -> float | None:
    known = registered_name(cell)
    if known is None:
        return None
    name, _, tag = known.partition(":")
    architecture = find_architecture(name)
    weights = find_weights(architecture, tag) if tag else architecture.default
    if weights is None or weights.published is None or weights.input_size != cell.input_size:
        return None
    return weights.published.top5_error_percent


def _point(summary: Summary, time_ms: float, error: float, *, is_front: bool) -> Point:
    cell = summary.cell
    settings = f"{cell.engine}, {cell.precision}, {cell.memory_format}, batch {summary.batch}"
    facts = (
        ("top-5 error", f"{quantities.percent(error)} %"),
        ("time", f"{time_ms:.3g} ms ±{summary.spread_percent or 0:.1f} %"),
        ("throughput", f"{summary.items_per_s or 0:,.0f} a second"),
        ("settings", settings),
        ("multiply-adds", quantities.count(cell.multiply_adds)),
        ("peak memory", quantities.size(summary.memory_bytes)),
        ("unstable", "; ".join(summary.faults) or "no"),
    )
    return Point(cell.model, f"{cell.model} ({settings})", time_ms, error, facts, is_front)
