"""Summaries as rows of plain values with units in their names.

For tables, JSON, CSV and columns of other commands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.bench import files
from zoo.bench.summary import Summary, summarise, summarise_all
from zoo.catalog.resolver import resolve_loosely
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.bench.records import Case, Result

Value = str | int | float | bool | None
MEASURED = ("p50", "p90", "p99", "throughput", "memory", "measured")
"""Columns that a result file adds to rows of the registry."""
LATENCY_COLUMNS = {"p50": "p50_ms", "p90": "p90_ms", "p99": "p99_ms"}
"""What a limit such as ``p50<10ms`` is held against."""
_MS = 1e-6
_LATENCY = re.compile(r"\s*(p50|p90|p99|published)\s*<=?\s*(\d+(?:\.\d*)?)\s*(us|ms|s)\s*")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def to_rows(measured: Iterable[Result]) -> list[dict[str, Value]]:
    """Summarise results, one row each, all with the same keys."""
    return [to_row(summary) for summary in summarise_all(list(measured))]


def to_row(summary: Summary) -> dict[str, Value]:
    """Write a summary as plain values."""
    case = summary.case
    low, high = summary.interval_ns or (None, None)
    status, reason = _status_of(summary)
    roofline = summary.roofline
    return {
        "model": case.model,
        "mode": case.mode,
        "machine": summary.machine,
        "device": case.device,
        "engine": case.engine,
        "precision": case.precision,
        "memory_format": case.memory_format,
        "threads": case.threads,
        "batch": summary.batch or case.batch,
        "runs": summary.runs,
        "disturbed_runs": summary.disturbed_runs,
        "values": summary.values,
        "p50_ms": _ms(summary.p50_ns),
        "p50_low_ms": _ms(low),
        "p50_high_ms": _ms(high),
        "spread_percent": _rounded(summary.spread_percent),
        "p90_ms": _ms(summary.p90_ns),
        "p99_ms": _ms(summary.p99_ns),
        "items_per_s": _rounded(summary.items_per_s),
        "flops": _rounded(summary.flops),
        "roofline_percent": _rounded(roofline.percent, 3) if roofline else None,
        "bound_by": roofline.bound_by if roofline else None,
        "memory_bytes": summary.memory_bytes,
        "device_memory_bytes": summary.device_memory_bytes,
        "prepare_ms": _ms(summary.prepare_ns),
        "input_copy_ms": _ms(summary.input_copy_ns),
        "parameters": summary.parameters,
        "multiply_adds": case.multiply_adds,
        "error": _rounded(summary.error, 3),
        "status": status,
        "reason": reason,
    }


def _status_of(summary: Summary) -> tuple[str, str | None]:
    """Say whether the figures count, and if not, why."""
    failure = summary.failure
    if failure:
        return failure.kind, failure.message

    if summary.faults:
        reason = "; ".join(summary.faults)
        return "unstable", reason
    return "ok", None


def _ms(value_ns: float | None) -> float | None:
    """Turn nanoseconds into milliseconds."""
    if value_ns is None:
        return None
    return _rounded(value_ns * _MS)


def _rounded(
    value: float | None,
    digits: int = 5,
) -> float | None:
    """Round to significant digits: more would be noise."""
    if value is None:
        return None
    written = f"{value:.{digits}g}"
    return float(written)


def columns_by_model(path: Path) -> dict[str, dict[str, Value]]:
    """Read the columns that a result file adds to ``zoo list`` and ``zoo choose``.

    Returns:
        For each ``name`` and ``name:tag`` its ``p50``, ``p90`` and ``p99`` (milliseconds at batch
        1), ``memory`` (bytes), ``measured`` (how) and ``throughput`` (items a second). Where a file
        holds several cases of a model, the fastest that is not wrong counts. Models that are not in
        the registry and cases with another input than the model's own are left out: what the
        registry says of a model is not said of those.

    Raises:
        ResultFileError: The file cannot be used.
        UsageError: It holds results of several machines, which are never joined.
    """
    summaries = [summarise(result) for result in files.read(path)]
    machines = sorted({summary.machine for summary in summaries})
    if len(machines) > 1:
        names = ", ".join(machines)
        advice = (
            'name the folder of one of them, or take one out with "zoo bench export --machine NAME"'
        )
        raise UsageError(f"{path} has results of {names}: {advice}")

    columns: dict[str, dict[str, Value]] = {}
    fastest_first = sorted(summaries, key=lambda summary: summary.p50_ns or 0)
    for summary in fastest_first:
        name = registered_name(summary.case)
        has_figures = summary.p50_ns is not None and not summary.failure
        if name is None or not has_figures:
            continue

        row = columns.setdefault(name, {})
        mode = summary.case.mode
        if mode == "latency" and "p50" not in row:
            row |= _latency_columns(summary)
        if mode == "throughput":
            before = float(row.get("throughput") or 0)
            rate = summary.items_per_s or 0
            if rate > before:
                row["throughput"] = _rounded(rate)
    return columns


def _latency_columns(summary: Summary) -> dict[str, Value]:
    """Give the times of a case, and what was measured."""
    case = summary.case
    return {
        "p50": _ms(summary.p50_ns),
        "p90": _ms(summary.p90_ns),
        "p99": _ms(summary.p99_ns),
        "memory": summary.memory_bytes,
        "measured": f"{case.device} {case.engine} {case.precision}",
    }


def registered_name(case: Case) -> str | None:
    """Name what a case measured as the registry does, ``name`` or ``name:tag``.

    Returns:
        ``None`` for a model that is not in the registry, and for another input than the model's
        own.
    """
    try:
        architecture, weights = resolve_loosely(case.model)
    except UnknownNameError:
        return None

    described = weights or architecture
    if case.input_size != described.input_size:
        return None
    if weights is None:
        return architecture.name
    return f"{architecture.name}:{weights.tag}"


def parse_latency(given: str) -> tuple[str, float]:
    """Read a limit of latency.

    Returns:
        The column of :func:`columns_by_model` that is meant, and its limit in milliseconds.

    >>> parse_latency("p50<10ms"), parse_latency("p99 <= 0.5 s")
    (('p50', 10.0), ('p99', 500.0))

    Raises:
        UsageError: It is something else.
    """
    found = _LATENCY.fullmatch(given)
    if found is None:
        expected = "--latency takes a limit such as p50<10ms, p90<0.1s or p99<500us"
        raise UsageError(f"{expected}, got {given!r:.40}")

    column, number, unit = found.groups()
    limit_ms = float(number) * _UNITS_MS[unit]
    return column, limit_ms
