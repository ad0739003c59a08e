"""Rows of the registry as a table: titles, units, columns, and which of them go first.

Columns go where a terminal is too narrow for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.catalog.rows import (
    COLUMNS,
    OTHER_TASKS,
    column_name,
    columns_of_other_tasks,
    reader_of,
)
from zoo.cli.terminal.tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.catalog.query import Selection
    from zoo.catalog.rows import Row, Value
    from zoo.cli.terminal.output import Format

_SPECIAL = {
    column.key: column
    for column in (
        Column("parameters", "parameters", quantities.count, is_number=True),
        Column("multiply_adds", "multiply-adds", quantities.count, is_number=True),
        Column("top1_error", "top-1 error", quantities.percent, is_number=True),
        Column("top5_error", "top-5 error", quantities.percent, is_number=True),
        Column("year", "year", quantities.text, is_number=True),
        Column("size", "size", quantities.size, is_number=True),
        Column("size_or_about", "size or about", quantities.size, is_number=True),
        Column("about_size", "about size", quantities.size, is_number=True),
        Column("flops", "FLOPs", quantities.count, is_number=True),
        Column("acc1", "acc@1", quantities.percent, is_number=True),
        Column("acc5", "acc@5", quantities.percent, is_number=True),
        Column("top1_at_test_size", "top-1 at test size", quantities.percent, is_number=True),
        Column("top5_at_test_size", "top-5 at test size", quantities.percent, is_number=True),
        Column("top1_real", "top-1 ReaL", quantities.percent, is_number=True),
        Column("top1_v2", "top-1 V2", quantities.percent, is_number=True),
        Column("top1_sketch", "top-1 Sketch", quantities.percent, is_number=True),
        Column("top1_a", "top-1 A", quantities.percent, is_number=True),
        Column("top1_r", "top-1 R", quantities.percent, is_number=True),
        Column("activations", "activations", quantities.count, is_number=True),
        Column("classes", "classes", quantities.text, is_number=True),
        Column("input_size", "input", quantities.text),
        Column("box_map", "box mAP", quantities.percent, is_number=True),
        Column("mask_map", "mask mAP", quantities.percent, is_number=True),
        Column("keypoint_map", "keypoint mAP", quantities.percent, is_number=True),
        Column("miou", "mIoU", quantities.percent, is_number=True),
        Column("pixel_accuracy", "pixel accuracy", quantities.percent, is_number=True),
        Column("kinetics_acc1", "Kinetics acc@1", quantities.percent, is_number=True),
        Column("kinetics_acc5", "Kinetics acc@5", quantities.percent, is_number=True),
        Column(
            "sintel_train_clean_epe", "Sintel train clean EPE", quantities.digits, is_number=True
        ),
        Column(
            "sintel_train_final_epe", "Sintel train final EPE", quantities.digits, is_number=True
        ),
        Column("sintel_test_clean_epe", "Sintel test clean EPE", quantities.digits, is_number=True),
        Column("sintel_test_final_epe", "Sintel test final EPE", quantities.digits, is_number=True),
        Column("kitti_train_epe", "KITTI train EPE", quantities.digits, is_number=True),
        Column("kitti_train_fl", "KITTI train Fl", quantities.percent, is_number=True),
        Column("kitti_test_fl", "KITTI test Fl", quantities.percent, is_number=True),
        Column("p50", "p50 ms", quantities.digits, is_number=True),
        Column("p90", "p90 ms", quantities.digits, is_number=True),
        Column("p99", "p99 ms", quantities.digits, is_number=True),
        Column("throughput", "images/s", quantities.digits, is_number=True),
        Column("published_speed", "images/s (published)", quantities.digits, is_number=True),
        Column("published_batch", "batch", quantities.text, is_number=True),
        Column("published_ms", "ms/image (published)", quantities.digits, is_number=True),
        Column("memory", "peak memory", quantities.size, is_number=True),
        Column("measured", "measured on", quantities.text),
    )
}
_KEYS = {
    "size": "size_bytes",
    "about_size": "about_size_bytes",
    "size_or_about": "size_or_about_bytes",
    "top1_error": "top1_error_percent",
    "top5_error": "top5_error_percent",
    "box_map": "box_map_percent",
    "mask_map": "mask_map_percent",
    "keypoint_map": "keypoint_map_percent",
    "miou": "miou_percent",
    "pixel_accuracy": "pixel_accuracy_percent",
    "kinetics_acc1": "kinetics_acc1_percent",
    "kinetics_acc5": "kinetics_acc5_percent",
    "sintel_train_clean_epe": "sintel_train_clean_epe_px",
    "sintel_train_final_epe": "sintel_train_final_epe_px",
    "sintel_test_clean_epe": "sintel_test_clean_epe_px",
    "sintel_test_final_epe": "sintel_test_final_epe_px",
    "kitti_train_epe": "kitti_train_epe_px",
    "kitti_train_fl": "kitti_train_fl_percent",
    "kitti_test_fl": "kitti_test_fl_percent",
    "p50": "p50_ms",
    "p90": "p90_ms",
    "p99": "p99_ms",
    "throughput": "throughput_per_s",
    "published_speed": "published_speed_per_s",
    "published_ms": "published_ms_per_image",
    "memory": "memory_bytes",
}
"""Columns whose key in JSON and CSV adds the unit."""
USUAL = (
    "name",
    "weights",
    "parameters",
    "multiply_adds",
    "top1_error",
    "top5_error",
    "year",
    "size",
    "license",
    "cached",
)
HUB_COLUMNS = ("name", "weights", "top1_error", "top5_error", "license", "pinned")
"""What is known of most repositories of PyTorch Hub; ``weights`` is the entry point."""
_DROPPED_FIRST = (
    "cached",
    "license",
    "year",
    "size",
    "weights",
    "top1_error",
    "multiply_adds",
    "parameters",
    "top5_error",
)
_ADDED_WHERE_ROOM = ("family", "task", "input_size", "source", "title", "paper")


def chosen_columns(given: str | None, measured: Sequence[str] = ()) -> tuple[str, ...] | None:
    """Read ``--columns``, among which measured ones may be; ``None`` where nothing is given.

    Raises:
        UnknownNameError: There is no such column.
    """
    if given is None:
        return None
    if given == "all":
        return (*COLUMNS, *OTHER_TASKS, *measured)
    return tuple(dict.fromkeys(column_name(name, measured) for name in given.split(",")))


def used_columns(selection: Selection, measured: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the columns that rows are sorted by or filtered on: who asks wants to see them.

    Raises:
        UnknownNameError: There is no such column.
        QueryError: The filter cannot be read.
    """
    used: list[str] = []
    if selection.sort:
        used.append(column_name(selection.sort.removeprefix("-"), measured))
    if selection.where:
        from zoo.catalog.where import columns_of

        used += columns_of(selection.where, measured)
    if selection.year:
        used.append("year")
    return tuple(dict.fromkeys(used))


def measured_columns(file: Path | None) -> tuple[tuple[str, ...], dict[str, dict[str, Value]]]:
    """Read ``--bench``: the columns that it adds, and their values.

    The values are as :func:`zoo.catalog.query.select` takes them.

    Raises:
        ResultFileError: The file cannot be used.
    """
    if file is None:
        return (), {}
    from zoo.bench.results import MEASURED, columns_by_model

    return MEASURED, columns_by_model(file)


def published_speed_columns(
    machine: str,
) -> tuple[tuple[str, ...], dict[str, dict[str, Value]]]:
    """Give the columns that ``--published-speed`` adds, as :func:`measured_columns` does.

    Raises:
        UnknownNameError: Nothing was published for such a machine.
    """
    from zoo.catalog import published_speed

    found = published_speed.find_machine(machine)
    return published_speed.COLUMNS, published_speed.published_columns(found)


def describe(name: str) -> Column:
    """Describe a column of the registry, or a measured one."""
    column = _SPECIAL.get(name) or Column(name, name.replace("_", " "), quantities.text)
    return Column(_KEYS.get(name, name), column.title, column.show, column.is_number)


def row_table(
    rows: Sequence[Row],
    given: Sequence[str] | None,
    form: Format,
    *,
    is_terminal: bool,
    measured: Sequence[str] = (),
    used: Sequence[str] = (),
) -> Table:
    """Make the table of some rows.

    Args:
        rows: From :func:`zoo.catalog.query.select`.
        given: The columns asked for; otherwise JSON and CSV get every column, people the usual
            ones, and people with a wide terminal some more.
        form: How it will be written.
        is_terminal: Whether the width is limited.
        measured: Columns that a result file adds.
        used: Columns that rows are sorted by or filtered on: they are shown.
    """
    figures = columns_of_other_tasks(rows)
    bonus: tuple[str, ...] = ()
    if given:
        names = tuple(given)
        dropped_first = tuple(reversed(given[1:]))
    elif form in ("json", "csv"):
        names = (*COLUMNS, *figures, *measured)
        dropped_first = ()
    else:
        has_room = is_terminal and form == "table"
        bonus = _ADDED_WHERE_ROOM if has_room else ()
        usual: tuple[str, ...] = USUAL
        if figures and not any(map(has_errors, rows)):
            usual = with_figures(USUAL, figures)
        elif bonus:
            bonus = (*figures, *bonus)
        names = tuple(dict.fromkeys((*usual, *used, *measured, *bonus)))
        *first, last = _DROPPED_FIRST
        dropped_first = (
            *reversed(bonus),
            *first,
            *reversed(measured),
            last,
            *reversed(figures),
        )

    columns = {name: describe(name) for name in names}
    keys = {name: column.key for name, column in columns.items()}
    droppable = [name for name in dict.fromkeys(dropped_first) if name in columns]
    by_column = [_shown_values(rows, name, form) for name in names]
    return Table(
        columns=tuple(columns.values()),
        rows=list(zip(*by_column, strict=True)),
        optional=tuple(keys[name] for name in droppable),
        bonus=frozenset(keys[name] for name in bonus if name not in used),
        asked=frozenset(keys[name] for name in given or used),
    )


def has_errors(row: Row) -> bool:
    """Tell whether an error on ImageNet is published for a row."""
    entry = row.entry
    return entry.top1_error is not None or entry.top5_error is not None


def with_figures(usual: Sequence[str], figures: Sequence[str]) -> tuple[str, ...]:
    """Put the figures of other tasks where errors stand, for models that have none."""
    place = usual.index("top1_error")
    others = [name for name in usual[place:] if name not in ("top1_error", "top5_error")]
    return (*usual[:place], *figures, *others)


def _shown_values(rows: Sequence[Row], name: str, form: Format) -> list[Value]:
    """Give the values of one column."""
    if name == "size":
        return [shown_value(row, name, form) for row in rows]
    return list(map(reader_of(name), rows))


def shown_value(row: Row, name: str, form: Format) -> Value:
    """Give a value; people see about how long files are where nobody knows it exactly."""
    value = row[name]
    if value is not None or name != "size":
        return value

    about = row.entry.about_size_bytes
    is_for_people = form in ("table", "markdown")
    if about is not None and is_for_people:
        return quantities.About(about)
    return None
