"""Rows of ``zoo.bench`` as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.catalog import quantities
from zoo.cli.terminal.tables import Column, Table
from zoo.errors import UsageError, install_command

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.bench.compare import Comparison
    from zoo.bench.records import Result
    from zoo.bench.results import Value
    from zoo.bench.summary import Summary


def _plus_minus(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"±{value:.1f} %"


def _percent(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"{value:.0f} %"


def _error(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"{value:.0e}"


_COLUMNS = (
    Column("model", "model", quantities.text),
    Column("mode", "mode", quantities.text),
    Column("machine", "machine", quantities.text),
    Column("device", "device", quantities.text),
    Column("engine", "engine", quantities.text),
    Column("precision", "precision", quantities.text),
    Column("memory_format", "format", quantities.text),
    Column("threads", "threads", quantities.text, is_number=True),
    Column("batch", "batch", lambda value: "best" if value is None else str(value), is_number=True),
    Column("runs", "runs", quantities.text, is_number=True),
    Column("disturbed_runs", "disturbed", quantities.text, is_number=True),
    Column("values", "values", quantities.text, is_number=True),
    Column("p50_ms", "p50 ms", quantities.digits, is_number=True),
    Column("spread_percent", "spread", _plus_minus, is_number=True),
    Column("p90_ms", "p90 ms", quantities.digits, is_number=True),
    Column("p99_ms", "p99 ms", quantities.digits, is_number=True),
    Column("items_per_s", "items/s", quantities.digits, is_number=True),
    Column("flops", "FLOP/s", quantities.count, is_number=True),
    Column("roofline_percent", "roofline", _percent, is_number=True),
    Column("bound_by", "bound by", quantities.text),
    Column("prepare_ms", "prepare ms", quantities.digits, is_number=True),
    Column("input_copy_ms", "copy ms", quantities.digits, is_number=True),
    Column("memory_bytes", "peak memory", quantities.size, is_number=True),
    Column("error", "error", _error, is_number=True),
    Column("status", "status", quantities.text),
    Column("reason", "reason", quantities.text),
)
_SETTINGS = ("machine", "device", "engine", "precision", "memory_format", "threads", "runs")
_DROPPED_FIRST = (
    "values",
    "runs",
    "threads",
    "prepare_ms",
    "memory_format",
    "input_copy_ms",
    "flops",
    "p99_ms",
    "p90_ms",
    "bound_by",
    "roofline_percent",
    "error",
    "device",
    "reason",
    "memory_bytes",
)


def result_table(rows: Sequence[Mapping[str, Value]]) -> Table:
    """Lay results out.

    Left out are columns without a value, and settings that all rows share: those are in
    :func:`shared_settings`.
    """
    hidden = set(shared_settings(rows))
    for key in rows[0]:
        values = [row.get(key) for row in rows]
        if all(value is None for value in values):
            hidden.add(key)
    if not any(row.get("disturbed_runs") for row in rows):
        hidden.add("disturbed_runs")

    columns = [column for column in _COLUMNS if column.key not in hidden]
    optional = [key for key in _DROPPED_FIRST if key not in hidden]
    cells = [[row.get(column.key) for column in columns] for row in rows]

    reason = frozenset({"reason"})
    has_trouble = any(row.get("reason") for row in rows)
    return Table(
        columns=tuple(columns),
        rows=cells,
        optional=tuple(optional),
        asked=reason if has_trouble else frozenset(),
        sentences=reason,
    )


def shared_settings(rows: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Find the settings that are the same in all rows."""
    first = rows[0]

    shared = {}
    for key in _SETTINGS:
        value = first.get(key)
        if all(row.get(key) == value for row in rows):
            shared[key] = value
    return shared


def engine_table() -> Table:
    """Lay the engines out; one whose package is missing says what brings it."""
    from zoo.engines.known import known_engines

    columns = (
        Column("engine", "engine", quantities.text),
        Column("summary", "what it is", quantities.text),
        Column("devices", "devices", ", ".join),
        Column("precisions", "precisions", ", ".join),
        Column("workloads", "modes", ", ".join),
        Column("package", "package", quantities.text),
        Column("version", "version", quantities.text),
        Column("install", "install", quantities.text),
    )
    rows = []
    for engine in known_engines().values():
        version = engine.version
        extra = engine.extra if version is None else None
        install = install_command(extra) if extra is not None else None
        rows.append(
            (
                engine.name,
                engine.summary,
                engine.devices,
                engine.precisions,
                engine.workloads,
                engine.package,
                version,
                install,
            )
        )
    return Table(columns, rows, optional=("workloads", "package", "precisions", "devices"))


_VERDICT = 8
"""Where the verdict stands among the columns of a comparison."""
_NOTES = {10: "not_alike", 11: "unstable"}
"""Where those stand that are left out if no comparison has any."""


def comparison_table(compared: Sequence[Comparison]) -> Table:
    """Lay comparisons out; a forced one names what was not alike."""
    columns = (
        Column("model", "model", quantities.text),
        Column("mode", "mode", quantities.text),
        Column("batch", "batch", quantities.text, is_number=True),
        Column("before_ms", "before ms/item", quantities.digits, is_number=True),
        Column("after_ms", "after ms/item", quantities.digits, is_number=True),
        Column("ratio", "ratio", _ratio, is_number=True),
        Column("low", "low", _ratio, is_number=True),
        Column("high", "high", _ratio, is_number=True),
        Column("verdict", "verdict", quantities.text),
        Column("basis", "by", quantities.text),
        Column("not_alike", "not alike", quantities.text),
        Column("unstable", "unstable", quantities.text),
    )
    rows = [_comparison_row(comparison) for comparison in compared]

    marked = set()
    for number, comparison in enumerate(compared):
        if comparison.verdict in ("slower", "broken"):
            marked.add((number, _VERDICT))

    without_value = []
    for index, key in _NOTES.items():
        notes = [row[index] for row in rows]
        if not any(notes):
            without_value.append(key)

    table = Table(columns, rows, marked=frozenset(marked))
    return table.without(without_value)


def _comparison_row(comparison: Comparison) -> list[Any]:
    from zoo.bench.summary import summarise

    before = summarise(comparison.first)
    after = summarise(comparison.second)
    unstable = [
        f"{when}: {'; '.join(summary.faults)}"
        for when, summary in (("before", before), ("after", after))
        if summary.faults
    ]
    differing = [f"{key} {one} / {other}" for key, (one, other) in comparison.differing.items()]

    case = comparison.first.case
    found = comparison.shift
    return [
        case.model,
        case.mode,
        before.batch or case.batch,
        _ms_an_item(before),
        _ms_an_item(after),
        comparison.ratio,
        found.low if found else None,
        found.high if found else None,
        comparison.verdict,
        comparison.basis,
        ", ".join(differing) or None,
        ", ".join(unstable) or None,
    ]


def _ms_an_item(summary: Summary) -> float | None:
    """Turn items a second into the milliseconds that one takes."""
    if summary.items_per_s is None:
        return None
    return 1000 / summary.items_per_s


def _ratio(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"{value:.3f}"


def parse_percent(option: str, given: str) -> float:
    """Read a percentage such as ``5%`` or ``2.5``.

    Raises:
        UsageError: It is something else.
    """
    try:
        percent = float(given.removesuffix("%"))
    except ValueError:
        percent = -1.0
    if not 0 <= percent < 1000:
        raise UsageError(f"{option} takes a percentage such as 5%, got {given!r:.40}")
    return percent


def describe_duration(seconds: float) -> str:
    """Round a time to what one wants to know: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def describe_result(result: Result) -> str:
    """Say what came out: ``squeezenet1_1, latency, batch 1, fp32, eager: 2 of 3 runs, 439 ms``."""
    from zoo.bench.results import to_row
    from zoo.bench.summary import summarise

    summary = summarise(result)
    row = to_row(summary)
    figure = f"{row['status']}: {row['reason']}"
    if row["status"] in ("ok", "unstable"):
        runs = f"{len(result.runs)} of {result.effort.runs} runs"
        if len(result.runs) > result.effort.runs:
            runs = f"{len(result.runs)} runs, of which {summary.runs} count"
        figure = f"{runs}, {row['p50_ms']} ms"
        if row["status"] == "unstable":
            figure += f" (unstable: {row['reason']})"
    return f"{result.case.words}: {figure}"
