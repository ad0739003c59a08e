"""What ``--bench`` adds to ``zoo list`` and ``zoo choose``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.bench_results import make_result, make_run
from zoo.bench.files import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

LATENCIES_MS = {
    "resnet18": 8.0,
    "resnet50": 20.0,
    "resnet50:IMAGENET1K_V1": 21.0,
    "vgg16": 60.0,
    "squeezenet1_1": 4.0,
    "alexnet": 5.0,
}


@pytest.fixture
def sweep(tmp_path: Path) -> str:
    """Lay a folder of results down.

    Some models, one of them in two engines, a foreign one, one at another input.
    """
    store = Store(tmp_path / "sweep")

    def put(model: str, value_ms: float, **changes: Any) -> None:
        store.put(
            make_result(
                [make_run([value_ms] * 10, batch=changes.get("batch", 1))], model=model, **changes
            )
        )

    for model, value_ms in LATENCIES_MS.items():
        put(model, value_ms)
    put("resnet18", 6.0, engine="compile")
    put("resnet18", 40.0, mode="throughput", batch=8)
    put("resnet34", 1.0, input_size=(3, 32, 32))
    put("mypackage.nets.small", 1.0)
    return str(tmp_path / "sweep")


def test_list_adds_columns_and_sorts_by_them(zoo: Run, sweep: str) -> None:
    """The fastest result of a model counts; 8 images in 40 ms are 200 a second."""
    rows = zoo("list", "--bench", sweep, "--sort", "p50", "--json").json
    assert [(row["name"], row["p50_ms"]) for row in rows[:4]] == [
        ("squeezenet1_1", 4.0),
        ("alexnet", 5.0),
        ("resnet18", 6.0),
        ("resnet50", 20.0),
    ]
    (resnet18,) = [row for row in rows if row["name"] == "resnet18"]
    assert (resnet18["measured"], resnet18["throughput_per_s"], resnet18["memory_bytes"]) == (
        "cpu compile fp32",
        200.0,
        10**7,
    )
    assert {row["p50_ms"] for row in rows if row["name"] in ("resnet34", "googlenet")} == {None}


def test_list_shows_the_columns_to_people_and_filters_on_them(zoo: Run, sweep: str) -> None:
    """By the names that the table has."""
    outcome = zoo(
        "list",
        "--bench",
        sweep,
        "--where",
        "p50<7 and top5_error<15",
        "--columns",
        "name,p50_ms,measured",
    )
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["name", "p50", "ms", "measured", "on"],
        ["resnet18", "6", "cpu", "compile", "fp32"],
    ]
    header = zoo("list", "resnet18", "--bench", sweep).out.splitlines()[0]
    assert "p50 ms  p90 ms  p99 ms  images/s  peak memory  measured on" in header


def test_measured_columns_need_a_file(zoo: Run) -> None:
    """Without one there is nothing to sort by."""
    assert "no column is called 'p50'" in zoo("list", "--sort", "p50").err


def test_weights_have_their_own_result_where_there_is_one(zoo: Run, sweep: str) -> None:
    """A tag's result, in capitals or not, beats the architecture's; other input sizes have none."""
    rows = zoo("list", "resnet50", "--all-weights", "--bench", sweep, "--json").json
    times = {row["weights"]: row["p50_ms"] for row in rows if row["name"] == "resnet50"}
    assert times == {"imagenet1k_v1": 21.0, "imagenet1k_v2": 20.0}
    rows = zoo("list", "vit_b_16", "--all-weights", "--bench", sweep, "--json").json
    assert {row["p50_ms"] for row in rows} == {None}


def test_choose_keeps_a_limit_of_latency_and_weighs_by_it(zoo: Run, sweep: str) -> None:
    """Of three networks within 10 ms, AlexNet is slower than SqueezeNet and errs more."""
    rows = zoo("choose", "--latency", "p50<10ms", "--bench", sweep, "--json").json
    assert [(row["name"], row["p50_ms"]) for row in rows] == [
        ("squeezenet1_1", 4.0),
        ("resnet18", 6.0),
    ]
    assert "for 1.50 times the milliseconds" in rows[1]["reason"]
    outcome = zoo("choose", "--latency", "p50<10ms", "--bench", sweep)
    assert "2 on the front of" in outcome.err


def test_choose_can_weigh_measured_models_by_another_cost(zoo: Run, sweep: str) -> None:
    """The limit holds all the same."""
    rows = zoo("choose", "--latency", "p90<=7ms", "--bench", sweep, "--cost", "size", "--json").json
    assert [row["name"] for row in rows] == ["squeezenet1_1", "resnet18"]


@pytest.mark.parametrize("arguments", [["--latency", "p50<10ms"], ["--cost", "latency"]])
def test_choose_by_latency_says_how_to_measure(zoo: Run, arguments: list[str]) -> None:
    """No table of the registry knows the latency on a machine."""
    outcome = zoo("choose", *arguments)
    assert outcome.exit_code == 2
    assert "zoo bench NAME --output sweep" in outcome.err


def test_choose_says_when_nothing_of_the_kind_was_measured(zoo: Run, tmp_path: Path) -> None:
    """A file with a model of somebody's own."""
    file = tmp_path / "own.json"
    Store(file).put(make_result(model="mypackage.nets.small"))
    outcome = zoo("choose", "--bench", str(file))
    assert outcome.exit_code == 2
    assert "was measured" in outcome.err


def test_choose_draws_measured_latency(zoo: Run, sweep: str, tmp_path: Path) -> None:
    """The axis says what it is."""
    pytest.importorskip("matplotlib", reason="drawing needs the extra plot")
    file = tmp_path / "c.html"
    assert zoo("choose", "--bench", sweep, "--plot", str(file)).exit_code == 0
    assert "milliseconds for one image" in file.read_text()


@pytest.mark.parametrize("command", ["list", "choose"])
def test_a_file_that_is_no_result_is_refused(zoo: Run, tmp_path: Path, command: str) -> None:
    """One sentence, no traceback."""
    outcome = zoo(command, "--bench", str(tmp_path / "missing.json"))
    assert outcome.exit_code == 1
    assert "missing.json" in outcome.err
    assert "Traceback" not in outcome.err


def test_choose_takes_published_speeds_and_never_mixes_them(zoo: Run, sweep: str) -> None:
    """Marked as published in every row; what was measured here stays out, and the reverse."""
    line = ["choose", "--published-speed", "rtx4090", "--latency", "published<0.05ms"]
    outcome = zoo(*line, "--json")
    rows = outcome.json
    assert "published by others: timm, results/" in outcome.err
    assert len(rows) > 5
    for row in rows:
        assert row["published_ms_per_image"] < 0.05
        assert row["published_ms_per_image"] == round(1000 / row["published_speed_per_s"], 4)
        assert not {"p50_ms", "measured"} & row.keys()
    times = [row["published_ms_per_image"] for row in rows]
    assert times == sorted(times)
    assert "(published)" in zoo(*line).out

    for wrong in (
        [*line, "--bench", sweep],
        ["choose", "--published-speed", "rtx4090", "--latency", "p50<1ms"],
        ["choose", "--bench", sweep, "--latency", "published<1ms"],
        ["choose", "--latency", "published<1ms"],
    ):
        assert zoo(*wrong).exit_code == 2
    assert zoo("choose", "--published-speed", "rtx1").exit_code == 1
