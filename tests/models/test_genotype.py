"""Cells as data: what is refused, how they are drawn, and their way through JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.models.genotype import OPERATIONS, Block, Branch, Cell, Genotype

ROW = ("separable_3x3", 0, "max_pool_3x3", 1)
SMALL = Genotype(
    "small",
    normal=Cell.of(ROW, ("identity", 2, "avg_pool_3x3", 0), output=(1, 3)),
    reduction=Cell.of(("separable_5x5", 1, "identity", 0), output=(2,)),
)


@st.composite
def cells(draw: st.DrawFn, first_output: int = 0) -> Cell:
    """Make a valid cell of up to five blocks that concatenates all that no block reads."""
    blocks = []
    for number in range(draw(st.integers(1, 5))):
        branch = st.builds(Branch, st.integers(0, number + 1), st.sampled_from(OPERATIONS))
        blocks.append(Block(draw(branch), draw(branch)))
    read = {branch.state for block in blocks for branch in block.branches}
    unread = set(range(2, len(blocks) + 2)) - read
    more = draw(st.sets(st.integers(first_output, len(blocks) + 1)))
    return Cell(tuple(blocks), tuple(sorted(unread | more)))


@given(st.builds(Genotype, st.text(min_size=1), cells(), cells(first_output=2)))
def test_json_keeps_every_genotype(genotype: Genotype) -> None:
    """What is written is read back as an equal value."""
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_a_genotype_is_a_value() -> None:
    """It can be a key of a dict and cannot be changed."""
    twin = Genotype(SMALL.name, SMALL.normal, SMALL.reduction)
    assert {SMALL: 1}[twin] == 1
    with pytest.raises(AttributeError):
        SMALL.name = "other"  # type: ignore[misc]  # that is what must fail


def test_genotypes_need_no_torch() -> None:
    """The command line draws cells without waiting for torch."""
    program = "import sys, zoo.models.genotype; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize(
    ("rows", "output", "fault"),
    [
        ([], (0,), "at least one block, got none"),
        (
            [("identity", 0, "identity", 2)],
            (2,),
            "block 0 reads state 2, which does not exist yet.*from 0 to 1",
        ),
        ([("identity", -1, "identity", 0)], (2,), "expected an integer from 0, got -1"),
        ([("identity", True, "identity", 0)], (2,), "expected an integer from 0, got True"),
        (
            [("separable_9x9", 0, "identity", 0)],
            (2,),
            "no operation is called 'separable_9x9'; expected one of identity",
        ),
        ([ROW], (), "at least one state and none twice"),
        ([ROW], (2, 2), "at least one state and none twice"),
        ([ROW], (3,), "names states from 0 to 2"),
        ([ROW], (2.0,), "names states from 0 to 2"),
        ([ROW, ROW], (2,), "state 3 is computed but neither read nor in the output"),
    ],
)
def test_a_cell_refuses(rows: list[Any], output: Any, fault: str) -> None:
    """Each fault is named with what was expected and what was got."""
    with pytest.raises(ValueError, match=fault):
        Cell.of(*rows, output=output)


def test_a_reduction_cell_refuses_an_input_in_its_output() -> None:
    """State 1 is twice as high as the blocks' results."""
    with pytest.raises(ValueError, match=r"expected states from 2, got \(1, 3\)"):
        Genotype("wrong", normal=SMALL.normal, reduction=SMALL.normal)


@pytest.mark.parametrize("name", ["", None, 5])
def test_a_genotype_refuses_to_be_nameless(name: Any) -> None:
    """The name stands in every drawing."""
    with pytest.raises(ValueError, match="needs a name"):
        Genotype(name, SMALL.normal, SMALL.reduction)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.pop("name"), r"a genotype has the fields \['name', 'normal', 'reduction'\]"),
        (lambda d: d.update(more=1), "'more'"),
        (lambda d: d.update(normal=[]), "the normal cell has the fields .* got list"),
        (lambda d: d["normal"].update(blocks=[["identity", 0]]), "the normal cell has blocks"),
        (lambda d: d["normal"].update(output=3), "the normal cell has blocks"),
        (
            lambda d: d["reduction"].update(output=[9]),
            "the reduction cell: .*names states from 0 to 2",
        ),
    ],
)
def test_json_that_is_no_genotype_is_refused(change: Any, fault: str) -> None:
    """The message says which cell and what was expected."""
    data = json.loads(SMALL.to_json())
    change(data)
    with pytest.raises(ValueError, match=fault):
        Genotype.from_json(json.dumps(data))


def test_text_shows_one_line_per_block() -> None:
    """A block reads like the sum that it is."""
    assert SMALL.to_text() == (
        "small: state 0 is the output of the cell before, state 1 of the cell before that\n"
        "\n"
        "normal cell\n"
        "  state 2 = separable_3x3(0) + max_pool_3x3(1)\n"
        "  state 3 = identity(2) + avg_pool_3x3(0)\n"
        "  output  = concat(1, 3)\n"
        "\n"
        "reduction cell\n"
        "  state 2 = separable_5x5(1) + identity(0)\n"
        "  output  = concat(2)"
    )


def test_dot_has_every_edge_of_the_cell() -> None:
    """Each branch leads from its state through its operation to its block.

    The outputs lead to the concatenation.
    """
    lines = {line.strip() for line in SMALL.to_dot().splitlines()}
    edges = {line for line in lines if "->" in line}
    assert edges == {
        "normal_0 -> normal_2_left -> normal_2",
        "normal_1 -> normal_2_right -> normal_2",
        "normal_2 -> normal_3_left -> normal_3",
        "normal_0 -> normal_3_right -> normal_3",
        "normal_1 -> normal_output",
        "normal_3 -> normal_output",
        "reduction_1 -> reduction_2_left -> reduction_2",
        "reduction_0 -> reduction_2_right -> reduction_2",
        "reduction_2 -> reduction_output",
    }
    assert 'normal_2_left [label="separable_3x3"]' in lines


@pytest.mark.skipif(
    shutil.which("dot") is None, reason="Graphviz's dot is not installed: make packages installs it"
)
def test_graphviz_draws_the_cells_even_with_an_odd_name() -> None:
    """The real program reads the drawing; quotes and backslashes in a name do not end its label."""
    odd = Genotype('a "b" \\', SMALL.normal, SMALL.reduction)
    done = subprocess.run(
        ["dot", "-Tsvg"], input=odd.to_dot(), capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.count("separable_5x5") == 1
    assert "&quot;b&quot;" in done.stdout
