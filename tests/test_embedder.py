"""Features of images in files: names with vectors, gone on with, never mixed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.cli.conftest import Outcome
from zoo import embedder
from zoo.classifier import load_classifier
from zoo.cli.main import run
from zoo.errors import UsageError
from zoo.images.given import open_given

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture
def zoo_run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process."""

    def call(*arguments: str) -> Outcome:
        capsys.readouterr()
        exit_code = run(list(arguments))
        return Outcome(exit_code, *capsys.readouterr())

    return call


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Write five images and one that is none."""
    folder = tmp_path / "images"
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(5):
        values = chance.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"none")
    return folder


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_features_are_those_of_the_network(zoo_run: Run, images: Path, suffix: str) -> None:
    """One vector for each image, under its name; a broken one costs the exit code."""
    path = images.parent / f"out{suffix}"
    outcome = zoo_run("predict", "lenet5", str(images), "--features", str(path), "--batch", "2")
    assert outcome.exit_code == 1
    assert "5 images with 84 features each: 5 new, 0 there" in outcome.err
    assert "broken.png: it is no image" in outcome.err
    found = embedder.read(path)
    assert [name.rpartition("/")[2] for name in found.images] == [f"{n}.png" for n in range(5)]
    model, prepare = zoo.load_model("lenet5", num_classes=0), zoo.transform("lenet5")
    expected = model(prepare(open_given(images / "3.png").image)[None])[0]
    np.testing.assert_allclose(found.vectors[3], expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_a_file_that_is_there_is_gone_on_with(zoo_run: Run, images: Path) -> None:
    """What is done is not done again, and stands where it stood."""
    path = images.parent / "out.npz"
    first = [str(images / f"{number}.png") for number in (3, 1)]
    assert zoo_run("predict", "lenet5", *first, "--features", str(path)).exit_code == 0
    every = [str(images / f"{number}.png") for number in range(5)]
    outcome = zoo_run("predict", "lenet5", *every, "--features", str(path), "--json")
    assert outcome.json == {
        "path": str(path),
        "images": 5,
        "features": 84,
        "added": 3,
        "faults": [],
    }
    names = [name.rpartition("/")[2] for name in embedder.read(path).images]
    assert names == ["3.png", "1.png", "0.png", "2.png", "4.png"]


def test_an_interrupted_run_keeps_what_it_has(images: Path) -> None:
    """The file is written on the way out."""
    path = images.parent / "out.npz"
    every = [str(images / f"{number}.png") for number in range(5)]

    def stop(_name: str, done: int, _total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embedder.extract(load_classifier("lenet5"), every, path, batch=1, progress=stop)
    assert len(embedder.read(path).images) == 2


def test_another_models_features_are_not_mixed_in(zoo_run: Run, images: Path) -> None:
    """Neither is a file of another kind touched."""
    path = images.parent / "out.npz"
    embedder.write(path, embedder.Features.none("resnet18:imagenet1k_v1 abc"))
    image = str(images / "0.png")
    refused = zoo_run("predict", "lenet5", image, "--features", str(path))
    assert refused.exit_code == 2
    assert "holds features of resnet18:imagenet1k_v1" in refused.err
    with pytest.raises(UsageError, match=r"ending in \.npz or \.parquet"):
        embedder.check_suffix(path.with_suffix(".csv"))
    other = images.parent / "other.npz"
    other.write_bytes(b"something else")
    assert zoo_run("predict", "lenet5", image, "--features", str(other)).exit_code == 2
    assert other.read_bytes() == b"something else"


def test_an_engine_for_features_is_refused_before_anything_is_loaded(
    zoo_run: Run, images: Path
) -> None:
    """The network's own last layer is read: a model that would have to be downloaded is not."""
    words = ["--features", str(images.parent / "out.npz"), "--engine", "compile"]
    refused = zoo_run("predict", "resnet152", str(images), *words)
    assert refused.exit_code == 2
    assert "leave --engine out" in refused.err
