"""A few networks that stand for all of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.catalog.records import Architecture


def smallest_of_each_family(architectures: Iterable[Architecture]) -> list[str]:
    """Name the network with the fewest parameters of each family and task."""
    smallest: dict[tuple[str, str], Architecture] = {}
    for architecture in architectures:
        kind = (architecture.family, architecture.task)
        known = smallest.setdefault(kind, architecture)
        if architecture.parameters < known.parameters:
            smallest[kind] = architecture
    return [architecture.name for architecture in smallest.values()]
