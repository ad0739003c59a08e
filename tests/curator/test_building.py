"""Building records, writing them, and telling how files on disk differ from what was built."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo.catalog.places import find_registry
from zoo.catalog.records import Architecture
from zoo.catalog.registry import load_registry
from zoo.curator import building
from zoo.curator.building import Built
from zoo.curator.facts import load_facts
from zoo.curator.plain import plain
from zoo.curator.sources import torchvision as torchvision_source
from zoo.curator.sources import zoo as zoo_source
from zoo.documents import decode
from zoo.errors import RegistryError
from zoo.inspector.layers import FOLDER, to_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("resnet18", "squeezenet1_1")


@pytest.fixture
def built() -> Built:
    """What a build gives for two models: their part of the files that are committed."""
    content = json.loads(find_registry().read_text(encoding="utf-8"))
    content["architectures"] = {name: content["architectures"][name] for name in NAMES}
    tables = {name: (FOLDER / f"{name}.json").read_text(encoding="utf-8") for name in NAMES}
    return Built(json.dumps(content, ensure_ascii=False, indent=1) + "\n", tables)


@pytest.fixture
def files(built: Built, tmp_path: Path) -> tuple[Path, Path]:
    """The same, written: a registry and a folder of tables."""
    registry, folder = tmp_path / "registry.json", tmp_path / "layers"
    building.write(built, registry, folder)
    return registry, folder


@pytest.mark.parametrize(
    "name",
    [
        "resnet50",  # two sets of weights
        "googlenet",  # auxiliary heads, transform_input
        "vit_b_16",  # weights for another input size
        "densenet121",  # mapped keys
        "fcn_resnet50",  # segmentation, auxiliary head
        "maskrcnn_resnet50_fpn",  # cannot run on shapes
        "r3d_18",  # clips
        "raft_small",  # two images
        "quantized_resnet18",  # counted before it is quantized
        "lenet5",  # ours, trained here
        "mobilenet_v1_100",  # ours, trained by others
    ],
)
def test_a_record_made_again_is_the_committed_one(name: str) -> None:
    """From builders, the facts and the built network, to the same JSON and the same table."""
    source = zoo_source if name in zoo_source.list_names() else torchvision_source
    record, table = building._complete(source.describe(name, load_facts()))
    committed = json.loads(find_registry().read_text(encoding="utf-8"))["architectures"][name]
    assert plain(record) == committed
    assert to_text(table) == (FOLDER / f"{name}.json").read_text(encoding="utf-8")


def test_every_architecture_of_torchvision_and_ours_is_committed() -> None:
    """None is left out, none is made up, in the order of the sources."""
    names = torchvision_source.list_names() + zoo_source.list_names()
    assert list(load_registry().architectures) == names


def test_plain_leaves_defaults_out_and_decode_puts_them_back() -> None:
    """What is written is short and loses nothing."""
    for architecture in load_registry().architectures.values():
        written = json.loads(json.dumps(plain(architecture)))
        assert decode(Architecture, written) == architecture
    assert "recipe_url" not in plain(load_registry().architectures["lenet5"].weights["digits"])


def test_what_was_just_written_has_no_difference(built: Built, files: tuple[Path, Path]) -> None:
    """Equal files give no line."""
    assert list(building.differences(built, *files)) == []


def change_record(registry: Path, _folder: Path) -> None:
    """Edit a number by hand."""
    registry.write_text(registry.read_text().replace("11689512", "11689513"))


def drop_field(registry: Path, _folder: Path) -> None:
    """Remove a field that has a default."""
    content = json.loads(registry.read_text())
    del content["architectures"]["resnet18"]["weights"]["imagenet1k_v1"]["recipe_url"]
    registry.write_text(json.dumps(content, indent=1))


def add_field(registry: Path, _folder: Path) -> None:
    """Write a license by hand."""
    content = json.loads(registry.read_text())
    content["architectures"]["squeezenet1_1"]["weights"]["imagenet1k_v1"]["license"] = "MIT"
    registry.write_text(json.dumps(content, indent=1))


def respell(registry: Path, _folder: Path) -> None:
    """Write the same content in one line."""
    registry.write_text(json.dumps(json.loads(registry.read_text())))


def shorten_list(registry: Path, _folder: Path) -> None:
    """Take an axis from an input."""
    content = json.loads(registry.read_text())
    content["architectures"]["resnet18"]["input_size"].pop()
    registry.write_text(json.dumps(content, indent=1))


def remove_table(_registry: Path, folder: Path) -> None:
    """Lose a table."""
    (folder / "resnet18.json").unlink()


def change_table(_registry: Path, folder: Path) -> None:
    """Edit a table."""
    table = folder / "resnet18.json"
    table.write_text(table.read_text().replace("Conv2d", "Conv3d"))


def respell_table(_registry: Path, folder: Path) -> None:
    """Write a table in one line."""
    table = folder / "resnet18.json"
    table.write_text(json.dumps(json.loads(table.read_text())))


def cut_table(_registry: Path, folder: Path) -> None:
    """Lose the end of a table."""
    table = folder / "resnet18.json"
    table.write_text(table.read_text()[:-9])


def add_table(_registry: Path, folder: Path) -> None:
    """Leave a table of a model that is gone."""
    (folder / "oldnet.json").write_text("{}")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (change_record, "parameters: the file has 11689513, built is 11689512"),
        (drop_field, "recipe_url: is built, missing in the file"),
        (
            add_field,
            "squeezenet1_1.weights.imagenet1k_v1.license: stands in the file, is not built",
        ),
        (respell, "registry.json: same content, other spelling"),
        (
            shorten_list,
            "$.architectures.resnet18.input_size: the file has [3, 224], built is [3, 224, 224]",
        ),
        (remove_table, "resnet18.json: missing"),
        (
            change_table,
            "resnet18.json.layers[1][1]: the file has 'Conv3d', built is 'Conv2d'; and 19 more",
        ),
        (respell_table, "resnet18.json: same content, other spelling"),
        (cut_table, "resnet18.json: not JSON"),
        (add_table, "oldnet.json: belongs to no architecture"),
    ],
)
def test_each_difference_is_one_line(
    built: Built, files: tuple[Path, Path], spoil: Callable[[Path, Path], None], expected: str
) -> None:
    """The line names the place, what stands there and what was built."""
    spoil(*files)
    lines = list(building.differences(built, *files))
    assert lines
    assert any(expected in line for line in lines), lines


def test_a_malformed_registry_is_no_difference_but_an_error(
    built: Built, files: tuple[Path, Path]
) -> None:
    """What cannot be read cannot be compared."""
    registry, folder = files
    registry.write_text("{")
    with pytest.raises(RegistryError, match="not JSON"):
        list(building.differences(built, registry, folder))


def test_writing_replaces_and_tidies(built: Built, files: tuple[Path, Path]) -> None:
    """Whatever stood there, afterwards there is no difference and no temporary file."""
    registry, folder = files
    for spoil in (change_record, change_table, add_table):
        spoil(registry, folder)
    building.write(built, registry, folder)
    assert list(building.differences(built, registry, folder)) == []
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.json" for name in NAMES]
    assert not list(registry.parent.glob("*.partial"))
