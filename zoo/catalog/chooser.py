"""Which model should I use? Those within the limits that no other beats both in cost and in error, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import inf
from typing import TYPE_CHECKING, Literal

from zoo.catalog.query import Selection, pareto_front, select
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.catalog.registry import Registry
    from zoo.catalog.rows import Row, Value

Cost = Literal["parameters", "multiply_adds", "size", "p50"]
COST_WORDS: dict[Cost, str] = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "size": "bytes",
    "p50": "milliseconds",
}
NO_LICENCE = "none"
_GAIN = "top5_error"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may cost and how wrong it may be; ``None`` sets no limit."""

    parameters: float | None = None
    multiply_adds: float | None = None
    top5_error_percent: float | None = None
    size_bytes: float | None = None
    licence: str | None = None
    """Patterns joined by commas; ``none`` stands for weights whose publisher states no licence."""
    task: str = "classification"
    measured: Mapping[str, float] = field(default_factory=dict)
    """By columns that were measured: ``{"p50": 10.0}`` allows 10 milliseconds."""

    def allow(self, row: Row) -> bool:
        """Tell whether a row is within the limits; a figure that is not known is not within a limit."""
        bounds = {
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            _GAIN: self.top5_error_percent,
            "size": self.size_bytes,
            **self.measured,
        }
        for column, bound in bounds.items():
            value = row.number(column)
            if bound is not None and (value is None or value > bound):
                return False
        return self.licence is None or _has_licence(row, self.licence)


def _has_licence(row: Row, patterns: str) -> bool:
    licence = str(row["licence"] or NO_LICENCE).lower()
    return any(fnmatchcase(licence, pattern.strip().lower()) for pattern in patterns.split(","))


@dataclass(frozen=True, slots=True)
class Place:
    """One place on the front."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The front, cheapest first, and what it was chosen from."""

    cost: Cost
    places: tuple[Place, ...]
    fitting: tuple[Row, ...]
    """Every row within the limits."""
    considered: tuple[Row, ...]
    """Every row of the task whose error and cost are known."""


def choose(
    limits: Limits,
    cost: Cost = "multiply_adds",
    registry: Registry | None = None,
    *,
    extra: Mapping[str, Mapping[str, Value]] | None = None,
) -> Choice:
    """Find the rows within the limits that no other beats in both cost and top-5 error.

    Args:
        limits: What is allowed.
        cost: What is weighed against the error.
        registry: By default the one that ships with zoo.
        extra: Measured columns, as :func:`zoo.catalog.query.select` takes them; the cost ``"p50"`` needs them.

    Raises:
        UnknownNameError: There is no such task.
        UsageError: No model of the task has a known top-5 error and cost, so none can be compared.
    """
    every = select(Selection(task=limits.task, has_all_weights=True), registry, extra=extra)
    if not any(_is_comparable(row, "parameters") for row in every):
        raise UsageError(
            f"no model of the task {limits.task} has a published top-5 error: choose --task classification"
        )
    considered = tuple(row for row in every if _is_comparable(row, cost))
    if not considered:
        raise UsageError(
            f"no model of the task {limits.task} with a published top-5 error was measured: zoo bench --all does that"
        )
    fitting = tuple(row for row in considered if limits.allow(row))
    front = pareto_front(fitting, cost, _GAIN)
    places = tuple(Place(row, _reason(index, front, fitting, cost)) for index, row in enumerate(front))
    return Choice(cost, places, fitting, considered)


def _is_comparable(row: Row, cost: Cost) -> bool:
    """Tell whether cost and error are known and the error is one on ImageNet, as all others are."""
    is_imagenet = row.weights is not None and row.weights.dataset.startswith("imagenet")
    return is_imagenet and row[cost] is not None and row[_GAIN] is not None


def _reason(index: int, front: Sequence[Row], fitting: Sequence[Row], cost: Cost) -> str:
    """Say in words why a row stands on the front."""
    row, words = front[index], COST_WORDS[cost]
    parts = []
    if index == 0:
        parts.append(f"fewest {words} of all {len(fitting)} that fit" if len(fitting) > 1 else "the only one that fits")
    else:
        before = front[index - 1]
        points = _known(before, _GAIN) - _known(row, _GAIN)
        ratio = _known(row, cost) / _known(before, cost)
        parts.append(f"{points:.2f} points less error than {label(before)} for {ratio:.2f} times the {words}")
    if index == len(front) - 1 and len(fitting) > 1:
        parts.append("lowest error")
    beaten = _beaten(row, front, fitting, cost)
    if beaten:
        best = min(beaten, key=lambda other: (_known(other, _GAIN), _known(other, cost)))
        ratio = _known(best, cost) / _known(row, cost)
        others = f" and {len(beaten) - 1} more" if len(beaten) > 1 else ""
        parts.append(f"beats {label(best)} ({ratio:.2f} times the {words}){others}")
    return "; ".join(parts)


def _beaten(row: Row, front: Sequence[Row], fitting: Sequence[Row], cost: Cost) -> list[Row]:
    """List the rows that this one, and no cheaper one of the front, beats in both."""
    others = [other for other in fitting if other not in front and _beats(row, other, cost)]
    cheaper = [place for place in front if _known(place, cost) < _known(row, cost)]
    return [other for other in others if not any(_beats(place, other, cost) for place in cheaper)]


def _beats(one: Row, other: Row, cost: Cost) -> bool:
    return _known(one, cost) <= _known(other, cost) and _known(one, _GAIN) <= _known(other, _GAIN)


def _known(row: Row, column: str) -> float:
    value = row.number(column)
    return inf if value is None else value


def label(row: Row) -> str:
    """Name a row as commands take it; the tag only where it is not the default."""
    weights = row.weights
    if weights is None or weights.tag == row.architecture.default_weights:
        return row.architecture.name
    return f"{row.architecture.name}:{weights.tag}"
