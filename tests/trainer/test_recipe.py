"""The recipe: the schedule worked out by hand, and every value that is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from zoo.errors import UsageError
from zoo.trainer.recipe import Recipe


def test_rate_rises_in_a_line_and_falls_as_a_half_cosine() -> None:
    """Four epochs of ten steps, one of them warm-up, with a peak of 0.1."""
    recipe = Recipe(epochs=4, learning_rate=0.1, warmup_epochs=1.0)
    rates = [recipe.rate_at(step, 10) for step in range(40)]
    assert rates[:10] == pytest.approx([0.01 * step for step in range(1, 11)])
    assert rates[10] == pytest.approx(0.1)
    assert rates[25] == pytest.approx(0.05)  # half of the 30 steps after the warm-up
    assert rates[39] == pytest.approx(0.05 * (1 + math.cos(math.pi * 29 / 30)))


def test_no_warmup_begins_at_the_peak() -> None:
    """A warm-up of zero epochs divides by nothing."""
    assert Recipe(warmup_epochs=0.0, learning_rate=0.2).rate_at(0, 10) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "values",
    [
        {"epochs": 0},
        {"batch": 0},
        {"optimizer": "lion"},
        {"augmentation": "mixup"},
        {"precision": "fp8"},
        {"learning_rate": 0.0},
        {"learning_rate": math.inf},
        {"learning_rate": math.nan},
        {"label_smoothing": 1.0},
        {"hold_out": -0.1},
        {"clip_norm": -1.0},
        {"patience": -1},
        {"warmup_epochs": math.nan},
    ],
)
def test_value_out_of_range_is_wrong_usage(values: dict[str, Any]) -> None:
    """Nothing begins with a recipe that cannot be meant."""
    with pytest.raises(UsageError):
        Recipe(**values)
