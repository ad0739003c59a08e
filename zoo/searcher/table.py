"""A tabular benchmark: all cells of a tiny space, trained once, to test strategies with.

Ying et al. 2019, arXiv:1902.09635, did that for a space of 423,000 cells.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads these annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.documents import parse_document, read_regular_file
from zoo.searcher.space import Space

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.models.genotype import Genotype
    from zoo.searcher.strategies.protocol import Strategy

SCHEMA_VERSION = 1
LARGEST_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class TableRow:
    """One trained cell."""

    errors: tuple[int, ...]
    """Of each seed, on the same held-out images."""
    cross_entropy: tuple[float, ...]
    parameters: int
    multiply_adds: int
    scores: tuple[str, ...]
    """Zero-cost scores, written as numbers with a sign."""


@dataclass(frozen=True, slots=True)
class Table:
    """All cells of a space by the name of their genotype, and those of one block."""

    schema_version: int
    command: str
    protocol: str
    """How the cells were trained, for people."""
    blocks: int
    operations: tuple[str, ...]
    held_out_images: int
    score_names: tuple[str, ...]
    rows: Mapping[str, TableRow]

    @property
    def space(self) -> Space:
        """Which cells there are."""
        return Space(self.blocks, self.operations)

    def error_percent(self, genotype: Genotype) -> float:
        """Say the mean error of a genotype over the seeds."""
        row = self.rows[genotype.name]
        judged = len(row.errors) * self.held_out_images
        return 100 * sum(row.errors) / judged

    def scores(self, genotype: Genotype) -> tuple[float, ...]:
        """Say the zero-cost scores of a genotype."""
        row = self.rows[genotype.name]
        return tuple(float(score) for score in row.scores)

    def best(self, share: float) -> set[str]:
        """Name the best cells of full size: this share of them, and those that equal the last."""
        errors: dict[str, float] = {}
        for genotype in self.space.all():
            errors[genotype.name] = self.error_percent(genotype)
        ranked = sorted(errors.values())
        count = max(1, round(share * len(ranked)))
        worst = ranked[count - 1]
        return {name for name, error in errors.items() if error <= worst}


def read_table(path: Path) -> Table:
    """Read a table.

    Raises:
        OSError: It cannot be read.
        DocumentError: It is no such table.
    """
    data = read_regular_file(path, LARGEST_BYTES)
    return parse_document(data, Table, SCHEMA_VERSION)


def asks_until_found(
    strategy: Strategy,
    table: Table,
    wanted: set[str],
    limit: int,
) -> int | None:
    """Count the different cells that a strategy has trained when it finds one that is wanted.

    Args:
        strategy: Asked, and told the table's errors.
        table: Where they stand.
        wanted: Names of genotypes.
        limit: Give up after so many different cells.

    Returns:
        ``None`` where it gives up, or proposes nothing new any more.
    """
    trained: set[str] = set()
    repeats = 0
    while len(trained) < limit and repeats < limit:
        genotype = strategy.ask()
        if genotype is None:
            return None

        name = genotype.name
        repeats += 1
        if name not in trained:
            repeats = 0
        trained.add(name)
        if name in wanted:
            return len(trained)

        error_percent = table.error_percent(genotype)
        strategy.tell(genotype, error_percent)
    return None
