"""Draw results: published error against measured time, the front marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.bench.results import registered_name
from zoo.bench.summary import summarise_all
from zoo.catalog import quantities
from zoo.catalog.resolver import resolve_loosely
from zoo.errors import UsageError
from zoo.plots.scatter import Point, Scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Case, Result
    from zoo.bench.summary import Summary

_X_TITLES = {
    "latency": "milliseconds for one image, median",
    "throughput": "milliseconds for an image of a batch",
}


def chart_of(
    results: Sequence[Result],
    mode: Literal["latency", "throughput"] = "latency",
) -> Scatter:
    """Describe the drawing of some results.

    A dot is a case of this mode that is neither failed nor wrong and whose model has published
    weights with a top-5 error: that of the tag it was measured for, else of the default weights.
    They must take the input measured.

    Raises:
        UsageError: No result is of that kind.
    """
    drawn: list[Summary] = []
    places: list[tuple[float, float]] = []
    for summary in summarise_all(results):
        rate = summary.items_per_s
        is_usable = summary.case.mode == mode and summary.failure is None
        if not rate or not is_usable:
            continue

        error = _published_error(summary.case)
        if error is not None:
            drawn.append(summary)
            places.append((1000 / rate, error))

    if not drawn:
        fault = f"no result of mode {mode} has a published top-5 error"
        raise UsageError(f"there is nothing to draw: {fault}")

    front = front_of(places)
    points: list[Point] = []
    for index, (summary, place) in enumerate(zip(drawn, places, strict=True)):
        is_front = index in front
        points.append(_point(summary, *place, is_front=is_front))

    machines = sorted({result.environment.device.title for result in results})
    names = ", ".join(machines)
    return Scatter(
        title=f"ImageNet error against {mode}",
        subtitle=f"{len(points)} results on {names}; top-5 error as publishers state it",
        x_title=_X_TITLES[mode],
        y_title="top-5 error in percent",
        points=tuple(points),
        has_prefixes=False,
    )


def front_of(points: Sequence[tuple[float, float]]) -> set[int]:
    """Find the points that no other beats in both numbers; of equal ones the first.

    >>> sorted(front_of([(1, 9), (2, 5), (3, 7), (4, 1), (2, 5)]))
    [0, 1, 3]
    """
    front: set[int] = set()
    lowest = float("inf")
    indices = range(len(points))
    for index in sorted(indices, key=lambda index: points[index]):
        _, value = points[index]
        if value < lowest:
            front.add(index)
            lowest = value
    return front


def _published_error(case: Case) -> float | None:
    known = registered_name(case)
    if known is None:
        return None
    architecture, weights = resolve_loosely(known)
    weights = weights or architecture.default
    if weights is None or weights.headline is None:
        return None
    if weights.input_size != case.input_size:
        return None
    return weights.headline.top5_error_percent


def _point(
    summary: Summary,
    time_ms: float,
    error: float,
    *,
    is_front: bool,
) -> Point:
    case = summary.case
    rate = summary.items_per_s or 0
    spread = summary.spread_percent or 0
    settings = ", ".join(
        [
            case.engine,
            case.precision,
            case.memory_format,
            f"batch {summary.batch}",
        ]
    )
    facts = (
        ("top-5 error", f"{quantities.percent(error)} %"),
        ("time", f"{time_ms:.3g} ms ±{spread:.1f} %"),
        ("throughput", f"{rate:,.0f} a second"),
        ("settings", settings),
        ("machine", summary.machine),
        ("multiply-adds", quantities.count(case.multiply_adds)),
        ("peak memory", quantities.size(summary.memory_bytes)),
        ("unstable", "; ".join(summary.faults) or "no"),
    )
    return Point(
        label=case.model,
        name=f"{case.model} ({settings})",
        x=time_ms,
        y=error,
        facts=facts,
        is_front=is_front,
    )
