"""Cells as data: what a searched network's cells look like, as small immutable values.

A *cell* reads two *states*, the outputs of the two cells before it: state 0 is the nearer one,
state 1 the one before that (the numbering of the original TensorFlow code). Block number ``i``
takes two earlier states, applies one operation to each, adds the two results and so makes state ``i
+ 2``. The cell's output is the concatenation, along the channels, of the states that ``output``
names.

A *genotype* is the pair of cells that makes a network: the normal cell keeps height and width, the
reduction cell halves them (its operations on states 0 and 1 have stride 2; those on later states
have stride 1).

This module knows no torch, so a genotype can be read, checked and drawn in milliseconds. The
published genotypes are ``published_cells.NASNET_A`` and ``published_cells.PNASNET_5``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from textwrap import indent
from typing import Any

SEPARABLE_KERNELS = {
    "separable_3x3": 3,
    "separable_5x5": 5,
    "separable_7x7": 7,
}
"""Operation -> kernel size.

ReLU, depthwise convolution, pointwise convolution, batch norm: all of it twice.
"""

POOLS = {"avg_pool_3x3": "avg", "max_pool_3x3": "max"}
"""Operation -> kind of pooling. Padding never enters a mean or a maximum."""

OPERATIONS = ("identity", *POOLS, *SEPARABLE_KERNELS)
"""Every operation that a block may apply."""

_INPUTS = 2
_SIDES = ("left", "right")
_GREY = "style=filled, fillcolor=lightgrey"


@dataclass(frozen=True, slots=True)
class Branch:
    """One operation on one earlier state.

    Raises:
        ValueError: ``state`` is no index or ``operation`` is not in :data:`OPERATIONS`.
    """

    state: int
    operation: str

    def __post_init__(self) -> None:
        """Refuse what no cell could hold."""
        if not _is_index(self.state):
            expected = "a branch reads a state by its index: expected an integer from 0"
            raise ValueError(f"{expected}, got {self.state!r}")

        if self.operation not in OPERATIONS:
            known = ", ".join(OPERATIONS)
            fault = f"no operation is called {self.operation!r}"
            raise ValueError(f"{fault}; expected one of {known}")

    def __str__(self) -> str:
        """Write the branch like a call: ``separable_5x5(0)``."""
        return f"{self.operation}({self.state})"


@dataclass(frozen=True, slots=True)
class Block:
    """Two branches whose results are added."""

    left: Branch
    right: Branch

    @property
    def branches(self) -> tuple[Branch, Branch]:
        """The left branch, then the right one."""
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Cell:
    """Blocks in the order in which they are computed, and the states that are concatenated.

    Raises:
        ValueError: There is no block, a branch reads a state that does not exist yet, an output
            does not exist or is named twice, or a block's result reaches no output (its parameters
            could never learn).
    """

    blocks: tuple[Block, ...]
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a cell that could not be computed or would compute in vain."""
        if not self.blocks:
            raise ValueError("a cell needs at least one block, got none")

        self._refuse_later_states()
        self._refuse_odd_output()
        self._refuse_vain_blocks()

    @property
    def states(self) -> int:
        """How many there are: the inputs, and one for each block."""
        return _INPUTS + len(self.blocks)

    def _refuse_later_states(self) -> None:
        """Refuse a block that reads what is computed after it."""
        for last, block in enumerate(self.blocks, start=_INPUTS - 1):
            for branch in block.branches:
                if branch.state <= last:
                    continue

                number = last - _INPUTS + 1
                fault = f"block {number} reads state {branch.state}, which does not exist yet"
                raise ValueError(f"{fault}: expected a state from 0 to {last}")

    def _refuse_odd_output(self) -> None:
        """Refuse an output of nothing, of one state twice, or of what is no state."""
        distinct = set(self.output)
        if not distinct or len(distinct) != len(self.output):
            rule = "a cell's output names at least one state and none twice"
            raise ValueError(f"{rule}, got {self.output}")

        for state in self.output:
            if not _is_index(state) or state >= self.states:
                rule = f"a cell's output names states from 0 to {self.states - 1}"
                raise ValueError(f"{rule}, got {self.output}")

    def _refuse_vain_blocks(self) -> None:
        """Refuse a block whose result reaches no output: its parameters could never learn."""
        read = {branch.state for block in self.blocks for branch in block.branches}
        computed = set(range(_INPUTS, self.states))
        unused = computed - read - set(self.output)
        if unused:
            fault = f"state {min(unused)} is computed but neither read nor in the output"
            raise ValueError(f"{fault} {self.output}")

    @classmethod
    def of(
        cls,
        *blocks: tuple[str, int, str, int],
        output: tuple[int, ...],
    ) -> Cell:
        """Build a cell from rows of ``(operation, state, operation, state)``, left branch first.

        >>> print(Cell.of(("separable_3x3", 0, "identity", 1), output=(2,)).to_text())
        state 2 = separable_3x3(0) + identity(1)
        output  = concat(2)
        """
        made: list[Block] = []
        for left_operation, left_state, right_operation, right_state in blocks:
            left = Branch(left_state, left_operation)
            right = Branch(right_state, right_operation)
            made.append(Block(left, right))
        return cls(tuple(made), tuple(output))

    def to_text(self) -> str:
        """Write one line per block and one for the output."""
        lines: list[str] = []
        for state, block in enumerate(self.blocks, start=_INPUTS):
            lines.append(f"state {state} = {block.left} + {block.right}")

        output = ", ".join(map(str, self.output))
        lines.append(f"output  = concat({output})")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Genotype:
    """The two cells from which a network is stacked.

    Args:
        name: How the network's paper calls it.
        normal: Keeps height and width.
        reduction: Halves height and width; its output holds blocks only, since states 0 and 1 keep
            their size.

    Raises:
        ValueError: ``name`` is empty or the reduction cell's output holds state 0 or 1.
    """

    name: str
    normal: Cell
    reduction: Cell

    def __post_init__(self) -> None:
        """Refuse a reduction cell whose output would mix sizes."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"a genotype needs a name, got {self.name!r}")

        output = self.reduction.output
        if min(output) < _INPUTS:
            fault = (
                "the reduction cell's output holds an input,"
                " which keeps its size while the blocks are halved"
            )
            raise ValueError(f"{fault}: expected states from {_INPUTS}, got {output}")

    @property
    def cells(self) -> dict[str, Cell]:
        """Both cells by their role: ``"normal"``, then ``"reduction"``."""
        return {"normal": self.normal, "reduction": self.reduction}

    def to_text(self) -> str:
        """Draw both cells as text."""
        states = "state 0 is the output of the cell before, state 1 of the cell before that"
        lines = [f"{self.name}: {states}"]
        for role, cell in self.cells.items():
            drawn = indent(cell.to_text(), "  ")
            lines += ["", f"{role} cell", drawn]
        return "\n".join(lines)

    def to_dot(self) -> str:
        """Draw both cells in Graphviz's DOT language; ``dot -Tsvg`` makes an image of it."""
        lines = [
            f"digraph {_quoted(self.name)} {{",
            '  graph [rankdir=BT, compound=true, fontname="Helvetica"]',
            '  node [shape=box, style=rounded, fontname="Helvetica"]',
        ]
        for role, cell in self.cells.items():
            label = _quoted(f"{self.name}, {role} cell")
            lines.append(f"  subgraph cluster_{role} {{")
            lines.append(f"    label={label}")
            lines += [f"    {line}" for line in _dot_of_cell(cell, role)]
            lines.append("  }")

        lines += ["}", ""]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Write the genotype as JSON; :meth:`from_json` reads it again."""
        content: dict[str, Any] = {"name": self.name}
        for role, cell in self.cells.items():
            content[role] = {
                "blocks": [_row_of(block) for block in cell.blocks],
                "output": list(cell.output),
            }
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """Read a genotype that :meth:`to_json` wrote.

        Raises:
            ValueError: ``text`` is no JSON, lacks a field, has an unknown one, or describes no
                valid genotype.
        """
        content = json.loads(text)
        fields = _fields(content, {"name", "normal", "reduction"}, "a genotype")
        return cls(
            name=fields["name"],
            normal=_cell_of(fields["normal"], "normal"),
            reduction=_cell_of(fields["reduction"], "reduction"),
        )


def _row_of(block: Block) -> list[str | int]:
    """Write a block as :meth:`Cell.of` takes it."""
    row: list[str | int] = []
    for branch in block.branches:
        row += [branch.operation, branch.state]
    return row


def _is_index(value: object) -> bool:
    """Tell whether a value can number a state."""
    if isinstance(value, bool) or not isinstance(value, int):
        return False
    return value >= 0


def _fields(
    value: Any,
    expected: set[str],
    what: str,
) -> dict[str, Any]:
    """Return ``value`` where it is an object with exactly the expected fields."""
    is_object = isinstance(value, dict)
    if not is_object or set(value) != expected:
        got = sorted(value) if is_object else type(value).__name__
        rule = f"{what} has the fields {sorted(expected)}"
        raise ValueError(f"{rule}, got {got}")

    fields: dict[str, Any] = value
    return fields


def _cell_of(
    value: Any,
    role: str,
) -> Cell:
    """Read one cell of the JSON form."""
    fields = _fields(value, {"blocks", "output"}, f"the {role} cell")
    rows = fields["blocks"]
    output = fields["output"]
    if not _are_rows(rows) or not isinstance(output, list):
        rule = (
            f"the {role} cell has blocks [[operation, state, operation, state], ...]"
            " and an output [state, ...]"
        )
        raise ValueError(f"{rule}, got {rows!r} and {output!r}")

    blocks = map(tuple, rows)
    try:
        return Cell.of(*blocks, output=tuple(output))
    except ValueError as error:
        raise ValueError(f"the {role} cell: {error}") from error


def _are_rows(value: Any) -> bool:
    """Tell whether a value is a list of lists of four."""
    if not isinstance(value, list):
        return False
    return all(isinstance(row, list) and len(row) == 4 for row in value)


def _dot_of_cell(
    cell: Cell,
    role: str,
) -> list[str]:
    """Nodes and edges of one cell.

    Node names carry the role, since both cells share one drawing.
    """
    inputs = range(_INPUTS)
    lines = [f'{role}_{state} [label="state {state}", {_GREY}]' for state in inputs]
    for state, block in enumerate(cell.blocks, start=_INPUTS):
        added = f"{role}_{state}"
        lines.append(f'{added} [label="+  state {state}", shape=ellipse]')
        for side, branch in zip(_SIDES, block.branches, strict=True):
            operation = f"{added}_{side}"
            label = _quoted(branch.operation)
            lines.append(f"{operation} [label={label}]")
            lines.append(f"{role}_{branch.state} -> {operation} -> {added}")

    output = f"{role}_output"
    lines.append(f'{output} [label="concat", {_GREY}]')
    lines += [f"{role}_{state} -> {output}" for state in cell.output]
    return lines


def _quoted(text: str) -> str:
    """Quote text for DOT."""
    slashed = text.replace("\\", "\\\\")
    escaped = slashed.replace('"', '\\"')
    return f'"{escaped}"'
