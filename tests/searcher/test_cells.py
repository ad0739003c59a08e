"""Isomorphic cells are one cell."""

from __future__ import annotations

from itertools import permutations
from random import Random

import pytest

from zoo.models.genotype import Block, Branch
from zoo.searcher.cells import assemble, canonical, first_cells, grown, sorted_blocks
from zoo.searcher.space import Space

THREE = ("identity", "max_pool_3x3", "separable_3x3")


def _block(left: str, i: int, right: str, j: int) -> Block:
    return Block(Branch(i, left), Branch(j, right))


def _shuffled(blocks: tuple[Block, ...], chance: Random) -> tuple[Block, ...]:
    """Write a cell in another way: other order of branches, other order of blocks."""
    order = list(range(len(blocks)))
    while True:
        chance.shuffle(order)
        places = {2 + number: 2 + place for place, number in enumerate(order)}
        moved = [
            [
                Branch(places.get(one.state, one.state), one.operation)
                for one in blocks[number].branches
            ]
            for number in order
        ]
        is_ordered = all(
            branch.state < 2 + place for place, pair in enumerate(moved) for branch in pair
        )
        if is_ordered:
            break
    for pair in moved:
        chance.shuffle(pair)
    return tuple(Block(*pair) for pair in moved)


@pytest.mark.parametrize("blocks", [1, 2, 3, 5])
def test_every_way_to_write_a_cell_has_one_canonical_form(blocks: int) -> None:
    """Other orders of branches and of blocks change nothing."""
    chance = Random(blocks)  # noqa: S311 - a draw, not a secret
    for _ in range(100):
        cell = Space(blocks).draw(chance).normal
        assert assemble(_shuffled(cell.blocks, chance)) == cell


def test_the_canonical_form_is_the_smallest_isomorphic_cell_of_a_slow_search() -> None:
    """Two cells of two blocks are equal exactly where some renumbering makes them so."""
    space = Space(2, ("identity", "max_pool_3x3"))
    chance = Random(0)  # noqa: S311 - a draw, not a secret
    cells = [space.draw(chance).normal for _ in range(60)]
    for one in cells:
        ways = {frozenset(_ways(one.blocks))}
        for other in cells:
            is_isomorphic = other.blocks in next(iter(ways))
            assert is_isomorphic == (one == other)


def _ways(blocks: tuple[Block, ...]) -> list[tuple[Block, ...]]:
    """Write a cell in every way, branches in every order."""
    found = []
    for order in permutations(range(len(blocks))):
        places = {2 + number: 2 + place for place, number in enumerate(order)}
        for flips in range(2 ** len(blocks)):
            moved = []
            for place, number in enumerate(order):
                pair = [
                    Branch(places.get(one.state, one.state), one.operation)
                    for one in blocks[number].branches
                ]
                if flips >> place & 1:
                    pair.reverse()
                moved.append(Block(*pair))
            found.append(tuple(moved))
    return found


def test_blocks_alike_but_read_differently_are_told_apart() -> None:
    """Two blocks of one expression: both readers on one of them, or one on each."""
    alike = [_block("identity", 0, "identity", 0)] * 2
    both_on_one = (
        *alike,
        _block("identity", 2, "identity", 1),
        _block("identity", 2, "identity", 0),
    )
    one_on_each = (
        *alike,
        _block("identity", 2, "identity", 1),
        _block("identity", 3, "identity", 0),
    )
    swapped = (*alike, _block("identity", 3, "identity", 1), _block("identity", 2, "identity", 0))
    assert canonical(both_on_one) != canonical(one_on_each)
    assert canonical(one_on_each) == canonical(swapped)


def test_there_are_136_cells_of_one_block_as_the_paper_says() -> None:
    """Liu et al., section 3.1: 256 ways with eight operations, 136 of them different."""
    space = Space(1, THREE)
    assert space.ways_to_write_a_cell == (2 * 3) ** 2
    # With 2 inputs and 8 operations a branch is one of 16; unordered pairs: 16 * 17 / 2 = 136.
    assert (
        len(first_cells([*THREE, "avg_pool_3x3", "separable_5x5", "separable_7x7"])) == 12 * 13 / 2
    )
    assert 16 * 17 / 2 == 136


def test_two_blocks_of_three_operations_make_735_cells() -> None:
    """Independent blocks: 21 * 22 / 2; dependent ones: 21 * (45 - 21)."""
    cells = {larger for cell in first_cells(THREE) for larger in grown(cell, THREE)}
    assert len(cells) == 21 * 22 // 2 + 21 * 24 == 735


def test_the_output_is_what_no_block_reads() -> None:
    """As in both papers, loose ends are concatenated."""
    chained = assemble([_block("identity", 0, "identity", 1), _block("identity", 2, "identity", 0)])
    assert chained.output == (3,)
    apart = assemble([_block("identity", 0, "identity", 1), _block("identity", 1, "identity", 1)])
    assert apart.output == (2, 3)


def test_blocks_that_read_in_a_circle_are_no_cell() -> None:
    """A later block may be read where that makes no circle."""
    circle = [_block("identity", 3, "identity", 0), _block("identity", 2, "identity", 0)]
    assert sorted_blocks(circle) is None
    backwards = [_block("identity", 3, "identity", 0), _block("identity", 1, "identity", 0)]
    ordered = sorted_blocks(backwards)
    assert ordered is not None
    assert assemble(ordered).output == (3,)
