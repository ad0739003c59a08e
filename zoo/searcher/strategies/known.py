"""The strategies by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.searcher.strategies.evolution import Evolution
from zoo.searcher.strategies.progressive import Progressive
from zoo.searcher.strategies.random import RandomSearch

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.searcher.strategies.protocol import Strategy, Task

STRATEGIES: dict[str, Callable[[Task], Strategy]] = {
    "random": RandomSearch,
    "evolution": Evolution,
    "progressive": Progressive,
}
"""What makes each strategy."""
