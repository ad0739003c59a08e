"""The public functions, and what users of timm and torchvision type out of habit."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import nn

import zoo
from zoo.errors import ForeignNameError, ImageError, OptionError, UsageError, ZooError
from zoo.formats.scan_result import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def digit(tmp_path: Path) -> Path:
    """Write an image of a one, bright on dark."""
    path = tmp_path / "one.png"
    image = Image.new("L", (32, 32))
    image.paste(255, (14, 4, 18, 28))
    image.save(path)
    return path


def test_every_public_name_is_there_and_documented() -> None:
    """What ``dir`` lists can be used, and says what it does."""
    for name in zoo.__all__:
        assert getattr(zoo, name).__doc__
    assert set(zoo.__all__) <= set(dir(zoo))


GIVEN: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "text": str,
    "image": Image.open,
    "bytes": lambda path: path.read_bytes(),
    "file": lambda path: io.BytesIO(path.read_bytes()),
    "array": lambda path: np.asarray(Image.open(path)),
    "fractions": lambda path: np.asarray(Image.open(path)) / 255,
    "colored array": lambda path: np.asarray(Image.open(path).convert("RGB")),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_an_image_may_be_given_in_any_way(digit: Path, kind: str) -> None:
    """The same label with the same probability; the transform takes it too."""
    given = GIVEN[kind](digit)
    (expected,) = zoo.predict("lenet5", digit, top=1)
    (found,) = zoo.predict("lenet5", given, top=1)
    assert found.predictions[0].label == "1"
    ours, theirs = found.predictions[0].probability, expected.predictions[0].probability
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert zoo.transform("lenet5")(GIVEN[kind](digit)).shape == (1, 32, 32)


def test_many_images_keep_their_order_and_one_bad_one_stops_nothing(digit: Path) -> None:
    """Names where there are some, numbers where not."""
    found = zoo.predict("lenet5", [digit, b"none", np.zeros((8, 8))], top=3)
    assert [one.image for one in found] == [str(digit), "image 2", "image 3"]
    assert found[1].fault == "it is no image that Pillow knows"
    assert [len(one.predictions) for one in found] == [3, 0, 3]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((2, 3, 8, 8)), r"expected shape \(H, W\)"),
        (np.zeros((3, 8, 8), dtype=np.uint8), r"expected shape \(H, W\)"),
        (np.full((8, 8), 255.0), "expected fractions from 0 to 1, got 255 to 255"),
        (np.full((8, 8), np.nan), "expected fractions from 0 to 1"),
        (np.zeros((8, 8), dtype=np.int64), "expected values of type uint8 or float"),
        (np.zeros((0, 8)), "got the empty"),
        (io.StringIO("text"), "it is open as text"),
        (7, "got int"),
        ("missing.jpg", "No such file"),
    ],
)
def test_what_is_no_image_is_refused(given: object, words: str) -> None:
    """With what was expected."""
    with pytest.raises(ImageError, match=words):
        zoo.transform("resnet18")(given)


def test_training_changes_images_and_inference_does_not(digit: Path) -> None:
    """Another result each time, of the same shape."""
    torch.manual_seed(0)
    training = zoo.transforms("lenet5", is_training=True)
    assert not torch.equal(training(digit), training(digit))
    inference = zoo.transforms("lenet5")
    assert torch.equal(inference(digit), inference(digit))
    assert training(digit).shape == inference(digit).shape
    with pytest.raises(OptionError, match="changed together with their targets"):
        zoo.transforms("fasterrcnn_resnet50_fpn", is_training=True)


def test_the_cache_is_listed_and_verified(torch_home: Path) -> None:
    """A file of the wrong length is damaged; a stranger is judged by its format."""
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = zoo.model_info("squeezenet1_1").weights["imagenet1k_v1"].files[0].file_name
    (folder / file).write_bytes(b"short")
    torch.save({"a": torch.ones(2)}, folder / "mine.pth")
    assert [one.name for one in zoo.cached("mine.pth")] == ["mine.pth"]
    assert len(zoo.cached()) == 2
    verdicts = {one.file.name: one.verdict.value for one in zoo.verify()}
    assert verdicts == {file: "damaged", "mine.pth": "sound"}


def test_files_are_scanned(tmp_path: Path) -> None:
    """A path as text will do."""
    path = tmp_path / "whole.pth"
    torch.save(nn.Linear(1, 1), path)
    assert zoo.scan(str(path)).verdict is Verdict.OBJECTS


def test_a_model_is_evaluated(digit: Path) -> None:
    """By name, on a folder of one image."""
    folder = digit.parent / "digits" / "1"
    folder.mkdir(parents=True)
    digit.rename(folder / "one.png")
    assert zoo.evaluate("lenet5", folder.parent).top1.errors == 0


def test_any_network_is_inspected_and_left_as_it_is() -> None:
    """Parameters and multiply-adds worked out by hand; the values stay where they were."""
    shared = nn.Linear(4, 4, bias=False)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Flatten(2), nn.AdaptiveAvgPool1d(4), shared, shared
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = zoo.inspect_model(model.train(), input_size=(3, 8, 8))
    assert table.parameters == 3 * 4 * 9 + 4 + 16
    assert table.multiply_adds == 3 * 4 * 9 * 36 + 2 * 4 * 16
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert pickle.loads(pickle.dumps(table)) == table  # noqa: S301 - our own bytes


def test_timms_networks_are_inspected_at_their_own_size() -> None:
    """Which timm records in them."""
    table = zoo.inspect_model(timm.create_model("inception_v4"))
    assert table.input_size == (3, 299, 299)
    with pytest.raises(UsageError, match="no convolution that tells its input"):
        zoo.inspect_model(nn.Linear(2, 2))
    with pytest.raises(UsageError, match=r"expected a name or a torch\.nn\.Module, got int"):
        zoo.inspect_model(7)  # type: ignore[arg-type]


def test_layers_print_as_a_table() -> None:
    """In a shell and in a notebook; what comes from a network is escaped."""
    table = zoo.inspect_model("lenet5", depth=1)
    lines = repr(table).splitlines()
    assert lines[0] == "lenet5, input 1x32x32: 61.7 k parameters, 417 k multiply-adds (MACs)"
    assert lines[1].split() == ["layer", "type", "output", "parameters", "multiply-adds"]
    assert lines[3].split() == ["c1", "Conv2d", "1x6x28x28", "156", "118", "k"]
    page = table._repr_html_()
    assert page.startswith("<table><caption>lenet5, input 1x32x32")
    assert page.count("<tr>") == len(table.layers) + 1


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("create_model", "zoo.load_model"),
        ("get_model", "zoo.load_model"),
        ("get_model_weights", "zoo.model_info"),
        ("create_transform", "zoo.transforms"),
        ("create_feature_extractor", "features_only=True"),
        ("list_pretrained", "zoo.list_models"),
    ],
)
def test_names_of_timm_and_torchvision_lead_to_ours(name: str, ours: str) -> None:
    """As an error of ours that is an AttributeError too, so that ``hasattr`` works."""
    with pytest.raises(ZooError, match=ours):
        getattr(zoo, name)
    assert not hasattr(zoo, name)
    error = ForeignNameError(name, ours)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes


def test_a_name_that_nobody_has_is_a_plain_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        zoo.nothing  # noqa: B018


def test_models_are_measured(
    monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path
) -> None:
    """The result prints as a table, has plain rows, and can be kept and read."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    small = "tests.support.bench_models.small"
    found = zoo.bench(small, device="cpu", threads=1, seconds=0.01, input_size=(3, 16, 16))
    assert found.rows[0]["model"] == small
    lines = repr(found).splitlines()
    assert lines[0].split()[:2] == ["model", "mode"]
    assert lines[1].startswith(small)
    assert "<table>" in found._repr_html_()
    found.write(tmp_path / "kept.json")
    command = [sys.executable, "-m", "zoo", "bench", "show", str(tmp_path / "kept.json")]
    assert small in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with pytest.raises(UsageError, match="name a model"):
        zoo.bench()


@pytest.mark.parametrize(
    "numbers",
    [
        {"runs": 0},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 0},
        {"threads": -1},
        {"retakes": -1},
        {"batch": 0, "mode": "throughput"},
        {"input_size": (1, 0, 0)},
    ],
)
def test_numbers_that_make_no_sense_measure_nothing(numbers: dict[str, Any]) -> None:
    """One sentence, before a process is started."""
    with pytest.raises(UsageError, match=r"above 0|never negative"):
        zoo.bench("lenet5", device="cpu", **numbers)


@pytest.mark.parametrize("numbers", [{"batch": 0}, {"batch": -1}, {"workers": -1}])
def test_an_evaluation_has_batches_of_at_least_one_image(
    numbers: dict[str, Any], tmp_path: Path
) -> None:
    """All images in one batch would fill the memory."""
    (tmp_path / "1").mkdir()
    with pytest.raises(UsageError, match="1 image or more"):
        zoo.evaluate("lenet5", tmp_path, **numbers)


def test_models_are_listed_as_other_libraries_list_them(torch_home: Path) -> None:
    """Several patterns, exclusions, a year as a number, what lies in the cache."""
    assert zoo.list_models(["vgg1?", "alexnet"], exclude="timm/*", year=2014)[-1] == "alexnet"
    assert "vgg11_bn" not in zoo.list_models("vgg*", exclude=["*_bn", "timm"])
    assert zoo.list_models(where="cached=true") == zoo.list_models(where="cached=yes")
    assert "lenet5" in zoo.list_models(where="cached=yes")
    assert "cnnnet" in zoo.list_models(pretrained=False)
    assert "cnnnet" not in zoo.list_models(pretrained=True)
    assert not torch_home.exists()
    with pytest.raises(ZooError, match="expected a number for year"):
        zoo.list_models(where="year=abc")
    with pytest.raises(UsageError, match="--limit must be 1 or more"):
        zoo.list_models(limit=0)
