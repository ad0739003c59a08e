"""What Real et al. say of regularized evolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.errors import UsageError
from zoo.searcher.space import Space
from zoo.searcher.strategies.evolution import Evolution
from zoo.searcher.strategies.protocol import Task

if TYPE_CHECKING:
    from zoo.models.genotype import Genotype

SPACE = Space(3)


def _error(genotype: Genotype) -> float:
    """Count the branches that are no separable convolution of 3x3."""
    branches = [branch for block in genotype.normal.blocks for branch in block.branches]
    return float(sum(branch.operation != "separable_3x3" for branch in branches))


def _asked(search: Evolution) -> Genotype:
    genotype = search.ask()
    assert genotype is not None
    return genotype


def test_the_oldest_dies_even_where_it_is_the_best() -> None:
    """Section 3, "aging": neither the worst nor a random one is removed."""
    search = Evolution(Task(SPACE), population=3, sample=1)
    born = []
    for error in (0.0, 50.0, 60.0, 70.0):
        genotype = _asked(search)
        born.append(genotype)
        search.tell(genotype, error)
    assert [genotype for genotype, _ in search.population] == born[1:]


def test_the_best_of_a_sample_has_the_child() -> None:
    """With a sample as large as it is drawn often enough, children are mutations of the best."""
    search = Evolution(Task(SPACE, 1), population=4, sample=4)
    born = [_asked(search) for _ in range(4)]
    for number, genotype in enumerate(born):
        search.tell(genotype, float(number))
    neighbours = 0
    for _ in range(40):
        child = _asked(search)
        neighbours += _differences(born[0], child) <= 1
    # A sample of 4 with replacement misses the best of 4 in (3/4)^4 = 32 % of all draws.
    assert neighbours >= 20


def _differences(one: Genotype, other: Genotype) -> int:
    """Count the branches' operations and edges that only one of two genotypes has."""
    texts = []
    for genotype in (one, other):
        blocks = genotype.normal.blocks
        texts.append(sorted(branch.operation for block in blocks for branch in block.branches))
    return sum(a != b for a, b in zip(*texts, strict=True))


def test_evolution_climbs_where_random_search_does_not() -> None:
    """On an error that mutations can lower step by step, 300 questions reach the optimum."""
    for seed in range(3):
        search = Evolution(Task(SPACE, seed))
        best = 6.0
        for _ in range(300):
            genotype = _asked(search)
            best = min(best, _error(genotype))
            search.tell(genotype, _error(genotype))
        assert best == 0


def test_answers_may_come_late_and_in_any_order() -> None:
    """Several workers ask before the first answer is there."""
    search = Evolution(Task(SPACE), population=4, sample=2)
    waiting = [_asked(search) for _ in range(8)]
    for genotype in reversed(waiting):
        search.tell(genotype, _error(genotype))
    assert len(search.population) == 4
    assert search.ask() is not None


def test_children_keep_to_the_limits() -> None:
    """Where a parent's children are refused, it tries again."""

    def accepts(genotype: Genotype) -> bool:
        return "separable_7x7" not in genotype.to_text()

    search = Evolution(Task(SPACE, 0, accepts), population=3, sample=2)
    for _ in range(30):
        genotype = _asked(search)
        assert accepts(genotype)
        search.tell(genotype, _error(genotype))


def test_a_sample_larger_than_the_population_is_refused() -> None:
    """Both numbers are in the message."""
    with pytest.raises(UsageError, match="a sample of 5 cannot be drawn from a population of 4"):
        Evolution(Task(SPACE), population=4, sample=5)
