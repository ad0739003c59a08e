"""Searched cells as SVG: inputs below, blocks above what they read, the output on top.

As in :mod:`scripts.svg_grids`, the drawing follows the colour scheme of the page that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from scripts.svg_grids import COLOURS
from zoo.searcher.cells import INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.models.genotype import Cell

_STYLE = f"""<style>
{COLOURS}
text {{ font: 11px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }}
text {{ text-anchor: middle; }}
text.title {{ font-size: 13px; font-weight: 600; }}
rect {{ fill: none; stroke: var(--line); rx: 4; }}
rect.block {{ fill: var(--blue); fill-opacity: 0.12; stroke: var(--blue); }}
path {{ fill: none; stroke: var(--quiet); stroke-width: 1.2; }}
</style>"""
BOX_WIDTH = 92
BOX_HEIGHT = 38
ROW_HEIGHT = 84
GAP = 12
TITLE_HEIGHT = 26
_SHORT = {"separable": "sep", "identity": "identity", "max_pool": "max", "avg_pool": "avg"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One cell with its title."""

    title: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    lines: tuple[str, ...]
    kind: str = ""


def draw(panels: Sequence[Panel], label: str) -> str:
    """Draw the panels in a row; the label is what a screen reader says."""
    height = max(_height(panel.cell) for panel in panels)
    parts = []
    left = 0.0
    for panel in panels:
        width = _width(panel.cell)
        parts += _panel(panel, left, width, height)
        left += width + 2 * GAP
    size = f'viewBox="0 0 {left:g} {height:g}" width="{left:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{escape(label)}</title>", _STYLE, *parts, "</svg>", ""])


def _rows(cell: Cell) -> list[list[int]]:
    """Put each state into the row above the highest state that it reads."""
    depths = [0] * INPUTS
    for block in cell.blocks:
        depths.append(1 + max(depths[branch.state] for branch in block.branches))
    rows: list[list[int]] = [[] for _ in range(max(depths) + 1)]
    for state, depth in enumerate(depths):
        rows[depth].append(state)
    return rows


def _width(cell: Cell) -> float:
    widest = max(len(row) for row in _rows(cell))
    return widest * (BOX_WIDTH + GAP) + GAP


def _height(cell: Cell) -> float:
    return TITLE_HEIGHT + (len(_rows(cell)) + 1) * ROW_HEIGHT


def _panel(
    panel: Panel,
    left: float,
    width: float,
    height: float,
) -> list[str]:
    boxes = _boxes(panel.cell, left, width, height)
    top = height - _height(panel.cell)
    output = _Box(
        left + width / 2,
        top + TITLE_HEIGHT + 22,
        ("concat",),
    )
    above = output.y - 28
    parts = [f'<text class="title" x="{output.x:g}" y="{above:g}">{panel.title}</text>']

    quarter = BOX_WIDTH / 4
    for state, block in enumerate(panel.cell.blocks, start=INPUTS):
        for shift, branch in zip((-quarter, quarter), block.branches, strict=True):
            edge = _edge(boxes[branch.state], boxes[state], shift)
            parts.append(edge)

    for state in panel.cell.output:
        edge = _edge(boxes[state], output, 0)
        parts.append(edge)
    parts += map(_drawn, [*boxes, output])
    return parts


def _boxes(
    cell: Cell,
    left: float,
    width: float,
    height: float,
) -> list[_Box]:
    """Place every state."""
    places: dict[int, tuple[float, float]] = {}
    for depth, row in enumerate(_rows(cell)):
        for index, state in enumerate(row):
            x = left + width * (index + 0.5) / len(row)
            places[state] = (x, height - ROW_HEIGHT * depth - ROW_HEIGHT / 2)
    boxes = [
        _Box(*places[0], ("cell before",)),
        _Box(*places[1], ("the one before",)),
    ]
    for state, block in enumerate(cell.blocks, start=INPUTS):
        words = tuple(_words(branch.operation) for branch in block.branches)
        boxes.append(_Box(*places[state], words, "block"))
    return boxes


def _words(operation: str) -> str:
    name, _, size = operation.rpartition("_")
    if not name:
        return operation
    return f"{_SHORT[name]} {size.replace('x', '×')}"  # noqa: RUF001 - a sign of multiplication


def _edge(
    below: _Box,
    above: _Box,
    shift: float,
) -> str:
    start = below.y - BOX_HEIGHT / 2
    end = above.y + BOX_HEIGHT / 2
    middle = (start + end) / 2
    x = above.x + shift
    curve = f"C{below.x:g},{middle:g} {x:g},{middle:g} {x:g},{end:g}"
    return f'<path d="M{below.x:g},{start:g} {curve}"/>'


def _drawn(box: _Box) -> str:
    left = box.x - BOX_WIDTH / 2
    top = box.y - BOX_HEIGHT / 2
    corner = f'x="{left:g}" y="{top:g}"'
    size = f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
    parts = [f'<rect class="{box.kind}" {corner} {size}/>']

    y = box.y + 4 - 7 * (len(box.lines) - 1)
    for line in box.lines:
        words = escape(line)
        parts.append(f'<text x="{box.x:g}" y="{y:g}">{words}</text>')
        y += 14
    return "".join(parts)
