"""Grids of numbers as SVG.

Small, sharp, animated by CSS alone, readable on light and on dark pages.

An SVG in an ``<img>`` follows the page's color scheme through ``prefers-color-scheme``; every
color is a variable.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

COLORS = """:root {
  --ink: #1f2933; --quiet: #66727f; --line: #c3ccd5; --blue: #3b6fb6; --orange: #d9480f;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --quiet: #a3adb8; --line: #4a5361; --blue: #5b93e0; --orange: #f0803c; }
}"""
_STYLE = f"""<style>
{COLORS}
text {{ font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: var(--ink); }}
text {{ text-anchor: middle; }}
text.title {{ font-weight: 600; }}
text.note {{ fill: var(--quiet); }}
text.full {{ fill: #fff; }}
rect.cell {{ stroke: var(--line); fill: var(--blue); }}
rect.negative {{ fill: var(--orange); }}
rect.padding {{ stroke-dasharray: 3 3; }}
rect.window {{ fill: none; stroke: var(--orange); stroke-width: 3; rx: 2; }}
rect.second {{ stroke-dasharray: 6 4; stroke-width: 2; }}
@media (prefers-reduced-motion: reduce) {{ * {{ animation: none !important; }} }}
</style>"""
CELL = 36
"""Side of one cell in pixels."""


@dataclass(frozen=True, slots=True)
class Place:
    """The upper left corner of a grid, and the size of its cells."""

    x: float
    y: float
    cell: float = CELL


def document(
    width: float,
    height: float,
    label: str,
    *parts: str,
) -> str:
    """Put parts together into a file; the label is what a screen reader says."""
    box = f"0 0 {width:g} {height:g}"
    size = f'viewBox="{box}" width="{width:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = f"<title>{escape(label)}</title>"
    lines = [head, title, _STYLE, *parts, "</svg>", ""]
    return "\n".join(lines)


def grid(
    place: Place,
    values: torch.Tensor,
    title: str,
    limit: float,
    digits: int = 0,
) -> str:
    """Draw a matrix of numbers: the larger, the fuller; blue above zero, orange below."""
    _, columns = values.shape
    width = columns * place.cell
    middle = place.x + width / 2
    parts = [text(middle, place.y - 9, title, "title")]
    for row, numbers in enumerate(values.tolist()):
        for column, number in enumerate(numbers):
            square = cell(place, row, column, number, limit, digits)
            parts.append(square)
    return "\n".join(parts)


def cell(
    place: Place,
    row: int,
    column: int,
    number: float,
    limit: float,
    digits: int = 0,
    name: str = "",
) -> str:
    """Draw one number in its square; ``name`` is a CSS class by which an animation finds it."""
    share = min(abs(number) / limit, 1.0)
    kind = "cell negative" if number < 0 else "cell"
    frame = window(place, row, column, 1, kind)
    opacity = 0.95 * share
    square = frame.replace("/>", f' fill-opacity="{opacity:.2f}"/>')

    half = place.cell / 2
    middle_x = place.x + column * place.cell + half
    middle_y = place.y + row * place.cell + half
    words = minus(f"{number:.{digits}f}")
    weight = "full" if share > 0.6 else ""
    label = text(middle_x, middle_y + 4.5, words, weight)
    if name:
        return f'<g class="{name}">{square}{label}</g>'
    return square + label


def window(
    place: Place,
    row: float,
    column: float,
    side: float,
    kind: str = "window",
) -> str:
    """Draw a frame around some cells."""
    x = place.x + column * place.cell
    y = place.y + row * place.cell
    length = side * place.cell
    corner = f'x="{x:g}" y="{y:g}"'
    size = f'width="{length:g}" height="{length:g}"'
    return f'<rect class="{kind}" {corner} {size}/>'


def text(
    x: float,
    y: float,
    content: str,
    kind: str = "",
) -> str:
    """Write centered text."""
    mark = f' class="{kind}"' if kind else ""
    words = escape(content)
    return f'<text{mark} x="{x:g}" y="{y:g}">{words}</text>'


def minus(number: str) -> str:
    """Write a number with a true minus sign, and minus zero as zero."""
    if float(number):
        return number.replace("-", "\N{MINUS SIGN}")
    return number.removeprefix("-")


def shown_in_step(
    name: str,
    step: int,
    steps: int,
    *,
    stays: bool,
) -> str:
    """Write the keyframes that show an element in one step of an animation, or from then on."""
    begin = 100 * step / steps
    end = 100 * (step + 1) / steps
    frames = ["0% { opacity: 1 }"]
    if step:
        frames = ["0% { opacity: 0 }", f"{begin:.3f}% {{ opacity: 1 }}"]
    if not stays:
        frames.append(f"{end:.3f}% {{ opacity: 0 }}")
    joined = " ".join(frames)
    return f"@keyframes {name} {{ {joined} }}"
