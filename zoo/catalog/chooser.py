"""Which model should I use? Those within the limits that no other beats in cost and in error.

Each place comes with its reason in words.

The file is long because a reason in words needs every step that led to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from math import inf
from typing import TYPE_CHECKING, Any, Literal

from zoo.catalog.index import HUB_SOURCE
from zoo.catalog.licenses import is_admitted
from zoo.catalog.query import Selection, pareto_front, select
from zoo.catalog.rows import SIZE_OR_ABOUT
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.catalog.registry import Registry
    from zoo.catalog.rows import Row, Value

Cost = Literal["parameters", "multiply_adds", "size", "p50", "published_ms"]
COST_WORDS: dict[Cost, str] = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds",
    "size": "bytes",
    "p50": "milliseconds",
    "published_ms": "published milliseconds",
}
_GAIN = "top5_error"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may cost and how wrong it may be; ``None`` sets no limit."""

    parameters: float | None = None
    multiply_adds: float | None = None
    top5_error_percent: float | None = None
    size_bytes: float | None = None
    license: str | None = None
    """Words, SPDX identifiers or patterns joined by commas: see :mod:`zoo.catalog.licenses`."""
    source: str | None = None
    """``"torchvision"``, ``"zoo"`` or ``"timm"``."""
    dataset: str | None = None
    """A pattern for what the weights were trained on last, such as ``"imagenet1k"``."""
    task: str = "classification"
    measured: Mapping[str, float] = field(default_factory=dict)
    """By columns that were measured: ``{"p50": 10.0}`` allows 10 milliseconds."""

    def allow(self, row: Row) -> bool:
        """Tell whether a row is within the limits.

        A figure that is not known is not within a limit.
        """
        for column, bound in self.bounds.items():
            value = row.number(column)
            if value is None or value > bound:
                return False
        return self._has_dataset(row) and self._has_license(row)

    @property
    def bounds(self) -> dict[str, float]:
        """The limits that are set, by column."""
        bounds = {
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            _GAIN: self.top5_error_percent,
            SIZE_OR_ABOUT: self.size_bytes,
            **self.measured,
        }
        return {column: bound for column, bound in bounds.items() if bound is not None}

    def unknown_of(self, row: Row) -> tuple[str, ...]:
        """Name what is limited and not known of a row that is within all other limits."""
        unknown = []
        for column, bound in self.bounds.items():
            value = row.number(column)
            if value is None:
                unknown.append(column)
            elif value > bound:
                return ()

        if not self._has_dataset(row):
            return ()
        if self._has_license(row):
            return tuple(unknown)
        if row.entry.license:
            return ()
        return (*unknown, "license")

    @property
    def names(self) -> tuple[str, ...]:
        """Name the limits that are set and can be loosened, as their fields are called."""
        fields = (
            "parameters",
            "multiply_adds",
            "top5_error_percent",
            "size_bytes",
            "license",
            "dataset",
        )
        names = [name for name in fields if getattr(self, name) is not None]
        if self.measured:
            names.append("measured")
        return tuple(names)

    def without(self, name: str) -> Limits:
        """Leave one limit out."""
        if name == "measured":
            return replace(self, measured={})
        nothing: dict[str, Any] = {name: None}
        return replace(self, **nothing)

    def _has_dataset(self, row: Row) -> bool:
        """Tell whether the data set is as asked for."""
        if self.dataset is None:
            return True
        return fnmatchcase(row.entry.dataset or "", self.dataset.lower())

    def _has_license(self, row: Row) -> bool:
        """Tell whether the license is as asked for; one that is not stated is not."""
        if self.license is None:
            return True
        stated = row.entry.license
        return is_admitted(stated, self.license)


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


@dataclass(frozen=True, slots=True)
class Relief:
    """What leaving one limit out would bring."""

    name: str
    """As the field of :class:`Limits` is called."""
    admitted: int
    """How many rows more would fit."""
    best_error_percent: float
    """The lowest top-5 error among all that would fit."""


def costliest_limit(limits: Limits, choice: Choice) -> Relief | None:
    """Find the limit that costs most: without it the lowest error falls furthest, or more rows fit.

    ``None`` where no single limit keeps anything out.
    """
    now = len(choice.fitting)
    best_now = _lowest_error(choice.fitting)
    reliefs = []
    for name in limits.names:
        looser = limits.without(name)
        fitting = [row for row in choice.considered if looser.allow(row)]
        admitted = len(fitting) - now
        if admitted:
            relief = Relief(
                name=name,
                admitted=admitted,
                best_error_percent=_lowest_error(fitting),
            )
            reliefs.append(relief)

    def gain(relief: Relief) -> tuple[float, int]:
        improvement = 0.0
        if now:
            improvement = best_now - relief.best_error_percent
        return improvement, relief.admitted

    return max(reliefs, key=gain, default=None)


def _lowest_error(rows: Sequence[Row]) -> float:
    """Give the lowest top-5 error among rows."""
    errors = [_known(row, _GAIN) for row in rows]
    return min(errors, default=inf)


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
        extra: Measured columns, as :func:`zoo.catalog.query.select` takes them; the cost ``"p50"``
            needs them.

    Raises:
        UnknownNameError: There is no such task.
        UsageError: No model of the task has a known top-5 error and cost, so none can be compared.
    """
    selection = Selection(
        task=limits.task,
        source=limits.source,
        has_all_weights=True,
    )
    every = select(selection, registry, extra=extra)
    considered = _comparable(every, cost, limits)
    fitting = [row for row in considered if limits.allow(row)]
    front = pareto_front(fitting, column_of(cost), _GAIN)

    beaten = _beaten(front, fitting, cost)
    places = []
    for index, row in enumerate(front):
        reason = _reason(index, front, beaten[index], len(fitting), cost)
        places.append(Place(row, reason))

    return Choice(
        cost=cost,
        places=tuple(places),
        fitting=tuple(fitting),
        considered=tuple(considered),
    )


def column_of(cost: str) -> str:
    """Give the column that is weighed: for a download about its length, where nobody knows more."""
    return SIZE_OR_ABOUT if cost == "size" else cost


def _comparable(
    rows: Sequence[Row],
    cost: Cost,
    limits: Limits,
) -> list[Row]:
    """Keep the rows whose error and cost are known.

    Raises:
        UsageError: There are none.
    """
    found = [row for row in rows if _is_comparable(row, cost)]
    if found:
        return found

    wanted = f"the task {limits.task}"
    if limits.source == HUB_SOURCE:
        fault = "PyTorch Hub's repositories cannot be weighed, their code is not run to count them"
        advice = "zoo list --source hub shows what they state"
    elif any(_is_comparable(row, "parameters") for row in rows):
        fault = f"no model of {wanted} with a published top-5 error was measured"
        advice = "zoo bench --all does that"
    elif limits.source is not None:
        fault = f"no model of {wanted} in the source {limits.source} has a published top-5 error"
        advice = "leave --source out, or choose another --task"
    else:
        fault = f"no model of {wanted} has a published top-5 error"
        advice = "choose --task classification"
    raise UsageError(f"{fault}: {advice}")


def _is_comparable(row: Row, cost: Cost) -> bool:
    """Tell whether cost and error are known and the error is one on ImageNet, as all others are."""
    dataset = row.entry.dataset or ""
    if not dataset.startswith("imagenet"):
        return False
    figures = (row[column_of(cost)], row[_GAIN])
    return None not in figures


def _reason(
    index: int,
    front: Sequence[Row],
    beaten: Sequence[Row],
    fitting: int,
    cost: Cost,
) -> str:
    """Say in words why a row stands on the front."""
    if fitting == 1:
        return "the only one that fits"

    row = front[index]
    if index == 0:
        words = COST_WORDS[cost]
        parts = [f"fewest {words} of all {fitting} that fit"]
    else:
        before = front[index - 1]
        parts = [_step(before, row, cost)]

    if row is front[-1]:
        parts.append("lowest error")

    if beaten:
        parts.append(_victory(row, beaten, cost))
    return "; ".join(parts)


def _step(
    before: Row,
    row: Row,
    cost: Cost,
) -> str:
    """Compare a row of the front with the cheaper one before it."""
    error_before = _known(before, _GAIN)
    error = _known(row, _GAIN)
    points = error_before - error
    gain = f"{points:.2f} points less error than {label(before)}"
    price = _times(row, before, cost)
    return f"{gain} for {price}"


def _victory(
    row: Row,
    beaten: Sequence[Row],
    cost: Cost,
) -> str:
    """Name the best of the rows that another beats."""

    def error_then_cost(other: Row) -> tuple[float, float]:
        return _known(other, _GAIN), _known(other, cost)

    best = min(beaten, key=error_then_cost)
    name = label(best)
    price = _times(best, row, cost)
    others = len(beaten) - 1
    and_more = ""
    if others:
        and_more = f" and {others} more"
    return f"beats {name} ({price}){and_more}"


def _times(
    row: Row,
    other: Row,
    cost: Cost,
) -> str:
    """Say how many times as much one costs as another."""
    ratio = _known(row, cost) / _known(other, cost)
    words = COST_WORDS[cost]
    return f"{ratio:.2f} times the {words}"


def _beaten(
    front: Sequence[Row],
    fitting: Sequence[Row],
    cost: Cost,
) -> list[list[Row]]:
    """List, for each row of the front, those that it, and no cheaper one, beats in both."""
    places = [_figures(row, cost) for row in front]
    on_front = {id(row) for row in front}

    found: list[list[Row]] = [[] for _ in front]
    for other in fitting:
        if id(other) in on_front:
            continue
        limit, most_error = _figures(other, cost)
        beating = (
            index
            for index, (price, error) in enumerate(places)
            if price <= limit and error <= most_error
        )
        cheapest = next(beating)
        found[cheapest].append(other)

    return found


def _figures(row: Row, cost: Cost) -> tuple[float, float]:
    """Give cost and error."""
    return _known(row, cost), _known(row, _GAIN)


def _known(row: Row, column: str) -> float:
    value = row.number(column_of(column))
    if value is None:
        return inf
    return value


def label(row: Row) -> str:
    """Name a row as commands take it; the tag only where it is not the default."""
    return row.spec
