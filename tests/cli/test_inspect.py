"""``zoo inspect``."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from typing import TYPE_CHECKING

import pytest
from torchvision import models

from tests.support.terminal import show
from zoo.catalog.registry import load_registry
from zoo.cli.terminal.layer_tables import fitting_depth, tree_labels
from zoo.inspector.layers import Layer, load_table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

ZOO = [sys.executable, "-m", "zoo"]


def test_the_record_comes_first_then_the_layers(zoo: Run) -> None:
    """Title, facts, errors, weights, tree; on stderr how deep it went."""
    outcome = zoo("inspect", "resnet18")
    parts = [
        "ResNet-18 (resnet18)",
        "arXiv:1512.03385",
        "errors in percent",
        "weights\n",
        "├─ conv1",
    ]
    places = [outcome.out.index(part) for part in parts]
    assert places == sorted(places)
    assert "11,689,512 (11.7 M)" in outcome.out
    assert "1,814,073,344 MACs (1.81 G)" in outcome.out
    assert "down to depth" in outcome.err


def test_published_errors_stand_with_their_protocol_beside_the_weights(zoo: Run) -> None:
    """ResNet-152's errors differ by how many models, crops and images they are of.

    4.49 % is one model's on validation, 3.57 % that of six on test, 4.00 % torchvision's with one
    crop.
    """
    lines = [" ".join(line.split()) for line in zoo("inspect", "resnet152").out.splitlines()]
    assert (
        "paper 19.38 4.49 validation 1 dense, multi-scale He et al. 2015, arXiv:1512.03385, table 4"
        in lines
    )
    assert any(
        line.startswith("paper - 3.57 test 6 dense, multi-scale") and "[1]" in line
        for line in lines
    )
    assert any(
        line.startswith("weights imagenet1k_v2 17.72 4.00 validation 1 1 torchvision")
        for line in lines
    )
    assert any(line.startswith("[1] six networks") for line in lines)


def test_what_was_measured_here_stands_apart_from_what_is_claimed(zoo: Run) -> None:
    """LeNet-5 was trained in this repository: its error has a command that makes it again."""
    measured = load_registry().architectures["lenet5"].weights["digits"].measured
    assert measured is not None
    outcome = zoo("inspect", "lenet5:digits")
    assert "measured here" in outcome.out
    assert f"{measured.errors} of {measured.images} wrong" in outcome.out
    assert measured.command in outcome.out


def test_naming_weights_shows_them_in_full(zoo: Run) -> None:
    """File, address, digest, recipe, and the key under which torchvision has them."""
    outcome = zoo("inspect", "resnet50:IMAGENET1K_V1")
    weights = load_registry().architectures["resnet50"].weights["imagenet1k_v1"]
    for text in (
        weights.files[0].file_name,
        weights.files[0].url,
        weights.files[0].sha256_prefix,
        weights.recipe_url,
    ):
        assert text is not None
        assert text in outcome.out
    assert "imagenet1k_v2" not in outcome.out


def test_a_verified_figure_and_one_from_memory_can_be_told_apart(zoo: Run) -> None:
    """Figures that were not looked up say so."""
    for architecture in load_registry().architectures.values():
        doubtful = [entry for entry in architecture.published if not entry.is_verified]
        if doubtful:
            assert "(from memory, unverified)" in zoo("inspect", architecture.name).out
            return
    assert "(from memory, unverified)" not in zoo("inspect", "resnet152").out


def test_every_model_can_be_inspected(zoo: Run) -> None:
    """Also those without weights, errors, multiply-adds or classes."""
    for name in load_registry().architectures:
        outcome = zoo("inspect", name)
        assert outcome.exit_code == 0, outcome.err
        assert f"({name})" in outcome.out


def test_the_tree_shows_each_layer_once_below_its_parent(zoo: Run) -> None:
    """The first block of ResNet-18, as drawn."""
    lines = zoo("inspect", "resnet18", "--layer", "layer4").out.splitlines()
    tree = [
        "layer",
        "layer4",
        "├─ 0",
        "│  ├─ conv1",
        "│  ├─ bn1",
        "│  ├─ relu",
        "│  ├─ conv2",
        "│  ├─ bn2",
        "│  └─ downsample",
        "│     ├─ 0",
        "│     └─ 1",
        "└─ 1",
        "   ├─ conv1",
    ]
    for line, start in zip(lines, tree, strict=False):
        assert line.startswith(f"{start}  ")


def test_tree_labels_close_the_last_branch() -> None:
    """A corner for the last child; nothing below it is connected."""
    paths = ["", "a", "a.x", "b", "b.y", "b.y.z"]
    layers = [Layer(path, "T", "", None, 0, 0) for path in paths]
    assert list(tree_labels(layers, "net")) == [
        "net",
        "├─ a",
        "│  └─ x",
        "└─ b",
        "   └─ y",
        "      └─ z",
    ]


def test_depth_and_layer_choose_rows(zoo: Run) -> None:
    """Depth counts from the layer that is shown."""
    whole = zoo("inspect", "vgg16", "--depth", "1", "--format", "csv").out.splitlines()
    assert [line.split(",")[0] for line in whole] == [
        "path",
        "",
        "features",
        "avgpool",
        "classifier",
    ]
    part = zoo(
        "inspect", "resnet18", "--layer", "layer1", "--depth", "1", "--format", "csv"
    ).out.splitlines()
    assert [line.split(",")[0] for line in part] == ["path", "layer1", "layer1.0", "layer1.1"]


def test_a_layer_is_shown_with_its_detail_and_without_the_record(zoo: Run) -> None:
    """What its parentheses hold when the network is printed."""
    outcome = zoo("inspect", "vgg16", "--layer", "features.2")
    assert "64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1)" in outcome.out
    assert "arXiv" not in outcome.out
    assert len(outcome.out.splitlines()) == 2


def test_csv_holds_every_layer_with_exact_numbers(zoo: Run) -> None:
    """All 68 rows of ResNet-18; the first convolution has 9,408 of 11,689,512 parameters."""
    rows = list(csv.DictReader(io.StringIO(zoo("inspect", "resnet18", "--format", "csv").out)))
    assert len(rows) == 68
    assert rows[1] == {
        "path": "conv1",
        "type": "Conv2d",
        "detail": "3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False",
        "output_shape": "1x64x112x112",
        "parameters": "9408",
        "parameters_percent": f"{round(100 * 9_408 / 11_689_512, 2)}",
        "multiply_adds": "118013952",
        "multiply_adds_percent": f"{round(100 * 118_013_952 / 1_814_073_344, 2)}",
    }


def test_json_holds_the_record_and_the_layers(zoo: Run) -> None:
    """One object; the layers are rows with names."""
    content = zoo("inspect", "resnet18", "--json").json
    assert content["architecture"]["paper"]["arxiv"] == "1512.03385"
    assert content["parameters"] == 11_689_512
    assert content["input_size"] == [3, 224, 224]
    assert len(content["layers"]) == 68
    assert content["layers"][1]["output_shape"] == [1, 64, 112, 112]
    assert content["weights"] is None
    assert (
        zoo("inspect", "resnet18:imagenet1k_v1", "--json", "--depth", "0").json["weights"]
        == "imagenet1k_v1"
    )


def test_another_input_is_traced(zoo: Run) -> None:
    """An image of 512 pixels leaves conv1 with 256."""
    rows = list(
        csv.DictReader(
            io.StringIO(zoo("inspect", "resnet18", "--input", "3x512x512", "--format", "csv").out)
        )
    )
    assert rows[1]["output_shape"] == "1x64x256x256"
    assert rows[1]["multiply_adds"] == str(256 * 256 * 64 * 7 * 7 * 3)


def test_an_input_that_does_not_fit_is_an_error_in_words(zoo: Run) -> None:
    """One channel where three are expected."""
    outcome = zoo("inspect", "resnet18", "--input", "1x224x224")
    assert outcome.exit_code == 1
    assert "its own input is 3x224x224" in outcome.err
    assert "Traceback" not in outcome.err


def test_weights_for_another_input_are_traced_with_it(zoo: Run) -> None:
    """ViT-B/16's end-to-end weights are for 384 pixels."""
    content = zoo("inspect", "vit_b_16:imagenet1k_swag_e2e_v1", "--json", "--depth", "0").json
    assert content["input_size"] == [3, 384, 384]
    weights = load_registry().architectures["vit_b_16"].weights["imagenet1k_swag_e2e_v1"]
    assert (content["parameters"], content["multiply_adds"]) == (
        weights.parameters,
        weights.multiply_adds,
    )


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "mobilenet_v2"])
def test_repr_is_what_print_prints(zoo: Run, name: str) -> None:
    """Letter by letter, and nothing else."""
    assert zoo("inspect", name, "--repr").out == f"{models.get_model(name, weights=None)}\n"


def test_a_model_without_cells_says_which_have_some(zoo: Run) -> None:
    """ResNets are not searched."""
    outcome = zoo("inspect", "resnet18", "--cell")
    assert outcome.exit_code == 2
    assert "not built from cells: try nasnet_a_large" in outcome.err


NASNET = "nasnet_a_large"


def test_cells_are_drawn_as_text(zoo: Run) -> None:
    """Both cells, a line for each block."""
    outcome = zoo("inspect", NASNET, "--cell")
    assert outcome.exit_code == 0
    assert "normal cell" in outcome.out
    assert "reduction cell" in outcome.out


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_cells_are_drawn_as_a_image(zoo: Run, tmp_path: Path) -> None:
    """An SVG file that names the operations."""
    file = tmp_path / "cells.svg"
    outcome = zoo("inspect", NASNET, "--cell", "--svg", str(file))
    assert outcome.exit_code == 0, outcome.err
    assert "separable_3x3" in file.read_text()


def test_without_graphviz_the_message_says_how_to_get_it(
    zoo: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program outside Python cannot be a dependency."""
    monkeypatch.setenv("PATH", str(tmp_path))
    outcome = zoo("inspect", NASNET, "--cell", "--svg", str(tmp_path / "cells.svg"))
    assert outcome.exit_code == 1
    assert "apt install graphviz" in outcome.err


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_no_line_of_the_tables_is_wider_than_the_terminal(columns: int) -> None:
    """Tables lose columns, text is wrapped."""
    shown = show([*ZOO, "inspect", "resnet152"], columns=columns)
    assert shown.exit_code == 0
    record = shown.text.partition("down to depth")[0]
    assert [line for line in record.splitlines() if len(line) > columns] == []


def test_the_default_depth_fits_the_screen() -> None:
    """As deep as there are lines; at least the children of the network."""
    table = load_table("resnet18")
    at_depth = [len(table.select(depth=depth).layers) for depth in (1, 2, 3)]
    assert at_depth == [11, 19, 62]
    assert [fitting_depth(table, lines) for lines in (5, 11, 18, 19, 61, 62, 100)] == [
        1,
        1,
        1,
        2,
        2,
        3,
        4,
    ]
    shown = show([*ZOO, "inspect", "resnet18"], columns=100, lines=65)
    assert "down to depth 3" in shown.text


def test_a_broken_table_of_layers_is_an_error_in_words(fresh_zoo: Run) -> None:
    """Every model of the registry has one; asking for another is caught before."""
    outcome = fresh_zoo("inspect", "../../no/such/model")
    assert outcome.exit_code == 1
    assert "no model is called" in outcome.err
    assert json.dumps(outcome.out) == '""'
