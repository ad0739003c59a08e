"""``zoo choose`` and ``zoo compare``."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal import show
from zoo.catalog.chooser import Limits, choose, label

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

ZOO = [sys.executable, "-m", "zoo"]


def test_choose_prints_the_front_with_reasons(zoo: Run) -> None:
    """One row for each place, cheapest first, and the counts on stderr."""
    outcome = zoo("choose", "--max-parameters", "10M", "--cost", "parameters")
    choice = choose(Limits(parameters=10e6), "parameters")
    lines = outcome.out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [label(place.row) for place in choice.places]
    for line, place in zip(lines[1:], choice.places, strict=True):
        assert line.endswith(place.reason)
    counts = [len(choice.places), len(choice.fitting), len(choice.considered)]
    assert "{} on the front of {} that fit, of {} considered\n".format(*counts) in outcome.err


def test_every_limit_reaches_the_choice(zoo: Run) -> None:
    """All of them at once give what the function gives."""
    asked = "--max-parameters 30M --max-multiply-adds 4G --max-top5-error 9 --max-size 90MB"
    rows = zoo("choose", *asked.split(), "--license", "none", "--cost", "size", "--json").json
    limits = Limits(30e6, 4e9, 9.0, 90e6, "none")
    expected = [(place.row["name"], place.reason) for place in choose(limits, "size").places]
    assert [(row["name"], row["reason"]) for row in rows] == expected
    assert expected


def test_choose_writes_exact_numbers_for_machines(zoo: Run) -> None:
    """JSON and CSV agree, and the name and tag stand apart."""
    rows = zoo("choose", "--max-size", "10MB", "--json").json
    read = list(
        csv.DictReader(io.StringIO(zoo("choose", "--max-size", "10MB", "--format", "csv").out))
    )
    assert read == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in rows
    ]
    assert set(rows[0]) >= {
        "name",
        "weights",
        "multiply_adds",
        "parameters",
        "size_bytes",
        "top5_error_percent",
        "reason",
    }


def test_choose_says_when_nothing_fits(zoo: Run) -> None:
    """No error: the answer is none."""
    outcome = zoo("choose", "--max-top5-error", "0")
    assert outcome.exit_code == 0
    assert "none of" in outcome.err
    assert "--max-top5-error costs most" in outcome.err
    assert zoo("choose", "--max-top5-error", "0", "--json").json == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--license", "permisive"), "state the license 'permisive'; did you mean permissive?"),
        (("--license", "MIT,GPL-3.0"), "state the license 'GPL-3.0'; there are Apache-2.0, BSD"),
        (("--dataset", "imagnet1k"), "were trained on 'imagnet1k'; did you mean imagenet1k?"),
        (("--license", "none,mit,Licenseref-*"), None),
    ],
)
def test_choose_names_words_that_admit_nothing(
    zoo: Run, words: tuple[str, ...], said: str | None
) -> None:
    """A misspelt license is no limit that happens to be strict."""
    outcome = zoo("choose", *words)
    assert outcome.exit_code == 0
    assert ("no weights considered" in outcome.err) == (said is not None)
    assert said is None or said in outcome.err


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_choose_puts_reasons_below_on_a_terminal(columns: int) -> None:
    """Nothing is wider than the terminal."""
    shown = show([*ZOO, "choose", "--max-parameters", "5M"], columns=columns)
    assert all(len(line) <= columns for line in shown.lines)
    assert "fewest multiply-adds of all" in " ".join(shown.text.split())


@pytest.mark.parametrize(
    ("name", "magic"), [("c.png", b"\x89PNG"), ("c.svg", b"<?xml"), ("c.html", b"<!doctype html>")]
)
def test_choose_draws_what_the_ending_says(
    zoo: Run, tmp_path: Path, name: str, magic: bytes
) -> None:
    """The table is printed as well."""
    file = tmp_path / name
    outcome = zoo("choose", "--max-parameters", "10M", "--plot", str(file))
    assert outcome.exit_code == 0, outcome.err
    assert file.read_bytes().startswith(magic)
    assert f"drew {file}" in outcome.err
    assert "shufflenet" in outcome.out


@pytest.mark.parametrize(("name", "exit_code"), [("c.gif", 2), ("c", 2), ("missing/c.png", 1)])
def test_choose_refuses_drawings_that_it_cannot_make(
    zoo: Run, tmp_path: Path, name: str, exit_code: int
) -> None:
    """Another ending, no ending, no such folder: before anything is printed."""
    outcome = zoo("choose", "--plot", str(tmp_path / name))
    assert outcome.exit_code == exit_code
    assert outcome.out == ""
    assert not (tmp_path / name).exists()
    assert list(tmp_path.glob("c.*")) == []


def test_compare_puts_models_side_by_side_and_marks_the_best(zoo: Run) -> None:
    """ResNet-18 is smaller, ResNet-34 errs less."""
    lines = [
        " ".join(line.split()) for line in zoo("compare", "resnet18", "resnet34").out.splitlines()
    ]
    assert lines[0] == "resnet18 resnet34"
    assert "parameters 11.7 M * 21.8 M" in lines
    assert "top-5 error 10.92 8.58 *" in lines
    assert "year 2015 2015" in lines


def test_compare_takes_tags(zoo: Run) -> None:
    """Two sets of weights of one network."""
    lines = [
        " ".join(line.split())
        for line in zoo("compare", "resnet50:imagenet1k_v1", "resnet50").out.splitlines()
    ]
    assert lines[0] == "resnet50:imagenet1k_v1 resnet50"
    assert "weights imagenet1k_v1 imagenet1k_v2" in lines
    assert "top-1 error 23.87 19.14 *" in lines
    assert "parameters 25.6 M 25.6 M" in lines


def test_compare_writes_a_record_for_each_model(zoo: Run) -> None:
    """JSON says in what each is best, by the keys of the record."""
    first, second = zoo("compare", "resnet18", "resnet34", "--json").json
    assert first["best_in"] == ["parameters", "multiply_adds", "activations", "size_bytes"]
    assert second["best_in"] == ["top1_error_percent", "top5_error_percent"]
    assert set(first["best_in"]) <= set(first)
    rows = list(
        csv.DictReader(io.StringIO(zoo("compare", "resnet18", "resnet34", "--format", "csv").out))
    )
    assert [row["name"] for row in rows] == ["resnet18", "resnet34"]


def test_compare_writes_markdown_with_the_best_in_bold(zoo: Run) -> None:
    """As the documentation shows it."""
    assert (
        "| parameters | **11.7 M** | 21.8 M |"
        in zoo("compare", "resnet18", "resnet34", "--format", "markdown").out
    )


@pytest.mark.parametrize("columns", [40, 60, 80, 160])
def test_compare_shows_every_model_at_every_width(columns: int) -> None:
    """In groups that fit, each with every property; the star is the best of all, once."""
    names = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]
    shown = show([*ZOO, "compare", *names], columns=columns)
    assert all(len(line) <= columns for line in shown.lines)
    words = shown.text.split()
    assert [word for word in words if word in names] == names
    marked = [line for line in shown.lines if line.startswith("top-5 error") and "*" in line]
    assert len(marked) == 1


def test_what_could_not_be_judged_is_counted(zoo: Run) -> None:
    """A license that is not recorded is no license that is refused; about sizes are judged."""
    assert "might fit" not in zoo("choose", "--max-size", "100MB", "--max-parameters", "10M").err
    assert "might fit" not in zoo("choose", "--max-parameters", "10M").err

    outcome = zoo("choose", "--source", "torchvision", "--license", "permissive")
    assert "102 more might fit: their license is not recorded" in outcome.err


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (("--max-parameters", "10M", "--max-top5-error", "4"), "--max-parameters costs most"),
        (("--max-parameters", "5M", "--max-top5-error", "3"), "--max-parameters costs most"),
        (("--license", "permissive", "--max-size", "20MB"), "--max-size costs most"),
        (("--max-parameters", "1", "--max-top5-error", "0"), "loosen more than one"),
    ],
)
def test_choose_says_which_limit_costs_most(zoo: Run, limits: tuple[str, ...], words: str) -> None:
    """The one whose removal lowers the error most, or lets most in where nothing fits."""
    assert words in zoo("choose", *limits).err


def test_choose_shows_what_is_limited_and_explains_a_dash() -> None:
    """On a narrow terminal, too: cost and limits are never left out."""
    shown = show([*ZOO, "choose", "--max-parameters", "3M", "--license", "permissive"], columns=60)
    header = shown.lines[0]
    for word in ("multiply-adds", "parameters", "license"):
        assert word in header or f"{word} " in shown.text
    licensed = show(
        [*ZOO, "choose", "--source", "torchvision", "--max-parameters", "5M"], columns=160
    )
    assert "- stands for what is not recorded" in licensed.lines
