"""``zoo list``."""

from __future__ import annotations

import csv
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.terminal import show
from zoo.bench.results import MEASURED
from zoo.catalog import published_speed
from zoo.catalog.index import load_index
from zoo.catalog.places import find_registry
from zoo.catalog.registry import load_registry
from zoo.catalog.rows import COLUMNS, DERIVED, OTHER_TASKS, column_name
from zoo.cli.terminal.row_tables import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Run

ZOO = [sys.executable, "-m", "zoo"]
USUAL = "name weights parameters multiply-adds top-1 error top-5 error year size license cached"


def header(line: str) -> str:
    """Write a header line with single spaces."""
    return " ".join(line.split())


def test_a_row_shows_what_the_record_holds(zoo: Run) -> None:
    """ResNet-18's published figures, in human units."""
    outcome = zoo("list", "resnet18", "--provider", "torchvision", "--task", "classification")
    lines = outcome.out.splitlines()
    assert header(lines[0]) == USUAL
    assert header(lines[1]) == "resnet18 imagenet1k_v1 11.7 M 1.81 G 30.24 10.92 2015 46.8 MB - no"
    assert outcome.err == "1 model, 0 in the cache\n"


def test_other_tasks_show_their_own_figures(zoo: Run) -> None:
    """A detector is judged by its mAP, which stands where errors do for networks that have some."""
    outcome = zoo("list", "--task", "detection", "--sort=-map", "--limit", "1")
    lines = outcome.out.splitlines()
    assert header(lines[0]) == (
        "name weights parameters multiply-adds box mAP year size license cached"
    )
    assert header(lines[1]) == (
        "fasterrcnn_resnet50_fpn_v2 coco_v1 43.7 M - 46.70 2021 175 MB - no"
    )


def test_figures_of_other_tasks_are_data_as_well(zoo: Run) -> None:
    """JSON has the keys that some row has a value for, with their units; filters take them."""
    rows = zoo("list", "--where", "kp_map>0 or miou>67", "--json").json
    assert [row["name"] for row in rows] == ["deeplabv3_resnet101", "keypointrcnn_resnet50_fpn"]
    assert [row["miou_percent"] for row in rows] == [67.4, None]
    assert [row["keypoint_map_percent"] for row in rows] == [None, 65.0]


def test_all_models_are_listed_once(zoo: Run) -> None:
    """One row each; the footer counts them."""
    every = load_index().by_name
    names = [name for name in every if not name.startswith("hub/")]
    outcome = zoo("list")
    assert [line.split()[0] for line in outcome.out.splitlines()[1:]] == names
    assert outcome.err.startswith(f"{len(names)} models, ")


def test_all_weights_have_a_row_each(zoo: Run) -> None:
    """ResNet-50 has two sets."""
    rows = zoo(
        "list",
        "resnet50",
        "--source",
        "torchvision",
        "--family",
        "resnet",
        "--task",
        "classification",
        "--all-weights",
        "--json",
    ).json
    assert [(row["name"], row["weights"]) for row in rows] == [
        ("resnet50", "imagenet1k_v1"),
        ("resnet50", "imagenet1k_v2"),
    ]


def test_options_combine(zoo: Run) -> None:
    """Every filter at once, sorted and cut."""
    filters = "--family resnet --task classification --provider torchvision --year 2012..2016"
    condition = "parameters>20M and top5_error<8"
    order = "--sort -parameters --limit 2"

    rows = zoo("list", "net", *filters.split(), "--where", condition, *order.split(), "--json").json
    assert [row["name"] for row in rows] == ["resnet152", "resnet101"]


def test_json_holds_exact_numbers_under_keys_with_units(zoo: Run) -> None:
    """Nothing is rounded, every column is there, and null is what is not known."""
    (row,) = zoo("list", "squeezenet1_1", "--json").json
    assert row["parameters"] == 1_235_496
    assert (
        row["size_bytes"]
        == load_registry().architectures["squeezenet1_1"].weights["imagenet1k_v1"].size_bytes
    )
    assert row["top5_error_percent"] == pytest.approx(19.376)
    assert row["license"] is None
    assert row["cached"] is False
    assert len(row) == len(COLUMNS)


def test_csv_is_the_same_as_json(zoo: Run) -> None:
    """The same keys and values, as text."""
    rows = list(csv.DictReader(io.StringIO(zoo("list", "vgg", "--format", "csv").out)))
    expected = zoo("list", "vgg", "--json").json
    assert rows == [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in expected
    ]


def test_markdown_is_a_table_of_the_usual_columns(zoo: Run) -> None:
    """As the documentation shows it."""
    lines = zoo("list", "vgg16", "--format", "markdown", "--where", "name=vgg16").out.splitlines()
    assert header(lines[0].replace("|", " ")) == USUAL
    assert set(lines[1]) <= set("|-: ")
    assert (
        header(lines[2])
        == "| vgg16 | imagenet1k_v1 | 138 M | 15.5 G | 28.41 | 9.62 | 2014 | 553 MB | - | no |"
    )
    assert len(lines) == 3


def test_columns_are_chosen_by_any_spelling(zoo: Run) -> None:
    """In the order asked for, each once."""
    outcome = zoo(
        "list", "resnet18", "--columns", "top5-error,name,Top5_Error,paper", "--limit", "1"
    )
    assert header(outcome.out.splitlines()[0]) == "top-5 error name paper"
    everything = zoo("list", "resnet18", "--columns", "all", "--format", "csv").out.splitlines()[0]
    assert everything.count(",") == len(COLUMNS) + len(OTHER_TASKS) - 1


def test_an_unknown_column_offers_the_nearest(zoo: Run) -> None:
    """A typo is answered."""
    outcome = zoo("list", "--columns", "name,yaer")
    assert outcome.exit_code == 1
    assert "did you mean year" in outcome.err


def test_nothing_that_fits_is_no_error(zoo: Run) -> None:
    """Conditions that nothing meets leave no table, an empty array, and a footer that says none."""
    outcome = zoo("list", "--where", "parameters<1")
    assert outcome.exit_code == 0
    assert outcome.out == ""
    assert outcome.err.startswith("0 models")
    assert zoo("list", "--where", "parameters<1", "--json").json == []


def test_a_condition_among_the_names_leads_to_where(zoo: Run) -> None:
    """As people type it who have not read the help; nothing is taken for a name."""
    outcome = zoo("list", "resnet", "year>2015")
    assert outcome.exit_code == 2
    assert "type \"zoo list --where 'year>2015'\"" in outcome.err


def test_a_cached_file_is_seen_by_name_and_length(zoo: Run, torch_home: Path) -> None:
    """The right length counts, another does not; nothing is read."""
    file = load_registry().architectures["squeezenet1_1"].weights["imagenet1k_v1"].files[0]
    place = torch_home / "hub" / "checkpoints" / file.file_name
    place.parent.mkdir(parents=True)
    for length, expected in ((file.size_bytes or 0, True), (1000, False)):
        with place.open("wb") as stream:
            stream.truncate(length)
        (row,) = zoo("list", "squeezenet1_1", "--json").json
        assert row["cached"] is expected
    assert zoo("list", "lenet5", "--json").json[0]["cached"] is True, "it ships inside the package"


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200, 300])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    """On narrow and wide terminals nothing wraps."""
    shown = show([*ZOO, "list", "squeezenet"], columns=columns)
    assert shown.exit_code == 0
    assert all(len(line) <= columns for line in shown.lines[:3])


def test_a_narrow_terminal_keeps_what_matters_and_says_what_it_left_out() -> None:
    """Name, cost and error stay; what is small may stay too; the rest is named on stderr."""
    shown = show([*ZOO, "list", "squeezenet"], columns=60)
    assert header(shown.lines[0]) == "name parameters multiply-adds top-5 error year"
    assert "hidden (terminal too narrow): weights, top-1 error, size, license, cached" in " ".join(
        shown.text.split()
    )


def test_a_wide_terminal_shows_more() -> None:
    """Family, task and so on come after the usual columns; nothing is missed."""
    shown = show([*ZOO, "list", "squeezenet"], columns=200)
    assert header(shown.lines[0]).startswith(f"{USUAL} family task")
    assert "left out" not in shown.text


def test_a_pipe_gets_full_width(fresh_zoo: Run) -> None:
    """Whatever COLUMNS says: a program reads it."""
    outcome = fresh_zoo("list", "squeezenet", COLUMNS="20")
    assert header(outcome.out.splitlines()[0]) == USUAL


def test_names_of_a_registry_that_were_made_up_are_listed(zoo_with: Callable[[str], Run]) -> None:
    """The table is what the file says, nothing is built in."""
    content = json.loads(find_registry().read_text(encoding="utf-8"))
    record = content["architectures"]["resnet18"]
    content["architectures"] = {
        "mynet": {
            **record,
            "name": "mynet",
            "entry_point": "torchvision.models.mynet",
            "parameters": 7,
            "weights": {},
            "default_weights": None,
        }
    }
    outcome = zoo_with(json.dumps(content))("list")
    assert header(outcome.out.splitlines()[1]) == "mynet - 7 1.81 G - - 2015 - - no"


def test_what_a_table_or_a_document_calls_a_column_names_it() -> None:
    """Titles come from the screen, keys from JSON: --columns, --sort and --where take both."""
    extra = (*MEASURED, *published_speed.COLUMNS)
    for name in (*COLUMNS, *DERIVED, *extra):
        column = describe(name)
        assert {column_name(word, extra) for word in (name, column.title, column.key)} == {name}
