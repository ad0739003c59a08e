"""Draw the pictures of the tutorial into docs/assets/; tests/docs/test_figures.py finds those that are out of date.

    python -m scripts.make_figures

The digit is one of those that scikit-learn ships (UCI Optical Recognition of Handwritten Digits, CC-BY-4.0).
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
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from scripts.svg_grids import (
    CELL,
    COLOURS,
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
from zoo.inspector.inspection import inspect_model
from zoo.plots.choice import chart_of
from zoo.plots.scatter import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
EDGE = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
"""Sobel's filter: bright on the left, dark on the right."""
BRIGHTEST = 16
STEP_SECONDS = 0.6
INK, QUIET, LINE, BLUE, ORANGE = "#1f2933", "#66727f", "#c3ccd5", "#3b6fb6", "#d9480f"
COLOUR_NAMES = {INK: "ink", QUIET: "quiet", LINE: "line", BLUE: "blue", ORANGE: "orange"}
COLOUR_NAMES |= {"#8592a3": "quiet", "#d5dce4": "line", "#e8ecf1": "line", "#3d6fa5": "blue", "#d1495b": "orange"}
"""The colours of the charts here, then those of zoo choose, and the variables that stand for them in the files."""
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
    return torch.tensor(load_digits().images[0], dtype=torch.float32)


# --- grids of numbers -------------------------------------------------------------------------------------------------


def draw_convolution() -> str:
    """Move a filter over a digit, write out each sum and fill the feature map with it."""
    picture = digit()
    feature_map = functional.conv2d(picture[None, None], EDGE[None, None])[0, 0]
    rows, columns = feature_map.shape
    steps = rows * columns
    left, middle, right = Place(12, 36), Place(330, 36 + 2.5 * CELL), Place(470, 36 + CELL)
    keyframes, cells, sums = ["@keyframes move {"], [], []
    for step in range(steps):
        row, column = divmod(step, columns)
        keyframes.append(f"{100 * step / steps:.3f}% {{ transform: translate({column * CELL}px, {row * CELL}px) }}")
    keyframes.append("}")
    duration = steps * STEP_SECONDS
    for step in range(steps):
        row, column = divmod(step, columns)
        keyframes += [shown_in_step(f"c{step}", step, steps, stays=True)]
        keyframes += [shown_in_step(f"s{step}", step, steps, stays=False)]
        keyframes += [f".c{step} {{ animation: c{step} {duration:g}s step-end infinite }}"]
        keyframes += [f".s{step} {{ animation: s{step} {duration:g}s step-end infinite }}"]
        cells.append(cell(right, row, column, feature_map[row, column].item(), 60, name=f"c{step}"))
        line = _sum(picture[row : row + 3, column : column + 3], feature_map[row, column].item())
        sums.append(text(350, 352, line, f"s{step}" + (" later" if step else "")))
    keyframes.append(f".moving {{ animation: move {duration:g}s step-end infinite }} .later {{ opacity: 0 }}")
    return document(
        700,
        370,
        "A 3x3 filter moves over a handwritten zero of 8x8 pixels and fills its 6x6 feature map",
        f"<style>\n{chr(10).join(keyframes)}\n</style>",
        grid(left, picture, "picture, 8x8", BRIGHTEST),
        grid(middle, EDGE, "filter, 3x3", 3),
        text(right.x + 3 * CELL, right.y - 9, "feature map, 6x6", "title"),
        *(
            window(right, *divmod(step, columns), 1, "cell").replace("/>", ' fill-opacity="0"/>')
            for step in range(steps)
        ),
        *cells,
        f'<g class="moving">{window(left, 0, 0, 3)}{window(right, 0, 0, 1)}</g>',
        *sums,
    )


def _sum(part: torch.Tensor, total: float) -> str:
    """Write the products that are not zero, and their sum."""
    products = [
        f"{value:.0f}\N{MULTIPLICATION SIGN}" + (f"({minus(f'{weight:.0f}')})" if weight < 0 else f"{weight:.0f}")
        for value, weight in zip(part.flatten().tolist(), EDGE.flatten().tolist(), strict=True)
        if value and weight
    ]
    return f"{' + '.join(products) or '0'} = {minus(f'{total:.0f}')}"


def draw_padding() -> str:
    """Show where a 3x3 filter stands with and without padding and stride."""
    parts, x = [], 14.0
    for padding, stride in ((0, 1), (1, 1), (1, 2)):
        size = 5 + 2 * padding
        positions = (size - 3) // stride + 1
        small = Place(x + (0 if padding else 26), 60 + (0 if padding else 26), 26)
        middle = x + 3.5 * 26
        parts += [text(middle, 24, f"padding {padding}, stride {stride}", "title")]
        for row in range(size):
            for column in range(size):
                inside = all(padding <= index < size - padding for index in (row, column))
                fill = 0.35 if inside else 0
                mark = "cell" if inside else "cell padding"
                parts.append(window(small, row, column, 1, mark).replace("/>", f' fill-opacity="{fill}"/>'))
        parts += [window(small, 0, stride, 3, "window second"), window(small, 0, 0, 3)]
        parts += [
            f'<circle cx="{small.x + (stride * j + 1.5) * 26:g}" cy="{small.y + (stride * i + 1.5) * 26:g}" r="4.5" '
            'fill="var(--orange)"/>'
            for i in range(positions)
            for j in range(positions)
        ]
        formula = f"(5 + 2\N{MULTIPLICATION SIGN}{padding} \N{MINUS SIGN} 3) / {stride} + 1 = {positions}"
        parts += [text(middle, 268, formula), text(middle, 290, f"feature map {positions}x{positions}", "note")]
        x += 228
    return document(668, 304, "The positions of a 3x3 filter on a 5x5 picture", *parts)


def draw_pooling() -> str:
    """Show maximum and mean of each 2x2 square of a digit's upper left part."""
    part = digit()[1:5, 2:6]
    whole, largest, mean = Place(12, 36), Place(220, 36 + CELL / 2, 46), Place(380, 36 + CELL / 2, 46)
    return document(
        500,
        194,
        "A 4x4 part of a digit, its 2x2 maxima and its 2x2 means",
        grid(whole, part, "part of a digit, 4x4", BRIGHTEST),
        *(window(whole, row, column, 2) for row in (0, 2) for column in (0, 2)),
        grid(largest, functional.max_pool2d(part[None], 2)[0], "max pooling", BRIGHTEST),
        grid(mean, functional.avg_pool2d(part[None], 2)[0], "average pooling", BRIGHTEST, digits=2),
    )


def draw_dropout() -> str:
    """Show what dropout makes of ten ones: twice in training, once in inference."""
    torch.manual_seed(0)
    dropout = nn.Dropout(0.5)
    ones = torch.ones(1, 10)
    rows = [("what comes in", ones), ("training", dropout(ones)), ("training, again", dropout(ones))]
    rows += [("inference", dropout.eval()(ones))]
    parts = []
    for index, (title, values) in enumerate(rows):
        place = Place(150, 12 + index * 46)
        parts.append(f'<g text-anchor="end">{text(80, place.y + 23, title, "title")}</g>')
        parts += [cell(place, 0, column, number, 2.4) for column, number in enumerate(values[0].tolist())]
    return document(524, 200, "Dropout of ten ones: halves dropped and doubled in training, untouched later", *parts)


# --- charts -----------------------------------------------------------------------------------------------------------


def chart(figure: Figure, facts: str) -> str:
    """Give a figure as SVG text whose colours follow the page, with the facts that it shows as its description."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "zoo"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return following_the_page(buffer.getvalue(), facts)


def following_the_page(svg: str, facts: str) -> str:
    """Turn a drawing's colours into variables, leave out its height and describe what it shows."""
    svg = re.sub(r"(<svg[^>]*?) height=\"[^\"]*\"", r"\1", svg, count=1)
    for colour, name in COLOUR_NAMES.items():
        svg = svg.replace(colour, f"var(--{name})")
    return svg.replace("<defs>", f"<desc>{escape(facts)}</desc>\n <style>\n{COLOURS}\n</style>\n <defs>", 1)


def plain(axes: Axes) -> Axes:
    """Draw axes in the colours that follow the page, without a box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=INK, which="both")
    for label in (axes.xaxis.label, axes.yaxis.label, axes.title):
        label.set_color(INK)
    return axes


def draw_batch_normalisation() -> str:
    """Show a channel's values before and after, and how the running mean comes to the channel's."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(1)
    values, answers, means = [], [], [torch.zeros(1)]
    for _ in range(40):
        batch = torch.randn(64, 1, 8, 8) * 3 + 10
        values.append(batch.flatten())
        answers.append(norm(batch).detach().flatten())
        means.append(norm.get_buffer("running_mean").clone())
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = [step / 4 for step in range(-16, 89)]
    for data, colour, label in ((torch.cat(values), BLUE, "before"), (torch.cat(answers), ORANGE, "after")):
        left.hist(data.numpy(), bins=bins, color=colour, alpha=0.75, histtype="stepfilled")
        left.annotate(
            label, (data.mean().item(), 0), xytext=(0, -30), textcoords="offset points", ha="center", color=INK
        )
    plain(left).set(yticks=[], title="values of a channel, in training")
    left.spines["left"].set_visible(False)
    right.axhline(10, color=LINE)
    right.plot(torch.cat(means), color=ORANGE)
    plain(right).set(title="running mean", xlabel="batches seen", ylim=(0, 11))
    return chart(figure, " ".join(f"{mean.item():.2f}" for mean in means))


def draw_cnnnet() -> str:
    """Draw which layers of CNNNet hold its parameters, and which do its work."""
    table = inspect_model("cnnnet")
    work = table.multiply_adds or 0
    layers = [layer for layer in table.layers if layer.type in {"Conv2d", "Linear"}]
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axes = figure.subplots()
    shares = [(100 * layer.parameters / table.parameters, 100 * layer.multiply_adds / work) for layer in layers]
    places = range(len(layers))
    for offset, index, colour, label in ((-0.2, 0, BLUE, "parameters"), (0.2, 1, ORANGE, "multiply-adds")):
        widths = [share[index] for share in shares]
        bars = axes.barh([place + offset for place in places], widths, 0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{width:.1f}" for width in widths], padding=3, fontsize=8, color=INK)
    names = [f"{layer.path}  {layer.type}" for layer in layers]
    plain(axes).set(yticks=list(places), yticklabels=names, xlabel="percent of the network")
    axes.invert_yaxis()
    axes.legend(frameon=False, labelcolor=INK, loc="upper right")
    return chart(figure, " ".join(f"{name}:{a:.2f}/{b:.2f}" for name, (a, b) in zip(names, shares, strict=True)))


def draw_history() -> str:
    """Draw top-5 error against multiply-adds for the registry's classifiers, coloured by year."""
    rows = select(Selection(task="classification", where="top5_error>0 and multiply_adds>0", sort="year"))
    costs = [row.number("multiply_adds") or 0.0 for row in rows]
    errors = [row.number("top5_error") or 0.0 for row in rows]
    years = [int(row.number("year") or 0) for row in rows]
    figure = Figure(figsize=(8.4, 5), layout="constrained")
    axes = figure.subplots()
    dots = axes.scatter(costs, errors, c=years, cmap="plasma", s=46, edgecolors=INK, linewidths=0.7)
    for row, x, y in zip(rows, costs, errors, strict=True):
        if (offset := LABELS.get(str(row["name"]))) is not None:
            name = str(row["name"])
            leader = {"arrowstyle": "-", "color": QUIET, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 3}
            axes.annotate(
                name, (x, y), offset, textcoords="offset points", fontsize=8.5, color=INK, arrowprops=leader, zorder=1
            )
    plain(axes).set(xscale="log", xlabel="multiply-adds for one picture", ylim=(0, None), yticks=range(0, 21, 5))
    axes.set_ylabel("top-5 error of the default weights, %")
    axes.grid(color=LINE, alpha=0.5)
    bar = figure.colorbar(dots, label="year of the paper", ticks=sorted({*years}))
    bar.ax.tick_params(colors=INK)
    bar.ax.yaxis.label.set_color(INK)
    return chart(figure, " ".join(f"{row['name']}:{y:g}" for row, y in zip(rows, errors, strict=True)))


def draw_choice() -> str:
    """Draw what ``zoo choose --max-parameters 10M --max-top5-error 8 --plot`` draws, without its white ground."""
    choice = choose(Limits(parameters=10e6, top5_error_percent=8))
    drawing, _ = render(chart_of(choice), "svg")
    svg = drawing.decode().replace("fill: #ffffff", "fill: none")
    return following_the_page(svg, " ".join(f"{label_of(row)}:{row['top5_error']}" for row in choice.considered))


FIGURES: dict[str, Callable[[], str]] = {
    "convolution.svg": draw_convolution,
    "padding.svg": draw_padding,
    "pooling.svg": draw_pooling,
    "dropout.svg": draw_dropout,
    "batch-normalisation.svg": draw_batch_normalisation,
    "cnnnet.svg": draw_cnnnet,
    "history.svg": draw_history,
    "choice.svg": draw_choice,
}


def main() -> None:
    """Draw all of them."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        (ASSETS / name).write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
