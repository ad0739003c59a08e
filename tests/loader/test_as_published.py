"""B01: networks are built as their weights were published, torchvision's adjustments included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights
from torchvision.models._api import WeightsEnum

from tests.support.families import one_of_each_kind
from tests.support.thorough import few_of
from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.loader.construction import build_model, without_initialisation
from zoo.loader.loading import load_weights

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights

TORCHVISIONS = [
    architecture
    for architecture in load_registry().architectures.values()
    if architecture.provider == "torchvision"
]
FLOAT_WEIGHTS = {
    f"{architecture.name}:{weights.tag}": weights
    for architecture in TORCHVISIONS
    for weights in architecture.weights.values()
    if not (weights.options or {}).get("quantize")
}


def find(spec: str) -> tuple[Architecture, Weights]:
    """Find both records of ``NAME:TAG``."""
    name, _, tag = spec.partition(":")
    architecture = find_architecture(name)
    return architecture, find_weights(architecture, tag)


def structure(model: nn.Module) -> list[tuple[Any, ...]]:
    """List all that a difference could hide in: layers, settings, parameters and buffers."""
    rows: list[tuple[Any, ...]] = []
    for path, layer in model.named_modules():
        eps = getattr(layer, "eps", None)
        rows.append((path, type(layer).__name__, eps, layer.extra_repr()))
    for name, parameter in model.named_parameters():
        rows.append((name, tuple(parameter.shape), parameter.requires_grad, parameter.dtype))
    rows += [(name, tuple(buffer.shape), buffer.dtype) for name, buffer in model.named_buffers()]
    for name in ("transform_input", "aux_logits"):
        rows.append((name, getattr(model, name, None)))
    return rows


class AnyTensors(dict[str, torch.Tensor]):
    """A state dict of whatever layout is asked for."""


@pytest.fixture
def torchvision_without_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision's builders run with weights, but without the 20 GB of their files.

    Loading takes what the network has.
    """
    load = nn.Module.load_state_dict

    def load_own(module: nn.Module, state_dict: Any, *args: Any, **options: Any) -> Any:
        if isinstance(state_dict, AnyTensors):
            state_dict = module.state_dict()
        return load(module, state_dict, *args, **options)

    monkeypatch.setattr(WeightsEnum, "get_state_dict", lambda *_args, **_options: AnyTensors())
    monkeypatch.setattr(nn.Module, "load_state_dict", load_own)


@pytest.mark.slow
def test_every_network_has_the_published_structure(torchvision_without_files: None) -> None:
    """Layer types, eps, ``requires_grad``, parameters and buffers of ``get_model(weights=...)``."""
    assert len(FLOAT_WEIGHTS) == 152
    kinds = one_of_each_kind(TORCHVISIONS)
    few = [
        spec
        for spec, weights in FLOAT_WEIGHTS.items()
        if weights.options or spec.partition(":")[0] in kinds
    ]
    for spec in few_of(FLOAT_WEIGHTS, *few):
        architecture, weights = find(spec)
        member = get_model_weights(architecture.name)[weights.tag.upper()]
        with without_initialisation():
            ours = build_model(architecture, weights)
            theirs = (
                get_model(architecture.name, weights=member, weights_backbone=None)
                if ("weights_backbone" in _options_of(architecture.name))
                else get_model(architecture.name, weights=member)
            )
        assert structure(ours) == structure(theirs), spec


def _options_of(name: str) -> set[str]:
    """Name the options of one of torchvision's builders."""
    import inspect

    from torchvision.models import get_model_builder

    return set(inspect.signature(get_model_builder(name)).parameters)


ONE_OF_EACH = [
    "fasterrcnn_mobilenet_v3_large_320_fpn:coco_v1",
    "retinanet_resnet50_fpn:coco_v1",
    "ssdlite320_mobilenet_v3_large:coco_v1",
    "lraspp_mobilenet_v3_large:coco_with_voc_labels_v1",
    "deeplabv3_mobilenet_v3_large:coco_with_voc_labels_v1",
    "googlenet:imagenet1k_v1",
    "inception_v3:imagenet1k_v1",
    "resnet18:imagenet1k_v1",
]


def make_small_and_talkative(network: Any) -> None:
    """Let a detector shrink images to 128 pixels, and keep boxes however unsure it is of them."""
    if hasattr(network, "transform"):
        network.transform.min_size = (128,)
    for module in network.modules():
        if hasattr(module, "score_thresh"):
            module.score_thresh = 0.0


@pytest.mark.slow
@pytest.mark.parametrize("spec", ONE_OF_EACH)
def test_outputs_are_torchvisions_own(spec: str, torch_home: Path) -> None:
    """A synthetic file of the published layout, through torchvision's real path and ours."""
    architecture, weights = find(spec)
    member = get_model_weights(architecture.name)[weights.tag.upper()]
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        layouts: list[dict[str, torch.Tensor]] = []
        load = nn.Module.load_state_dict

        def note(module: nn.Module, state_dict: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(state_dict, AnyTensors):
                return load(module, state_dict, *args, **options)
            layouts.append({key: value.clone() for key, value in module.state_dict().items()})
            return None

        patch.setattr(WeightsEnum, "get_state_dict", lambda *_args, **_options: AnyTensors())
        patch.setattr(nn.Module, "load_state_dict", note)
        get_model(architecture.name, weights=member)
    (file,) = weights.files
    checkpoints = torch_home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(layouts[0], checkpoints / file.file_name)

    theirs = get_model(architecture.name, weights=member).eval()
    ours = load_weights(architecture, weights, verify="off").eval()
    assert structure(ours) == structure(theirs)

    side = min(224, weights.input_size[1])
    image = torch.rand(1, 3, side, side)
    for network in (ours, theirs):
        make_small_and_talkative(network)
    with torch.inference_mode():
        expected, got = theirs(image), ours(image)
    if architecture.task == "detection":
        assert all(len(found["boxes"]) > 0 for found in expected)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
