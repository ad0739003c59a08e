"""An image of a training run."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.trainer.training import Epoch

_BLUE, _ORANGE = "#0072B2", "#D55E00"
"""Two colors that color-blind people tell apart (Okabe and Ito)."""
_LEAP = 50
"""A loss so many times the middle one is drawn on a logarithmic axis."""
_MOST_MARKED = 40
"""With more epochs than these, marks would cover the line."""


def draw_curves(
    history: Sequence[Epoch],
    path: Path,
    title: str,
) -> None:
    """Draw losses and validation error over the epochs, as PNG or SVG by the file's ending.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPackageError("matplotlib", "an image of the curves", "plot") from error

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    losses, errors = figure.subplots(1, 2)
    draw_losses(losses, history)
    _draw_errors(errors, history)

    numbers = [epoch.number for epoch in history]
    for axes in (losses, errors):
        _frame(axes, numbers)

    figure.suptitle(title)
    figure.savefig(path, dpi=120)


def draw_losses(
    axes: Any,
    history: Sequence[Epoch],
) -> None:
    """Draw the loss of training, and of validation where something is held out."""
    marker = _marker(history)
    numbers = [epoch.number for epoch in history]
    training = [epoch.train_loss for epoch in history]
    axes.plot(
        numbers,
        training,
        marker=marker,
        color=_BLUE,
        label="training",
    )

    judged = _judged(history)
    if judged:
        places = [epoch.number for epoch in judged]
        validation = [epoch.validation_loss for epoch in judged]
        axes.plot(
            places,
            validation,
            marker=marker,
            color=_ORANGE,
            label="validation",
        )

    axes.set(xlabel="epoch", ylabel="cross-entropy loss")
    axes.legend(frameon=False)
    if _leaps(training):
        axes.set_yscale("log")


def _draw_errors(
    axes: Any,
    history: Sequence[Epoch],
) -> None:
    """Draw the validation error, and mark the best epoch."""
    axes.set(xlabel="epoch", ylabel="validation top-1 error, %")
    judged = _judged(history)
    if not judged:
        axes.set_title("nothing was held out", fontsize="medium")
        return

    places = [epoch.number for epoch in judged]
    percent = [epoch.validation_error_percent for epoch in judged]
    axes.plot(
        places,
        percent,
        marker=_marker(history),
        color=_ORANGE,
    )

    best = min(judged, key=lambda epoch: epoch.rank)
    best_percent = best.validation_error_percent or 0.0
    axes.plot(
        [best.number],
        [best_percent],
        "D",
        color="black",
        markersize=6,
        zorder=3,
    )
    axes.set_title(f"best: {best_percent:.2f} % in epoch {best.number}", fontsize="medium")


def _frame(
    axes: Any,
    numbers: Sequence[int],
) -> None:
    """Let a linear axis begin at zero, count whole epochs and leave room for the marks."""
    from matplotlib.ticker import MaxNLocator

    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)

    whole_epochs = MaxNLocator(integer=True, min_n_ticks=1)
    axes.xaxis.set_major_locator(whole_epochs)
    margin = max(0.5, len(numbers) / 50)  # so that no mark is cut at the edge
    axes.set_xlim(numbers[0] - margin, numbers[-1] + margin)

    if axes.get_yscale() == "linear":
        _, top = axes.get_ylim()
        axes.set_ylim(0, 1.05 * top)


def _leaps(losses: Sequence[float]) -> bool:
    """Tell whether one loss is so great that all others would lie on the axis."""
    return max(losses) > _LEAP * median(losses) > 0


def _judged(history: Sequence[Epoch]) -> list[Epoch]:
    """Choose the epochs that were validated."""
    return [epoch for epoch in history if epoch.validation_loss is not None]


def _marker(history: Sequence[Epoch]) -> str:
    """Choose the mark of an epoch; none where marks would touch."""
    if len(history) > _MOST_MARKED:
        return ""
    return "o"
