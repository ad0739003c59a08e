"""All engines, and the one that a name means."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from zoo.catalog.nearness import nearest
from zoo.engines import NAMES
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.engines.record import Engine


@cache
def known_engines() -> Mapping[str, Engine]:
    """List every engine by its name, in the order of :data:`zoo.engines.NAMES`."""
    found: dict[str, Engine] = {}
    for name in NAMES:
        module = importlib.import_module(f"zoo.engines.{name}")
        for engine in module.ENGINES:
            found[engine.name] = engine
    return found


def find_engine(name: str) -> Engine:
    """Return the engine of this name.

    >>> find_engine("compile:max-autotune").devices
    ('cpu', 'cuda')

    Raises:
        UnknownNameError: There is none; offers the nearest.
    """
    engines = known_engines()
    if name not in engines:
        near = nearest(name, engines)
        advice = f"known are {', '.join(engines)}"
        raise UnknownNameError("engine", name, near, advice=advice)
    return engines[name]


def packages() -> list[str]:
    """List the distributions whose versions decide what engines do, each once."""
    return list(dict.fromkeys(engine.package for engine in known_engines().values()))
