"""Pooled features and maps of classifiers, against the networks' own passes and timm's maps."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest
import timm
import torch
from torchvision.models import get_model

import zoo
from tests.support.families import one_of_each_kind
from tests.support.thorough import few_of
from zoo.catalog.registry import load_registry
from zoo.errors import OptionError
from zoo.loader import features
from zoo.loader.construction import build_model, without_initialisation

if TYPE_CHECKING:
    from zoo.loader.features import FeatureMaps

SAME_AS_TIMM = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "vgg11_bn": "vgg11_bn",
    "densenet121": "densenet121",
    "swin_t": "swin_tiny_patch4_window7_224",
    "regnet_y_400mf": "regnety_004",
}
"""Networks whose maps timm takes from the same places."""
CLASSIFIERS = {
    name: architecture
    for name, architecture in load_registry().architectures.items()
    if architecture.task == "classification" and architecture.provider in {"torchvision", "zoo"}
}


def maps_of(name: str, **options: object) -> FeatureMaps:
    """Make a network with random parameters that returns its maps."""
    model = zoo.load_model(name, None, features_only=True, **options)  # type: ignore[arg-type]
    return model.eval()  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet18", 512), ("squeezenet1_1", 512), ("mobilenet_v3_small", 1024), ("lenet5", 84)],
)
def test_pooled_features_are_what_the_last_layer_saw(name: str, count: int) -> None:
    """The last layer, applied to them, gives the logits."""
    torch.manual_seed(0)
    whole = zoo.load_model(name, None).eval()
    images = torch.rand(2, *zoo.model_info(name).input_size)
    pooled = features.without_head(copy.deepcopy(whole), None)(images)
    assert pooled.shape == (2, count)
    if name == "squeezenet1_1":  # its last layer is a convolution before the pooling
        return
    head = whole.get_submodule(features.find_head(whole, None))
    torch.testing.assert_close(head(pooled), whole(images))


@pytest.mark.parametrize("name", SAME_AS_TIMM)
def test_maps_are_those_that_timm_takes(name: str) -> None:
    """Channels and strides, the finest first."""
    with without_initialisation():
        theirs = timm.create_model(SAME_AS_TIMM[name], features_only=True).feature_info
        ours = maps_of(name)
    assert ours.feature_info.reduction() == theirs.reduction()
    assert list(ours.channels) == ours.feature_info.channels()
    if name != "densenet121":  # timm takes the activation before each transition
        assert ours.feature_info.channels() == theirs.channels()


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
def test_networks_of_timm_give_features_as_torchvisions_do(name: str) -> None:
    """Their maps and pooled features are those that timm itself takes from the same parameters."""
    ours = maps_of(f"timm/{name}")
    theirs = timm.create_model(name, features_only=True).eval()
    assert ours.feature_info.reduction() == theirs.feature_info.reduction()
    assert ours.feature_info.channels() == theirs.feature_info.channels()

    plain = timm.create_model(name).eval()
    images = torch.rand(1, *zoo.model_info(f"timm/{name}").input_size)
    with torch.no_grad():
        shapes = [tuple(one.shape) for one in ours(images)]
        assert shapes == [tuple(one.shape) for one in theirs(images)]

        pooled = zoo.load_model(f"timm/{name}", None, num_classes=0).eval()
        before_head = plain.forward_head(plain.forward_features(images), pre_logits=True)
        assert pooled(images).shape == before_head.shape


@pytest.mark.parametrize("name", ["resnet18", "swin_t", "vit_b_32", "googlenet", "lenet5"])
def test_maps_have_the_shapes_that_are_promised(name: str) -> None:
    """Also of an image that is not as usual, where the network takes one."""
    model = maps_of(name)
    channels, height, width = zoo.model_info(name).input_size
    width = width if name in {"vit_b_32", "lenet5"} else 2 * width
    with torch.no_grad():
        maps = model(torch.rand(1, channels, height, width))
    expected = [
        (1, count, height // stride, width // stride)
        for count, stride in zip(model.channels, model.strides, strict=True)
    ]
    if name == "lenet5":  # two of its convolutions lose their border
        expected = [(1, 6, 28, 28), (1, 6, 14, 14), (1, 16, 10, 10), (1, 16, 5, 5)]
    assert [tuple(one.shape) for one in maps] == expected


def test_maps_are_what_the_modules_put_out() -> None:
    """Bit by bit, and the network itself is as before."""
    torch.manual_seed(0)
    whole = get_model("resnet18", weights=None).eval()
    model = features.feature_maps(whole, (3, 224, 224), 1000, (1, -1))
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        first, last = model(images)
        before = whole.maxpool(whole.relu(whole.bn1(whole.conv1(images))))
        assert torch.equal(first, whole.layer1(before))
        assert torch.equal(last, whole.layer4(whole.layer3(whole.layer2(first))))
    assert not any(module._forward_hooks for module in whole.modules())
    assert pickle.loads(pickle.dumps(model)).strides == (4, 32)  # noqa: S301 - our own bytes


def test_gradients_reach_the_network() -> None:
    """For a detector's backbone."""
    model = zoo.load_model("resnet18", None, features_only=True, out_indices=(2,)).train()
    model(torch.rand(2, 3, 64, 64))[0].sum().backward()
    assert model.model.conv1.weight.grad.abs().sum() > 0  # type: ignore[union-attr,operator]


def test_weights_and_channels_go_with_features() -> None:
    """Everything else that load_model takes."""
    whole, pooled = zoo.load_model("lenet5"), zoo.load_model("lenet5", num_classes=0)
    image = torch.rand(1, 1, 32, 32)
    torch.testing.assert_close(whole.output(pooled(image)), whole(image))  # type: ignore[operator]
    grey = zoo.load_model("resnet18", None, in_channels=1, features_only=True)
    assert len(grey(torch.rand(1, 1, 64, 64))) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"out_indices": (5,)}, "it has 5 maps, 0 to 4, with strides 2, 4, 8, 16, 32"),
        ({"out_indices": ()}, "it has 5 maps"),
        ({"name": "fasterrcnn_resnet50_fpn", "num_classes": 0}, "its task is detection"),
        ({"name": "fcn_resnet50", "features_only": True}, "features are those of classifiers"),
    ],
)
def test_what_there_is_not_is_refused(arguments: dict[str, object], words: str) -> None:
    """With what there is."""
    name = str(arguments.get("name", "resnet18"))
    options = {key: value for key, value in arguments.items() if key != "name"}
    with pytest.raises(OptionError, match=words):
        zoo.load_model(name, None, **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_every_classifier_has_features_and_maps() -> None:
    """Of every family: the finest map first, each coarser than the last but for transformers."""
    for name in few_of(CLASSIFIERS, *one_of_each_kind(CLASSIFIERS.values())):
        architecture = CLASSIFIERS[name]
        with without_initialisation():
            model = build_model(architecture).eval().to("meta")
        levels = features.find_levels(model, architecture.input_size, architecture.num_classes)
        strides = [level.stride for level in levels]
        is_transformer = name.startswith("vit")
        assert len(levels) >= 3, name
        assert strides == sorted(strides)
        assert is_transformer or len(set(strides)) == len(strides)
        pooled = features.without_head(model, architecture.num_classes)
        shape = (2, *architecture.input_size)
        assert pooled(torch.empty(shape, device="meta")).ndim == 2, name
