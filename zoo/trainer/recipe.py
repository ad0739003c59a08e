"""What a training run is told; knows no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoo.errors import UsageError

OPTIMIZERS = ("adam", "sgd")
AUGMENTATIONS = ("auto", "none", "affine", "crop-flip")
PRECISIONS = ("no", "fp16", "bf16")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Every choice that decides what a run computes: the same recipe on the same data gives the same curve.

    Raises:
        UsageError: A value is out of its range.
    """

    epochs: int = 20
    batch: int = 32
    """Pictures in one step, over all processes together."""
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
    """``"affine"``: small turns, shifts and shears; ``"crop-flip"``: random crops and mirror images; ``"auto"``: affine
    for grey pictures, crop-flip for coloured ones."""
    precision: str = "no"
    """Mixed precision: ``"fp16"``, ``"bf16"`` or ``"no"``."""
    frozen_epochs: int = 0
    """Train only the last layer for so long."""
    patience: int = 0
    """Stop after so many epochs without a better validation error; 0 never stops early."""
    hold_out: float = 0.2
    """Share of each class that is kept for validation where the data set has no train and val folders."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every value."""
        for name, choices in (("optimizer", OPTIMIZERS), ("augmentation", AUGMENTATIONS), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"--{name} takes {', '.join(choices)}, got {getattr(self, name)!r}")
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} must be 1 or more, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup_epochs", "clip_norm", "frozen_epochs", "patience", "seed"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"--{name.replace('_', '-')} must not be negative, got {getattr(self, name)}")
        for name in ("label_smoothing", "hold_out", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(
                    f"--{name.replace('_', '-')} must be at least 0 and below 1, got {getattr(self, name)}"
                )
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--learning-rate must be above 0, got {self.learning_rate}")

    def rate_at(self, step: int, steps_per_epoch: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole run.

        >>> recipe = Recipe(epochs=3, learning_rate=1.0, warmup_epochs=1.0)
        >>> [round(recipe.rate_at(step, 2), 3) for step in range(6)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146]
        """
        warmup = round(self.warmup_epochs * steps_per_epoch)
        if step < warmup:
            return self.learning_rate * (step + 1) / warmup
        done = (step - warmup) / max(1, self.epochs * steps_per_epoch - warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
