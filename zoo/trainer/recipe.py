"""What a training run is told; knows no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.errors import UsageError

OPTIMIZERS = ("adam", "sgd")
AUGMENTATIONS = ("auto", "none", "affine", "crop-flip")
PRECISIONS = ("no", "fp16", "bf16")

_CHOICES = {
    "optimizer": OPTIMIZERS,
    "augmentation": AUGMENTATIONS,
    "precision": PRECISIONS,
}
_COUNTS = ("epochs", "batch")
_SHARES = ("label_smoothing", "hold_out", "momentum")
_NOT_NEGATIVE = (
    "weight_decay",
    "warmup_epochs",
    "clip_norm",
    "frozen_epochs",
    "patience",
    "seed",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that decides what a run computes.

    The same recipe on the same data gives the same curve.

    Raises:
        UsageError: A value is out of its range.
    """

    epochs: int = 20
    batch: int = 32
    """Images in one step, over all processes together."""
    optimizer: str = "adam"
    """``"adam"`` (with decoupled weight decay, AdamW) or ``"sgd"`` (with momentum)."""
    learning_rate: float = 1e-3
    """At its peak, after the warm-up."""
    weight_decay: float = 0.01
    momentum: float = 0.9
    """For SGD."""
    warmup_epochs: float = 1.0
    """The rate rises in a line for so long, then falls as a half cosine to zero."""
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    """Longest gradient, Euclidean; 0 leaves gradients alone."""
    augmentation: str = "auto"
    """``"affine"``: small turns, shifts and shears; ``"crop-flip"``: random crops and mirror
    images; ``"auto"``: affine for grey images, crop-flip for colored ones."""
    precision: str = "no"
    """Mixed precision: ``"fp16"``, ``"bf16"`` or ``"no"``."""
    frozen_epochs: int = 0
    """Train only the last layer for so long."""
    patience: int = 0
    """Stop after so many epochs without a better validation error; 0 never stops early."""
    hold_out: float = 0.2
    """Share of each class that is kept for validation where there is no val folder."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                known = ", ".join(choices)
                raise UsageError(f"--{name} takes {known}, got {value!r}")

        for name in _COUNTS:
            self._require(name, "must be 1 or more", is_true=getattr(self, name) >= 1)

        for name in _NOT_NEGATIVE:
            value = getattr(self, name)
            self._require(name, "must not be negative", is_true=0 <= value < math.inf)

        for name in _SHARES:
            value = getattr(self, name)
            self._require(name, "must be at least 0 and below 1", is_true=0 <= value < 1)

        is_step = 0 < self.learning_rate < math.inf
        self._require("learning_rate", "must be above 0", is_true=is_step)

    def _require(
        self,
        name: str,
        rule: str,
        *,
        is_true: bool,
    ) -> None:
        """Refuse a value that breaks a rule.

        Raises:
            UsageError: Says the option, the rule and the value.
        """
        if not is_true:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {rule}, got {getattr(self, name)}")

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole run.

        >>> recipe = Recipe(epochs=3, learning_rate=1.0, warmup_epochs=1.0)
        >>> [round(recipe.rate_at(step, 2), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
        """
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup

        steps_after_warmup = self.epochs * steps_per_epoch - warmup
        done = (step - warmup) / max(1, steps_after_warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
