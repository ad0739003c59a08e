"""Regularized evolution: of a few drawn at random the best has a child, and the oldest dies.

Paper:
    Real, Aggarwal, Huang, Le: "Regularized evolution for image classifier architecture search",
    2018, arXiv:1802.01548, algorithm 1.

What differs from the paper:
    - Its population of 100 and its samples of 25 are for 20,000 networks; here they are 20 and 5
      by default.
    - A mutation always changes the genotype: the paper's identity mutation, one in twenty, would
      ask for what is known.
    - A child that breaks the limits is not born; its parent tries again.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.searcher.strategies.random import RandomSearch

if TYPE_CHECKING:
    from zoo.models.genotype import Genotype
    from zoo.searcher.strategies.protocol import Task

MOST_TRIES = 200
"""Children of one parent that are refused before one is drawn at random instead."""


class Evolution:
    """Keep a population in the order of birth.

    Args:
        task: Space, seed and limits.
        population: How many live at a time; *P* of the paper.
        sample: How many are drawn, of which the best has a child; *S* of the paper.

    Raises:
        UsageError: A sample is empty or larger than the population.
    """

    def __init__(
        self,
        task: Task,
        population: int = 20,
        sample: int = 5,
    ) -> None:
        if not 1 <= sample <= population:
            fault = f"a sample of {sample} cannot be drawn from a population of {population}"
            raise UsageError(f"{fault}: give 1 or more, and no more than there are")
        self.task = task
        self.size = population
        self.sample = sample
        self.population: deque[tuple[Genotype, float]] = deque(maxlen=population)
        """The oldest first; one that is born when all places are taken drives it out."""
        self._chance = Random(task.seed)  # noqa: S311 - a draw, not a secret
        self._founders = RandomSearch(task)

    def ask(self) -> Genotype | None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        if len(self.population) < self.size:
            founder = self._founders.ask()
            if founder is not None or not self.population:
                return founder

        drawn = [self._chance.choice(self.population) for _ in range(self.sample)]
        parent, _ = min(drawn, key=lambda member: member[1])
        for _ in range(MOST_TRIES):
            child = self.task.space.mutate(parent, self._chance)
            if child != parent and self.task.accepts(child):
                return child
        return self._founders.ask()

    def tell(
        self,
        genotype: Genotype,
        error_percent: float,
    ) -> None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        self.population.append((genotype, error_percent))
