"""The space of cells: drawn, changed in one place, grown."""

from __future__ import annotations

import json
from random import Random

import pytest

from zoo.errors import UsageError
from zoo.models.genotype import Cell, Genotype
from zoo.searcher.space import Space, genotype_of, one_line

SMALL = Space(2, ("identity", "max_pool_3x3", "separable_3x3"))


def test_five_blocks_of_eight_operations_can_be_written_in_as_many_ways_as_the_paper_says() -> None:
    """Liu et al., section 3.1: 5.6e14; the same product with six operations."""
    with_eight = 1
    for states in range(2, 7):
        with_eight *= (states * 8) ** 2
    assert f"{with_eight:.1e}" == "5.6e+14"
    assert Space(5).ways_to_write_a_cell == with_eight * 6**10 // 8**10


def test_draws_reach_every_cell_of_a_small_space() -> None:
    """Nothing outside it, and in the end all of it."""
    everything = {genotype.name for genotype in SMALL.all()}
    chance = Random(0)  # noqa: S311 - a draw, not a secret
    drawn = {SMALL.draw(chance).name for _ in range(12_000)}
    assert drawn == everything


def test_a_mutation_changes_what_one_branch_reads_or_applies() -> None:
    """Real et al., section 3: hidden state mutation or operation mutation, one at a time."""
    chance = Random(1)  # noqa: S311 - a draw, not a secret
    for _ in range(200):
        parent = Space(1, SMALL.operations).draw(chance)
        child = Space(1, SMALL.operations).mutate(parent, chance)
        before = [str(branch) for branch in parent.normal.blocks[0].branches]
        after = [str(branch) for branch in child.normal.blocks[0].branches]
        assert len(set(after) - set(before)) <= 1
        assert child != parent


def test_mutations_lead_from_any_cell_to_every_other() -> None:
    """The neighbours of neighbours are the whole space."""
    space = Space(2, ("identity", "max_pool_3x3"))
    everything = space.all()
    chance = Random(2)  # noqa: S311 - a draw, not a secret
    reached = {everything[0]}
    frontier = [everything[0]]
    while frontier:
        current = frontier.pop()
        near = {space.mutate(current, chance) for _ in range(40)}
        frontier += near - reached
        reached |= near
    assert reached == set(everything)


def test_two_cells_are_changed_one_at_a_time() -> None:
    """Normal and reduction cell are searched apart where the space says so."""
    space = Space(3, has_two_cells=True)
    chance = Random(3)  # noqa: S311 - a draw, not a secret
    changed = set()
    for _ in range(40):
        parent = space.draw(chance)
        child = space.mutate(parent, chance)
        assert (child.normal == parent.normal) or (child.reduction == parent.reduction)
        changed.add("normal" if child.normal != parent.normal else "reduction")
    assert changed == {"normal", "reduction"}


def test_a_genotype_is_named_after_its_cells() -> None:
    """Equal cells have equal names, and one line of JSON brings them back."""
    cell = Cell.of(("identity", 0, "identity", 1), output=(2,))
    other = Cell.of(("identity", 0, "identity", 0), output=(2,))
    assert genotype_of(cell, cell) == genotype_of(cell, cell)
    assert genotype_of(cell, cell).name != genotype_of(cell, other).name
    text = one_line(genotype_of(cell, other))
    assert "\n" not in text
    assert Genotype.from_json(text) == genotype_of(cell, other)
    assert json.loads(text)["name"].startswith("cell-")


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"blocks": 0}, "--blocks must be 1 or more"),
        ({"operations": ("identity", "magic")}, "--operations takes some of identity"),
        ({"operations": ()}, "--operations takes some of"),
        ({"operations": ("identity", "identity")}, "each once"),
    ],
)
def test_a_space_without_cells_is_refused(values: dict[str, object], fault: str) -> None:
    """The message says which option and what it takes."""
    with pytest.raises(UsageError, match=fault):
        Space(**values)  # type: ignore[arg-type]  # wrong on purpose
