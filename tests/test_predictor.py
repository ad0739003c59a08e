"""Predicting with real weights on real images, and with the weights that ship with the package."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import zoo
from tests.support.in_process import zoo as run_here
from zoo.errors import MismatchError, OptionError, UsageError
from zoo.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path


def test_real_images_get_the_reference_labels(shared_data: Path) -> None:
    """The first eight images in batches of three.

    Five indices each, as the reference lists them.
    """
    images = [
        str(path) for path in sorted((shared_data / "imagenet-sample" / "val").glob("*/*.JPEG"))[:8]
    ]
    predictor = Predictor("squeezenet1_1", checkpoint=shared_data / "weights" / "squeezenet1_1.pth")
    expected = json.loads((shared_data / "squeezenet1_1_top5.json").read_text())
    for prediction in predictor.predict(images, batch=3):
        indices = [label.index for label in prediction.predictions]
        assert indices == expected[prediction.image.rpartition("/")[2]]
    first = next(predictor.predict(images[:1]))
    assert first.predictions[0].label == "tench"
    assert 0.9 < first.predictions[0].probability < 1


def test_packaged_lenet_reads_a_digit(tmp_path: Path) -> None:
    """A bright bar on dark ground is a one."""
    image = Image.new("L", (32, 32), 0)
    image.paste(255, (14, 4, 18, 28))
    image.save(tmp_path / "one.png")
    (prediction,) = Predictor("lenet5").predict([str(tmp_path / "one.png")], top=3)
    assert prediction.predictions[0].label == "1"
    assert [label.probability for label in prediction.predictions] == sorted(
        (label.probability for label in prediction.predictions), reverse=True
    )


def test_another_engine_names_the_same_label(tmp_path: Path) -> None:
    """Made for batches of four, given five images."""
    for number in range(5):
        image = Image.new("L", (32, 32), 0)
        image.paste(255, (12 + number, 4, 16 + number, 28))
        image.save(tmp_path / f"{number}.png")
    images = [str(path) for path in sorted(tmp_path.glob("*.png"))]
    eager = list(Predictor("lenet5").predict(images))
    folded = list(Predictor("lenet5", engine="optimize", batch=4).predict(images, batch=4))
    assert [row.predictions[0].label for row in folded] == [
        row.predictions[0].label for row in eager
    ]


def test_unknown_engine_offers_the_nearest(tmp_path: Path) -> None:
    """Also on the command line, before an image is looked for or weights are fetched."""
    done = run_here("predict", "lenet5", str(tmp_path / "a.png"), "--engine", "openvin")
    assert done.returncode == 1
    assert "openvino" in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_image_does_not_stop_the_others(tmp_path: Path) -> None:
    """It is named on stderr, the rest is printed, the exit code is 1."""
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    Image.new("L", (32, 32)).save(tmp_path / "c.png")
    done = run_here("predict", "lenet5", str(tmp_path), "--json")
    rows = json.loads(done.stdout)
    assert done.returncode == 1
    assert [len(row["predictions"]) for row in rows] == [5, 0, 5]
    assert "b.png: it is no image" in done.stderr
    assert "Traceback" not in done.stderr


def test_stdin_is_read_and_csv_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` takes the image from a pipe."""
    read, written = os.pipe()
    with os.fdopen(written, "wb") as image:
        Image.new("L", (32, 32)).save(image, "png")
    with os.fdopen(read) as pipe:
        monkeypatch.setattr("sys.stdin", pipe)
        done = run_here("predict", "lenet5", "-", "--format", "csv", "--top", "2")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[0] == "image,rank,index,label,probability"
    assert [line.split(",")[:2] for line in lines[1:]] == [["-", "1"], ["-", "2"]]


def test_checkpoint_that_does_not_fit_is_refused_with_its_keys(tmp_path: Path) -> None:
    """A file for another network is no traceback."""
    save_file({"conv1.weight": torch.zeros(6, 1, 3, 3)}, tmp_path / "mine.safetensors")
    with pytest.raises(MismatchError, match="missing: "):
        Predictor("lenet5", checkpoint=tmp_path / "mine.safetensors")


def test_checkpoint_with_own_labels_names_them(tmp_path: Path) -> None:
    """As many outputs as labels, in their order."""
    model = zoo.load_model("squeezenet1_1", weights=None, num_classes=2)
    save_file(model.state_dict(), tmp_path / "pets.safetensors")
    Image.new("RGB", (300, 300)).save(tmp_path / "a.png")
    predictor = Predictor(
        "squeezenet1_1", checkpoint=tmp_path / "pets.safetensors", labels=["cat", "fish"]
    )
    (prediction,) = predictor.predict([str(tmp_path / "a.png")])
    assert {label.label for label in prediction.predictions} == {"cat", "fish"}
    assert sum(label.probability for label in prediction.predictions) == pytest.approx(1)


def test_detectors_are_refused() -> None:
    """Only classifiers name one label for an image."""
    with pytest.raises(OptionError, match="its task is detection"):
        Predictor("fasterrcnn_resnet50_fpn")


def test_batch_below_one_is_wrong_usage() -> None:
    """The Python call checks what the command line's option checks."""
    with pytest.raises(UsageError):
        list(Predictor("lenet5").predict(["a.png"], batch=0))


def test_unknown_device_lists_those_that_exist(tmp_path: Path) -> None:
    """A machine without that device says which it has."""
    Image.new("L", (32, 32)).save(tmp_path / "a.png")
    done = run_here("predict", "lenet5", str(tmp_path / "a.png"), "--device", "cuda:99")
    assert done.returncode == 1
    assert "no such device; this machine has" in done.stderr
