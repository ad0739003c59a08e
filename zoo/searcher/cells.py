"""Isomorphic cells are the same cell: one form for all of them.

The two branches of a block are added, so their order means nothing; blocks may be numbered in any
order in which each follows what it reads. The canonical form chooses one of these ways of writing a
cell, so that two cells are isomorphic exactly where their canonical forms are equal, and each is
trained once.

Cells of different graphs can compute the same too: where one block adds the identity of another, it
does not matter which of the three summands that other block has. Such cells are trained apart.

Paper:
    Liu et al. 2017, arXiv:1712.00559, section 3.1: 256 cells of one block, 136 of them different.
"""

from __future__ import annotations

from itertools import chain, combinations_with_replacement, groupby, permutations, product
from typing import TYPE_CHECKING

from zoo.models.genotype import Block, Branch, Cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

INPUTS = 2
"""The states that are there before the first block."""


def assemble(blocks: Sequence[Block]) -> Cell:
    """Make a cell in canonical form, whose output is every block that no other block reads."""
    ordered = canonical(blocks)
    read: set[int] = set()
    for block in ordered:
        read |= _reads(block)

    end = INPUTS + len(ordered)
    made = range(INPUTS, end)
    loose_ends = [state for state in made if state not in read]
    return Cell(ordered, tuple(loose_ends))


def canonical(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Write blocks in the one order that all isomorphic cells share.

    Blocks are sorted by their depth, then by the whole expression that they compute. What is left
    undecided are blocks that compute the same expression: of their orders, the one with the least
    text is taken.
    """
    expressions = _expressions(blocks)

    def expression(number: int) -> tuple[int, str]:
        return expressions[number]

    numbers = sorted(range(len(blocks)), key=expression)
    orders_of_alike = []
    for _, alike in groupby(numbers, key=expression):
        orders_of_alike.append(permutations(alike))

    candidates = []
    for choice in product(*orders_of_alike):
        order = chain.from_iterable(choice)
        candidate = _renumbered(blocks, list(order))
        candidates.append(candidate)
    return min(candidates, key=_text)


def _expressions(blocks: Sequence[Block]) -> list[tuple[int, str]]:
    """Write out what each block computes, down to the cell's inputs, after its depth."""
    found: list[tuple[int, str]] = []
    for state in range(INPUTS):
        name = str(state)
        found.append((0, name))

    for block in blocks:
        parts = []
        depth = 0
        for branch in block.branches:
            below, text = found[branch.state]
            depth = max(depth, below + 1)
            part = f"{branch.operation}({text})"
            parts.append(part)

        parts.sort()
        expression = "+".join(parts)
        found.append((depth, expression))
    return found[INPUTS:]


def _renumbered(
    blocks: Sequence[Block],
    order: Sequence[int],
) -> tuple[Block, ...]:
    """Put blocks in another order, and their branches in the order of their text."""
    places = {state: state for state in range(INPUTS)}
    for place, number in enumerate(order):
        before = INPUTS + number
        places[before] = INPUTS + place

    renumbered = []
    for number in order:
        branches = []
        for branch in blocks[number].branches:
            state = places[branch.state]
            moved = Branch(state, branch.operation)
            branches.append(moved)

        left, right = sorted(branches, key=_branch_key)
        block = Block(left, right)
        renumbered.append(block)
    return tuple(renumbered)


def _branch_key(branch: Branch) -> tuple[int, str]:
    return branch.state, branch.operation


def _text(blocks: Sequence[Block]) -> list[tuple[int, str]]:
    keys = []
    for block in blocks:
        left = _branch_key(block.left)
        right = _branch_key(block.right)
        keys += [left, right]
    return keys


def sorted_blocks(blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """Number blocks anew so that each follows what it reads; ``None`` if they read in a circle.

    Args:
        blocks: Their branches may read states of later blocks.
    """
    placed: list[int] = []
    known = set(range(INPUTS))
    waiting = dict(enumerate(blocks))
    while waiting:
        ready = _ready(waiting, known)
        if not ready:
            return None

        for number in ready:
            state = INPUTS + number
            known.add(state)
            del waiting[number]
        placed += ready
    return _renumbered(blocks, placed)


def _ready(
    waiting: Mapping[int, Block],
    known: set[int],
) -> list[int]:
    """Number the blocks that read nothing but states that are known."""
    ready = []
    for number, block in waiting.items():
        if _reads(block) <= known:
            ready.append(number)
    return ready


def _reads(block: Block) -> set[int]:
    return {branch.state for branch in block.branches}


def possible_blocks(
    states: int,
    operations: Sequence[str],
) -> Iterator[Block]:
    """List every block that can follow so many states, each once whatever the order of branches."""
    branches = []
    for state in range(states):
        for operation in operations:
            branch = Branch(state, operation)
            branches.append(branch)

    pairs = combinations_with_replacement(branches, 2)
    for left, right in pairs:
        yield Block(left, right)


def grown(
    cell: Cell,
    operations: Sequence[str],
) -> dict[Cell, None]:
    """List every cell that one more block makes of a cell, each once."""
    states = INPUTS + len(cell.blocks)
    found: dict[Cell, None] = {}
    for block in possible_blocks(states, operations):
        blocks = (*cell.blocks, block)
        larger = assemble(blocks)
        found[larger] = None
    return found


def first_cells(operations: Sequence[str]) -> dict[Cell, None]:
    """List every cell of one block, each once."""
    found: dict[Cell, None] = {}
    for block in possible_blocks(INPUTS, operations):
        cell = assemble([block])
        found[cell] = None
    return found
