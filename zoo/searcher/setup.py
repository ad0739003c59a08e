"""Everything that decides what a search computes: the same setup proposes and trains the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.searcher.limits import Limits  # noqa: TC001 - the strict decoder reads these annotations
from zoo.searcher.space import Space  # noqa: TC001 - likewise
from zoo.searcher.stack import Stack  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.trainer.recipe import Recipe


WARM_UP_EPOCHS = 0.5
"""Trials are short: a whole epoch would be a large part of them."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is searched, how, and on which images.

    Raises:
        UsageError: A value is out of its range.
    """

    dataset: str
    digest: str
    """Names the data set."""
    strategy: str
    space: Space
    stack: Stack
    limits: Limits
    seed: int = 0
    epochs: int = 4
    """Of a trial that is not stopped."""
    eta: int = 2
    """One trial of so many goes on after each rung; 1 stops none."""
    final_epochs: int = 20
    """Of the winner."""
    batch: int = 32
    learning_rate: float = 0.005
    is_warm_started: bool = False

    def __post_init__(self) -> None:
        """Refuse what nobody can compute."""
        from zoo.searcher.strategies.known import STRATEGIES

        if self.strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise UsageError(f"--strategy takes one of {known}, got {self.strategy!r:.40}")
        counts = {
            "--eta": self.eta,
            "--epochs": self.epochs,
            "--final-epochs": self.final_epochs,
            "--batch": self.batch,
        }
        for option, value in counts.items():
            if value < 1:
                raise UsageError(f"{option} must be 1 or more, got {value}")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--learning-rate must be above 0, got {self.learning_rate}")

    @property
    def rungs(self) -> Sequence[int]:
        """After how many epochs trials are compared, the last included.

        >>> from zoo.searcher.halving import rungs_of
        >>> rungs_of(8, 2)
        [1, 2, 4, 8]
        """
        from zoo.searcher.halving import rungs_of

        return rungs_of(self.epochs, self.eta)

    def recipe(
        self,
        *,
        is_final: bool,
    ) -> Recipe:
        """Say how a trial, or the winner, is trained."""
        from zoo.trainer.recipe import Recipe  # of a package of torch; a setup is read without it

        augmentation = "auto" if is_final and self.stack.channels == 3 else "none"
        return Recipe(
            epochs=self.final_epochs if is_final else self.epochs,
            batch=self.batch,
            learning_rate=self.learning_rate,
            warmup_epochs=WARM_UP_EPOCHS,
            augmentation=augmentation,
            seed=self.seed,
        )
