"""A warm start by scores."""

from __future__ import annotations

from zoo.searcher.space import Space
from zoo.searcher.strategies.evolution import Evolution
from zoo.searcher.strategies.protocol import Task
from zoo.searcher.strategies.warm_start import WarmStart

SPACE = Space(2)


def test_the_best_scored_of_the_pool_come_first_then_the_other_strategy() -> None:
    """And the other strategy is told of them."""
    task = Task(SPACE, 4)
    evolution = Evolution(task, population=3, sample=2)
    search = WarmStart(task, evolution, lambda one: [len(one.to_text())], pool=30, first=3)
    first = [search.ask() for _ in range(3)]
    lengths = [len(one.to_text()) for one in first if one is not None]
    assert lengths == sorted(lengths, reverse=True)
    for genotype in first:
        assert genotype is not None
        search.tell(genotype, 1.0)
    assert [one for one, _ in evolution.population] == first
    child = search.ask()
    assert child is not None
    assert child not in first


def test_several_scores_are_joined_by_their_ranks() -> None:
    """A huge scale of one score does not drown the other."""
    task = Task(Space(1, ("identity", "max_pool_3x3")), 0)

    def scores(genotype: object) -> list[float]:
        text = str(genotype)
        return [text.count("max_pool") * 1e9, -float(text.count("max_pool"))]

    search = WarmStart(task, Evolution(task), scores, pool=10, first=10)
    counts = [str(search.ask()).count("max_pool") for _ in range(10)]
    # The two scores contradict each other everywhere, so that the sum of ranks says nothing.
    assert counts != sorted(counts)
    assert counts != sorted(counts, reverse=True)
