"""Rows and columns of the registry: what ``zoo list`` shows, sorts by and filters on.

A *row* is one architecture with one set of its weights (or none). Its *columns* are plain values,
so the same names serve ``--columns``, ``--sort`` and ``--where``. A value that is not known is
``None``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from zoo.catalog.entries import METRICS, Entry, entry_of
from zoo.catalog.nearness import require_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from zoo.catalog.records import Architecture, Weights
    from zoo.catalog.registry import Registry

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Row:
    """One architecture with one set of its weights, or with none."""

    entry: Entry
    is_cached: bool = False
    extra: Mapping[str, Value] = field(default_factory=dict)
    """Columns from elsewhere, such as a benchmark file."""
    registry: Registry | None = field(default=None, repr=False, compare=False)
    """Where the records stand; ``None`` for all that ship with zoo."""

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        weights: Weights | None,
        *,
        is_cached: bool = False,
        extra: Mapping[str, Value] | None = None,
    ) -> Row:
        """Make the row of two records."""
        return cls(entry_of(architecture, weights), is_cached, extra or {})

    @property
    def name(self) -> str:
        """The architecture's name."""
        return self.entry.name

    @property
    def architecture(self) -> Architecture:
        """The record, read when it is asked for."""
        from zoo.catalog.resolver import find_architecture  # late: lists need no records

        return find_architecture(self.entry.name, self.registry)

    @property
    def weights(self) -> Weights | None:
        """The record of the weights, if there are some."""
        from zoo.catalog.resolver import find_weights

        tag = self.entry.tag
        if tag is not None:
            return find_weights(self.architecture, tag)
        return None

    @property
    def spec(self) -> str:
        """How commands take it; the tag stands only where it is not the default."""
        return self.entry.spec

    def __getitem__(self, column: str) -> Value:
        """Look a column up by its name."""
        read = reader_of(column)
        return read(self)

    def number(self, column: str) -> float | None:
        """Look up a column that holds numbers."""
        value = self[column]
        if isinstance(value, (int, float)):
            return value
        return None

    def as_dict(self) -> dict[str, Value]:
        """Every column by name."""
        own = {name: self[name] for name in COLUMNS}
        own.update(self.extra)
        return own


def reader_of(column: str) -> Callable[[Row], Value]:
    """Give the function that looks a column up, for those who ask many rows."""
    read = _READERS.get(column)
    if read is not None:
        return read
    return lambda row: row.extra.get(column)


def _of_entry(attribute: str) -> Callable[[Row], Value]:
    return attrgetter(f"entry.{attribute}")


_READERS: dict[str, Callable[[Row], Value]] = {
    "name": _of_entry("name"),
    "weights": _of_entry("tag"),
    "parameters": _of_entry("parameters"),
    "multiply_adds": _of_entry("multiply_adds"),
    "top1_error": _of_entry("top1_error"),
    "top5_error": _of_entry("top5_error"),
    "year": _of_entry("year"),
    "size": _of_entry("size_bytes"),
    "license": _of_entry("license"),
    "cached": lambda row: row.is_cached,
    "family": _of_entry("family"),
    "task": _of_entry("task"),
    "source": _of_entry("source"),
    "title": _of_entry("title"),
    "activations": _of_entry("activations"),
    "input_size": _of_entry("input_size"),
    "classes": _of_entry("num_classes"),
    "dataset": _of_entry("dataset"),
    "pretraining": _of_entry("pretraining"),
    "paper": _of_entry("paper"),
    "pinned": _of_entry("is_pinned"),
    "about_size": _of_entry("about_size_bytes"),
    "test_size": _of_entry("test_size"),
    "top1_at_test_size": _of_entry("top1_at_test_size"),
    "top5_at_test_size": _of_entry("top5_at_test_size"),
    "top1_real": _of_entry("top1_real"),
    "top1_v2": _of_entry("top1_v2"),
    "top1_sketch": _of_entry("top1_sketch"),
    "top1_a": _of_entry("top1_a"),
    "top1_r": _of_entry("top1_r"),
}

COLUMNS = tuple(_READERS)
"""What can be shown, sorted by and filtered on. Errors are in percent, ``size`` is in bytes."""

ALIASES = {
    "macs": "multiply_adds",
    "mac": "multiply_adds",
    "gmacs": "multiply_adds",
    "multiplyadds": "multiply_adds",
    "params": "parameters",
    "param_count": "parameters",
    "top1": "top1_error",
    "top5": "top5_error",
    "top1_err": "top1_error",
    "top5_err": "top5_error",
    "error": "top5_error",
    "tag": "weights",
    "provider": "source",
    "licence": "license",
    "spdx": "license",
    "file_size": "size",
    "model": "name",
    "input": "input_size",
    "img_size": "input_size",
    "resolution": "input_size",
    "num_classes": "classes",
    "accuracy": "acc1",
    "acc_1": "acc1",
    "acc_5": "acc5",
    "top1_accuracy": "acc1",
    "top5_accuracy": "acc5",
    "acts": "activations",
    "arxiv": "paper",
    "gflops": "flops",
    "map": "box_map",
    "box_ap": "box_map",
    "mask_ap": "mask_map",
    "kp_map": "keypoint_map",
    "keypoint_ap": "keypoint_map",
    "mean_iou": "miou",
    "iou": "miou",
    "pixel_acc": "pixel_accuracy",
    "images/s": "throughput",
    "peak_memory": "memory",
    "measured_on": "measured",
    "images/s_(published)": "published_speed",
    "batch": "published_batch",
    "ms/image_(published)": "published_ms",
    "published_ms_per_image": "published_ms",
}
"""Names that columns have elsewhere."""


def _twice_multiply_adds(row: Row) -> Value:
    count = row.entry.multiply_adds
    if count is None:
        return None
    return 2 * count


def _accuracy(column: str) -> Callable[[Row], Value]:
    def read(row: Row) -> Value:
        error = row.number(column)
        if error is None:
            return None
        return round(100 - error, 3)

    return read


def _size_or_about(row: Row) -> Value:
    entry = row.entry
    return entry.about_size_bytes if entry.size_bytes is None else entry.size_bytes


def _metric(column: str) -> Callable[[Row], Value]:
    def read(row: Row) -> Value:
        figures = row.entry.metrics
        return figures.get(column) if figures else None

    return read


SIZE_OR_ABOUT = "size_or_about"
"""What limits and costs weigh: the exact length where it is known, else about which."""

DERIVED: dict[str, Callable[[Row], Value]] = {
    "flops": _twice_multiply_adds,
    "acc1": _accuracy("top1_error"),
    "acc5": _accuracy("top5_error"),
    SIZE_OR_ABOUT: _size_or_about,
}
"""Columns for those who ask for them by the field's other names: computed from another column."""
_READERS |= DERIVED

OTHER_TASKS = tuple(METRICS.values())
"""Columns of published figures of other tasks, which only their rows have."""
_READERS |= {column: _metric(column) for column in OTHER_TASKS}


YES_NO = frozenset({"cached", "pinned"})
"""Columns that hold yes or no."""
CHOICES = frozenset({"family", "task", "source"})
"""Columns whose every value is known."""
_WORDS = frozenset(
    {
        "name",
        "weights",
        "license",
        "title",
        "input_size",
        "dataset",
        "pretraining",
        "paper",
        "test_size",
    }
)
_SEPARATORS = str.maketrans("-@ ", "___")
_SPELLINGS = {
    "top_1": "top1",
    "top_5": "top5",
}
_UNITS = (
    "_percent",
    "_bytes",
    "_ms",
    "_per_s",
)
"""Endings that say the unit, as keys of JSON do."""
NUMBERS = frozenset(_READERS) - YES_NO - CHOICES - _WORDS
"""Columns that hold numbers."""


def columns_of_other_tasks(rows: Iterable[Row]) -> tuple[str, ...]:
    """Name the figures of other tasks that some rows have, in their usual order."""
    found: set[str] = set()
    for row in rows:
        if row.entry.metrics:
            found.update(row.entry.metrics)
    return tuple(column for column in OTHER_TASKS if column in found)


def column_name(name: str, extra: Iterable[str] = ()) -> str:
    """Resolve a column as a user types it.

    ``top5-error``, ``Top5_Error`` and ``top5_error_percent`` are one.

    >>> column_name("MACs"), column_name("acc@1"), column_name("top-5 error")
    ('multiply_adds', 'acc1', 'top5_error')

    Raises:
        UnknownNameError: There is no such column; offers the nearest.
    """
    lowered = name.strip().lower()
    plain = lowered.translate(_SEPARATORS)
    for spelling, usual in _SPELLINGS.items():
        plain = plain.replace(spelling, usual)
    known = [*_READERS, *extra]
    if plain not in known:
        for unit in _UNITS:
            plain = plain.removesuffix(unit)
        plain = ALIASES.get(plain, plain)
    require_known("column", plain, known)
    return plain
