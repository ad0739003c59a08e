"""Evaluating: the reference counts on real images, labels by name, intervals, broken images."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from torch import nn

from tests.support.in_process import zoo
from tests.support.thorough import few_of
from zoo.classifier import Classifier, load_classifier
from zoo.errors import DatasetError, OptionError
from zoo.evaluator import compare_engines, evaluate
from zoo.evaluator.results import ErrorRate
from zoo.images.folders import match_classes, read_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_real_squeezenet_meets_the_reference_counts(shared_data: Path, tmp_path: Path) -> None:
    """171 of 272 right at top 1, 227 in the top 5; labels are the folders' WordNet identifiers.

    Every fourth of these images is as right as the reference says.
    """
    identifiers = (shared_data / "imagenet_wnids.txt").read_text().split()
    answers = json.loads((shared_data / "squeezenet1_1_top5.json").read_text())
    places = {}
    for path in (shared_data / "imagenet-sample" / "val").glob("*/*"):
        right = identifiers.index(path.parent.name)
        answer = answers[path.name]
        places[path.parent] = answer.index(right) if right in answer else None
    assert len(places) == 272
    assert list(places.values()).count(0) == 171
    assert list(places.values()).count(None) == 272 - 227

    every_fourth = sorted(places)[1::4]
    chosen = few_of(places, *every_fourth)
    # Also one that is right in the fifth place alone, else nobody would miss that place.
    assert {places[folder] for folder in chosen} == {0, 1, 2, 3, 4, None}
    for folder in chosen:
        (tmp_path / folder.name).symlink_to(folder)
    wrong = sum(places[folder] != 0 for folder in chosen)

    classifier = load_classifier(
        "squeezenet1_1", checkpoint=shared_data / "weights" / "squeezenet1_1.pth"
    )
    result = evaluate(classifier, tmp_path)
    assert (result.top1.errors, result.top1.images) == (wrong, len(chosen))
    assert result.top5.errors == [places[folder] for folder in chosen].count(None)
    assert len(result.classes) == len(chosen)
    assert sum(entry.top1_errors for entry in result.classes) == wrong
    assert sum(pair.count for pair in result.confusions) <= wrong


def test_registry_names_imagenets_classes_as_the_data_set_does(shared_data: Path) -> None:
    """The 1,000 WordNet identifiers are those of the reference list, in its order."""
    from zoo.catalog.registry import load_registry

    reference = (shared_data / "imagenet_wnids.txt").read_text().split()
    assert load_registry().category_ids["imagenet1k"] == tuple(reference)


def test_packaged_lenet_reads_most_digits(digits: Path) -> None:
    """The network was trained on such digits; its confusions are what it missed."""
    result = evaluate(load_classifier("lenet5"), digits, batch=7)
    assert result.model == "lenet5:digits"
    assert result.top1.images == 60
    assert result.top1.errors <= 3
    assert result.top5.errors <= result.top1.errors
    assert sum(entry.images for entry in result.classes) == 60
    assert sum(pair.count for pair in result.confusions) == result.top1.errors
    assert 0 <= result.calibration_error_percent < 30


def test_engines_are_held_against_eager(digits: Path) -> None:
    """Eager comes first without being named; folding changes no label of this network."""
    compared = compare_engines(load_classifier("lenet5"), digits, ["optimize"], batch=7)
    eager, folded = compared.engines
    assert (eager.engine, folded.engine) == ("eager", "optimize")
    assert (eager.top1, folded.top1) == (compared.evaluation.top1,) * 2
    assert (eager.changed, folded.changed) == (0, 0)
    assert folded.network_images_per_second is not None
    assert folded.network_images_per_second > folded.images_per_second > 0


def test_engines_are_timed_after_their_first_call_and_once_each(digits: Path) -> None:
    """Eager is first and would pay for what a process does once; 60 images are 9 batches of 7."""
    calls: list[int] = []
    classifier = load_classifier("lenet5")
    classifier.model.register_forward_hook(lambda _model, inputs, _y: calls.append(len(inputs[0])))
    compared = compare_engines(classifier, digits, ["optimize", "eager", "optimize"], batch=7)
    assert [row.engine for row in compared.engines] == ["eager", "optimize"]
    assert calls == [7, *[7] * 8, 4]


def test_engine_that_answers_otherwise_is_found_out(digits: Path) -> None:
    """A network whose labels are shifted by one: each image has another label than eager's."""

    class Shifting(Classifier):
        def on_engine(self, name: str, batch: int) -> Classifier:
            del batch
            if name == "eager":
                return self
            model = nn.Sequential(self.model, _Shift())
            return replace(self, model=model)

    known = load_classifier("lenet5")
    fields = {name: getattr(known, name) for name in Classifier.__dataclass_fields__}
    compared = compare_engines(Shifting(**fields), digits, ["compile"])
    assert compared.engines[1].changed == 60
    assert compared.engines[1].top1.errors > compared.engines[0].top1.errors


class _Shift(nn.Module):
    """Answer with the class after the right one."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.roll(1, dims=1)


def test_engine_rows_and_the_whole_result_are_printed_as_json(digits: Path) -> None:
    """One command says how fast each engine is, and whether the errors are eager's."""
    done = zoo(
        "evaluate", "lenet5", str(digits), "--device", "cpu", "--engine", "eager,optimize", "--json"
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [row["engine"] for row in printed["engines"]] == ["eager", "optimize"]
    assert [row["changed"] for row in printed["engines"]] == [0, 0]
    assert printed["evaluation"]["key"]["engine"] == "eager"


def test_folders_are_matched_by_name_not_by_position() -> None:
    """Three of ten classes get the outputs that bear their names."""
    labels = [str(digit) for digit in range(10)]
    assert match_classes(["3", "7", "9"], labels) == {"3": 3, "7": 7, "9": 9}
    assert match_classes(["Great_White-Shark"], ["tench", "great white shark"]) == {
        "Great_White-Shark": 1
    }


def test_label_that_two_classes_share_matches_no_folder() -> None:
    """ImageNet has two classes called crane; only their identifiers tell them apart."""
    with pytest.raises(DatasetError, match="crane"):
        match_classes(
            ["crane"], ["crane", "tench", "crane"], ["n02012849", "n01440764", "n03126707"]
        )
    identifiers = ["n02012849", "n01440764", "n03126707"]
    assert match_classes(["n03126707"], ["crane", "tench", "crane"], identifiers) == {
        "n03126707": 2
    }


@pytest.mark.parametrize("kind", ["missing", "empty", "flat"])
def test_folder_that_is_no_data_set_is_refused(kind: str, tmp_path: Path) -> None:
    """It does not exist, or has no class folders with images."""
    folder = tmp_path / "data"
    if kind != "missing":
        folder.mkdir()
    if kind == "flat":
        Image.new("L", (4, 4)).save(folder / "a.png")
    with pytest.raises(DatasetError):
        read_folder(folder)


def test_broken_images_are_named_and_left_out(digits: Path) -> None:
    """The command exits with 1 and still prints the result of the others."""
    (digits / "3" / "broken.png").write_bytes(b"no image")
    done = zoo("evaluate", "lenet5", str(digits), "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["top1"]["images"] == 60
    assert [entry["image"] for entry in result["skipped"]] == ["3/broken.png"]
    assert "3/broken.png: it is no image" in done.stderr


def test_a_result_that_cannot_be_written_is_printed_all_the_same(digits: Path) -> None:
    """What took an hour is not lost for a misspelt folder; the exit code says that it failed."""
    nowhere = digits / "0" / "0.png" / "result.json"
    done = zoo("evaluate", "lenet5", str(digits), "--json", "--output", str(nowhere))
    assert done.returncode == 1
    assert "result.json" in done.stderr
    assert json.loads(done.stdout)["top1"]["images"] == 60


def test_result_file_is_written_with_its_key(digits: Path, tmp_path: Path) -> None:
    """What must be equal for a comparison stands in the file."""
    result = evaluate(load_classifier("lenet5"), digits)
    result.write(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    assert content["key"]["dataset"] == read_folder(digits).digest
    assert content["top1"]["error_percent"] == pytest.approx(100 * result.top1.errors / 60)


def test_digest_of_a_data_set_changes_with_its_files(digits: Path) -> None:
    """A renamed image makes another data set."""
    before = read_folder(digits).digest
    first = digits / read_folder(digits).images[0][0]
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
        load_classifier("retinanet_resnet50_fpn")
