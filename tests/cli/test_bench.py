"""``zoo bench`` as a user types it."""

import csv
import io
import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from tests.support.bench_results import ENVIRONMENT, make_result, make_run, noisy_runs
from zoo.bench.comparability import machine_key
from zoo.bench.files import Store
from zoo.bench.records import MEMORY_FORMATS, MODES, PRECISIONS, Failure, Result
from zoo.cli.main import run
from zoo.cli.terminal.bench_tables import result_table
from zoo.engines import NAMES
from zoo.engines.known import known_engines
from zoo.errors import install_command
from zoo.loader import load_model

if TYPE_CHECKING:
    from zoo.bench.results import Value

SMALL = "tests.support.bench_models.small"


def keep(path: Path, *results: Result) -> str:
    """Write results to a file and name it."""
    store = Store(path)
    for result in results:
        store.put(result)
    return str(path)


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path) -> None:
    """Let workers import the tests' networks, and keep the lock apart from real sessions."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_measurement_prints_a_result_file_as_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What --json prints can be shown again, and holds the raw values."""
    arguments = [
        "bench",
        SMALL,
        "--input",
        "3x16x16",
        "--device",
        "cpu",
        "--mode",
        "latency",
        "--time",
        "0.01",
    ]
    assert run([*arguments, "--threads", "1", "--json", "-q"]) == 0
    printed = capsys.readouterr()
    content = json.loads(printed.out)
    assert content["schema_version"] == 2
    assert len(content["results"][0]["runs"][0]["values_ns"]) >= 5
    assert printed.err == ""
    file = tmp_path / "printed.json"
    file.write_text(printed.out)
    assert run(["bench", "show", str(file)]) == 0
    assert SMALL in capsys.readouterr().out


def test_a_dry_run_prints_the_grid_and_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Two modes, two precisions; the refused cases say why."""
    arguments = [
        "bench",
        "run",
        "resnet18",
        "--device",
        "cpu",
        "--precision",
        "fp32,tf32",
        "--batch",
        "1,8",
    ]
    assert run([*arguments, "--dry-run", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["mode"], row["precision"], row["batch"]) for row in rows] == [
        *(("latency", "fp32", "1"), ("throughput", "fp32", "1"), ("throughput", "fp32", "8")),
        *(("latency", "tf32", "1"), ("throughput", "tf32", "1"), ("throughput", "tf32", "8")),
    ]
    assert [bool(row["refused"]) for row in rows] == [False] * 3 + [True] * 3


def test_cuda_without_a_gpu_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The error that issue 2 asks for."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    assert run(["bench", "resnet18", "--device", "cuda"]) == 1
    message = capsys.readouterr().err
    assert "cuda" in message
    assert "this machine has cpu" in message
    assert "--device cpu" in message


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["resnet81"], 1, "resnet18"),
        (["resnet18", "--engine", "compiled"], 1, "compile"),
        (["resnet18", "--device", "cpu", "--precision", "tf32"], 1, "has no tf32; it has fp32"),
        (["resnet18", "--batch", "none"], 2, "--batch takes numbers and best"),
        (["fasterrcnn_resnet50_fpn"], 2, "does detection"),
        (["--dry-run"], 2, "--all"),
        (["resnet18", "--runs", "0"], 2, "--runs"),
        (["show", "absent.json"], 1, "absent.json"),
        (["compare", "absent.json", "absent.json"], 1, "absent.json"),
    ],
)
def test_every_wrong_word_is_one_clear_sentence(
    arguments: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 for what cannot be done, 2 for what cannot be meant; never a traceback."""
    assert run(["bench", *arguments]) == code
    message = capsys.readouterr().err
    assert expected in message
    assert "Traceback" not in message


@pytest.mark.parametrize("command", [["bench", "run"], ["bench"]])
def test_help_names_every_word_that_an_option_takes(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Modes, precisions, memory formats and engines that the plan knows, also without ``run``."""
    assert run([*command, "--help"]) == 0
    words = capsys.readouterr().out.replace("\n", " ").split()
    shown = "".join(words)
    missing = [word for word in (*MODES, *PRECISIONS, *MEMORY_FORMATS, *NAMES) if word not in shown]
    assert missing == []


def test_engines_are_listed_with_what_they_can_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Every record is a row; one without its package says what brings it."""
    assert run(["bench", "engines", "--json"]) == 0
    rows = {row["engine"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == list(known_engines())
    assert rows["cudagraphs"]["devices"] == ["cuda"]
    assert rows["eager"]["version"] == torch.__version__.partition("+")[0]
    if find_spec("torch_tensorrt") is None:
        assert rows["tensorrt"]["install"] == install_command("tensorrt")
    assert run(["bench", "engines"]) == 0
    assert "frozen weights" in capsys.readouterr().out


def test_show_writes_every_format(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A row for each result; what all rows share is said once on stderr."""
    failed = replace(make_result((), model="vgg16"), failure=Failure("out-of-memory", "too large"))
    file = keep(tmp_path / "a.json", make_result(noisy_runs(1)), failed)
    assert run(["bench", "show", file, "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["status"]) for row in rows] == [
        ("resnet18", "ok"),
        ("vgg16", "out-of-memory"),
    ]
    assert run(["bench", "show", file, "--stable", "--format", "json"]) == 0
    stable = capsys.readouterr()
    assert [row["model"] for row in json.loads(stable.out)] == ["resnet18"]
    assert "1 of 2 results are unstable or failed: left out" in stable.err
    assert run(["bench", "show", file, "--format", "csv"]) == 0
    assert len(list(csv.DictReader(io.StringIO(capsys.readouterr().out)))) == 2
    for form in ("table", "markdown"):
        assert run(["bench", "show", file, "--format", form]) == 0
        shown = capsys.readouterr()
        assert "too large" in shown.out
        assert "engine eager" in shown.err


@pytest.mark.parametrize("ending", ["png", "svg", "html"])
def test_show_draws_error_against_latency(
    ending: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Two models, of which one beats the other in both; a page holds its facts."""
    pytest.importorskip("matplotlib")
    file = keep(
        tmp_path / "a.json",
        make_result(noisy_runs(1)),
        make_result(noisy_runs(2, center_ms=90.0), model="alexnet"),
    )
    drawing = tmp_path / f"plot.{ending}"
    assert run(["bench", "show", file, "--plot", str(drawing)]) == 0
    assert "drew" in capsys.readouterr().err
    content = drawing.read_bytes()
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "html": b"<!doctype html"}
    assert content.lower().startswith(starts[ending].lower())
    if ending == "html":
        assert b"resnet18" in content
        assert b"https://" not in content.replace(b"https://matplotlib.org", b"")


def test_nothing_to_draw_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A network without published weights has no error to draw."""
    file = keep(tmp_path / "a.json", make_result(model="cnnnet"))
    assert run(["bench", "show", file, "--plot", str(tmp_path / "plot.svg")]) == 2
    assert "published top-5 error" in capsys.readouterr().err


def test_compare_fails_in_ci_on_a_regression_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A tenth slower fails a check at 5 %, passes one at 20 %, and is only shown without one."""
    before = keep(tmp_path / "before.json", make_result(noisy_runs(1)))
    after = keep(tmp_path / "after.json", make_result(noisy_runs(2, center_ms=11.0)))
    assert run(["bench", "compare", before, after, "--fail-above", "5%", "--json"]) == 1
    printed = capsys.readouterr()
    (row,) = json.loads(printed.out)
    assert row["verdict"] == "slower"
    assert 1 < row["low"] <= row["ratio"] <= row["high"]
    assert "slower by more than 5 %" in printed.err
    assert run(["bench", "compare", before, after, "--fail-above", "20%"]) == 0
    assert run(["bench", "compare", before, after]) == 0
    assert run(["bench", "compare", before, after, "--fail-above", "many"]) == 2


def test_compare_names_what_was_not_measured_alike(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Refused with the key and both values; --force compares and marks the row."""
    before = keep(tmp_path / "before.json", make_result(noisy_runs(1)))
    after = keep(
        tmp_path / "after.json",
        make_result(noisy_runs(1), precision="bf16"),
        make_result(model="vgg16"),
    )
    assert run(["bench", "compare", before, after]) == 1
    assert "precision (fp32 and bf16)" in capsys.readouterr().err
    assert run(["bench", "compare", before, after, "--force"]) == 0
    shown = capsys.readouterr()
    assert "precision fp32 / bf16" in shown.out
    assert "vgg16" in shown.err


def test_a_sweep_that_was_cut_off_fails_the_check(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What only the first file has was not checked."""
    both = [make_result(noisy_runs(1)), make_result(noisy_runs(2), model="vgg16")]
    before, after = keep(tmp_path / "before.json", *both), keep(tmp_path / "after.json", both[0])
    assert run(["bench", "compare", before, after]) == 0
    capsys.readouterr()
    assert run(["bench", "compare", before, after, "--fail-above", "5%"]) == 1
    assert "lacks 1 of the results" in capsys.readouterr().err


def test_a_file_without_results_is_told_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """As --json prints it after Ctrl-C before the first result."""
    file = tmp_path / "empty.json"
    file.write_text('{"schema_version": 2, "results": []}')
    assert run(["bench", "show", str(file)]) == 2
    assert "holds no results" in capsys.readouterr().err


def test_a_weights_file_of_ones_own_is_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What it is and which input it takes are found out; a file that reveals nothing is refused."""
    path = tmp_path / "mine.pth"
    torch.save(load_model("lenet5", None, num_classes=3).state_dict(), path)
    options = ["--device", "cpu", "--mode", "latency", "--time", "0.01", "--threads", "1"]
    assert run(["bench", str(path), *options, "--json", "-q"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["case"]["model"] == str(path)
    assert result["case"]["input_size"] == [1, 32, 32]
    assert result["failure"] is None
    torch.save({"odd.weight": torch.ones(2), "other.weight": torch.ones(2)}, path)
    assert run(["bench", str(path), *options]) == 1
    assert "it fits no classifier of the registry" in capsys.readouterr().err


def test_machines_are_ranked_drawn_exported_and_imported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What a person does with results of two machines, in their order."""
    other = replace(ENVIRONMENT, cpus=64)
    fast = make_result([make_run([2.0] * 9)], other)
    slow = make_result([make_run([9.0] * 9)])
    file = keep(tmp_path / "both.json", slow)
    keep(tmp_path / "sweep" / "one", slow)
    keep(tmp_path / "sweep" / "two", fast)
    assert run(["bench", "fleet", str(tmp_path / "sweep"), "--latency", "p50<5ms", "--json"]) == 0
    printed = capsys.readouterr()
    (row,) = json.loads(printed.out)
    assert (row["model"], row["rank"], row["p50_ms"]) == ("resnet18", 1, 2.0)
    assert row["machine"] == machine_key(other)
    assert "1 within p50<5ms, 1 above" in printed.err

    assert run(["bench", "show", str(tmp_path / "sweep"), "--by", "machine", "--json"]) == 0
    (beside,) = json.loads(capsys.readouterr().out)
    assert beside[machine_key(other)] == 2.0
    assert beside[machine_key(ENVIRONMENT)] == 9.0

    exported = tmp_path / "out.json"
    assert run(["bench", "export", file, "--by", "me", "--output", str(exported)]) == 0
    assert run(["bench", "export", file, "--by", "me", "--machine", "h200"]) == 1
    assert machine_key(ENVIRONMENT) in capsys.readouterr().err
    assert run(["bench", "import", str(exported), "-o", str(tmp_path / "mine")]) == 0
    assert "1 results of 1 machines" in capsys.readouterr().err
    assert run(["bench", "show", str(tmp_path / "mine")]) == 0
    assert "resnet18" in capsys.readouterr().out


def test_stable_leaves_machines_out_as_well(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Side by side too, and counted."""
    keep(tmp_path / "sweep" / "one", make_result([make_run([9.0] * 9)]))
    unstable = make_run([2.0] * 9, is_steady=False)
    other = replace(ENVIRONMENT, cpus=64)
    keep(tmp_path / "sweep" / "two", make_result([unstable], other))
    command = ["bench", "show", str(tmp_path / "sweep"), "--by", "machine", "--stable", "--json"]
    assert run(command) == 0
    printed = capsys.readouterr()
    (beside,) = json.loads(printed.out)
    assert beside[machine_key(ENVIRONMENT)] == 9.0
    assert machine_key(other) not in beside
    assert "1 of 2 results are unstable" in printed.err


def test_a_cluster_needs_a_folder_and_an_address_that_answers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Wrong usage before anything is asked of anybody."""
    assert run(["bench", "resnet18", "--executor", "ray", "--output", "a.json"]) == 2
    assert "in a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--dry-run"], "--dry-run"),
        (["--until-stable", "60"], "--retakes"),
        (["--device", "cuda:1"], "takes auto, cpu, cuda"),
        (["--device", "mps"], "takes auto, cpu, cuda"),
        (["--device", "tpu"], "takes auto, cpu, cuda"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused_and_not_left_out(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A dry run that measured for hours, or the CPUs in place of what was asked for, would be."""
    command = ["bench", "resnet18", "--executor", "ray", "--output", str(tmp_path / "fleet")]
    assert run([*command, *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "fleet").exists()


@pytest.mark.parametrize("disturbed", [0, 2])
def test_disturbed_runs_are_a_column_only_if_there_are_any(disturbed: int) -> None:
    """A column of noughts says nothing."""
    rows: list[dict[str, Value]] = [
        {"model": "lenet5", "disturbed_runs": disturbed},
        {"model": "resnet18", "disturbed_runs": 0},
    ]
    keys = {column.key for column in result_table(rows).columns}
    assert ("disturbed_runs" in keys) is bool(disturbed)
