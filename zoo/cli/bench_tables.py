"""Rows of ``zoo.bench`` as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.cli.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.bench.rows import Value


def _digits(value: float | None) -> str:
    """Write three significant digits without an exponent.

    >>> _digits(1234.5), _digits(0.012345), _digits(None)
    ('1,235', '0.0123', '-')
    """
    if value is None:
        return quantities.UNKNOWN
    return f"{value:,.0f}" if value >= 1000 else f"{float(f'{value:.3g}'):g}"


def _plus_minus(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"±{value:.1f} %"


def _error(value: float | None) -> str:
    return quantities.UNKNOWN if value is None else f"{value:.0e}"


_COLUMNS = (
    Column("model", "model", quantities.text),
    Column("mode", "mode", quantities.text),
    Column("device", "device", quantities.text),
    Column("engine", "engine", quantities.text),
    Column("precision", "precision", quantities.text),
    Column("memory_format", "format", quantities.text),
    Column("threads", "threads", quantities.text, is_number=True),
    Column("batch", "batch", lambda value: "best" if value is None else str(value), is_number=True),
    Column("runs", "runs", quantities.text, is_number=True),
    Column("values", "values", quantities.text, is_number=True),
    Column("p50_ms", "p50 ms", _digits, is_number=True),
    Column("spread_percent", "spread", _plus_minus, is_number=True),
    Column("p90_ms", "p90 ms", _digits, is_number=True),
    Column("p99_ms", "p99 ms", _digits, is_number=True),
    Column("items_per_s", "items/s", _digits, is_number=True),
    Column("flops", "FLOP/s", quantities.count, is_number=True),
    Column("memory_bytes", "peak memory", quantities.size, is_number=True),
    Column("error", "error", _error, is_number=True),
    Column("status", "status", quantities.text),
    Column("reason", "reason", quantities.text),
)
_SETTINGS = ("device", "engine", "precision", "memory_format", "threads", "runs", "reason")
_OPTIONAL = ("values", "runs", "threads", "memory_format", "flops", "p99_ms", "p90_ms", "error", "device", "reason")


def result_table(rows: Sequence[Mapping[str, Value]]) -> Table:
    """Lay results out; a setting that all rows share is left out, it stands in :func:`shared_settings`."""
    shared = shared_settings(rows)
    columns = tuple(column for column in _COLUMNS if column.key not in shared)
    kept = tuple(key for key in _OPTIONAL if key not in shared)
    return Table(columns, [[row.get(column.key) for column in columns] for row in rows], optional=kept)


def shared_settings(rows: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    """Find the settings that are the same in all rows."""
    return {key: rows[0].get(key) for key in _SETTINGS if len({row.get(key) for row in rows}) == 1}
