"""Random search."""

from __future__ import annotations

from zoo.searcher.space import Space
from zoo.searcher.strategies.protocol import Task
from zoo.searcher.strategies.random import RandomSearch

SPACE = Space(1, ("identity", "max_pool_3x3", "separable_3x3"))


def test_random_search_proposes_each_cell_once_and_ends() -> None:
    """All 21 cells of one block, then nothing."""
    search = RandomSearch(Task(SPACE))
    proposed = [search.ask() for _ in range(22)]
    assert proposed[-1] is None
    assert len(set(proposed[:-1])) == 21


def test_random_search_proposes_only_what_keeps_to_the_limits() -> None:
    """A genotype that is not accepted is passed over."""
    search = RandomSearch(Task(SPACE, 0, lambda one: "separable" not in one.to_text()))
    proposed = [search.ask() for _ in range(11)]
    assert sum(one is not None for one in proposed) == 4 * 5 / 2


def test_the_seed_decides_what_is_drawn() -> None:
    """The same seed, the same questions; another one, others."""

    def first(seed: int) -> list[object]:
        search = RandomSearch(Task(Space(3), seed))
        return [search.ask() for _ in range(5)]

    assert first(1) == first(1)
    assert first(1) != first(2)
