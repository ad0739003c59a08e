"""Strategies on a table of trained cells: how soon each finds the best one in a hundred."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from zoo.documents import parse_json
from zoo.errors import DocumentError
from zoo.searcher.strategies.evolution import Evolution
from zoo.searcher.strategies.known import STRATEGIES
from zoo.searcher.strategies.progressive import Progressive
from zoo.searcher.strategies.protocol import Task
from zoo.searcher.strategies.random import RandomSearch
from zoo.searcher.strategies.warm_start import WarmStart
from zoo.searcher.table import asks_until_found, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.searcher.strategies.protocol import Strategy
    from zoo.searcher.table import Table

    Make = Callable[[Task], Strategy]
    Asks = Callable[[Make], list[int | None]]

FILE = Path(__file__).with_name("digits_cells.json")
SEEDS = range(10)


@pytest.fixture(scope="module")
def table() -> Table:
    """Read the table, once."""
    return read_table(FILE)


@pytest.fixture(scope="module")
def asks_of(table: Table) -> Asks:
    """Count the cells that each of ten seeds trains until it finds one of the best."""
    wanted = table.best(0.01)

    @cache
    def count(make: Make) -> list[int | None]:
        found = []
        for seed in SEEDS:
            strategy = make(Task(table.space, seed))
            found.append(asks_until_found(strategy, table, wanted, limit=735))
        return found

    return count


def test_the_table_holds_every_cell_and_is_small(table: Table) -> None:
    """735 of two blocks and 21 of one, in less than 200 kB."""
    names = {genotype.name for genotype in (*table.space.first(), *table.space.all())}
    assert set(table.rows) == names
    assert len(names) == 735 + 21
    assert FILE.stat().st_size < 200_000


@pytest.mark.parametrize(("name", "asks"), [("evolution", 100), ("progressive", 30)])
def test_a_strategy_that_learns_finds_the_top_percent_with_every_seed(
    asks_of: Asks,
    name: str,
    asks: int,
) -> None:
    """Ten seeds of ten, within so many trained cells of 735."""
    found = asks_of(STRATEGIES[name])
    assert all(count is not None and count <= asks for count in found), found


def test_random_search_finds_the_top_percent_later(asks_of: Asks) -> None:
    """Within 150 cells for all ten seeds; in the median, later than the others."""
    by_chance = [count or 735 for count in asks_of(RandomSearch)]
    evolved = [count or 735 for count in asks_of(Evolution)]
    grown = [count or 735 for count in asks_of(Progressive)]
    assert max(by_chance) <= 150
    assert median(grown) < median(evolved) < median(by_chance)


def test_a_warm_start_finds_the_top_percent_with_every_seed(table: Table, asks_of: Asks) -> None:
    """Ten seeds of ten within 60 trained cells, where evolution alone needs up to 90."""

    def warm(task: Task) -> Strategy:
        return WarmStart(task, Evolution(task), table.scores)

    found = [count or 735 for count in asks_of(warm)]
    alone = [count or 735 for count in asks_of(Evolution)]
    assert max(found) <= 60, found
    assert max(found) < max(alone)


def test_zero_cost_scores_say_something_of_the_errors(table: Table) -> None:
    """Share of pairs whose better scored cell has fewer errors: synflow misleads on this table.

    naswot 63 %, jacob_cov 58 %, synflow 42 %; chance is 50 %. A start by the sum of their ranks
    still helps, as above.
    """
    genotypes = table.space.all()
    scores = [table.scores(genotype) for genotype in genotypes]
    errors = [table.error_percent(genotype) for genotype in genotypes]
    shares = {}
    for place, name in enumerate(table.score_names):
        values = [score[place] for score in scores]
        shares[name] = _share_in_order(values, errors)
    assert shares["naswot"] > 0.6
    assert shares["jacob_cov"] > 0.55
    assert 0.4 < shares["synflow"] < 0.45


def _share_in_order(values: Sequence[float], errors: Sequence[float]) -> float:
    """Count pairs in which the higher value has the lower error, of those that differ in both."""
    right = compared = 0
    for one, other in combinations(range(len(values)), 2):
        differs = values[one] != values[other] and errors[one] != errors[other]
        if differs:
            compared += 1
            right += (values[one] > values[other]) == (errors[one] < errors[other])
    return right / compared


def test_a_broken_table_is_refused(tmp_path: Path) -> None:
    """The strict reader names the place."""
    whole = FILE.read_text(encoding="utf-8")
    text = whole.replace('"held_out_images": 797', '"held_out_images": -1')
    broken = tmp_path / "table.json"
    broken.write_text(text, encoding="utf-8")
    assert parse_json(text)["held_out_images"] == -1
    with pytest.raises(DocumentError, match=r"\$\.held_out_images"):
        read_table(broken)
