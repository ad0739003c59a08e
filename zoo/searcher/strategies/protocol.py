"""What a strategy is: something that is asked for genotypes and told their errors.

A strategy knows nothing of training, files or time. The same seed and the same answers give the
same questions, so that a journal of answers brings an interrupted search back to where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.models.genotype import Genotype
    from zoo.searcher.space import Space


class Strategy(Protocol):
    """Proposes genotypes; less error is better."""

    def ask(self) -> Genotype | None:
        """Propose a genotype; ``None`` while it waits for answers, or has nothing left to propose.

        It may have been proposed before: who asks knows its error then.
        """

    def tell(
        self,
        genotype: Genotype,
        error_percent: float,
    ) -> None:
        """Take the error of a genotype that was asked for; 100 where training failed."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a strategy is given to work with."""

    space: Space
    seed: int = 0
    accepts: Callable[[Genotype], bool] = lambda _genotype: True
    """Whether a genotype keeps to the limits; others are never proposed."""
