"""What Liu et al. say of progressive search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo.errors import UsageError
from zoo.searcher.space import Space
from zoo.searcher.strategies.predictor import Predictor, Writing
from zoo.searcher.strategies.progressive import Progressive
from zoo.searcher.strategies.protocol import Task

if TYPE_CHECKING:
    from zoo.models.genotype import Genotype

THREE = ("identity", "max_pool_3x3", "separable_3x3")


def _error(genotype: Genotype) -> float:
    """Make convolutions and reading the nearer input good."""
    total = 0.0
    for block in genotype.normal.blocks:
        for branch in block.branches:
            total += {"identity": 3.0, "max_pool_3x3": 5.0, "separable_3x3": 1.0}[branch.operation]
            total += 0.5 * (branch.state == 1)
    return 5 + total / len(genotype.normal.blocks)


def _run(search: Progressive, questions: int) -> list[Genotype]:
    asked = []
    for _ in range(questions):
        genotype = search.ask()
        if genotype is None:
            break
        asked.append(genotype)
        search.tell(genotype, _error(genotype))
    return asked


def test_all_cells_of_one_block_come_first_then_cells_grow_block_by_block() -> None:
    """Algorithm 1, lines 1 to 10, with K = 5: 21 cells, then 5 of each further size."""
    asked = _run(Progressive(Task(Space(4, THREE)), kept=5), 21 + 15)
    sizes = [len(genotype.normal.blocks) for genotype in asked]
    assert sizes == [1] * 21 + [2] * 5 + [3] * 5 + [4] * 5
    assert len(set(asked)) == len(asked)


def test_cells_of_a_level_contain_a_cell_of_the_level_before() -> None:
    """A grown cell keeps the blocks of a trained one and adds one."""
    asked = _run(Progressive(Task(Space(2, THREE)), kept=6), 27)
    trained = {genotype.normal.blocks[0] for genotype in asked[:21]}
    assert all(genotype.normal.blocks[0] in trained for genotype in asked[21:])


def test_the_next_level_waits_for_the_last_answer() -> None:
    """The predictor learns from a whole level: until then there is nothing to ask."""
    search = Progressive(Task(Space(2, THREE)), kept=4)
    level = [search.ask() for _ in range(21)]
    assert search.ask() is None
    for genotype in level:
        assert genotype is not None
        search.tell(genotype, _error(genotype))
    assert search.ask() is not None


def test_the_predictor_chooses_better_cells_than_chance() -> None:
    """The mean of the five chosen cells is near the optimum, which is 7 here."""
    asked = _run(Progressive(Task(Space(2, THREE)), kept=5), 26)
    chosen = [_error(genotype) for genotype in asked[21:]]
    everything = [_error(genotype) for genotype in Space(2, THREE).all()]
    assert sum(chosen) / 5 < 8.2
    assert sum(everything) / len(everything) > 11


def test_the_predictor_ranks_cells_of_a_size_that_it_has_not_seen() -> None:
    """Section 4.2: it is trained on cells of b blocks, and asked for those of b + 1."""
    space = Space(2, THREE)
    known = [(genotype, _error(genotype)) for genotype in space.first()]
    predictor = Predictor(Writing(THREE, 2), seed=0)
    predictor.fit(known)
    larger = space.all()
    predicted = predictor.predict(larger)
    true = [_error(genotype) for genotype in larger]
    pairs = [(i, j) for i in range(0, 735, 7) for j in range(3, 735, 11) if true[i] < true[j]]
    right = sum(predicted[i] < predicted[j] for i, j in pairs)
    assert right / len(pairs) > 0.8


def test_after_the_last_level_the_next_best_follow() -> None:
    """Budget that is left goes to the rest of the last level, until all is trained."""
    search = Progressive(Task(Space(1, THREE)), kept=4)
    assert len(_run(search, 30)) == 21
    longer = Progressive(Task(Space(2, THREE)), kept=10)
    assert len(_run(longer, 71)) == 71


def test_progressive_search_needs_one_cell_for_both() -> None:
    """It grows one cell, as the paper does."""
    with pytest.raises(UsageError, match="leave --two-cells out"):
        Progressive(Task(Space(2, has_two_cells=True)))
    with pytest.raises(UsageError, match="keeps 1 cell or more"):
        Progressive(Task(Space(2)), kept=0)
