"""Which machine for this model, and which models for this machine. Pure.

Results of one machine are never joined with another's: each figure is of one machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.bench.comparability import machine_key
from zoo.bench.results import LATENCY_COLUMNS, Value, to_row
from zoo.bench.summary import Summary, summarise_all
from zoo.catalog import quantities
from zoo.errors import UsageError
from zoo.plots.scatter import Point, Scatter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Result

Side = Literal["model", "machine"]
Row = dict[str, Value]
_SHARED = ("model", "mode", "engine", "precision", "batch")
_DETAILS = ("memory_format", "input", "threads")
USABLE = ("ok", "unstable")
"""Status of a result whose figures count."""
_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Standing:
    """The best way of one model on one machine."""

    model: str
    """With the size of its input where there are results of several."""
    machine: str
    rank: int
    """Among the machines of its model, or among the models of its machine."""
    p50_ms: float
    items_per_s: float
    engine: str
    precision: str
    is_stable: bool
    is_within: bool
    """Whether it keeps the limit that was asked for."""


def machines_of(results: Sequence[Result]) -> dict[str, str]:
    """List the keys of the machines that results are of, with what they are called."""
    found: dict[str, str] = {}
    for result in results:
        environment = result.environment
        found[machine_key(environment)] = environment.device.title
    return found


def rank(
    results: Sequence[Result],
    by: Side = "model",
    *,
    mode: Literal["latency", "throughput"] = "latency",
    limit: tuple[str, float] | None = None,
) -> list[Standing]:
    """Rank machines per model, or models per machine; the best engine and precision of each counts.

    Args:
        results: Of any number of machines.
        by: What the groups are.
        mode: What decides: the median time of one image, or images a second.
        limit: A column such as ``"p50"`` and the most milliseconds that it may be.

    Raises:
        UsageError: No result is of this mode.
    """
    best: dict[tuple[str, str], Row] = {}
    for row in _rows(results, mode):
        place = (str(row["model"]), str(row["machine"]))
        so_far = best.get(place)
        if so_far is None or cost(row) < cost(so_far):
            best[place] = row

    if not best:
        raise UsageError(f"no result of mode {mode} can be ranked")

    groups: dict[str, list[Row]] = {}
    for row in best.values():
        side = str(row[by])
        groups.setdefault(side, []).append(row)

    standings: list[Standing] = []
    for group in groups.values():
        ordered = sorted(group, key=cost)
        for number, row in enumerate(ordered, start=1):
            standings.append(_standing(row, number, limit))
    return standings


def _rows(
    results: Sequence[Result],
    mode: str,
) -> list[Row]:
    """Summarise what has figures and is not wrong.

    A smaller image takes less time on any machine: a model that was measured at several sizes is
    ranked at each.
    """
    summaries = summarise_all(list(results))
    inputs: dict[str, set[tuple[int, ...]]] = {}
    for summary in summaries:
        case = summary.case
        known = inputs.setdefault(case.model, set())
        known.add(case.input_size)

    rows: list[Row] = []
    for summary in summaries:
        case = summary.case
        row = to_row(summary)
        if len(inputs[case.model]) > 1:
            size = quantities.shape(case.input_size)
            row["model"] = f"{case.model} at {size}"
        is_usable = row["status"] in USABLE and row["items_per_s"]
        if is_usable and row["mode"] == mode:
            rows.append(row)
    return rows


def cost(row: Row) -> float:
    """Weigh a row of :func:`zoo.bench.results.to_row` against others of its mode; less is better.

    Time decides for latency, items a second for all other modes.
    """
    if row["mode"] == "latency":
        p50_ms = row["p50_ms"]
        return float(p50_ms or 0)

    items_per_s = row["items_per_s"]
    return -float(items_per_s or 0)


def _standing(
    row: Row,
    number: int,
    limit: tuple[str, float] | None,
) -> Standing:
    is_within = True
    if limit is not None:
        column, most_ms = limit
        is_within = float(row[LATENCY_COLUMNS[column]] or 0) < most_ms
    return Standing(
        model=str(row["model"]),
        machine=str(row["machine"]),
        rank=number,
        p50_ms=float(row["p50_ms"] or 0),
        items_per_s=float(row["items_per_s"] or 0),
        engine=str(row["engine"]),
        precision=str(row["precision"]),
        is_stable=row["status"] == "ok",
        is_within=is_within,
    )


def pivot(results: Sequence[Result]) -> tuple[list[str], list[Row]]:
    """Put machines side by side: a row for each case, a column with its median for each machine.

    A row names memory format, input and threads too where one machine was measured with several of
    them: else machines with other numbers of CPUs would never stand in one row.

    Returns:
        The keys of the machines, and the rows; a figure is ``None`` where that machine has none.
    """
    machines = list(machines_of(results))
    summaries = summarise_all(list(results))
    telling = (*_SHARED, *_telling_details(summaries))
    rows: dict[tuple[Value, ...], Row] = {}
    for summary in summaries:
        case = _case_row(summary)
        row: Row = {name: case[name] for name in telling}
        key = tuple(row.values())
        row |= dict.fromkeys(machines)
        row = rows.setdefault(key, row)

        figures = to_row(summary)
        shown = figures["status"]
        if shown in USABLE:
            shown = figures["p50_ms"]
        row[summary.machine] = shown

    return machines, list(rows.values())


def _case_row(summary: Summary) -> Row:
    """Say what was measured, as a row does."""
    case = summary.case
    figures = to_row(summary)
    batch: Value = case.batch
    if batch is None:
        batch = "best"

    return {
        "model": case.model,
        "mode": case.mode,
        "engine": case.engine,
        "precision": case.precision,
        "batch": batch,
        "memory_format": figures["memory_format"],
        "input": quantities.shape(case.input_size),
        "threads": case.threads,
    }


def _telling_details(summaries: Sequence[Summary]) -> list[str]:
    """List the details in which two results of one machine differ that are alike in all else."""
    seen: dict[tuple[Value, ...], Row] = {}
    telling: set[str] = set()
    for summary in summaries:
        row = _case_row(summary)
        place = (
            summary.machine,
            *[row[name] for name in _SHARED],
        )
        first = seen.setdefault(place, row)
        for name in _DETAILS:
            if row[name] != first[name]:
                telling.add(name)
    return [name for name in _DETAILS if name in telling]


def draw_fleet(
    standings: Sequence[Standing],
    titles: dict[str, str],
) -> Scatter:
    """Describe a drawing: time of one call against time for an image, a dot a standing."""
    points: list[Point] = []
    for one in standings:
        title = titles.get(one.machine, one.machine)
        point = Point(
            label=f"{one.model} on {one.machine}",
            name=f"{one.model} on {title}",
            x=one.p50_ms,
            y=1000 / one.items_per_s,
            facts=(
                ("engine", one.engine),
                ("precision", one.precision),
            ),
            is_front=one.rank == 1,
            is_faint=not one.is_within,
        )
        points.append(point)

    standings_and_machines = f"{len(points)} standings on {len(titles)} machines"
    return Scatter(
        title="Models on machines",
        subtitle=f"{standings_and_machines}; marked: first of its group",
        x_title="milliseconds for one call, median",
        y_title="milliseconds for an image",
        points=tuple(points),
        has_prefixes=False,
    )
