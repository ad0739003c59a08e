"""The chapter's line from LeNet-5 to NASNet: a drawing and a table, in plain HTML.

The drawing shows of each network the error that its own paper states for one network, at the place
in the line where it came, as a disc whose area is its number of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import sqrt
from string import Template
from typing import TYPE_CHECKING

from zoo.catalog import quantities
from zoo.site.data import paper_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.catalog.records import Architecture, Paper, PublishedError

HISTORY = (
    "lenet5",
    "alexnet_2012",
    "vgg16",
    "googlenet_2014",
    "inception_v3",
    "resnet152",
    "squeezenet1_0",
    "densenet201",
    "mobilenet_v1_100",
    "nasnet_a_large",
    "pnasnet_5_large",
)
"""The networks that the tutorial tells the history of."""

_COLUMN = 92
_RIGHT = 30
_LEFT = 64
_TOP = 34
_HEIGHT = 280
_HIGHEST_PERCENT = 24
_LARGEST_RADIUS = 36
_SMALLEST_RADIUS = 4
_LANE = 62
"""Height of the lane for networks whose papers state no such error."""


def networks(architectures: Iterable[Architecture]) -> list[Architecture]:
    """List the networks of the history, oldest first."""
    by_name = {architecture.name: architecture for architecture in architectures}
    known = [by_name[name] for name in HISTORY if name in by_name]
    return sorted(known, key=lambda architecture: architecture.year or 0)


def best_errors(architecture: Architecture) -> str | None:
    """Give a paper's lowest top-5 error of one network and, if it has one, of an ensemble."""
    single = error_of_one(architecture)
    ensembles = [entry for entry in _top5(architecture) if entry.models > 1]
    claims = [_claim(single)] if single else []

    if ensembles:
        # The test set is what a paper reports of an ensemble, where it was asked.
        best = min(ensembles, key=lambda entry: (entry.split != "test", entry.error_percent))
        claims.append(_claim(best))
    return "; ".join(claims) or None


def error_of_one(architecture: Architecture) -> PublishedError | None:
    """Find the lowest top-5 error that a paper states for a single network."""
    single = [entry for entry in _top5(architecture) if entry.models == 1]
    return min(single, key=lambda entry: entry.error_percent, default=None)


def _top5(architecture: Architecture) -> list[PublishedError]:
    return [entry for entry in architecture.published if entry.metric == "top5"]


def _claim(entry: PublishedError) -> str:
    """Write an error with its protocol."""
    who = "one network" if entry.models == 1 else f"{entry.models} networks"
    crops = f", crops: {entry.crops}" if entry.crops else ""
    doubt = "" if entry.is_verified else " (unverified)"
    return f"{entry.error_percent:g} % ({who}, {entry.split}{crops}){doubt}"


@dataclass(frozen=True, slots=True)
class _Disc:
    """A network's place in the drawing."""

    architecture: Architecture
    error: PublishedError | None
    x: float
    y: float
    radius: float
    is_named_below: bool

    @property
    def name(self) -> str:
        """The network's title without what stands in parentheses."""
        return self.architecture.title.partition(" (")[0]

    @property
    def name_y(self) -> float:
        """Where the name stands: above the disc, for every second one below."""
        return self.y + self.radius + 18 if self.is_named_below else self.y - self.radius - 8


_DRAWING = Template("""\
<svg class="history" viewBox="0 0 $width $height" width="$width" height="$height"
 role="group" aria-labelledby="history-title">
<title id="history-title">Top-5 error that each paper states for one network, and the number of
 parameters as the area of its disc; the table below says the same</title>
$axis
<path class="line" d="M$line"/>
$discs
$years
</svg>""")
_DISC = Template("""\
<a href="model.html?model=$model">
<title>$title, $year: $parameters parameters, $error</title>
<circle cx="$x" cy="$y" r="$radius"/>
<text class="name" x="$x" y="$name_y">$name</text></a>""")
_TICK = Template("""\
<path class="grid" d="M$left,${y}H$right"/>
<text class="tick" x="$text_x" y="$text_y">$percent %</text>""")
_NOT_STATED = Template("""\
<text class="tick" x="$x" y="$above">not</text>
<text class="tick" x="$x" y="$below">stated</text>""")


def draw(shown: Sequence[Architecture]) -> str:
    """Draw the line as SVG whose colors are those of the page."""
    discs = _place(shown)
    width = _LEFT + _COLUMN * len(shown) + _RIGHT
    known = [f"{disc.x:.1f},{disc.y:.1f}" for disc in discs if disc.error]
    return _DRAWING.substitute(
        width=width,
        height=_TOP + _HEIGHT + _LANE + 40,
        axis=_axis(width),
        line="L".join(known),
        discs="\n".join(map(_disc, discs)),
        years=_years(discs),
    )


def _place(shown: Sequence[Architecture]) -> list[_Disc]:
    """Give each network its place."""
    largest = max(architecture.parameters for architecture in shown)
    discs = []
    for place, architecture in enumerate(shown):
        error = error_of_one(architecture)
        share = sqrt(architecture.parameters / largest)
        y = _y(error.error_percent) if error else _TOP + _HEIGHT + _LANE / 2

        disc = _Disc(
            architecture=architecture,
            error=error,
            x=_LEFT + _COLUMN * (place + 0.5),
            y=y,
            radius=max(_SMALLEST_RADIUS, _LARGEST_RADIUS * share),
            is_named_below=place + 1 == len(shown),
        )
        discs.append(disc)
    return discs


def _y(percent: float) -> float:
    return _TOP + _HEIGHT * (1 - percent / _HIGHEST_PERCENT)


def _axis(width: int) -> str:
    """Draw lines at round errors, and the lane below them."""
    parts = []
    for percent in range(0, _HIGHEST_PERCENT, 5):
        y = _y(percent)
        tick = _TICK.substitute(
            left=_LEFT,
            right=width - 6,
            y=f"{y:.1f}",
            text_x=_LEFT - 10,
            text_y=f"{y + 4:.1f}",
            percent=percent,
        )
        parts.append(tick)

    middle = _TOP + _HEIGHT + _LANE // 2
    lane = _NOT_STATED.substitute(
        x=_LEFT - 10,
        above=middle - 4,
        below=middle + 12,
    )
    return "\n".join([*parts, lane])


def _disc(disc: _Disc) -> str:
    """Draw a network, with its name."""
    architecture = disc.architecture
    said = _claim(disc.error) if disc.error else "no top-5 error in its paper"
    return _DISC.substitute(
        model=escape(architecture.name),
        title=escape(architecture.title),
        year=architecture.year,
        parameters=quantities.count(architecture.parameters),
        error=escape(said),
        x=f"{disc.x:.1f}",
        y=f"{disc.y:.1f}",
        radius=f"{disc.radius:.1f}",
        name=escape(disc.name),
        name_y=f"{disc.name_y:.1f}",
    )


def _years(discs: Sequence[_Disc]) -> str:
    """Write each year once, below its first network."""
    bottom = _TOP + _HEIGHT + _LANE + 24
    first: dict[int | None, float] = {}
    for disc in discs:
        first.setdefault(disc.architecture.year, disc.x)

    parts = [
        f'<text class="year" x="{x:.1f}" y="{bottom}">{year}</text>' for year, x in first.items()
    ]
    return "\n".join(parts)


def render_table(shown: Sequence[Architecture]) -> str:
    """Write the line as a table."""
    lines = "\n".join(map(_row, shown))
    return f"<tbody>\n{lines}\n</tbody>"


_ROW = Template("""\
<tr><td>$year</td>
<th scope="row"><a href="model.html?model=$name">$title</a></th>
<td class="number">$parameters</td>
<td class="number">$multiply_adds</td>
<td class="number">$size</td>
<td class="wrap">$errors</td>
<td>$paper</td></tr>""")


def _row(architecture: Architecture) -> str:
    default = architecture.default
    size_bytes = default.size_bytes if default else None
    errors = best_errors(architecture) or "-"
    return _ROW.substitute(
        year=architecture.year,
        name=escape(architecture.name),
        title=escape(architecture.title),
        parameters=quantities.count(architecture.parameters),
        multiply_adds=quantities.count(architecture.multiply_adds),
        size=quantities.size(size_bytes),
        errors=escape(errors),
        paper=_link(architecture.paper),
    )


def _link(paper: Paper | None) -> str:
    """Link a paper where it can be read."""
    if paper is None:
        return "-"
    reference = escape(paper.reference or paper.title)
    address = paper_address(paper)
    if address is None:
        return reference
    return f'<a href="{escape(address)}">{reference}</a>'
