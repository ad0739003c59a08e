"""A picture of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.trainer.training import Epoch


def draw_curves(history: Sequence[Epoch], path: Path, title: str) -> None:
    """Draw losses and validation error over the epochs, as PNG or SVG by the file's ending.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "a picture of the curves", "plot") from error
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, errors = figure.subplots(1, 2)
    numbers = [epoch.number for epoch in history]
    losses.plot(numbers, [epoch.train_loss for epoch in history], label="training")
    losses.plot(numbers, [epoch.validation_loss for epoch in history], label="validation")
    losses.set(xlabel="epoch", ylabel="cross-entropy", ylim=(0, None))
    losses.legend(frameon=False)
    errors.plot(numbers, [epoch.validation_error_percent for epoch in history], color="tab:orange")
    best = min(history, key=lambda epoch: epoch.validation_error_percent)
    errors.plot([best.number], [best.validation_error_percent], "o", color="tab:orange")
    errors.annotate(
        f"best: {best.validation_error_percent:.2f} % in epoch {best.number}",
        (best.number, best.validation_error_percent),
        textcoords="offset points",
        xytext=(-6, 10),
        ha="right",
    )
    errors.set(xlabel="epoch", ylabel="validation top-1 error, %", ylim=(0, None))
    for axes in (losses, errors):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    figure.suptitle(title)
    figure.savefig(path, dpi=120)
