"""Random search: draw until nothing new comes. What every other strategy has to beat.

Paper:
    Li and Talwalkar 2019, arXiv:1902.07638: random search is a strong baseline.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.models.genotype import Genotype
    from zoo.searcher.strategies.protocol import Task

MOST_DRAWS = 10_000
"""So many draws without a new genotype show that there is none left."""


class RandomSearch:
    """Propose genotypes as they are drawn, each once."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._chance = Random(task.seed)  # noqa: S311 - a draw, not a secret
        self._seen: set[Genotype] = set()

    def ask(self) -> Genotype | None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        for _ in range(MOST_DRAWS):
            genotype = self.task.space.draw(self._chance)
            if genotype not in self._seen:
                self._seen.add(genotype)
                if self.task.accepts(genotype):
                    return genotype
        return None

    def tell(
        self,
        genotype: Genotype,
        error_percent: float,
    ) -> None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`: nothing is learnt."""
