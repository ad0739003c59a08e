"""A warm start: another strategy's first answers come from genotypes that look good untrained.

Paper:
    Abdelfattah et al.: "Zero-cost proxies for lightweight NAS", 2021, arXiv:2101.08134, section
    5.2: many genotypes are scored, and those with the best scores are trained first.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zoo.searcher.strategies.random import RandomSearch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.models.genotype import Genotype
    from zoo.searcher.strategies.protocol import Strategy, Task

    Scores = Callable[[Genotype], Sequence[float]]


class WarmStart:
    """Propose the best of a pool, then what another strategy makes of them.

    Args:
        task: Space, seed and limits.
        then: The strategy that goes on; it is told everything.
        scores: Scores of an untrained genotype, the higher the better; several are joined by the
            sum of their ranks.
        pool: How many genotypes are drawn and scored.
        first: How many of them are proposed.
    """

    def __init__(
        self,
        task: Task,
        then: Strategy,
        scores: Scores,
        pool: int = 100,
        first: int = 10,
    ) -> None:
        self.then = then
        drawn = _draw(task, pool)
        scored = [tuple(scores(genotype)) for genotype in drawn]
        self._queue = deque(_best(drawn, scored)[:first])

    def ask(self) -> Genotype | None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        if self._queue:
            return self._queue.popleft()
        return self.then.ask()

    def tell(
        self,
        genotype: Genotype,
        error_percent: float,
    ) -> None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        self.then.tell(genotype, error_percent)


def _draw(
    task: Task,
    count: int,
) -> list[Genotype]:
    search = RandomSearch(task)
    drawn: list[Genotype] = []
    while len(drawn) < count:
        genotype = search.ask()
        if genotype is None:
            break
        drawn.append(genotype)
    return drawn


def _best(
    drawn: Sequence[Genotype],
    scored: Sequence[tuple[float, ...]],
) -> list[Genotype]:
    """Sort by the sum of ranks, one for each score."""
    sums = [0] * len(drawn)
    for values in zip(*scored, strict=True):
        order = sorted(range(len(drawn)), key=lambda number: -values[number])
        for rank, number in enumerate(order):
            sums[number] += rank
    order = sorted(range(len(drawn)), key=lambda number: sums[number])
    return [drawn[number] for number in order]
