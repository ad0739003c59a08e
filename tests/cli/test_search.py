"""``zoo search show``: what a search found, for people and for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import loaded_by
from tests.support.table_search import TableExecutor, make_setup, run_table_search
from zoo.searcher import journal as lines
from zoo.searcher.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import Run


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """Search in the table, and judge the winner."""
    return _search(tmp_path / "found", "evolution", 3, seed=0)


def _search(folder: Path, strategy: str, errors: int, seed: int) -> Path:
    desk = run_table_search(make_setup(strategy, seed=seed), folder, 12)
    best = min(desk.trials, key=lambda trial: (-trial.epochs, trial.error_percent))
    judged = lines.Judged(
        trial=best.number,
        epoch=4,
        validation_error_percent=best.error_percent,
        errors=errors,
        images=200,
        seconds=1.0,
        at_s=9.0,
    )
    with Journal(folder) as journal:
        journal.append(judged)
    return folder


def test_show_lists_the_best_cells_and_says_how_good_the_winner_is(zoo: Run, found: Path) -> None:
    """Cells on stdout; progress, interval and the cell itself on stderr."""
    outcome = zoo("search", "show", str(found))
    rows = outcome.out.splitlines()
    assert rows[0].split()[:4] == ["trial", "cell", "error", "%"]
    errors = [float(row.split()[2]) for row in rows[1:]]
    assert errors == sorted(errors)
    assert "1.50 % error on held-out images (3 of 200 wrong; 95 %: 0.51 to 4.32)" in outcome.err
    assert "normal cell" in outcome.err
    assert "not compared with random search" in outcome.err


def test_show_starts_without_torch(found: Path) -> None:
    """It reads a journal: to import torch would take ten times as long as the rest."""
    loaded = loaded_by("search", "show", str(found), "--against", str(found))
    assert not {"torch", "torchvision", "numpy", "matplotlib"} & loaded


def test_show_as_json_holds_every_trial_and_the_front(zoo: Run, found: Path) -> None:
    """The front falls in error as parameters grow."""
    content = json.loads(zoo("search", "show", str(found), "--json").out)
    (search,) = content["searches"]
    assert len(search["trials"]) == 12
    trials = {trial["number"]: trial for trial in search["trials"]}
    front = [trials[number] for number in search["front"]]
    sizes = [trial["parameters"] for trial in front]
    errors = [trial["error_percent"] for trial in front]
    assert sizes == sorted(set(sizes))
    assert errors == sorted(set(errors), reverse=True)
    assert search["test"]["interval_95_percent"][0] < 1.5 < search["test"]["interval_95_percent"][1]


@pytest.mark.parametrize(
    ("errors", "words"),
    [
        ((2, 3, 4), "against random: better ("),
        ((2, 3, 14), "against random: not shown to be better"),
    ],
)
def test_show_against_random_says_whether_the_search_was_better(
    zoo: Run,
    tmp_path: Path,
    errors: tuple[int, ...],
    words: str,
) -> None:
    """And says so when it was not."""
    ours = [
        _search(tmp_path / f"evolution-{seed}", "evolution", count, seed)
        for seed, count in enumerate(errors)
    ]
    others = [
        _search(tmp_path / f"random-{seed}", "random", count, seed)
        for seed, count in enumerate((8, 9, 10))
    ]
    options = [word for folder in others for word in ("--against", str(folder))]
    outcome = zoo("search", "show", *map(str, ours), *options)
    assert words in outcome.err
    assert "compared: 3 judged searches (36 trials, " in outcome.err

    twice = zoo("search", "show", str(ours[0]), str(ours[0]), *options)
    assert twice.exit_code == 2
    assert "is named twice" in " ".join(twice.err.split())


def test_show_draws_the_front_and_the_cell(zoo: Run, found: Path, tmp_path: Path) -> None:
    """An HTML page and an SVG file."""
    page, cell = tmp_path / "front.html", tmp_path / "cell.svg"
    zoo("search", "show", str(found), "--plot", str(page), "--draw", str(cell))
    drawn = page.read_text(encoding="utf-8")
    assert "Architecture search: evolution, 12 trials" in drawn
    assert ">stopped early<" in drawn
    assert "outside the limits" not in drawn
    assert "normal cell" in cell.read_text(encoding="utf-8")

    cells = tmp_path / "cells.html"
    zoo("search", "show", str(found), "--draw", str(cells))
    text = cells.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "normal cell" in text[text.index("<svg") :]
    outcome = zoo("search", "show", str(found), "--draw", str(tmp_path / "cells.gif"))
    assert outcome.exit_code == 2
    assert "ends in .svg or .html, got 'cells.gif'" in " ".join(outcome.err.split())


def test_show_counts_trials_by_what_befell_them(zoo: Run, tmp_path: Path) -> None:
    """Memory that was too short is no crash; and which of several is to be drawn, nobody said."""

    def fate(order: Mapping[str, Any]) -> dict[str, Any] | None:
        kinds = {"00001": "crashed", "00002": "out-of-memory", "00003": "out-of-memory"}
        kind = kinds.get(Path(order["folder"]).name)
        return {"failure": {"kind": kind, "message": "as: was to be shown"}} if kind else None

    folder = tmp_path / "failing"
    run_table_search(make_setup("random", eta=1), folder, 5, TableExecutor(fate=fate))
    shown = zoo("search", "show", str(folder))
    assert "random; 1 crashed, 2 out-of-memory, 2 whole" in " ".join(shown.err.split())

    drawn = zoo("search", "show", str(folder), str(folder), "--draw", str(tmp_path / "cell.svg"))
    assert drawn.exit_code == 2
    assert "take one search, got 2" in " ".join(drawn.err.split())


def test_a_search_that_has_only_begun_is_shown_and_not_drawn(
    zoo: Run,
    found: Path,
    tmp_path: Path,
) -> None:
    """No trial, no chart, and no advice about limits."""
    first = (found / lines.NAME).read_text(encoding="utf-8").splitlines()[0]
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / lines.NAME).write_text(f"{first}\n", encoding="utf-8")
    shown = zoo("search", "show", str(begun))
    assert shown.exit_code == 0
    assert "evolution; nothing has begun" in shown.err
    for option in ("--plot", "--draw"):
        drawn = zoo("search", "show", str(begun), option, str(tmp_path / "new.svg"))
        assert drawn.exit_code == 2
        assert "nothing to draw: no trial" in " ".join(drawn.err.split())


def test_a_folder_without_a_search_is_refused(zoo: Run, tmp_path: Path) -> None:
    """With the command that makes one."""
    outcome = zoo("search", "show", str(tmp_path))
    assert outcome.exit_code == 1
    assert 'begin one with "zoo search run DATASET --output"' in " ".join(outcome.err.split())


@pytest.mark.parametrize(
    ("option", "value", "fault"),
    [
        ("--budget", "soon", "--budget takes a time such as 30m"),
        ("--max-latency", "5", "--max-latency takes milliseconds, for example 5ms"),
        ("--operations", "magic", "--operations takes some of identity"),
        ("--max-latency", "nanms", "--max-latency takes milliseconds"),
        ("--max-parameters", "1e400", "--max-parameters is far above what any network has"),
        ("--blocks", "0", "--blocks must be 1 or more"),
        ("--blocks", "300", "at most 16, got 300"),
        ("--final-epochs", "0", "--final-epochs must be 1 or more"),
        ("--batch", "0", "--batch must be 1 or more"),
        ("--learning-rate", "nan", "--learning-rate must be above 0"),
        ("--seed", "9" * 20, "cannot write down its seed"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_trained(
    zoo: Run,
    places: Path,
    option: str,
    value: str,
    fault: str,
) -> None:
    """Exit code 2, what the option takes, and no folder that a right one could not use."""
    assert places.is_dir()
    outcome = zoo("search", "run", "digits", option, value, "--output", "new")
    assert outcome.exit_code == 2
    assert fault in " ".join(outcome.err.split())
    assert not Path("new").exists()
