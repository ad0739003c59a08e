"""The weights of LeNet-5 that ship with ``zoo``, their record, and the script that made both."""

from __future__ import annotations

import hashlib
import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.support import warm
from zoo.models.lenet import lenet5

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
PRETRAINED = ROOT / "zoo" / "pretrained"


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "lenet5-digits.json").read_text(encoding="utf-8"))
    return record


def _test_part(record: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the test part from the record alone: split, size, mean and standard deviation."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    _, aside = train_test_split(
        range(record["data"]["images"]),
        test_size=record["data"]["test_images"],
        random_state=record["data"]["split_seed"],
        stratify=digits.target,
    )
    small = torch.tensor(digits.images[aside][:, None] / 16, dtype=torch.float32)
    height, width = record["preprocessing"]["resize_size"]
    images = torch.nn.functional.interpolate(
        small, (height, width), mode=record["preprocessing"]["interpolation"]
    )
    mean, std = record["preprocessing"]["mean"][0], record["preprocessing"]["std"][0]
    return (images - mean) / std, torch.tensor(digits.target[aside])


def test_pretrained_lenet5_makes_the_errors_that_its_record_states() -> None:
    """The committed file, on the 450 held-out digits: exactly as many errors, and under 1.5 %."""
    record = _record(PRETRAINED)
    model = lenet5().eval()
    model.load_state_dict(load_file(PRETRAINED / record["file_name"]))
    images, labels = _test_part(record)
    with torch.no_grad():
        guesses = model(images).argmax(dim=1)
    errors = int((guesses != labels).sum())
    measured = record["measured"]
    assert (errors, len(labels)) == (measured["test_errors"], measured["test_images"])
    assert measured["top1_error_percent"] == pytest.approx(100 * errors / len(labels), abs=0.005)
    assert measured["top1_error_percent"] < 1.5


def test_pretrained_lenet5_record_describes_the_file_beside_it() -> None:
    """Name, size, digest and the one file there is agree.

    The name carries the digest's first eight digits.
    """
    record = _record(PRETRAINED)
    (file,) = PRETRAINED.glob("*.safetensors")
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    assert (record["file_name"], record["size_bytes"], record["sha256"]) == (
        file.name,
        len(data),
        digest,
    )
    assert file.name == f"lenet5-digits-{digest[:8]}.safetensors"


def test_held_out_digits_are_not_among_the_training_digits() -> None:
    """No test image occurs in the training part: scikit-learn's digits hold no two equal images."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    assert (
        len(np.unique(digits.data, axis=0))
        == len(digits.data)
        == _record(PRETRAINED)["data"]["images"]
    )


@pytest.fixture
def settings_of_torch() -> Iterator[None]:
    """Put back what the script sets for its process."""
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(mode=False)
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_training_script_learns_and_writes_the_same_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_of_torch: None
) -> None:
    """An epoch beats chance by far.

    A run in another process finds the same digest and replaces an older file.
    """
    script = str(ROOT / "scripts" / "train_lenet5.py")
    stale = tmp_path / "second" / "lenet5-digits-00000000.safetensors"
    stale.parent.mkdir()
    stale.touch()
    command = [script, "--epochs", "1", "--output"]
    monkeypatch.setattr(sys, "argv", [*command, str(tmp_path / "first")])
    printed = io.StringIO()
    with redirect_stdout(printed):
        runpy.run_path(script, run_name="__main__")
    again = f"import runpy; runpy.run_path({script!r}, run_name='__main__')"
    done = warm.run(again, *command[1:], str(stale.parent))
    assert done.returncode == 0, done.stderr

    first, second = (_record(tmp_path / name) for name in ("first", "second"))
    assert first == second
    assert [file.name for file in stale.parent.glob("*.safetensors")] == [first["file_name"]]
    assert first["measured"]["top1_error_percent"] < 60  # chance is 90
    assert first["command"] == "python scripts/train_lenet5.py --epochs 1"
    assert first["file_name"] in printed.getvalue()
