"""Strategies on a table of trained cells: how soon each finds the best one in a hundred."""

from __future__ import annotations

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
    from collections.abc import Callable

    from zoo.searcher.strategies.protocol import Strategy
    from zoo.searcher.table import Table

FILE = Path(__file__).with_name("digits_cells.json")
SEEDS = range(10)


@pytest.fixture(scope="module")
def table() -> Table:
    """Read the table, once."""
    return read_table(FILE)


def _asks(table: Table, make: Callable[[Task], Strategy]) -> list[int | None]:
    """Count the cells that each of ten seeds trains until it finds one of the best."""
    wanted = table.best(0.01)
    found = []
    for seed in SEEDS:
        strategy = make(Task(table.space, seed))
        found.append(asks_until_found(strategy, table, wanted, limit=735))
    return found


def test_the_table_holds_every_cell_and_is_small(table: Table) -> None:
    """735 of two blocks and 21 of one, in less than 200 kB."""
    names = {genotype.name for genotype in (*table.space.first(), *table.space.all())}
    assert set(table.rows) == names
    assert len(names) == 735 + 21
    assert FILE.stat().st_size < 200_000


@pytest.mark.parametrize(("name", "asks"), [("evolution", 100), ("progressive", 30)])
def test_a_strategy_that_learns_finds_the_top_percent_with_every_seed(
    table: Table,
    name: str,
    asks: int,
) -> None:
    """Ten seeds of ten, within so many trained cells of 735."""
    found = _asks(table, STRATEGIES[name])
    assert all(count is not None and count <= asks for count in found), found


def test_random_search_finds_the_top_percent_later(table: Table) -> None:
    """Within 200 cells for nine seeds of ten; in the median, later than the others."""
    by_chance = [count or 735 for count in _asks(table, RandomSearch)]
    evolved = [count or 735 for count in _asks(table, Evolution)]
    grown = [count or 735 for count in _asks(table, Progressive)]
    assert sorted(by_chance)[-2] <= 200
    assert median(grown) < median(evolved) < median(by_chance)


def test_zero_cost_scores_of_the_table_say_something_of_its_errors(table: Table) -> None:
    """Of 100 pairs of cells, the one with the better ranks has the lower error more often."""

    def warm(task: Task) -> Strategy:
        return WarmStart(task, Evolution(task), table.scores, pool=100, first=10)

    assert all(count is not None for count in _asks(table, warm))


def test_a_broken_table_is_refused(tmp_path: Path) -> None:
    """The strict reader names the place."""
    whole = FILE.read_text(encoding="utf-8")
    text = whole.replace('"held_out_images": 797', '"held_out_images": -1')
    broken = tmp_path / "table.json"
    broken.write_text(text, encoding="utf-8")
    assert parse_json(text)["held_out_images"] == -1
    with pytest.raises(DocumentError, match=r"\$\.held_out_images"):
        read_table(broken)
