"""Progressive search: cells grow block by block, and a learned predictor says which to train.

Paper:
    Liu et al.: "Progressive neural architecture search", 2017, arXiv:1712.00559, algorithm 1: all
    cells of one block are trained; every cell that one more block makes of those kept is ranked by
    a predictor; the best *K* are trained, the predictor learns from them, and so on.

What differs from the paper:
    - Its *K* is 256; here it is 20 by default.
    - With budget left after the last block, the predictor learns again and the next *K* of the
      last level are trained.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.models.genotype import Genotype
    from zoo.searcher.strategies.protocol import Task


class Progressive:
    """Train one level, learn from it, choose from the next.

    Args:
        task: Space, seed and limits.
        kept: How many cells of each level are trained; *K* of the paper.

    Raises:
        UsageError: The space has two cells, or nothing is kept.
    """

    def __init__(
        self,
        task: Task,
        kept: int = 20,
    ) -> None:
        from zoo.searcher.strategies.predictor import Predictor, Writing  # torch; names need none

        if task.space.has_two_cells:
            raise UsageError("the strategy progressive grows one cell: leave --two-cells out")
        if kept < 1:
            raise UsageError(f"progressive search keeps 1 cell or more of a level, got {kept}")
        self.task = task
        self.kept = kept
        self.blocks = 1
        self.known: dict[Genotype, float] = {}
        writing = Writing(task.space.operations, task.space.blocks)
        self.predictor = Predictor(writing, task.seed)
        self._asked: set[Genotype] = set()
        self._candidates = self._accepted(task.space.first())
        self._queue = deque(self._candidates)

    def ask(self) -> Genotype | None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        if not self._queue:
            unanswered = self._asked - self.known.keys()
            if unanswered:
                return None  # the predictor learns from a whole level
            self._choose()
        if not self._queue:
            return None
        genotype = self._queue.popleft()
        self._asked.add(genotype)
        return genotype

    def tell(
        self,
        genotype: Genotype,
        error_percent: float,
    ) -> None:
        """See :class:`~zoo.searcher.strategies.protocol.Strategy`."""
        self.known[genotype] = error_percent

    def _accepted(self, genotypes: Iterable[Genotype]) -> list[Genotype]:
        return [genotype for genotype in genotypes if self.task.accepts(genotype)]

    def _choose(self) -> None:
        """Go to the next level, or deeper into the last; queue what the predictor ranks first."""
        if self.blocks < self.task.space.blocks:
            self._grow()
        fresh = [genotype for genotype in self._candidates if genotype not in self._asked]
        if not fresh or not self.known:
            return

        known = list(self.known.items())
        self.predictor.fit(known)
        predicted = self.predictor.predict(fresh)
        by_genotype = dict(zip(fresh, predicted, strict=True))
        ranked = sorted(fresh, key=by_genotype.__getitem__)
        chosen = self._within_limits(ranked)
        self._queue.extend(chosen)

    def _grow(self) -> None:
        """List every cell that one more block makes of the cells of this level."""
        space = self.task.space
        grown: dict[Genotype, None] = {}
        for genotype in self.known:
            is_of_this_level = len(genotype.normal.blocks) == self.blocks
            if is_of_this_level:
                larger = space.grow(genotype)
                grown |= dict.fromkeys(larger)
        self._candidates = list(grown)
        self.blocks += 1

    def _within_limits(self, ranked: list[Genotype]) -> list[Genotype]:
        """Take the first few that keep to the limits; to count them takes longer than to rank."""
        found: list[Genotype] = []
        for genotype in ranked:
            if len(found) == self.kept:
                break
            if self.task.accepts(genotype):
                found.append(genotype)
        return found
