"""``zoo scan``, ``zoo inspect`` and ``zoo convert`` on real files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch

from tests.support.hostile_files import ATTACKS, write_zip
from zoo.loader import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Save a state dict of LeNet-5 as torch does."""
    path = tmp_path / "lenet.pth"
    torch.save(load_model("lenet5", weights=None).state_dict(), path)
    return path


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Write a file that would start a program."""
    return write_zip(tmp_path / "hostile.pth", ATTACKS["os.system"](tmp_path / "canary").pickled)


def test_a_sound_file_is_called_safe(zoo: Run, saved: Path) -> None:
    """With its format and the harmless names that it imports."""
    outcome = zoo("scan", str(saved))
    assert outcome.exit_code == 0
    assert outcome.out.startswith(f"{saved}: zip archive of torch.save, safe\n")
    assert "torch.FloatStorage" in outcome.out


def test_a_hostile_file_is_refused_by_name_and_does_not_run(
    zoo: Run, saved: Path, hostile: Path, tmp_path: Path
) -> None:
    """One bad file of two: exit code 1, and both are reported."""
    outcome = zoo("scan", str(saved), str(hostile))
    assert outcome.exit_code == 1
    verdict = "REFUSED, runs code: posix.system\n  it imports posix.system"
    assert f"{hostile}: zip archive of torch.save, {verdict}" in outcome.out
    assert f"{saved}: zip archive of torch.save, safe" in outcome.out
    assert outcome.err == "1 of 2 files refused\n"
    assert not (tmp_path / "canary").exists()


def test_a_scan_is_described_as_json(zoo: Run, hostile: Path) -> None:
    """Every import with its opcode and place."""
    (row,) = zoo("scan", str(hostile), "--json").json
    assert (row["path"], row["is_safe"], row["format"]) == (
        str(hostile),
        False,
        "zip archive of torch.save",
    )
    found = next(name for name in row["imports"] if not name["is_allowed"])
    assert (found["name"], found["opcode"], found["member"]) == (
        "posix.system",
        "GLOBAL",
        "hostile/data.pkl",
    )


def test_a_file_that_is_missing_or_hides_an_escape_is_reported_safely(
    zoo: Run, tmp_path: Path
) -> None:
    """Neither ends the scan; no terminal sees a raw escape."""
    path = tmp_path / "net.pkl"
    path.write_bytes(b"\x80\x02cos\n\x1b[31msystem\n.")
    outcome = zoo("scan", str(path), str(tmp_path / "missing.pth"))
    assert outcome.exit_code == 1
    assert "\x1b" not in outcome.out
    assert "cannot be read: No such file" in outcome.out


def test_a_whole_pickled_model_is_told_from_code(zoo: Run, tmp_path: Path) -> None:
    """With what to do about it, from scan and from inspect."""
    path = tmp_path / "whole.pth"
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), path)
    outcome = zoo("scan", str(tmp_path))
    assert outcome.exit_code == 1
    first = f"{path}: zip archive of torch.save, REFUSED, a whole pickled model: save its"
    assert outcome.out.startswith(first)
    refused = zoo("inspect", str(path))
    assert refused.exit_code == 1
    assert "it is a whole pickled model (torch.nn.modules.container.Sequential" in refused.err
    assert refused.err.endswith("where you trust it, load it and save model.state_dict()\n")


def test_a_folder_is_scanned_and_an_empty_one_refused(
    zoo: Run, saved: Path, hostile: Path, tmp_path: Path
) -> None:
    """Every weights file in it; nothing scanned is no success."""
    outcome = zoo("scan", str(tmp_path), "--json")
    assert [row["path"] for row in outcome.json] == [str(hostile), str(saved)]
    assert [row["verdict"] for row in outcome.json] == ["code", "safe"]
    (tmp_path / "empty").mkdir()
    assert zoo("scan", str(tmp_path / "empty")).exit_code == 2


def test_a_file_is_recognised_and_the_next_command_said(zoo: Run, saved: Path) -> None:
    """The answer comes first, the commands stand alone on their lines, no tensor is listed."""
    outcome = zoo("inspect", str(saved))
    assert outcome.exit_code == 0
    assert outcome.out.startswith("lenet.pth: lenet5\n  because  no other model of the registry")
    assert "10 tensors, 61.7 k values (float32)" in outcome.out
    assert "values   all finite" in outcome.out
    assert "c1.weight" not in outcome.out
    commands = f"  zoo predict {saved} IMAGE\n  zoo evaluate {saved} FOLDER\n  zoo bench {saved}\n"
    assert outcome.err == f"next:\n{commands}"


def test_tensors_and_layers_are_shown_where_asked_for(zoo: Run, saved: Path) -> None:
    """Below the answer; CSV holds the tensors alone."""
    outcome = zoo("inspect", str(saved), "--tensors", "--depth", "1")
    answer, _, rest = outcome.out.partition("\n\n")
    assert answer.startswith("lenet.pth: lenet5\n")
    tensors, _, layers = rest.partition("\n\n")
    assert tensors.splitlines()[1].startswith("c1.weight")
    assert "├─ c1" in layers
    lines = zoo("inspect", str(saved), "--format", "csv").out.splitlines()
    assert lines[0] == "name,dtype,shape,count,nan,infinite"
    assert len(lines) == 11


def test_what_a_file_was_wrapped_in_is_said(zoo: Run, tmp_path: Path) -> None:
    """The keys and prefixes that training programs put around a state dict."""
    path = tmp_path / "net.ckpt"
    tensors = load_model("lenet5", weights=None, num_classes=3).state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
    torch.save({"epoch": 3, "state_dict": wrapped}, path)
    outcome = zoo("inspect", str(path))
    assert outcome.out.startswith("net.ckpt: lenet5 with num_classes=3\n")
    assert 'unwrapped  the key "state_dict", the prefix "module." of every name' in outcome.out
    described = zoo("inspect", str(path), "--json").json
    assert (described["keys"], described["prefixes"]) == (["state_dict"], ["module."])
    assert described["identity"]["certainty"] == "only"
    assert described["identity"]["options"] == {"num_classes": 3}


def test_bad_values_are_counted(zoo: Run, tmp_path: Path) -> None:
    """In words, and in the JSON for each tensor."""
    path = tmp_path / "net.safetensors"
    bad = torch.tensor([1.0, float("nan"), float("inf")])
    safetensors.torch.save_file({"a.w": bad, "b.w": torch.ones(3)}, path)
    outcome = zoo("inspect", str(path))
    assert "2 are NaN or infinite" in outcome.out
    assert outcome.out.startswith("net.safetensors: no model of the registry\n")
    assert f"zoo predict {path} IMAGE --architecture NAME --num-classes N\n" in outcome.err
    described = zoo("inspect", str(path), "--json").json
    assert (described["bad_count"], described["fits"]) == (2, [])
    fact = {"name": "a.w", "dtype": "float32", "shape": [3], "count": 3, "nan": 1, "infinite": 1}
    assert described["tensors"] == [fact, {**fact, "name": "b.w", "nan": 0, "infinite": 0}]
    assert zoo("inspect", str(path), "--no-values", "--json").json["bad_count"] is None
    assert zoo("inspect", str(path), "--depth", "1").exit_code == 2


def test_a_file_is_converted_beside_itself_or_elsewhere(
    zoo: Run, saved: Path, tmp_path: Path
) -> None:
    """The path of the copy is printed; the second time it is there already."""
    copy = saved.with_suffix(".safetensors")
    assert zoo("convert", str(saved)).out == f"{copy}\n"
    assert safetensors.torch.load_file(copy).keys() == torch.load(saved, weights_only=True).keys()
    assert "was there already" in zoo("convert", str(saved)).err
    other = tmp_path / "other.safetensors"
    (row,) = zoo("convert", str(saved), "--output", str(other), "--json").json
    assert (row["path"], row["was_there"], row["tensors"]) == (str(other), False, 10)
    assert other.read_bytes() == copy.read_bytes()


def test_a_file_in_the_way_is_replaced_only_by_force(zoo: Run, saved: Path) -> None:
    """It could be somebody's."""
    copy = saved.with_suffix(".safetensors")
    copy.write_bytes(b"mine")
    outcome = zoo("convert", str(saved))
    assert outcome.exit_code == 1
    assert "replace it with --force" in outcome.err
    assert copy.read_bytes() == b"mine"
    assert zoo("convert", str(saved), "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("convert", "resnet19"), 1, "no model is called 'resnet19'; did you mean"),
        (("convert", "lenet5"), 1, "it is safetensors already"),
        (("convert", "lenet5", "--output", "x"), 2, "--output takes the copy of one file"),
        (("inspect", "missing.pth"), 1, "there is no file missing.pth"),
        (("scan",), 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_said_plainly(
    zoo: Run, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    """One sentence and the right exit code."""
    outcome = zoo(*arguments)
    assert outcome.exit_code == exit_code
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_a_hostile_file_is_neither_listed_nor_converted(
    zoo: Run, hostile: Path, tmp_path: Path
) -> None:
    """Both commands refuse it as loading does."""
    for command in ("inspect", "convert"):
        outcome = zoo(command, str(hostile))
        assert outcome.exit_code == 1
        assert "posix.system" in outcome.err
    assert not (tmp_path / "canary").exists()


def test_a_wrong_path_is_named_before_anything_is_fetched(zoo: Run) -> None:
    """The folder of ``evaluate``, and a file to convert, which is not taken for a model."""
    evaluated = zoo("evaluate", "resnet18", "nofolder")
    assert evaluated.exit_code == 1
    assert "nofolder: there is no such folder" in evaluated.err

    converted = zoo("convert", "nofile.pth")
    assert converted.exit_code == 1
    assert "there is no file nofile.pth; check the path" in converted.err
