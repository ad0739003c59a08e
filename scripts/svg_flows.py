"""Drawings of who asks whom, as SVG: lanes side by side, steps from top to bottom.

As in :mod:`scripts.svg_grids`, the drawing follows the color scheme of the page that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from scripts.svg_grids import COLORS

_STYLE = f"""<style>
{COLORS}
text {{ font: 12.5px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }}
text.lane {{ font-weight: 600; text-anchor: middle; }}
text.module {{ font: 11px ui-monospace, Menlo, Consolas, monospace; fill: var(--quiet); }}
text.module {{ text-anchor: middle; }}
text.step {{ text-anchor: middle; }}
rect.head {{ fill: none; stroke: var(--line); rx: 4; }}
rect.note {{ fill: var(--blue); fill-opacity: 0.12; stroke: var(--blue); rx: 3; }}
line.life {{ stroke: var(--line); stroke-dasharray: 3 4; }}
path.step {{ fill: none; stroke: var(--blue); stroke-width: 1.4; }}
path.fault {{ stroke: var(--orange); }}
polygon {{ fill: var(--blue); }}
polygon.fault {{ fill: var(--orange); }}
</style>"""
LANE_WIDTH = 168
HEAD_HEIGHT = 42
STEP_HEIGHT = 40
NOTE_HEIGHT = 26
LETTER_WIDTH = 6.4
MARGIN = 8
ARROW = 6


@dataclass(frozen=True, slots=True)
class Lane:
    """Somebody who takes part: a name, and the module that it is."""

    name: str
    module: str


@dataclass(frozen=True, slots=True)
class Step:
    """One lane asks or tells another; within one lane it is a note on what happens there."""

    start: int
    """Number of the lane that speaks, from 0."""
    end: int
    words: str
    is_fault: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """Everything that is drawn."""

    title: str
    """What a screen reader says."""
    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]


def draw(flow: Flow) -> str:
    """Draw the lanes with their heads, then step under step."""
    lanes = len(flow.lanes)
    rows = len(flow.steps) + 1
    width = 2 * MARGIN + LANE_WIDTH * lanes
    height = HEAD_HEIGHT + STEP_HEIGHT * rows

    parts = []
    for number, lane in enumerate(flow.lanes):
        parts.append(_lane(lane, number, height))

    y = HEAD_HEIGHT
    for step in flow.steps:
        y += STEP_HEIGHT
        is_note = step.start == step.end
        draw_step = _note if is_note else _arrow
        drawn = draw_step(step, y)
        parts.append(drawn)

    box = f"0 0 {width} {height}"
    size = f'viewBox="{box}" width="{width}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = f"<title>{escape(flow.title)}</title>"
    lines = [head, title, _STYLE, *parts, "</svg>", ""]
    return "\n".join(lines)


def _middle(lane: int) -> float:
    return MARGIN + LANE_WIDTH * (lane + 0.5)


def _lane(
    lane: Lane,
    number: int,
    height: int,
) -> str:
    x = _middle(number)
    width = LANE_WIDTH - MARGIN
    left = x - width / 2
    size = f'width="{width}" height="{HEAD_HEIGHT - 2}"'
    name = escape(lane.name)
    module = escape(lane.module)
    return "\n".join(
        [
            f'<line class="life" x1="{x:g}" y1="{HEAD_HEIGHT}" x2="{x:g}" y2="{height}"/>',
            f'<rect class="head" x="{left:g}" y="1" {size}/>',
            f'<text class="lane" x="{x:g}" y="18">{name}</text>',
            f'<text class="module" x="{x:g}" y="33">{module}</text>',
        ]
    )


def _arrow(step: Step, y: int) -> str:
    """Draw a line with its words above it and a head where it ends."""
    fault = " fault" if step.is_fault else ""
    start = _middle(step.start)
    end = _middle(step.end)
    middle = (start + end) / 2
    words = escape(step.words)

    goes_right = end > start
    behind = end - ARROW if goes_right else end + ARROW
    upper = y - ARROW / 2
    lower = y + ARROW / 2
    tip = f"{end:g},{y}"
    above = f"{behind:g},{upper:g}"
    below = f"{behind:g},{lower:g}"
    corners = f"{tip} {above} {below}"
    return "\n".join(
        [
            f'<path class="step{fault}" d="M{start:g} {y}H{end:g}"/>',
            f'<polygon class="{fault.strip()}" points="{corners}"/>',
            f'<text class="step" x="{middle:g}" y="{y - 6}">{words}</text>',
        ]
    )


def _note(step: Step, y: int) -> str:
    """Draw a box on a lane; it may be wider than the lane."""
    usual_width = LANE_WIDTH - 2 * MARGIN
    width_of_words = LETTER_WIDTH * len(step.words) + 2 * MARGIN
    width = max(usual_width, width_of_words)
    half = width / 2
    left = max(_middle(step.start) - half, 1)
    middle = left + half
    top = y - NOTE_HEIGHT / 2 - 4

    words = escape(step.words)
    size = f'width="{width:g}" height="{NOTE_HEIGHT}"'
    return "\n".join(
        [
            f'<rect class="note" x="{left:g}" y="{top:g}" {size}/>',
            f'<text class="step" x="{middle:g}" y="{y:g}">{words}</text>',
        ]
    )
