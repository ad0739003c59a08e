"""Replay what unmodified clients look up without a network, and name what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.mirror.ecosystems import known as ecosystems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.mirror.ecosystems.protocol import LookUp
    from zoo.mirror.specs import ItemSpec


def look_up(wanted: Iterable[ItemSpec]) -> list[LookUp]:
    """Look for everything that clients will look for."""
    found: list[LookUp] = []
    for spec in wanted:
        found += ecosystems.of(spec.kind).look_up(spec)
    return found
