"""The space that is searched: which cells there are, how one is drawn, changed and grown.

Papers:
    Zoph et al. 2017, arXiv:1707.07012: cells of blocks, a normal and a reduction cell. Liu et al.
    2017, arXiv:1712.00559: one cell for both. Real et al. 2018, arXiv:1802.01548, section 3: the
    two mutations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.models.genotype import OPERATIONS, Block, Branch, Cell, Genotype
from zoo.searcher.cells import INPUTS, assemble, first_cells, grown, sorted_blocks

if TYPE_CHECKING:
    from random import Random

_NAME_LETTERS = 10
MOST_BLOCKS = 16
"""What a cell computes, written out to compare it, can double with each block."""


@dataclass(frozen=True, slots=True)
class Space:
    """Which cells a search may propose.

    Args:
        blocks: In each cell; *B* of the papers.
        operations: What a block may apply.
        has_two_cells: Normal and reduction cell are searched apart, as for NASNet; otherwise one
            cell serves as both, as for PNASNet.

    Raises:
        UsageError: A value is out of its range.
    """

    blocks: int = 5
    operations: tuple[str, ...] = OPERATIONS
    has_two_cells: bool = False

    def __post_init__(self) -> None:
        """Refuse a space without cells, or with operations that nobody knows."""
        if not 1 <= self.blocks <= MOST_BLOCKS:
            limit = f"and at most {MOST_BLOCKS}"
            raise UsageError(f"--blocks must be 1 or more {limit}, got {self.blocks}")
        different = set(self.operations)
        is_known = different <= set(OPERATIONS)
        is_each_once = 0 < len(different) == len(self.operations)
        if not is_known or not is_each_once:
            known = ", ".join(OPERATIONS)
            given = ", ".join(self.operations)
            raise UsageError(f"--operations takes some of {known}, each once; got {given!r}")

    @property
    def ways_to_write_a_cell(self) -> int:
        """How many sequences of decisions make a cell; isomorphic cells count each time."""
        ways = 1
        operations = len(self.operations)
        for number in range(self.blocks):
            states = INPUTS + number
            branches = states * operations
            ways *= branches**2
        return ways

    def draw(self, chance: Random) -> Genotype:
        """Draw a genotype: every state and every operation with equal probability."""
        normal = self._draw_cell(chance)
        reduction = normal
        if self.has_two_cells:
            reduction = self._draw_cell(chance)
        return genotype_of(normal, reduction)

    def _draw_cell(self, chance: Random) -> Cell:
        blocks = []
        for number in range(self.blocks):
            states = INPUTS + number
            left = self._draw_branch(states, chance)
            right = self._draw_branch(states, chance)
            block = Block(left, right)
            blocks.append(block)
        return assemble(blocks)

    def _draw_branch(
        self,
        states: int,
        chance: Random,
    ) -> Branch:
        state = chance.randrange(states)
        operation = chance.choice(self.operations)
        return Branch(state, operation)

    def mutate(
        self,
        parent: Genotype,
        chance: Random,
    ) -> Genotype:
        """Change one thing of a genotype: what one branch reads, or which operation it applies.

        A branch may read any state that does not depend on it. Where nothing else is possible, the
        parent comes back.
        """
        is_normal = chance.random() < 0.5
        if not self.has_two_cells:
            changed = self._mutate_cell(parent.normal, chance)
            return genotype_of(changed, changed)

        if is_normal:
            normal = self._mutate_cell(parent.normal, chance)
            return genotype_of(normal, parent.reduction)
        reduction = self._mutate_cell(parent.reduction, chance)
        return genotype_of(parent.normal, reduction)

    def _mutate_cell(
        self,
        cell: Cell,
        chance: Random,
    ) -> Cell:
        count = len(cell.blocks)
        number = chance.randrange(count)
        side = chance.choice(("left", "right"))
        chosen = cell.blocks[number]
        branch: Branch = getattr(chosen, side)

        if chance.random() < 0.5:
            states = range(INPUTS + count)
            others = [replace(branch, state=state) for state in states]
        else:
            others = [replace(branch, operation=name) for name in self.operations]

        others.remove(branch)
        chance.shuffle(others)
        for other in others:
            blocks = list(cell.blocks)
            blocks[number] = replace(chosen, **{side: other})
            ordered = sorted_blocks(blocks)
            # A branch that would read what depends on it is no mutation; the next one is tried.
            if ordered is not None:
                return assemble(ordered)
        return cell

    def first(self) -> list[Genotype]:
        """List every genotype whose cell has one block."""
        return [genotype_of(cell, cell) for cell in first_cells(self.operations)]

    def grow(self, genotype: Genotype) -> list[Genotype]:
        """List every genotype that one more block makes of one whose two cells are the same."""
        cells = grown(genotype.normal, self.operations)
        return [genotype_of(cell, cell) for cell in cells]

    def all(self) -> list[Genotype]:
        """List every genotype of one cell; for small spaces only."""
        level = first_cells(self.operations)
        for _ in range(self.blocks - 1):
            larger: dict[Cell, None] = {}
            for cell in level:
                larger |= grown(cell, self.operations)
            level = larger
        return [genotype_of(cell, cell) for cell in level]


def genotype_of(
    normal: Cell,
    reduction: Cell,
) -> Genotype:
    """Name two cells after their content: equal cells have equal names."""
    content = f"{normal.to_text()}\n{reduction.to_text()}"
    data = content.encode()
    digest = sha256(data).hexdigest()
    return Genotype(f"cell-{digest[:_NAME_LETTERS]}", normal, reduction)


def one_line(genotype: Genotype) -> str:
    """Write a genotype as JSON without line breaks."""
    content = json.loads(genotype.to_json())
    return json.dumps(content, separators=(",", ":"))
