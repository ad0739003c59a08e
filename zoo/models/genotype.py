"""Cells as data: what a searched network's cells look like, as small immutable values.

A *cell* reads two *states*, the outputs of the two cells before it: state 0 is the nearer one, state 1 the one before
that (the numbering of the original TensorFlow code). Block number ``i`` takes two earlier states, applies one operation
to each, adds the two results and so makes state ``i + 2``. The cell's output is the concatenation, along the channels,
of the states that ``output`` names.

A *genotype* is the pair of cells that makes a network: the normal cell keeps height and width, the reduction cell
halves them (its operations on states 0 and 1 have stride 2; those on later states have stride 1).

This module knows no torch, so a genotype can be read, checked and drawn in milliseconds. The published genotypes stand
beside their networks: ``nasnet.NASNET_A`` and ``pnasnet.PNASNET_5``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SEPARABLE_KERNELS = {"separable_3x3": 3, "separable_5x5": 5, "separable_7x7": 7}
"""Operation -> kernel size. ReLU, depthwise convolution, pointwise convolution, batch norm: all of it twice."""

POOLS = {"avg_pool_3x3": "avg", "max_pool_3x3": "max"}
"""Operation -> kind of pooling. Padding never enters a mean or a maximum."""

OPERATIONS = ("identity", *POOLS, *SEPARABLE_KERNELS)
"""Every operation that a block may apply."""

_INPUTS = 2


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
            raise ValueError(f"a branch reads a state by its index: expected an integer from 0, got {self.state!r}")
        if self.operation not in OPERATIONS:
            raise ValueError(f"no operation is called {self.operation!r}; expected one of {', '.join(OPERATIONS)}")

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
        ValueError: There is no block, a branch reads a state that does not exist yet, an output does not exist or is
            named twice, or a block's result reaches no output (its parameters could never learn).
    """

    blocks: tuple[Block, ...]
    output: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse a cell that could not be computed or would compute in vain."""
        if not self.blocks:
            raise ValueError("a cell needs at least one block, got none")
        for number, block in enumerate(self.blocks):
            for branch in block.branches:
                if branch.state >= number + _INPUTS:
                    raise ValueError(
                        f"block {number} reads state {branch.state}, which does not exist yet: "
                        f"expected a state from 0 to {number + _INPUTS - 1}"
                    )
        states = len(self.blocks) + _INPUTS
        if not self.output or len(set(self.output)) != len(self.output):
            raise ValueError(f"a cell's output names at least one state and none twice, got {self.output}")
        if not all(_is_index(state) and state < states for state in self.output):
            raise ValueError(f"a cell's output names states from 0 to {states - 1}, got {self.output}")
        unused = set(range(_INPUTS, states)) - self._read() - set(self.output)
        if unused:
            raise ValueError(f"state {min(unused)} is computed but neither read nor in the output {self.output}")

    def _read(self) -> set[int]:
        """States that some block reads."""
        return {branch.state for block in self.blocks for branch in block.branches}

    @classmethod
    def of(cls, *blocks: tuple[str, int, str, int], output: tuple[int, ...]) -> Cell:
        """Build a cell from rows of ``(operation, state, operation, state)``, left branch first.

        >>> print(Cell.of(("separable_3x3", 0, "identity", 1), output=(2,)).to_text())
        state 2 = separable_3x3(0) + identity(1)
        output  = concat(2)
        """
        made = (Block(Branch(i, left), Branch(j, right)) for left, i, right, j in blocks)
        return cls(tuple(made), tuple(output))

    def to_text(self) -> str:
        """Write one line per block and one for the output."""
        lines = [f"state {i} = {block.left} + {block.right}" for i, block in enumerate(self.blocks, start=_INPUTS)]
        return "\n".join([*lines, f"output  = concat({', '.join(map(str, self.output))})"])


@dataclass(frozen=True, slots=True)
class Genotype:
    """The two cells from which a network is stacked.

    Args:
        name: How the network's paper calls it.
        normal: Keeps height and width.
        reduction: Halves height and width; its output holds blocks only, since states 0 and 1 keep their size.

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
        if min(self.reduction.output) < _INPUTS:
            raise ValueError(
                f"the reduction cell's output holds an input, which keeps its size while the blocks are halved: "
                f"expected states from {_INPUTS}, got {self.reduction.output}"
            )

    @property
    def cells(self) -> dict[str, Cell]:
        """Both cells by their role: ``"normal"``, then ``"reduction"``."""
        return {"normal": self.normal, "reduction": self.reduction}

    def to_text(self) -> str:
        """Draw both cells as text."""
        parts = [f"{self.name}: state 0 is the output of the cell before, state 1 of the cell before that"]
        for role, cell in self.cells.items():
            parts += ["", f"{role} cell", *(f"  {line}" for line in cell.to_text().splitlines())]
        return "\n".join(parts)

    def to_dot(self) -> str:
        """Draw both cells in Graphviz's DOT language; ``dot -Tsvg`` makes a picture of it."""
        lines = [
            f"digraph {_quoted(self.name)} {{",
            '  graph [rankdir=BT, compound=true, fontname="Helvetica"]',
            '  node [shape=box, style=rounded, fontname="Helvetica"]',
        ]
        for role, cell in self.cells.items():
            lines += [f"  subgraph cluster_{role} {{", f"    label={_quoted(f'{self.name}, {role} cell')}"]
            lines += [f"    {line}" for line in _dot_of_cell(cell, role)]
            lines.append("  }")
        return "\n".join([*lines, "}", ""])

    def to_json(self) -> str:
        """Write the genotype as JSON; :meth:`from_json` reads it again."""
        cells = {
            role: {
                "blocks": [[b.left.operation, b.left.state, b.right.operation, b.right.state] for b in cell.blocks],
                "output": list(cell.output),
            }
            for role, cell in self.cells.items()
        }
        return json.dumps({"name": self.name, **cells}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """Read a genotype that :meth:`to_json` wrote.

        Raises:
            ValueError: ``text`` is no JSON, lacks a field, has an unknown one, or describes no valid genotype.
        """
        fields = _fields(json.loads(text), {"name", "normal", "reduction"}, "a genotype")
        return cls(fields["name"], _cell_of(fields["normal"], "normal"), _cell_of(fields["reduction"], "reduction"))


def _is_index(value: object) -> bool:
    """Tell whether a value can number a state."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _fields(value: Any, expected: set[str], what: str) -> dict[str, Any]:
    """Return ``value`` where it is an object with exactly the expected fields."""
    if not isinstance(value, dict) or set(value) != expected:
        got = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{what} has the fields {sorted(expected)}, got {got}")
    return value


def _cell_of(value: Any, role: str) -> Cell:
    """Read one cell of the JSON form."""
    fields = _fields(value, {"blocks", "output"}, f"the {role} cell")
    rows, output = fields["blocks"], fields["output"]
    is_rows = isinstance(rows, list) and all(isinstance(row, list) and len(row) == 4 for row in rows)
    if not is_rows or not isinstance(output, list):
        raise ValueError(
            f"the {role} cell has blocks [[operation, state, operation, state], ...] and an output [state, ...], "
            f"got {rows!r} and {output!r}"
        )
    try:
        return Cell.of(*(tuple(row) for row in rows), output=tuple(output))
    except ValueError as error:
        raise ValueError(f"the {role} cell: {error}") from error


def _dot_of_cell(cell: Cell, role: str) -> list[str]:
    """Nodes and edges of one cell; node names carry the role, since both cells share one drawing."""
    lines = [f'{role}_{i} [label="state {i}", style=filled, fillcolor=lightgrey]' for i in range(_INPUTS)]
    for state, block in enumerate(cell.blocks, start=_INPUTS):
        lines.append(f'{role}_{state} [label="+  state {state}", shape=ellipse]')
        for side, branch in zip(("left", "right"), block.branches, strict=True):
            operation = f"{role}_{state}_{side}"
            lines += [
                f"{operation} [label={_quoted(branch.operation)}]",
                f"{role}_{branch.state} -> {operation} -> {role}_{state}",
            ]
    lines.append(f'{role}_output [label="concat", style=filled, fillcolor=lightgrey]')
    return lines + [f"{role}_{state} -> {role}_output" for state in cell.output]


def _quoted(text: str) -> str:
    """Quote text for DOT."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
