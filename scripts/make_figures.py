"""Draw the pictures of the tutorial into docs/assets/.

    python scripts/make_figures.py

The digit is one of those that scikit-learn ships (UCI Optical Recognition of Handwritten Digits, CC-BY-4.0).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import colormaps, rcParams
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from sklearn.datasets import load_digits
from torch.nn import functional

from zoo.catalog.query import Selection, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes

rcParams["svg.hashsalt"] = "zoo"  # the same picture gives the same file
ASSETS = Path(__file__).resolve().parents[1] / "docs" / "assets"
FILTER = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
"""Sobel's: bright on the left, dark on the right."""
ORANGE = "#d9480f"


def digit() -> torch.Tensor:
    """One handwritten zero, shape ``(8, 8)``, values 0 to 16."""
    return torch.tensor(load_digits().images[0], dtype=torch.float32)


def show_values(axes: Axes, values: np.ndarray[Any, Any], title: str, colours: str, limit: float) -> None:
    """Draw a small matrix with its numbers."""
    low = -limit if values.min() < 0 else 0
    axes.imshow(values, cmap=colormaps[colours], vmin=low, vmax=limit)
    axes.set_title(title, fontsize=11)
    axes.set(xticks=[], yticks=[])
    for (row, column), value in np.ndenumerate(values):
        share = (value - low) / (limit - low)
        is_dark = share > 0.6 if colours == "Blues" else share in (0, 1) or abs(share - 0.5) > 0.35
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color="white" if is_dark else "black"
        )


def draw_convolution() -> None:
    """Move a filter over a digit and fill its feature map, as an animation."""
    picture = digit()
    feature_map = functional.conv2d(picture[None, None], FILTER[None, None])[0, 0].numpy()
    figure = Figure(figsize=(9, 3.4), layout="constrained", facecolor="white")
    left, middle, right = figure.subplots(1, 3, width_ratios=[8, 3, 6])
    show_values(left, picture.numpy(), "picture, 8x8", "Blues", 16)
    show_values(middle, FILTER.numpy(), "filter, 3x3", "RdBu", 2)
    frame = left.add_patch(Rectangle((-0.5, -0.5), 3, 3, fill=False, edgecolor=ORANGE, linewidth=3))

    def step(number: int) -> list[Any]:
        row, column = divmod(number, 6)
        frame.set_xy((column - 0.5, row - 0.5))
        seen = np.full_like(feature_map, np.nan)
        seen.flat[: number + 1] = feature_map.flat[: number + 1]
        right.clear()
        right.imshow(np.nan_to_num(seen), cmap=colormaps["RdBu"], vmin=-60, vmax=60)
        right.set_title("feature map, 6x6", fontsize=11)
        right.set(xticks=[], yticks=[])
        for index in range(number + 1):
            y, x = divmod(index, 6)
            right.text(x, y, f"{feature_map[y, x]:.0f}", ha="center", va="center", fontsize=8)
        right.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=ORANGE, linewidth=3))
        return []

    FuncAnimation(figure, step, frames=36).save(ASSETS / "convolution.gif", writer=PillowWriter(fps=3), dpi=70)


def draw_pooling() -> None:
    """Show maximum and mean of each 2x2 square of a digit's upper left part."""
    picture = digit()[1:5, 2:6]
    figure = Figure(figsize=(8, 2.8), layout="constrained", facecolor="white")
    whole, largest, mean = figure.subplots(1, 3)
    show_values(whole, picture.numpy(), "4x4", "Blues", 16)
    for y in (0, 2):
        for x in (0, 2):
            whole.add_patch(Rectangle((x - 0.5, y - 0.5), 2, 2, fill=False, edgecolor=ORANGE, linewidth=2))
    show_values(largest, functional.max_pool2d(picture[None], 2)[0].numpy(), "max pooling 2x2", "Blues", 16)
    show_values(mean, functional.avg_pool2d(picture[None], 2)[0].numpy(), "average pooling 2x2", "Blues", 16)
    figure.savefig(ASSETS / "pooling.svg", metadata={"Date": None})


def draw_history() -> None:
    """Draw top-5 error against multiply-adds for the registry's classifiers, the first of each family named."""
    rows = select(Selection(task="classification", where="top5_error>0 and multiply_adds>0", sort="year"))
    figure = Figure(figsize=(8.5, 5), layout="constrained", facecolor="white")
    axes = figure.subplots()
    points = [(float(row["multiply_adds"] or 0), float(row["top5_error"] or 0), int(row["year"] or 0)) for row in rows]
    costs, errors, years = zip(*points, strict=True)
    dots = axes.scatter(costs, errors, c=years, cmap="viridis")
    named = ["alexnet", "vgg16", "googlenet", "resnet50", "squeezenet1_1", "densenet121", "mobilenet_v2"]
    named += ["nasnet_a_large", "pnasnet_5_large", "efficientnet_b0", "vit_b_16", "convnext_tiny"]
    for row, (x, y, _) in zip(rows, points, strict=True):
        if row["name"] in named:
            axes.annotate(str(row["name"]), (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.set(
        xscale="log",
        xlabel="multiply-adds for one picture",
        ylabel="top-5 error of the default weights, %",
        ylim=(0, None),
    )
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.colorbar(dots, label="year of the paper")
    figure.savefig(ASSETS / "history.svg", metadata={"Date": None})


def main() -> None:
    """Draw all of them."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    draw_convolution()
    draw_pooling()
    draw_history()


if __name__ == "__main__":
    main()
