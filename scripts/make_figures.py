"""Draw the images of the documentation into docs/assets/.

tests/docs/test_figures.py finds those that are out of date.

    python -m scripts.make_figures

The digit is one of those that scikit-learn ships (UCI Optical Recognition of Handwritten Digits,
CC-BY-4.0).

The file is long because it has one function a figure; what several draw with is in ``svg_*``.
"""

from __future__ import annotations

import io
import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.nn import functional

from scripts import flows
from scripts.svg_cells import Panel
from scripts.svg_cells import draw as draw_panels
from scripts.svg_flows import draw as draw_flow
from scripts.svg_grids import (
    CELL,
    COLORS,
    Place,
    cell,
    document,
    grid,
    minus,
    shown_in_step,
    text,
    window,
)
from zoo.catalog.chooser import Limits, choose
from zoo.catalog.chooser import label as label_of
from zoo.catalog.query import Selection, select
from zoo.catalog.registry import load_registry
from zoo.inspector.inspection import inspect_model
from zoo.models.genotype import Genotype
from zoo.models.published_cells import NASNET_A, PNASNET_5
from zoo.plots.choice import chart_of
from zoo.plots.scatter import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

REPOSITORY = Path(__file__).resolve().parents[1]
ASSETS = REPOSITORY / "docs" / "assets"
FOUND_CELL = ASSETS.parent / "tutorial" / "found-cell.json"
"""From a search of scripts/bench_search.py: evolution, seed 1."""
EDGE = torch.tensor(
    [
        [1.0, 0.0, -1.0],
        [2.0, 0.0, -2.0],
        [1.0, 0.0, -1.0],
    ]
)
"""Sobel's filter: bright on the left, dark on the right."""
BRIGHTEST = 16
STEP_SECONDS = 0.6
INK = "#1f2933"
QUIET = "#66727f"
LINE = "#c3ccd5"
BLUE = "#3b6fb6"
ORANGE = "#d9480f"
COLOR_NAMES = {
    INK: "ink",
    QUIET: "quiet",
    LINE: "line",
    BLUE: "blue",
    ORANGE: "orange",
}
COLOR_NAMES |= {
    "#8592a3": "quiet",
    "#d5dce4": "line",
    "#e8ecf1": "line",
    "#3d6fa5": "blue",
    "#d1495b": "orange",
}
"""The colors of the charts here, then of zoo choose, and the variables that stand for them."""
_EPOCH = re.compile(r"^ +(\d+) +(\d+\.\d+) +(\d+\.\d+) +(\d+\.\d+) ", re.MULTILINE)
"""A line of the table that ``zoo train`` prints: epoch, both losses, error."""
LABELS = {
    "alexnet": (8, 2),
    "squeezenet1_1": (-30, 9),
    "googlenet": (-14, 18),
    "vgg16": (40, 26),
    "resnet50": (-70, -46),
    "resnet152": (-24, -44),
    "mobilenet_v1_100": (-70, 74),
    "mobilenet_v2": (-84, -12),
    "nasnet_a_large": (44, 34),
    "efficientnet_b0": (-100, -14),
    "vit_b_16": (40, 52),
    "vit_h_14": (-24, 10),
}
"""Which networks are named in the history, and where the name stands from its dot, in points."""


def digit() -> torch.Tensor:
    """One handwritten zero, shape ``(8, 8)``, values 0 to 16."""
    from sklearn.datasets import load_digits  # slow to import, and one image needs it

    digits = load_digits()
    pixels = digits.images[0]
    return torch.tensor(pixels, dtype=torch.float32)


# --- grids of numbers
# -------------------------------------------------------------------------------------------------


def draw_convolution() -> str:
    """Move a filter over a digit, write out each sum and fill the feature map with it."""
    image = digit()
    batch = image[None, None]
    filters = EDGE[None, None]
    feature_maps = functional.conv2d(batch, filters)
    feature_map = feature_maps[0, 0]
    rows, columns = feature_map.shape
    steps = rows * columns
    left = Place(12, 36)
    middle = Place(330, 36 + 2.5 * CELL)
    right = Place(470, 36 + CELL)

    moves = []
    styles = []
    empty_cells = []
    cells = []
    sums = []
    duration = steps * STEP_SECONDS
    animation = f"{duration:g}s step-end infinite"
    for step in range(steps):
        row, column = divmod(step, columns)
        begin = 100 * step / steps
        x = column * CELL
        y = row * CELL
        move = f"transform: translate({x}px, {y}px)"
        moves.append(f"{begin:.3f}% {{ {move} }}")
        styles += [
            shown_in_step(f"c{step}", step, steps, stays=True),
            shown_in_step(f"s{step}", step, steps, stays=False),
            f".c{step} {{ animation: c{step} {animation} }}",
            f".s{step} {{ animation: s{step} {animation} }}",
        ]

        total = feature_map[row, column].item()
        part = image[row : row + 3, column : column + 3]
        later = " later" if step else ""
        empty = window(right, row, column, 1, "cell")
        empty_cells.append(empty.replace("/>", ' fill-opacity="0"/>'))
        filled = cell(right, row, column, total, 60, name=f"c{step}")
        cells.append(filled)
        words = _sum(part, total)
        shown = text(350, 352, words, f"s{step}{later}")
        sums.append(shown)

    keyframes = [
        "@keyframes move {",
        *moves,
        "}",
        *styles,
        f".moving {{ animation: move {animation} }} .later {{ opacity: 0 }}",
    ]
    rules = "\n".join(keyframes)
    return document(
        700,
        370,
        "A 3x3 filter moves over a handwritten zero of 8x8 pixels and fills its 6x6 feature map",
        f"<style>\n{rules}\n</style>",
        grid(left, image, "image, 8x8", BRIGHTEST),
        grid(middle, EDGE, "filter, 3x3", 3),
        text(right.x + 3 * CELL, right.y - 9, "feature map, 6x6", "title"),
        *empty_cells,
        *cells,
        f'<g class="moving">{window(left, 0, 0, 3)}{window(right, 0, 0, 1)}</g>',
        *sums,
    )


def _sum(part: torch.Tensor, total: float) -> str:
    """Write the products that are not zero, and their sum."""
    values = part.flatten().tolist()
    weights = EDGE.flatten().tolist()

    products = []
    for value, weight in zip(values, weights, strict=True):
        if not value or not weight:
            continue
        factor = minus(f"{weight:.0f}")
        if weight < 0:
            factor = f"({factor})"
        products.append(f"{value:.0f}\N{MULTIPLICATION SIGN}{factor}")

    left = " + ".join(products) or "0"
    right = minus(f"{total:.0f}")
    return f"{left} = {right}"


def draw_padding() -> str:
    """Show where a 3x3 filter stands with and without padding and stride."""
    parts = []
    x = 14.0
    for padding, stride in ((0, 1), (1, 1), (1, 2)):
        parts += _positions(x, padding, stride)
        x += 228
    return document(668, 304, "The positions of a 3x3 filter on a 5x5 image", *parts)


def _positions(
    x: float,
    padding: int,
    stride: int,
) -> list[str]:
    """Draw an image of 5x5 with its padding, and a dot wherever the filter's middle stands."""
    side = 26
    size = 5 + 2 * padding
    positions = (size - 3) // stride + 1
    inset = 0 if padding else side
    small = Place(x + inset, 60 + inset, side)
    middle = x + 3.5 * side

    title = f"padding {padding}, stride {stride}"
    parts = [text(middle, 24, title, "title")]
    image = range(padding, size - padding)
    for row in range(size):
        for column in range(size):
            is_inside = row in image and column in image
            fill = 0.35 if is_inside else 0
            mark = "cell" if is_inside else "cell padding"
            square = window(small, row, column, 1, mark)
            parts.append(square.replace("/>", f' fill-opacity="{fill}"/>'))

    parts.append(window(small, 0, stride, 3, "window second"))
    parts.append(window(small, 0, 0, 3))
    first = 1.5 * side
    step = stride * side
    for i in range(positions):
        cy = small.y + first + i * step
        for j in range(positions):
            cx = small.x + first + j * step
            place = f'cx="{cx:g}" cy="{cy:g}"'
            parts.append(f'<circle {place} r="4.5" fill="var(--orange)"/>')

    sum_of_sides = f"5 + 2\N{MULTIPLICATION SIGN}{padding} \N{MINUS SIGN} 3"
    formula = f"({sum_of_sides}) / {stride} + 1 = {positions}"
    result = f"feature map {positions}x{positions}"
    parts.append(text(middle, 268, formula))
    parts.append(text(middle, 290, result, "note"))
    return parts


def draw_pooling() -> str:
    """Show maximum and mean of each 2x2 square of a digit's upper left part."""
    image = digit()
    part = image[1:5, 2:6]
    batch = part[None]
    maxima = functional.max_pool2d(batch, 2)
    means = functional.avg_pool2d(batch, 2)

    middle = 36 + CELL / 2
    whole = Place(12, 36)
    largest = Place(220, middle, 46)
    mean = Place(380, middle, 46)
    windows = []
    for row in (0, 2):
        for column in (0, 2):
            square = window(whole, row, column, 2)
            windows.append(square)

    return document(
        500,
        194,
        "A 4x4 part of a digit, its 2x2 maxima and its 2x2 means",
        grid(whole, part, "part of a digit, 4x4", BRIGHTEST),
        *windows,
        grid(largest, maxima[0], "max pooling", BRIGHTEST),
        grid(mean, means[0], "average pooling", BRIGHTEST, digits=2),
    )


def draw_dropout() -> str:
    """Show what dropout makes of ten ones: twice in training, once in inference."""
    torch.manual_seed(0)
    dropout = nn.Dropout(0.5)
    ones = torch.ones(1, 10)
    rows = {
        "what comes in": ones,
        "training": dropout(ones),
        "training, again": dropout(ones),
    }
    dropout.eval()
    rows["inference"] = dropout(ones)

    parts = []
    y = 12
    for title, values in rows.items():
        place = Place(150, y)
        words = text(80, y + 23, title, "title")
        parts.append(f'<g text-anchor="end">{words}</g>')
        numbers = values[0].tolist()
        for column, number in enumerate(numbers):
            square = cell(place, 0, column, number, 2.4)
            parts.append(square)
        y += 46

    return document(
        524,
        200,
        "Dropout of ten ones: halves dropped and doubled in training, untouched later",
        *parts,
    )


# --- charts
# --------------------------------------------------------------------------------------------------


def chart(figure: Figure, facts: str) -> str:
    """Give a figure as SVG text whose colors follow the page.

    With the facts that it shows as its description.
    """
    buffer = io.StringIO()
    nothing_that_changes = {
        "Date": None,
        "Creator": None,
    }
    with mpl.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=True,
            metadata=nothing_that_changes,
        )
    svg = buffer.getvalue()
    return following_the_page(svg, facts)


def following_the_page(svg: str, facts: str) -> str:
    """Turn a drawing's colors into variables, leave out its height and describe what it shows."""
    svg = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", svg, count=1)
    for color, name in COLOR_NAMES.items():
        svg = svg.replace(color, f"var(--{name})")

    description = escape(facts)
    style = f"<style>\n{COLORS}\n</style>"
    head = f"<desc>{description}</desc>\n {style}\n <defs>"
    return svg.replace("<defs>", head, 1)


def plain(axes: Axes) -> Axes:
    """Draw axes in the colors that follow the page, without a box."""
    box = axes.spines[["top", "right"]]
    box.set_visible(False)
    lines = axes.spines[["left", "bottom"]]
    lines.set_color(LINE)
    axes.tick_params(colors=INK, which="both")
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
    return axes


def draw_batch_normalisation() -> str:
    """Show a channel's values before and after, and how the running mean comes to the channel's."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(1)
    values = []
    answers = []
    means = [torch.zeros(1)]
    for _ in range(40):
        noise = torch.randn(64, 1, 8, 8)
        batch = noise * 3 + 10
        answer = norm(batch).detach()
        mean = norm.get_buffer("running_mean")

        values.append(batch.flatten())
        answers.append(answer.flatten())
        means.append(mean.clone())

    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = [step / 4 for step in range(-16, 89)]
    shown = (
        (torch.cat(values), BLUE, "before"),
        (torch.cat(answers), ORANGE, "after"),
    )
    for data, color, label in shown:
        left.hist(
            data.numpy(),
            bins=bins,
            color=color,
            alpha=0.75,
            histtype="stepfilled",
        )
        center = data.mean().item()
        left.annotate(
            label,
            (center, 0),
            xytext=(0, -30),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
    plain(left).set(yticks=[], title="values of a channel, in training")
    spine = left.spines["left"]
    spine.set_visible(False)

    right.axhline(10, color=LINE)
    right.plot(torch.cat(means), color=ORANGE)
    plain(right).set(
        title="running mean",
        xlabel="batches seen",
        ylim=(0, 11),
    )
    facts = [f"{mean.item():.2f}" for mean in means]
    return chart(figure, " ".join(facts))


def draw_cnnnet() -> str:
    """Draw which layers of CNNNet hold its parameters, and which do its work."""
    table = inspect_model("cnnnet")
    work = table.multiply_adds or 0
    names = []
    of_parameters = []
    of_work = []
    for layer in table.layers:
        if layer.type not in {"Conv2d", "Linear"}:
            continue
        share = layer.parameters / table.parameters
        work_share = layer.multiply_adds / work
        names.append(f"{layer.path}  {layer.type}")
        of_parameters.append(100 * share)
        of_work.append(100 * work_share)

    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axes = figure.subplots()
    places = range(len(names))
    groups = (
        (-0.2, of_parameters, BLUE, "parameters"),
        (0.2, of_work, ORANGE, "multiply-adds"),
    )
    for offset, widths, color, label in groups:
        heights = [place + offset for place in places]
        bars = axes.barh(
            heights,
            widths,
            0.38,
            color=color,
            label=label,
        )
        figures = [f"{width:.1f}" for width in widths]
        axes.bar_label(
            bars,
            figures,
            padding=3,
            fontsize=8,
            color=INK,
        )

    plain(axes).set(
        yticks=list(places),
        yticklabels=names,
        xlabel="percent of the network",
    )
    axes.invert_yaxis()
    axes.legend(frameon=False, labelcolor=INK, loc="upper right")
    facts = []
    for name, percent, work_percent in zip(names, of_parameters, of_work, strict=True):
        facts.append(f"{name}:{percent:.2f}/{work_percent:.2f}")
    return chart(figure, " ".join(facts))


def draw_history() -> str:
    """Draw top-5 error against multiply-adds for the registry's classifiers, colored by year."""
    selection = Selection(
        task="classification",
        where="top5_error>0 and multiply_adds>0",
        sort="year",
    )
    rows = select(selection, load_registry())
    entries = [row.entry for row in rows]
    costs = [entry.multiply_adds or 0 for entry in entries]
    errors = [entry.top5_error or 0.0 for entry in entries]
    years = [entry.year or 0 for entry in entries]
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    axes = figure.subplots()
    dots = axes.scatter(
        costs,
        errors,
        c=years,
        cmap="plasma",
        s=46,
        edgecolors=INK,
        linewidths=0.7,
    )
    leader = {
        "arrowstyle": "-",
        "color": QUIET,
        "linewidth": 0.7,
        "shrinkA": 0,
        "shrinkB": 3,
    }
    for row, x, y in zip(rows, costs, errors, strict=True):
        offset = LABELS.get(row.name)
        if offset is None:
            continue
        axes.annotate(
            row.name,
            (x, y),
            offset,
            textcoords="offset points",
            fontsize=8.5,
            color=INK,
            arrowprops=leader,
            zorder=1,
        )

    plain(axes).set(
        xscale="log",
        xlabel="multiply-adds for one image",
        ylim=(0, None),
        yticks=range(0, 21, 5),
    )
    axes.set_ylabel("top-5 error of the default weights, %")
    axes.grid(color=LINE, alpha=0.5)

    ticks = sorted({*years})
    bar = figure.colorbar(dots, label="year of the paper", ticks=ticks)
    bar.ax.tick_params(colors=INK)
    label = bar.ax.yaxis.label
    label.set_color(INK)
    facts = [f"{entry.name}:{entry.top5_error:g}" for entry in entries]
    return chart(figure, " ".join(facts))


def draw_choice() -> str:
    """Draw the choice of the tutorial, without a ground."""
    limits = Limits(
        parameters=10e6,
        top5_error_percent=8,
        source="torchvision",
    )
    choice = choose(limits)
    drawing, _ = render(chart_of(choice), "svg")
    svg = drawing.decode()
    without_ground = svg.replace("fill: #ffffff", "fill: none")

    facts = []
    for row in choice.considered:
        name = label_of(row)
        error = row["top5_error"]
        facts.append(f"{name}:{error}")
    return following_the_page(without_ground, " ".join(facts))


def draw_training() -> str:
    """Draw the run that page 9 of the tutorial prints, as ``curves.png`` shows it."""
    page = ASSETS.parent / "tutorial" / "9-training.md"
    words = page.read_text(encoding="utf-8")
    first_run, _, _ = words.partition("## From weights")
    rows = _EPOCH.findall(first_run)
    epochs = [int(row[0]) for row in rows]
    training_losses = [float(row[1]) for row in rows]
    validation_losses = [float(row[2]) for row in rows]
    validation_errors = [float(row[3]) for row in rows]

    figure = Figure(figsize=(8, 3), layout="constrained")
    losses, errors = figure.subplots(1, 2)
    losses.plot(epochs, training_losses, "o-", color=BLUE, label="training")
    losses.plot(epochs, validation_losses, "o-", color=ORANGE, label="validation")
    errors.plot(epochs, validation_errors, "o-", color=ORANGE)
    losses.legend(frameon=False, labelcolor=INK)

    plain(losses).set(
        xlabel="epoch",
        ylabel="cross-entropy loss",
        xticks=epochs,
    )
    plain(errors).set(
        xlabel="epoch",
        ylabel="validation top-1 error, %",
        xticks=epochs,
    )
    for axes in (losses, errors):
        axes.set_ylim(bottom=0)
        axes.grid(color=LINE, alpha=0.5)

    lines = [" ".join(row) for row in rows]
    return chart(figure, "; ".join(lines))


def draw_cells() -> str:
    """Draw a found cell beside NASNet's and PNASNet's."""
    found = Genotype.from_json(FOUND_CELL.read_text(encoding="utf-8"))
    panels = (
        Panel("found on digits", found.normal),
        Panel("NASNet-A, normal cell", NASNET_A.normal),
        Panel("PNASNet-5", PNASNET_5.normal),
    )
    return draw_panels(panels, "Three searched cells side by side")


FIGURES: dict[str, Callable[[], str]] = {
    "convolution.svg": draw_convolution,
    "padding.svg": draw_padding,
    "pooling.svg": draw_pooling,
    "dropout.svg": draw_dropout,
    "batch-normalisation.svg": draw_batch_normalisation,
    "cnnnet.svg": draw_cnnnet,
    "history.svg": draw_history,
    "choice.svg": draw_choice,
    "training.svg": draw_training,
    "cells.svg": draw_cells,
    "download.svg": lambda: draw_flow(flows.DOWNLOAD),
    "mirror-request.svg": lambda: draw_flow(flows.MIRROR),
}


def main() -> None:
    """Draw all of them."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        drawing = draw()
        file = ASSETS / name
        file.write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    main()
