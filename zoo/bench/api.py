"""Measure models from Python."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from zoo.bench import plan, session
from zoo.bench.files import Store
from zoo.bench.records import Effort, Result, usual_retakes
from zoo.bench.results import Value, to_rows
from zoo.devices import usable_cpus
from zoo.display import html_table, text_table
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from zoo.bench.session import Progress

_COLUMNS = {
    "model": "model",
    "mode": "mode",
    "device": "device",
    "engine": "engine",
    "precision": "precision",
    "batch": "batch",
    "p50_ms": "p50 ms",
    "items_per_s": "images/s",
}
"""Name of a value -> title of its column."""
_TITLES = tuple(_COLUMNS.values())


@dataclass(frozen=True, slots=True, repr=False)
class Measurements:
    """What a session measured; prints as a table."""

    results: tuple[Result, ...]
    """With every raw value, as ``zoo bench --output`` keeps them."""
    refused: tuple[str, ...] = ()
    """What cannot be measured on this device, and why."""

    @property
    def rows(self) -> list[dict[str, Value]]:
        """Summaries as plain values with units in their names: ``p50_ms``, ``items_per_s``."""
        return to_rows(self.results)

    def write(self, path: Path) -> None:
        """Keep the results in a ``.json`` file, which must not hold others."""
        store = Store(path)
        store.begin()
        for result in self.results:
            store.put(result)

    def __repr__(self) -> str:
        """Show the summaries."""
        table = text_table(_TITLES, self._cells())
        return "\n".join([table, *self.refused])

    def _repr_html_(self) -> str:
        """Show the summaries in a notebook."""
        return html_table(_TITLES, self._cells(), "zoo bench")

    def _cells(self) -> list[list[str]]:
        """Write the values of each row; a dash for one that is missing."""
        cells: list[list[str]] = []
        for row in self.rows:
            values = [row[key] for key in _COLUMNS]
            cells.append(["-" if value is None else str(value) for value in values])
        return cells


def bench(
    *models: str,
    device: str = "auto",
    mode: str | Sequence[str] = "latency",
    batch: int | Sequence[int] | None = None,
    precision: str | Sequence[str] = "fp32",
    engine: str | Sequence[str] = "eager",
    threads: int | None = None,
    input_size: Sequence[int] | None = None,
    runs: int = 1,
    seconds: float = 1.0,
    retakes: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Measurements:
    """Measure models, each case in a fresh process.

    Args:
        models: Names, ``NAME:TAG``, or dotted paths of functions that return a module.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
        mode: ``"latency"``, ``"throughput"``, ``"training"``, ``"first-inference"``, ``"load"``.
        batch: For throughput and training; by default the best is looked for.
        precision: ``"fp32"``, ``"bf16"`` and so on.
        engine: ``"eager"``, ``"compile"`` and so on: see ``zoo bench engines``.
        threads: On the CPU; by default all CPUs.
        input_size: ``(C, H, W)`` of one image, where it is not the model's own.
        runs: Fresh processes for each case; take 5 to compare.
        seconds: Of values in each run.
        retakes: Most runs that are taken again because others were disturbed; by default two for
            each run, and none for a single run.
        progress: Called before and after each run.

    Returns:
        The results, which print as a table; ``rows`` are plain values, ``write`` keeps them.

    Raises:
        UnknownNameError: No such model, mode, precision or engine.
        UsageError: A number makes no sense, or a model does not take one tensor.
        DeviceError: The device does not exist or is busy.
        BenchError: Nothing can be measured.
    """
    if not models:
        raise UsageError('name a model, as zoo.bench("resnet18")')
    has_end = 0 < seconds < inf
    if runs < 1 or not has_end:
        raise UsageError(f"runs and seconds take numbers above 0, got {runs} and {seconds}")
    for name, number in (("threads", threads), ("retakes", retakes)):
        if number is not None and number < 0:
            raise UsageError(f"{name} are never negative, got {number}")

    grid = plan.Grid(
        models=plan.expand(models),
        modes=_as_tuple(mode),
        batches=None if batch is None else _as_tuple(batch),
        precisions=_as_tuple(precision),
        engines=_as_tuple(engine),
        threads=threads or usable_cpus(),
        input_size=None if input_size is None else tuple(input_size),
    )
    plan.check(grid)

    found = session.find_device(device)
    planned = plan.plan(grid, found)

    store = Store(None)
    if retakes is None:
        retakes = usual_retakes(runs)
    effort = Effort(runs=runs, measure_s=seconds, retakes=retakes)
    with session.hold(found, 0.0):
        session.run_plan(planned, found, effort, store, progress)

    results = store.results.values()
    refused = [f"{case.label}: {reason}" for case, reason in planned.refused]
    return Measurements(
        results=tuple(results),
        refused=tuple(refused),
    )


def _as_tuple(given: str | int | Sequence[Any]) -> tuple[Any, ...]:
    """Take one for a sequence of one."""
    if isinstance(given, str | int):
        return (given,)
    return tuple(given)
