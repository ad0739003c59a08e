"""The user's own registry: models of one's own under names, beside those of others."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from tests.support.mutations import mutations
from tests.support.own_file import write_own_file
from zoo.bench.plan import expand
from zoo.catalog.local import LocalModel, add_local, find_local, local_path, read_local
from zoo.catalog.query import Selection, select
from zoo.cli.main import run
from zoo.cli.terminal.options import complete_listed_sources, complete_models, complete_sources
from zoo.errors import CheckpointError, RegistryError, UnknownNameError, UsageError
from zoo.inspector.own_models import describe_own

if TYPE_CHECKING:
    from pathlib import Path

MODEL = LocalModel(
    name="digits",
    file="/nowhere/found.safetensors",
    sha256="0" * 64,
    size_bytes=1000,
    architecture="nasnet_a_mobile",
    parameters=500,
    multiply_adds=2000,
    input_size=(1, 8, 8),
    num_classes=10,
    data="0123456789abcdef",
)


def test_nothing_is_there_before_something_is_added() -> None:
    """And a list is that of the published models."""
    assert read_local() == ()
    assert not local_path().exists()
    assert select(Selection(), has_local=True) == select(Selection())


def test_a_list_merges_the_models_of_ones_own_and_marks_them() -> None:
    """By their source and by the prefix of their names; no published error stands there."""
    add_local(MODEL)
    published = select(Selection())
    rows = select(Selection(), has_local=True)
    assert len(rows) == len(published) + 1
    (own,) = [row for row in rows if row["source"] == "local"]
    assert own.name == "local/digits"
    assert (own["parameters"], own["input_size"], own["top1_error"]) == (500, "1x8x8", None)
    assert select(Selection(pattern=("local/*",)), has_local=True) == [own]
    assert select(Selection()) == published


def test_a_list_of_none_of_ones_own_says_how_to_add_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The source is known, though nothing is there yet."""
    assert run(["list", "--source", "local"]) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert 'add one with "zoo registry add --local FILE"' in said.err


def test_a_condition_that_no_model_of_ones_own_meets_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Their names count as known there too."""
    add_local(MODEL)
    assert run(["list", "local/digits", "--where", "parameters>1k"]) == 0
    assert '"parameters>1k" leaves none of 1' in capsys.readouterr().err


def test_completion_knows_the_models_of_ones_own() -> None:
    """Beside published names, and the source of them in lists alone."""
    add_local(MODEL)
    assert complete_models("local/d") == ["local/digits"]
    assert "local" in complete_listed_sources("")
    assert "local" not in complete_sources("")


def test_a_name_is_taken_once_and_replaced_on_request() -> None:
    """A second model does not silently take the place of the first."""
    add_local(MODEL)
    with pytest.raises(UsageError, match="local/digits is there already: give another --name"):
        add_local(MODEL)
    add_local(MODEL, replaces=True)
    assert read_local() == (MODEL,)


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../up", "a/b", "-x"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """Names are small letters, digits and _.-."""
    with pytest.raises(UsageError, match="a name has small letters"):
        add_local(replace(MODEL, name=name))


def test_an_unknown_name_offers_the_nearest() -> None:
    """As published names do."""
    add_local(MODEL)
    assert find_local("local/digits") == find_local("digits") == MODEL
    with pytest.raises(UnknownNameError, match="local/digits"):
        find_local("local/digit")


def test_every_broken_value_is_refused_with_its_place() -> None:
    """The file is named, and nothing else is raised."""
    add_local(MODEL)
    document = json.loads(local_path().read_text(encoding="utf-8"))
    for what, text in mutations(document):
        local_path().write_text(text, encoding="utf-8")
        fault = _fault()
        assert fault is None or "models.json" in fault, what


def _fault() -> str | None:
    try:
        read_local()
    except RegistryError as error:
        return str(error)
    return None


def test_commands_take_a_model_of_ones_own_by_its_name(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Add, list, load, predict, inspect, remove; the file stays where it is."""
    file = write_own_file(tmp_path / "mine" / "found.safetensors")
    assert run(["registry", "add", "--local", str(file), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == "local/mine"

    assert run(["list", "--source", "local", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["cached"]
    model = zoo.load_model("local/mine")
    assert row["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert model(torch.zeros(1, 1, 8, 8)).shape == (1, 3)

    image = Image.fromarray(np.zeros((8, 8), dtype=np.uint8))
    (one,) = zoo.predict("local/mine", image, top=3)
    assert {prediction.label for prediction in one.predictions} == {"a", "b", "c"}
    assert run(["inspect", "local/mine"]) == 0
    assert "nasnet_a_mobile" in capsys.readouterr().out

    assert run(["compare", "local/mine", "lenet5", "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared[0]["parameters"] == row["parameters"]
    assert expand(["local/mine"]) == [str(file)]

    assert run(["registry", "remove", "local/mine", "--quiet"]) == 0
    assert file.is_file()
    with pytest.raises(UnknownNameError, match="local/mine"):
        zoo.load_model("local/mine")


def test_a_file_without_a_record_of_training_is_not_added(tmp_path: Path) -> None:
    """Nothing says what it is."""
    from safetensors.torch import save_file

    file = tmp_path / "bare.safetensors"
    save_file({"weight": torch.zeros(2)}, file)
    with pytest.raises(CheckpointError, match="there is no such file"):
        describe_own(tmp_path / "absent.safetensors", "absent")
    with pytest.raises(CheckpointError, match="carries no record of training"):
        describe_own(file, "bare")
