"""A registry is data: no record chooses code to run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo.catalog.entry_points import entry_point_fault, options_fault
from zoo.catalog.places import find_registry
from zoo.catalog.registry import load_registry, parse_registry
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from typing import Any


@pytest.mark.parametrize(
    "entry_point",
    [
        "os.system",
        "zoo.models.os.system",
        "torchvision.models.alexnet.torch.hub.load",
        "torchvision.models.vgg16",
        "torchvision.models..alexnet",
        "torchvision.modelsx.alexnet",
        "torchvision.models.__import__.alexnet",
        "builtins.exec",
        "",
    ],
)
def test_entry_points_outside_of_the_providers_builders_are_refused(entry_point: str) -> None:
    """Whatever function a record names, it is looked up only under the architecture's own name."""
    registry = json.loads(find_registry().read_text(encoding="utf-8"))
    record: dict[str, Any] = registry["architectures"]["alexnet"]
    record["entry_point"] = entry_point
    with pytest.raises(RegistryError, match="expected a builder called alexnet") as caught:
        parse_registry(json.dumps(registry))
    assert caught.value.json_path == "$.architectures.alexnet.entry_point"


@pytest.mark.parametrize("option", ["weights", "weights_backbone", "pretrained", "progress"])
def test_options_that_load_files_are_refused(option: str) -> None:
    """A builder must not be made to download while a network is only inspected."""
    registry = json.loads(find_registry().read_text(encoding="utf-8"))
    record: dict[str, Any] = registry["architectures"]["alexnet"]["weights"]["imagenet1k_v1"]
    record["options"] = {option: "DEFAULT"}
    with pytest.raises(RegistryError, match=f"the option '{option}' would load files"):
        parse_registry(json.dumps(registry))


def test_every_record_that_ships_is_allowed() -> None:
    """The rule holds what is needed."""
    for name, record in load_registry().architectures.items():
        assert entry_point_fault(record.provider, name, record.entry_point) is None
        assert all(options_fault(w.options or {}) is None for w in record.weights.values())


def test_an_unknown_provider_has_no_builders() -> None:
    """Its records could name anything."""
    assert entry_point_fault("elsewhere", "alexnet", "elsewhere.alexnet") is not None


@pytest.mark.parametrize(
    "options",
    [
        *(
            {"x": 1},
            {"__class__": 1},
            {"quantize": 1},
            {"transform_input": "yes"},
            {"dropout": 0.5},
        ),
        *({"num_classes": "10"}, {"num_classes": True}, {"num_classes": 10**12}, {"image_size": 0}),
    ],
)
def test_options_are_few_and_of_their_type(options: dict[str, Any]) -> None:
    """A builder would end in a traceback, or in all memory, with other ones."""
    assert options_fault(options) is not None
    assert options_fault({"num_classes": 10, "image_size": 384, "aux_loss": True}) is None
