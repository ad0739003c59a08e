"""From what a user types to a record."""

from __future__ import annotations

import pytest

from zoo.catalog.nearness import nearest
from zoo.catalog.resolver import find_architecture, find_weights, resolve
from zoo.catalog.specs import match_names
from zoo.errors import UnknownNameError


def test_a_name_resolves_to_its_default_weights() -> None:
    """The default for ResNet-50 is its second set, as torchvision has it."""
    architecture, weights = resolve("resnet50")
    assert (architecture.name, weights.tag) == ("resnet50", "imagenet1k_v2")


@pytest.mark.parametrize("spec", ["resnet50:imagenet1k_v1", "resnet50:IMAGENET1K_V1"])
def test_a_tag_names_other_weights_in_any_case(spec: str) -> None:
    """In torchvision's enums tags are in capitals, in the registry in lower case."""
    assert resolve(spec)[1].tag == "imagenet1k_v1"


@pytest.mark.parametrize("spec", ["resnet50:default", "resnet50:DEFAULT", "resnet50:"])
def test_default_is_a_tag_too(spec: str) -> None:
    """The word torchvision uses, and no word at all."""
    assert resolve(spec)[1].tag == "imagenet1k_v2"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("resnet18x", "resnet18"),
        ("mobilnet_v2", "mobilenet_v2"),
        ("sqeezenet1_1", "squeezenet1_1"),
        ("nasnet", "nasnet_a_large"),
    ],
)
def test_a_near_name_is_offered(typed: str, meant: str) -> None:
    """Typing errors and beginnings lead to the name that was meant."""
    with pytest.raises(UnknownNameError) as caught:
        find_architecture(typed)
    assert caught.value.nearest[0] == meant
    assert f"did you mean {meant}" in str(caught.value)
    assert "zoo list" in str(caught.value)


def test_a_name_like_nothing_offers_nothing() -> None:
    """No guess is better than a wild one."""
    with pytest.raises(UnknownNameError) as caught:
        find_architecture("qqqqqq")
    assert caught.value.nearest == ()
    assert "did you mean" not in str(caught.value)


def test_an_unknown_tag_lists_the_tags() -> None:
    """Where no tag is near, all are offered."""
    with pytest.raises(UnknownNameError, match="imagenet1k_v1 or imagenet1k_v2"):
        resolve("resnet50:nonsense")


def test_an_architecture_without_weights_says_so() -> None:
    """No weights of cnnnet are published: the message says how to go on."""
    with pytest.raises(UnknownNameError, match="weights=None"):
        find_weights(find_architecture("cnnnet"))


def test_a_hostile_name_is_shown_escaped() -> None:
    """What a user pastes does not reach the terminal raw."""
    with pytest.raises(UnknownNameError) as caught:
        find_architecture("\x1b[31mred")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("squeezenet1_1", ["squeezenet1_1"]),
        ("SQUEEZENET1_1", ["squeezenet1_1"]),
        ("googlenet", ["googlenet", "quantized_googlenet", "googlenet_2014"]),
        ("vgg1?", ["vgg11", "vgg13", "vgg16", "vgg19"]),
        ("vgg1[36]", ["vgg13", "vgg16"]),
        ("timm/vgg1[36]", ["timm/vgg13", "timm/vgg16"]),
    ],
)
def test_a_pattern_finds_names(pattern: str, expected: list[str]) -> None:
    """Part of a name, the exact one first, or a shell pattern for the whole of it."""
    assert match_names(pattern) == expected


def test_a_pattern_that_fits_nothing_is_an_error() -> None:
    """Silence would look like an empty zoo."""
    with pytest.raises(UnknownNameError, match="did you mean squeezenet"):
        match_names("squezenet")


def test_nearest_keeps_the_order_of_likeness() -> None:
    """The best guess comes first, and no more than the limit."""
    assert nearest("resnet18", ["resnet19", "resnet18", "vgg"], limit=1) == ["resnet18"]
