"""``zoo scan``, ``zoo weights`` and ``zoo convert`` on real files."""

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
    assert f"{hostile}: zip archive of torch.save, REFUSED\n  it imports posix.system" in outcome.out
    assert f"{saved}: zip archive of torch.save, safe" in outcome.out
    assert outcome.err == "1 of 2 files refused\n"
    assert not (tmp_path / "canary").exists()


def test_a_scan_is_described_as_json(zoo: Run, hostile: Path) -> None:
    """Every import with its opcode and place."""
    (row,) = zoo("scan", str(hostile), "--json").json
    assert (row["path"], row["is_safe"], row["format"]) == (str(hostile), False, "zip archive of torch.save")
    found = next(name for name in row["imports"] if not name["is_allowed"])
    assert (found["name"], found["opcode"], found["member"]) == ("posix.system", "GLOBAL", "hostile/data.pkl")


def test_a_file_that_is_missing_or_hides_an_escape_is_reported_safely(zoo: Run, tmp_path: Path) -> None:
    """Neither ends the scan; no terminal sees a raw escape."""
    path = tmp_path / "net.pkl"
    path.write_bytes(b"\x80\x02cos\n\x1b[31msystem\n.")
    outcome = zoo("scan", str(path), str(tmp_path / "missing.pth"))
    assert outcome.exit_code == 1
    assert "\x1b" not in outcome.out
    assert "cannot be read: No such file" in outcome.out


def test_tensors_are_listed_and_the_model_recognised(zoo: Run, saved: Path) -> None:
    """One line a tensor, then the models that it fits."""
    outcome = zoo("weights", str(saved))
    assert outcome.exit_code == 0
    assert outcome.out.endswith("fits lenet5\n")
    assert outcome.err == "lenet.pth: zip archive of torch.save, 10 tensors, 61.7 k values\n"


def test_bad_values_are_counted(zoo: Run, tmp_path: Path) -> None:
    """With a warning, and in the JSON for each tensor."""
    path = tmp_path / "net.safetensors"
    safetensors.torch.save_file({"a": torch.tensor([1.0, float("nan"), float("inf")])}, path)
    outcome = zoo("weights", str(path))
    assert "warning: 2 values are NaN or infinite" in outcome.err
    assert outcome.out.endswith("fits no model of the registry\n")
    described = zoo("weights", str(path), "--json").json
    assert (described["bad_count"], described["fits"]) == (2, [])
    assert described["tensors"] == [
        {"name": "a", "dtype": "float32", "shape": [3], "count": 3, "nan": 1, "infinite": 1}
    ]
    assert zoo("weights", str(path), "--no-values", "--json").json["bad_count"] is None


def test_what_a_model_must_be_told_is_said(zoo: Run, tmp_path: Path) -> None:
    """Three classes instead of ten."""
    path = tmp_path / "net.pth"
    torch.save(load_model("lenet5", weights=None, num_classes=3).state_dict(), path)
    assert zoo("weights", str(path)).out.endswith("fits lenet5 (num_classes=3)\n")


def test_a_file_is_converted_beside_itself_or_elsewhere(zoo: Run, saved: Path, tmp_path: Path) -> None:
    """The path of the twin is printed; the second time it is there already."""
    twin = saved.with_suffix(".safetensors")
    assert zoo("convert", str(saved)).out == f"{twin}\n"
    assert safetensors.torch.load_file(twin).keys() == torch.load(saved, weights_only=True).keys()
    assert "was there already" in zoo("convert", str(saved)).err
    other = tmp_path / "other.safetensors"
    (row,) = zoo("convert", str(saved), "--output", str(other), "--json").json
    assert (row["path"], row["was_there"], row["tensors"]) == (str(other), False, 10)
    assert other.read_bytes() == twin.read_bytes()


def test_a_file_in_the_way_is_replaced_only_by_force(zoo: Run, saved: Path) -> None:
    """It could be somebody's."""
    twin = saved.with_suffix(".safetensors")
    twin.write_bytes(b"mine")
    outcome = zoo("convert", str(saved))
    assert outcome.exit_code == 1
    assert "replace it with --force" in outcome.err
    assert twin.read_bytes() == b"mine"
    assert zoo("convert", str(saved), "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("convert", "resnet19"), 1, "no model is called 'resnet19'; did you mean"),
        (("convert", "lenet5"), 1, "it is safetensors already"),
        (("convert", "lenet5", "--output", "x"), 2, "--output takes the twin of one file"),
        (("weights", "missing.pth"), 1, "there is no file missing.pth"),
        (("scan",), 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_said_plainly(zoo: Run, arguments: tuple[str, ...], exit_code: int, words: str) -> None:
    """One sentence and the right exit code."""
    outcome = zoo(*arguments)
    assert outcome.exit_code == exit_code
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_a_hostile_file_is_neither_listed_nor_converted(zoo: Run, hostile: Path, tmp_path: Path) -> None:
    """Both commands refuse it as loading does."""
    for command in ("weights", "convert"):
        outcome = zoo(command, str(hostile))
        assert outcome.exit_code == 1
        assert "posix.system" in outcome.err
    assert not (tmp_path / "canary").exists()
