"""What a training run's figures say to someone who knows the signs.

Each sign is said once, with what helps.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.trainer.data import Split
    from zoo.trainer.training import Epoch

    Sign = Callable[[Sequence[Epoch], Split], bool]

STILL_EPOCHS = 3
"""A loss that does not move for so long is stuck."""
STILL_SHARE = 0.01
_RISING_EPOCHS = 3
FEW_IMAGES = 10
_MOST_NAMED = 5
_EITHER_WAY = "try a learning rate ten times as large or as small"
_SMALLER = "try a learning rate ten times as small"
_LOOK = "look at the labels, or try another learning rate"
_WORSE_THAN_GUESSING = 2.0
"""So many times the loss of equal odds for all classes is no learning, but a step too large."""


def hints(history: Sequence[Epoch], split: Split) -> list[str]:
    """Say what the newest epoch shows for the first time.

    Args:
        history: All epochs so far.
        split: The data.
    """
    found = []
    before = history[:-1]
    for is_shown, advice in _SIGNS:
        was_shown = is_shown(before, split)
        if not was_shown and is_shown(history, split):
            found.append(advice)
    return found


def few_images(split: Split) -> str | None:
    """Name the classes with hardly any images to learn from."""
    counts = Counter(label for _, label in split.train)
    few: list[str] = []
    for number, label in enumerate(split.labels):
        count = counts[number]
        if count < FEW_IMAGES:
            few.append(f"{label} ({count})")

    if not few:
        return None

    names = ", ".join(few[:_MOST_NAMED])
    more = len(few) - _MOST_NAMED
    if more > 0:
        names += f" and {more} more"
    return f"fewer than {FEW_IMAGES} images to learn from in {names}"


def _is_still(history: Sequence[Epoch], _split: Split) -> bool:
    """Tell whether the loss has stayed where it was, far from zero."""
    newest = history[-STILL_EPOCHS - 1 :]
    if len(newest) <= STILL_EPOCHS:
        return False

    losses = [epoch.train_loss for epoch in newest]
    least = min(losses)
    greatest = max(losses)
    has_stayed = greatest - least < STILL_SHARE * greatest
    is_far_from_zero = least > STILL_SHARE
    return has_stayed and is_far_from_zero


def _diverges(history: Sequence[Epoch], split: Split) -> bool:
    """Tell whether the loss grows from epoch to epoch, or is worse than that of guessing."""
    if not history:
        return False

    losses = [epoch.train_loss for epoch in history]
    newest = losses[-1]
    loss_of_guessing = math.log(len(split.labels))
    if newest > _WORSE_THAN_GUESSING * loss_of_guessing:
        return True

    if len(losses) < _RISING_EPOCHS:
        return False

    last = losses[-_RISING_EPOCHS:]
    is_rising = last == sorted(set(last))
    return is_rising and newest > losses[0]


def _answers_one_class(history: Sequence[Epoch], split: Split) -> bool:
    """Tell whether, for some epochs, no class was told from another.

    The error is then at least that of the one answer which is right most often.
    """
    newest = history[-STILL_EPOCHS:]
    if len(newest) < STILL_EPOCHS or not split.validation:
        return False

    counts = Counter(label for _, label in split.validation)
    most_often = max(counts.values())
    constant_percent = 100 * (1 - most_often / len(split.validation))
    least_percent = constant_percent - 1e-9  # of rounding

    errors = [epoch.validation_error_percent for epoch in newest]
    return all(error is not None and error >= least_percent for error in errors)


_SIGNS: tuple[tuple[Sign, str], ...] = (
    (
        _is_still,
        f"the training loss has not moved for {STILL_EPOCHS} epochs: {_EITHER_WAY}",
    ),
    (
        _diverges,
        f"the training loss is rising, or above that of guessing: {_SMALLER}",
    ),
    (
        _answers_one_class,
        f"the network is no better than always answering with one class: {_LOOK}",
    ),
)
"""Each sign with what helps."""
