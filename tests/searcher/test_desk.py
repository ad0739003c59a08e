"""What is trained next, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.table_search import TABLE, TableExecutor, make_setup, run_table_search
from zoo.errors import SearchError
from zoo.searcher import journal as lines
from zoo.searcher.journal import read_events
from zoo.searcher.limits import Limits
from zoo.searcher.space import Space
from zoo.searcher.table import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

THREE = ("identity", "max_pool_3x3", "separable_3x3")


def test_each_cell_is_trained_once_and_no_rung_twice(tmp_path: Path) -> None:
    """Evolution proposes some cells again; they are told and not trained."""
    executor = TableExecutor()
    desk = run_table_search(make_setup(space=Space(1, THREE), seed=3), tmp_path, 18, executor)
    orders = [(order["genotype"], order["epochs"]) for order in executor.carried_out]
    assert len(set(orders)) == len(orders)
    assert len({trial.genotype for trial in desk.trials}) == len(desk.trials)


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    """21 cells of one block, however many trials are allowed."""
    desk = run_table_search(make_setup("random", space=Space(1, THREE)), tmp_path, 1000)
    assert desk.is_exhausted
    assert len(desk.trials) == 21
    assert all(trial.is_ended for trial in desk.trials)


def test_the_worse_half_ends_at_each_rung(tmp_path: Path) -> None:
    """With eta = 2 and 4 epochs, about half of the trials goes on at 1 and at 2."""
    desk = run_table_search(make_setup("random"), tmp_path, 40)
    reached = [sum(rung in trial.reached for trial in desk.trials) for rung in (1, 2, 4)]
    assert reached[0] == 40
    assert 10 <= reached[1] <= 30
    assert 5 <= reached[2] <= reached[1] - 3
    whole = [trial.error_percent for trial in desk.trials if trial.epochs == 4]
    stopped = [trial.reached[1] for trial in desk.trials if trial.epochs == 1]
    assert min(stopped) > min(whole)


def test_with_eta_1_every_trial_is_trained_whole(tmp_path: Path) -> None:
    """Then the table's errors are the trials' errors."""
    desk = run_table_search(make_setup("random", eta=1), tmp_path, 8)
    table = read_table_errors()
    for trial in desk.trials:
        assert trial.reached == {4: table[trial.genotype.name]}


def read_table_errors() -> dict[str, float]:
    """Give the error of each genotype of the table."""
    executor = TableExecutor()
    genotypes = (*executor.table.space.first(), *executor.table.space.all())
    return {one.name: executor.table.error_percent(one) for one in genotypes}


@pytest.mark.parametrize("kind", ["crashed", "out-of-memory", "timed-out", "failed"])
def test_a_trial_that_fails_is_a_result_and_the_search_goes_on(
    tmp_path: Path,
    kind: str,
) -> None:
    """The strategy is told 100 %, the journal why."""

    def fate(order: Mapping[str, Any]) -> dict[str, Any] | None:
        if "separable" in order["genotype"]:
            return {"failure": {"kind": kind, "message": "as was to be shown"}}
        return None

    desk = run_table_search(make_setup("random"), tmp_path, 12, TableExecutor(fate=fate))
    failed = [trial for trial in desk.trials if trial.failure]
    assert 0 < len(failed) < 12
    assert all(trial.error_percent == 100 for trial in failed)
    ended = [event for event in read_events(tmp_path) if isinstance(event, lines.Ended)]
    assert f"{kind}: as was to be shown" in {event.failure for event in ended}


def test_what_would_befall_every_trial_ends_the_search(tmp_path: Path) -> None:
    """An image that nobody can open; on resuming, the trial is trained after all."""
    failure = {"kind": "surroundings", "message": "cannot use the image 0.png"}
    spoiled = TableExecutor(fate=lambda _order: {"failure": failure})
    with pytest.raises(SearchError, match=r"trial 1 could not be trained .cannot use the image"):
        run_table_search(make_setup(), tmp_path, 5, spoiled)
    assert len(spoiled.carried_out) == 1
    desk = run_table_search(make_setup(), tmp_path, 1)
    assert not desk.trials[0].failure


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), None])
def test_a_loss_that_is_no_number_is_a_failure_and_leaves_a_journal(
    tmp_path: Path,
    loss: float | None,
) -> None:
    """NaN stands in no journal: it could not be read again."""
    epoch = {
        "number": 1,
        "validation_error_percent": 50.0,
        "validation_loss": loss,
        "seconds": 1.0,
    }
    executor = TableExecutor(fate=lambda _order: {"epochs": [epoch]})
    run_table_search(make_setup(), tmp_path, 1, executor)
    ended = read_events(tmp_path)[-1]
    assert isinstance(ended, lines.Ended)
    assert ended.failure == "failed: the loss on images to compare by is not finite"


def test_a_place_that_is_lost_costs_nothing_but_time(tmp_path: Path) -> None:
    """The trial is given out again; the same search comes out."""
    seen: set[str] = set()

    def fate(order: Mapping[str, Any]) -> str | None:
        is_new = order["genotype"] not in seen
        seen.add(order["genotype"])
        return "the node was lost" if is_new else None

    calm = run_table_search(make_setup(), tmp_path / "calm", 10)
    lossy = run_table_search(make_setup(), tmp_path / "lossy", 10, TableExecutor(fate=fate))
    assert [trial.genotype for trial in lossy.trials] == [trial.genotype for trial in calm.trials]
    assert not any(trial.failure for trial in lossy.trials)


def test_a_trial_that_loses_every_place_is_given_up(tmp_path: Path) -> None:
    """Three places, then it counts as failed."""
    executor = TableExecutor(fate=lambda _order: "the node was lost")
    desk = run_table_search(make_setup("random"), tmp_path, 2, executor)
    assert len(executor.carried_out) == 6
    assert {trial.failure for trial in desk.trials} == {"lost: the node was lost"}


def test_several_places_work_at_a_time(tmp_path: Path) -> None:
    """Answers come in another order; each trial still ends once."""
    desk = run_table_search(make_setup(), tmp_path, 25, TableExecutor(places=3))
    assert not desk.is_exhausted
    ended = [event.trial for event in read_events(tmp_path) if isinstance(event, lines.Ended)]
    assert sorted(ended) == list(range(1, 26))
    assert len(desk.trials) == 25


def test_the_same_seed_searches_the_same_and_another_one_otherwise(tmp_path: Path) -> None:
    """On one worker."""

    def names(folder: str, seed: int) -> list[str]:
        desk = run_table_search(make_setup(seed=seed), tmp_path / folder, 30)
        return [trial.genotype.name for trial in desk.trials]

    assert names("a", 1) == names("b", 1)
    assert names("c", 2) != names("d", 1)


def test_a_limit_keeps_larger_networks_from_being_trained(tmp_path: Path) -> None:
    """Counted before anything is trained."""
    table = read_table(TABLE)
    sizes = sorted(row.parameters for row in table.rows.values())
    limit = sizes[len(sizes) // 3]
    setup = make_setup("random", limits=Limits(max_parameters=limit))
    run_table_search(setup, tmp_path, 6)
    asked = [event for event in read_events(tmp_path) if isinstance(event, lines.Asked)]
    assert len(asked) == 6
    assert all(event.parameters <= limit for event in asked)


def test_a_journal_of_another_strategy_is_not_gone_on_with(tmp_path: Path) -> None:
    """Where the strategy answers otherwise than the journal says, nothing is guessed."""
    run_table_search(make_setup(seed=1), tmp_path, 4)
    with pytest.raises(SearchError, match=r"trial 1 was cell-.*now proposes cell-"):
        run_table_search(make_setup(seed=2), tmp_path, 4)
