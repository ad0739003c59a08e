"""Summaries as rows of plain values with units in their names: for tables, JSON, CSV and columns of other commands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.bench import files
from zoo.bench.summary import Summary, summarise, summarise_all
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.bench.records import Cell, Result

Value = str | int | float | bool | None
MEASURED = ("p50", "p90", "p99", "throughput", "memory", "measured")
"""Columns that a result file adds to rows of the registry."""
_MS = 1e-6
_LATENCY = re.compile(r"\s*(p50|p90|p99)\s*<=?\s*(\d+(?:\.\d*)?)\s*(us|ms|s)\s*")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def to_rows(measured: Iterable[Result]) -> list[dict[str, Value]]:
    """Summarise results, one row each, all with the same keys."""
    return [to_row(summary) for summary in summarise_all(list(measured))]


def to_row(summary: Summary) -> dict[str, Value]:
    """Write a summary as plain values."""
    cell = summary.cell
    low, high = summary.interval_ns or (None, None)
    return {
        "model": cell.model,
        "mode": cell.mode,
        "device": cell.device,
        "engine": cell.engine,
        "precision": cell.precision,
        "memory_format": cell.memory_format,
        "threads": cell.threads,
        "batch": summary.batch or cell.batch,
        "runs": summary.runs,
        "values": summary.values,
        "p50_ms": _ms(summary.p50_ns),
        "p50_low_ms": _ms(low),
        "p50_high_ms": _ms(high),
        "spread_percent": _rounded(summary.spread_percent),
        "p90_ms": _ms(summary.p90_ns),
        "p99_ms": _ms(summary.p99_ns),
        "items_per_s": _rounded(summary.items_per_s),
        "flops": _rounded(summary.flops),
        "roofline_percent": _rounded(summary.roofline.percent, 3) if summary.roofline else None,
        "bound_by": summary.roofline.bound_by if summary.roofline else None,
        "memory_bytes": summary.memory_bytes,
        "device_memory_bytes": summary.device_memory_bytes,
        "prepare_ms": _ms(summary.prepare_ns),
        "input_copy_ms": _ms(summary.input_copy_ns),
        "parameters": summary.parameters,
        "multiply_adds": cell.multiply_adds,
        "error": _rounded(summary.error, 3),
        "status": summary.failure.kind if summary.failure else "unstable" if summary.faults else "ok",
        "reason": summary.failure.message if summary.failure else "; ".join(summary.faults) or None,
    }


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else _rounded(value_ns * _MS)


def _rounded(value: float | None, digits: int = 5) -> float | None:
    """Round to significant digits: more would be noise."""
    return None if value is None else float(f"{value:.{digits}g}")


def columns_by_model(path: Path) -> dict[str, dict[str, Value]]:
    """Read the columns that a result file adds to ``zoo list`` and ``zoo choose``.

    Returns:
        For each ``name`` and ``name:tag`` its ``p50``, ``p90`` and ``p99`` (milliseconds at batch 1), ``memory``
        (bytes), ``measured`` (how) and ``throughput`` (items a second). Where a file holds several cells of a model,
        the fastest that is not wrong counts. Models that are not in the registry and cells with another input than the
        model's own are left out: what the registry says of a model is not said of those.

    Raises:
        ResultFileError: The file cannot be used.
    """
    columns: dict[str, dict[str, Value]] = {}
    for summary in sorted(map(summarise, files.read(path)), key=lambda summary: summary.p50_ns or 0):
        cell = summary.cell
        name = registered_name(cell)
        if summary.failure or summary.p50_ns is None or name is None:
            continue
        row = columns.setdefault(name, {})
        if cell.mode == "latency" and "p50" not in row:
            row |= {"p50": _ms(summary.p50_ns), "p90": _ms(summary.p90_ns), "p99": _ms(summary.p99_ns)}
            row |= {"memory": summary.memory_bytes, "measured": f"{cell.device} {cell.engine} {cell.precision}"}
        if cell.mode == "throughput" and (summary.items_per_s or 0) > float(row.get("throughput") or 0):
            row["throughput"] = _rounded(summary.items_per_s)
    return columns


def registered_name(cell: Cell) -> str | None:
    """Name what a cell measured as the registry does, ``name`` or ``name:tag``.

    Returns:
        ``None`` for a model that is not in the registry, and for another input than the model's own.
    """
    name, _, tag = cell.model.partition(":")
    try:
        architecture = find_architecture(name)
        weights = find_weights(architecture, tag) if tag else None
    except UnknownNameError:
        return None
    if cell.input_size != (weights or architecture).input_size:
        return None
    return f"{architecture.name}:{weights.tag}" if weights else architecture.name


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
        raise UsageError(f"--latency takes a limit such as p50<10ms, p90<0.1s or p99<500us, got {given!r:.40}")
    return found[1], float(found[2]) * _UNITS_MS[found[3]]
