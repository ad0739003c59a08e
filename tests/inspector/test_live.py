"""Networks that are built to be looked at."""

from __future__ import annotations

import pytest
import torch
from torchvision import models

import zoo
from tests.support.thorough import few_of
from zoo.catalog.resolver import find_architecture, resolve
from zoo.errors import ShapeError, UnknownNameError, UsageError
from zoo.inspector import live
from zoo.inspector.layers import load_table
from zoo.loader.construction import without_initialisation

TRACED = ("resnet18", "googlenet", "vit_b_16", "quantized_mobilenet_v2", "lenet5", "raft_small")


# The last is slow, and traced for its record in tests/curator/test_building.py.
@pytest.mark.parametrize("name", few_of(TRACED, *TRACED[:-1]))
def test_a_live_trace_is_the_shipped_table(name: str) -> None:
    """The registry's tables are made the same way."""
    assert live.trace(find_architecture(name)) == load_table(name)


def test_another_input_changes_the_work_and_not_the_parameters() -> None:
    """Four times the pixels, four times the work of the convolutions.

    The classifier of 512 x 1000 stays.
    """
    usual = load_table("resnet18")
    larger = live.trace(find_architecture("resnet18"), input_size=(3, 448, 448))
    assert larger.parameters == usual.parameters
    classifier = 512 * 1000
    assert larger.multiply_adds == 4 * ((usual.multiply_adds or 0) - classifier) + classifier


def test_weights_may_need_another_network() -> None:
    """ViT-B/16's end-to-end weights take 384 pixels.

    24 x 24 patches and so 380 more positions of 768 values.
    """
    architecture, weights = resolve("vit_b_16:imagenet1k_swag_e2e_v1")
    table = live.trace(architecture, weights)
    assert table.input_size == (3, 384, 384)
    assert (
        table.parameters
        == architecture.parameters + (24 * 24 - 14 * 14) * 768
        == weights.parameters
    )


def test_an_input_that_does_not_fit_names_the_usual_one() -> None:
    """The message says what would fit."""
    with pytest.raises(ShapeError, match="its own input is 3x224x224"):
        live.trace(find_architecture("resnet18"), input_size=(1, 224, 224))


def test_a_detector_takes_no_input_size() -> None:
    """Its work depends on what it sees."""
    with pytest.raises(UsageError, match="cannot be run without real images"):
        live.trace(find_architecture("fasterrcnn_resnet50_fpn"), input_size=(3, 100, 100))


def test_inspect_model_takes_the_shipped_table_or_builds_the_network() -> None:
    """The public function: names, tags, sizes, depth and layer."""
    assert zoo.inspect_model("resnet18") == load_table("resnet18")
    assert zoo.inspect_model("resnet18", layer="layer1", depth=0).layers[0].output_shape == (
        1,
        64,
        56,
        56,
    )
    assert zoo.inspect_model("resnet18", input_size=(3, 32, 32)).layers[1].output_shape == (
        1,
        64,
        16,
        16,
    )
    assert zoo.inspect_model("vit_b_16:imagenet1k_swag_e2e_v1", depth=0).input_size == (3, 384, 384)
    with pytest.raises(UnknownNameError, match="did you mean resnet18"):
        zoo.inspect_model("resnet18x")


@pytest.mark.parametrize(
    "name", ["resnet18", "vgg16_bn", "densenet121", "mnasnet1_0", "swin_t", "fcn_resnet50"]
)
def test_represent_is_what_print_shows(name: str) -> None:
    """Letter by letter what torchvision's own network prints."""
    with without_initialisation():
        theirs = models.get_model(name, weights=None, **_QUICK.get(name, {}))
    assert live.represent(find_architecture(name)) == str(theirs)


_QUICK = {"fcn_resnet50": {"weights_backbone": None}}


def test_looking_takes_no_memory_for_parameters() -> None:
    """A network that is built to be looked at has all of itself on the meta device."""
    model = live.build_bare(find_architecture("vgg16"))
    assert {parameter.device for parameter in model.parameters()} == {torch.device("meta")}
