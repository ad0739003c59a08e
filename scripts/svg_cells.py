"""Searched cells as SVG: inputs below, blocks above what they read, the output on top.

As in :mod:`scripts.svg_grids`, the drawing follows the color scheme of the page that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from scripts.svg_grids import COLORS
from zoo.searcher.cells import INPUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.models.genotype import Cell

_STYLE = f"""<style>
{COLORS}
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
_SHORT = {
    "separable": "sep",
    "identity": "identity",
    "max_pool": "max",
    "avg_pool": "avg",
}


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
    heights = [_height(panel.cell) for panel in panels]
    height = max(heights)
    parts = []
    left = 0.0
    for panel in panels:
        width = _width(panel.cell)
        parts += _panel(panel, left, width, height)
        left += width + 2 * GAP

    box = f"0 0 {left:g} {height:g}"
    size = f'viewBox="{box}" width="{left:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = f"<title>{escape(label)}</title>"
    lines = [head, title, _STYLE, *parts, "</svg>", ""]
    return "\n".join(lines)


def _rows(cell: Cell) -> list[list[int]]:
    """Put each state into the row above the highest state that it reads."""
    depths = [0] * INPUTS
    for block in cell.blocks:
        below = [depths[branch.state] for branch in block.branches]
        depths.append(1 + max(below))

    deepest = max(depths)
    rows: list[list[int]] = [[] for _ in range(deepest + 1)]
    for state, depth in enumerate(depths):
        row = rows[depth]
        row.append(state)
    return rows


def _width(cell: Cell) -> float:
    widest = max(map(len, _rows(cell)))
    step = BOX_WIDTH + GAP
    return widest * step + GAP


def _height(cell: Cell) -> float:
    rows = len(_rows(cell)) + 1
    return TITLE_HEIGHT + rows * ROW_HEIGHT


def _panel(
    panel: Panel,
    left: float,
    width: float,
    height: float,
) -> list[str]:
    boxes = _boxes(panel.cell, left, width, height)
    top = height - _height(panel.cell)
    output = _Box(
        x=left + width / 2,
        y=top + TITLE_HEIGHT + 22,
        lines=("concat",),
    )
    above = output.y - 28
    place = f'x="{output.x:g}" y="{above:g}"'
    parts = [f'<text class="title" {place}>{panel.title}</text>']

    quarter = BOX_WIDTH / 4
    for state, block in enumerate(panel.cell.blocks, start=INPUTS):
        first, second = block.branches
        box = boxes[state]
        left_edge = _edge(boxes[first.state], box, -quarter)
        right_edge = _edge(boxes[second.state], box, quarter)
        parts += [left_edge, right_edge]

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
    y = height - ROW_HEIGHT / 2
    for row in _rows(cell):
        share = width / len(row)
        x = left + share / 2
        for state in row:
            places[state] = (x, y)
            x += share
        y -= ROW_HEIGHT

    boxes = [
        _Box(*places[0], ("cell before",)),
        _Box(*places[1], ("the one before",)),
    ]
    for state, block in enumerate(cell.blocks, start=INPUTS):
        words = [_words(branch.operation) for branch in block.branches]
        box = _Box(*places[state], tuple(words), "block")
        boxes.append(box)
    return boxes


def _words(operation: str) -> str:
    name, _, size = operation.rpartition("_")
    if not name:
        return operation
    short = _SHORT[name]
    sides = size.replace("x", "\N{MULTIPLICATION SIGN}")
    return f"{short} {sides}"


def _edge(
    below: _Box,
    above: _Box,
    shift: float,
) -> str:
    half = BOX_HEIGHT / 2
    start = below.y - half
    end = above.y + half
    middle = (start + end) / 2
    x = above.x + shift
    first = f"{below.x:g},{start:g}"
    first_handle = f"{below.x:g},{middle:g}"
    second_handle = f"{x:g},{middle:g}"
    last = f"{x:g},{end:g}"
    return f'<path d="M{first} C{first_handle} {second_handle} {last}"/>'


def _drawn(box: _Box) -> str:
    left = box.x - BOX_WIDTH / 2
    top = box.y - BOX_HEIGHT / 2
    corner = f'x="{left:g}" y="{top:g}"'
    size = f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
    frame = f'<rect class="{box.kind}" {corner} {size}/>'
    parts = [frame]

    more = len(box.lines) - 1
    y = box.y + 4 - 7 * more
    for line in box.lines:
        words = escape(line)
        place = f'x="{box.x:g}" y="{y:g}"'
        parts.append(f"<text {place}>{words}</text>")
        y += 14
    return "".join(parts)
