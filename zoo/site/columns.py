"""The columns of the pages' table: name, way of writing, and values packed for the browser.

The browser learns all of this from the data: a new column is one more entry in :data:`COLUMNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from zoo.catalog.licenses import license_group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.rows import Row, Value

Kind = Literal["text", "choice", "count", "size", "percent", "number", "year", "flag"]


@dataclass(frozen=True, slots=True)
class SiteColumn:
    """One column of the table."""

    key: str
    """As the address of a page and ``zoo list --columns`` name it."""
    title: str
    kind: Kind
    """How the values are written, compared and packed."""
    help: str = ""
    """One sentence for those who do not know the word."""
    is_usual: bool = False
    """Shown unless the user chooses other columns."""
    filter: Literal["choices", "range", "flag", "none"] = "none"
    is_figure: bool = False
    """Published of another task than classifying images; more is better."""
    is_measured: bool = False
    """Measured by ``zoo bench``; everything else is published or computed from the network."""


COLUMNS: tuple[SiteColumn, ...] = (
    SiteColumn(
        "name",
        "model",
        "text",
        is_usual=True,
    ),
    SiteColumn(
        "weights",
        "weights",
        "choice",
        is_usual=True,
    ),
    SiteColumn("title", "title", "text"),
    SiteColumn(
        "source",
        "source",
        "choice",
        help="Where the architecture comes from.",
        filter="choices",
    ),
    SiteColumn(
        "task",
        "task",
        "choice",
        filter="choices",
    ),
    SiteColumn(
        "family",
        "family",
        "choice",
        filter="choices",
    ),
    SiteColumn(
        "year",
        "year",
        "year",
        help="When the paper first appeared.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn(
        "dataset",
        "trained on",
        "choice",
        filter="choices",
    ),
    SiteColumn(
        "top1_error",
        "top-1 error",
        "percent",
        help="Published, in percent.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn(
        "top5_error",
        "top-5 error",
        "percent",
        help="Published, in percent.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn(
        "parameters",
        "parameters",
        "count",
        help="Learnable values.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn(
        "multiply_adds",
        "multiply-adds",
        "count",
        help="For one input; one multiply with its add counts once.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn(
        "activations",
        "activations",
        "count",
        help="Values put out by convolutions and matrix products.",
    ),
    SiteColumn(
        "size",
        "size",
        "size",
        help="Of all files to download.",
        is_usual=True,
        filter="range",
    ),
    SiteColumn("input_size", "input", "choice"),
    SiteColumn("classes", "classes", "choice"),
    SiteColumn(
        "pretraining",
        "pretrained on",
        "choice",
        help="Data that the weights saw before.",
    ),
    SiteColumn(
        "test_size",
        "larger test input",
        "choice",
    ),
    SiteColumn(
        "top1_at_test_size",
        "top-1 at larger input",
        "percent",
        help="Published, in percent, for the larger test input.",
    ),
    SiteColumn(
        "top1_real",
        "top-1 ReaL",
        "percent",
        help="Published, in percent, on ImageNet's images with reassessed labels.",
    ),
    SiteColumn(
        "top1_v2",
        "top-1 V2",
        "percent",
        help="Published, in percent, on ImageNet-V2, matched frequency.",
    ),
    SiteColumn(
        "top1_a",
        "top-1 A",
        "percent",
        help="Published, in percent, on ImageNet-A.",
    ),
    SiteColumn(
        "top1_r",
        "top-1 R",
        "percent",
        help="Published, in percent, on ImageNet-R.",
    ),
    SiteColumn(
        "top1_sketch",
        "top-1 Sketch",
        "percent",
        help="Published, in percent, on ImageNet-Sketch.",
    ),
    SiteColumn(
        "license",
        "license",
        "choice",
        help="Of the weights.",
        is_usual=True,
    ),
    SiteColumn(
        "license_group",
        "license group",
        "choice",
        filter="choices",
    ),
    SiteColumn("paper", "paper", "choice"),
    SiteColumn("box_map", "box mAP", "percent", help="On COCO, in percent.", is_figure=True),
    SiteColumn("mask_map", "mask mAP", "percent", help="On COCO, in percent.", is_figure=True),
    SiteColumn(
        "keypoint_map",
        "keypoint mAP",
        "percent",
        help="On COCO, in percent.",
        is_figure=True,
    ),
    SiteColumn(
        "miou",
        "mIoU",
        "percent",
        help="On COCO's images of VOC's classes, in percent.",
        is_figure=True,
    ),
    SiteColumn("kinetics_acc1", "Kinetics acc@1", "percent", help="In percent.", is_figure=True),
)
HELD = SiteColumn(
    "held",
    "held",
    "flag",
    filter="flag",
)
MEASURED: tuple[SiteColumn, ...] = (
    SiteColumn(
        "p50",
        "p50 ms",
        "number",
        help="Median latency of one image.",
        is_usual=True,
        filter="range",
        is_measured=True,
    ),
    SiteColumn(
        "p90",
        "p90 ms",
        "number",
        is_measured=True,
    ),
    SiteColumn(
        "p99",
        "p99 ms",
        "number",
        is_measured=True,
    ),
    SiteColumn(
        "throughput",
        "images/s",
        "number",
        is_measured=True,
    ),
    SiteColumn(
        "memory",
        "peak memory",
        "size",
        is_measured=True,
    ),
    SiteColumn(
        "measured",
        "measured on",
        "choice",
        filter="choices",
        is_measured=True,
    ),
)


def value_of(row: Row, key: str) -> Value:
    """Read a column of a row of the registry."""
    if key == "license_group":
        return license_group(row.entry.license) if row.entry.tag else None
    if key == "held":
        return row.is_cached
    if key == "title":
        # A title that is the name itself is left to the page.
        bare_name = row.name.rpartition("/")[2]
        return None if row.entry.title == bare_name else row.entry.title
    return row[key]


def pack(column: SiteColumn, rows: Sequence[Row]) -> dict[str, Any]:
    """Write a column for the browser: choices once, and a number for each row."""
    packed: dict[str, Any] = {
        "key": column.key,
        "title": column.title,
        "kind": column.kind,
    }
    if column.help:
        packed["help"] = column.help
    if column.is_usual:
        packed["usual"] = True
    if column.filter != "none":
        packed["filter"] = column.filter
    if column.is_figure:
        packed["figure"] = True
    if column.is_measured:
        packed["measured"] = True

    values = [value_of(row, column.key) for row in rows]
    if column.kind == "choice":
        packed |= _pack_choices(values)
    elif column.kind == "flag":
        packed["values"] = [int(bool(value)) for value in values]
    else:
        packed["values"] = values
    return packed


def _pack_choices(values: Sequence[Value]) -> dict[str, Any]:
    """Write each distinct value once; -1 stands for what is not known."""
    known = {str(value) for value in values if value is not None}
    choices = sorted(known)
    places: dict[Value, int] = {choice: place for place, choice in enumerate(choices)}
    places[None] = -1

    numbers = [places[value if value is None else str(value)] for value in values]
    return {"choices": choices, "values": numbers}
