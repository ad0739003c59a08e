"""Evaluating: the reference counts on real pictures, labels by name, intervals, broken pictures."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from zoo.errors import DatasetError, OptionError
from zoo.evaluator import evaluate, find_subject
from zoo.evaluator.results import ErrorRate
from zoo.picture_folders import match_classes, read_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Write 60 of scikit-learn's digits as pictures, one folder a class."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for index in range(60):
        folder = tmp_path / "digits" / str(data.target[index])
        folder.mkdir(parents=True, exist_ok=True)
        values = (data.images[index] * 255 / 16).round().astype(np.uint8)
        Image.fromarray(values).resize((32, 32), Image.Resampling.BILINEAR).save(folder / f"{index}.png")
    return tmp_path / "digits"


@pytest.mark.slow
def test_real_squeezenet_meets_the_reference_counts(shared_data: Path) -> None:
    """171 of 272 right at top 1, 227 in the top 5, labels taken from the WordNet identifiers of the folders."""
    subject = find_subject("squeezenet1_1", checkpoint=shared_data / "weights" / "squeezenet1_1.pth")
    result = evaluate(subject, shared_data / "imagenet-sample" / "val")
    assert (result.top1.errors, result.top1.images) == (272 - 171, 272)
    assert result.top5.errors == 272 - 227
    assert len(result.classes) == 272
    assert sum(entry.top1_errors for entry in result.classes) == 101
    assert sum(pair.count for pair in result.confusions) <= 101


def test_registry_names_imagenets_classes_as_the_data_set_does(shared_data: Path) -> None:
    """The 1,000 WordNet identifiers are those of the reference list, in its order."""
    from zoo.catalog.registry import load_registry

    reference = (shared_data / "imagenet_wnids.txt").read_text().split()
    assert load_registry().category_ids["imagenet1k"] == tuple(reference)


def test_packaged_lenet_reads_most_digits(digits: Path) -> None:
    """The network was trained on such digits; its confusions are what it missed."""
    result = evaluate(find_subject("lenet5"), digits, batch=7)
    assert result.model == "lenet5:digits"
    assert result.top1.images == 60
    assert result.top1.errors <= 3
    assert result.top5.errors <= result.top1.errors
    assert sum(entry.images for entry in result.classes) == 60
    assert sum(pair.count for pair in result.confusions) == result.top1.errors
    assert 0 <= result.calibration_error_percent < 30


def test_folders_are_matched_by_name_not_by_position() -> None:
    """Three of ten classes get the outputs that bear their names."""
    labels = [str(digit) for digit in range(10)]
    assert match_classes(["3", "7", "9"], labels) == {"3": 3, "7": 7, "9": 9}
    assert match_classes(["Great_White-Shark"], ["tench", "great white shark"]) == {"Great_White-Shark": 1}


def test_label_that_two_classes_share_matches_no_folder() -> None:
    """ImageNet has two classes called crane; only their identifiers tell them apart."""
    with pytest.raises(DatasetError, match="crane"):
        match_classes(["crane"], ["crane", "tench", "crane"], ["n02012849", "n01440764", "n03126707"])
    identifiers = ["n02012849", "n01440764", "n03126707"]
    assert match_classes(["n03126707"], ["crane", "tench", "crane"], identifiers) == {"n03126707": 2}


@pytest.mark.parametrize("kind", ["missing", "empty", "flat"])
def test_folder_that_is_no_data_set_is_refused(kind: str, tmp_path: Path) -> None:
    """It does not exist, or has no class folders with pictures."""
    folder = tmp_path / "data"
    if kind != "missing":
        folder.mkdir()
    if kind == "flat":
        Image.new("L", (4, 4)).save(folder / "a.png")
    with pytest.raises(DatasetError):
        read_folder(folder)


def test_broken_pictures_are_named_and_left_out(digits: Path) -> None:
    """The command exits with 1 and still prints the result of the others."""
    (digits / "3" / "broken.png").write_bytes(b"no picture")
    command = [sys.executable, "-m", "zoo", "evaluate", "lenet5", str(digits), "--json"]
    done = subprocess.run(command, capture_output=True, check=False)
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["top1"]["images"] == 60
    assert [entry["picture"] for entry in result["skipped"]] == ["3/broken.png"]
    assert b"3/broken.png: it is no picture" in done.stderr


def test_result_file_is_written_with_its_key(digits: Path, tmp_path: Path) -> None:
    """What must be equal for a comparison stands in the file."""
    result = evaluate(find_subject("lenet5"), digits)
    result.write(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["key"]["dataset"] == read_folder(digits).digest
    assert content["top1"]["error_percent"] == pytest.approx(100 * result.top1.errors / 60)


def test_digest_of_a_data_set_changes_with_its_files(digits: Path) -> None:
    """A renamed picture makes another data set."""
    before = read_folder(digits).digest
    first = digits / read_folder(digits).pictures[0][0]
    first.rename(first.with_name("renamed.png"))
    assert read_folder(digits).digest != before


def test_interval_is_wilsons() -> None:
    """Ten wrong of a hundred: 5.52 to 17.44 percent, worked out from the formula with z = 1.96."""
    low, high = ErrorRate(10, 100).interval
    z = 1.959964
    middle = (0.1 + z * z / 200) / (1 + z * z / 100)
    half = z * (0.1 * 0.9 / 100 + z * z / 40_000) ** 0.5 / (1 + z * z / 100)
    assert (low, high) == pytest.approx((100 * (middle - half), 100 * (middle + half)))
    assert (round(low, 2), round(high, 2)) == (5.52, 17.44)
    assert ErrorRate(0, 5).interval[0] == pytest.approx(0, abs=1e-9)
    assert ErrorRate(5, 5).interval[1] == pytest.approx(100)


def test_published_figure_inside_the_interval_agrees() -> None:
    """Outside it does not."""
    assert ErrorRate(10, 100).agrees_with(12.0)
    assert not ErrorRate(10, 100).agrees_with(20.0)


def test_networks_without_classes_are_refused() -> None:
    """A detector has no top-1 error."""
    with pytest.raises(OptionError, match="expected classification"):
        find_subject("retinanet_resnet50_fpn")
