"""Speeds that others have published: timm's benchmark tables, by machine.

They are never mixed with what ``zoo bench`` measured here: they stand in columns of their own, and
each machine's table is cited. A speed holds for a network at an image size, whatever its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.catalog.index import Index, load_index
from zoo.catalog.nearness import require_known
from zoo.catalog.places import find_index
from zoo.catalog.reading import naming
from zoo.documents import parse_document, read_regular_file

if TYPE_CHECKING:
    from zoo.catalog.rows import Value

SCHEMA_VERSION = 1
LARGEST_BYTES = 16 << 20
COLUMNS = ("published_speed", "published_batch", "published_ms")
"""Images a second, how many were run at once, and milliseconds an image at that batch."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was published for one machine."""

    source: str
    """The table, with its commit; its name says precision, layout, torch and CUDA."""
    speeds: Mapping[str, tuple[float, ...]]
    """By ``NETWORK@SIZE``: images a second, and the batch."""


@dataclass(frozen=True, slots=True)
class PublishedSpeeds:
    """The content of ``registry/published_speed.json``."""

    schema_version: int
    machines: Mapping[str, Machine]


def read_speeds() -> PublishedSpeeds:
    """Read the file beside the index.

    Raises:
        RegistryError: It is missing or malformed.
    """
    path = find_index().parent / "published_speed.json"
    with naming(path):
        data = read_regular_file(path, LARGEST_BYTES)
        return parse_document(data, PublishedSpeeds, SCHEMA_VERSION)


def find_machine(name: str) -> Machine:
    """Find a machine by its name.

    Raises:
        UnknownNameError: Nothing was published for it; offers the nearest.
    """
    machines = read_speeds().machines
    require_known("machine with published speeds", name.lower(), machines)
    return machines[name.lower()]


def published_columns(machine: Machine, index: Index | None = None) -> dict[str, dict[str, Value]]:
    """Give the columns of a machine, as :func:`zoo.catalog.query.select` takes them.

    They stand under ``NAME:TAG``.
    """
    index = index or load_index()
    columns: dict[str, dict[str, Value]] = {}

    for entry in index.entries:
        if entry.source != "timm" or entry.input_size is None:
            continue

        network = entry.name.removeprefix("timm/")
        _, _, size = entry.input_size.rpartition("x")
        key = f"{network}@{size}"
        speed = machine.speeds.get(key)
        if speed is None:
            continue

        images_per_s, batch = speed
        spec = f"{entry.name}:{entry.tag}"
        columns[spec] = {
            "published_speed": images_per_s,
            "published_batch": int(batch),
            "published_ms": round(1000 / images_per_s, 4),
        }

    return columns
