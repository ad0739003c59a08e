"""Every spelling of a model that the field has."""

from __future__ import annotations

import logging

import pytest

from zoo.catalog.index import load_index
from zoo.catalog.resolver import find_architecture, resolve, resolve_loosely
from zoo.catalog.specs import find_spec
from zoo.errors import UnknownNameError


@pytest.mark.parametrize(
    ("typed", "name", "tag"),
    [
        ("resnet50", "resnet50", None),
        ("resnet50:imagenet1k_v1", "resnet50", "imagenet1k_v1"),
        ("ResNet-50", "resnet50", None),
        ("squeezenet1.1", "squeezenet1_1", None),
        ("timm/resnet50", "timm/resnet50", None),
        ("timm/resnet50:a1_in1k", "timm/resnet50", "a1_in1k"),
        ("timm/resnet50.a1_in1k", "timm/resnet50", "a1_in1k"),
        ("resnet50.a1_in1k", "timm/resnet50", "a1_in1k"),
        ("hf-hub:timm/resnet50.a1_in1k", "timm/resnet50", "a1_in1k"),
        ("hf_hub:timm/resnet50.a1_in1k", "timm/resnet50", "a1_in1k"),
        ("efficientnet_lite0", "timm/efficientnet_lite0", None),
        ("convnextv2_tiny.fcmae_ft_in1k", "timm/convnextv2_tiny", "fcmae_ft_in1k"),
        ("EfficientNet-Lite0", "timm/efficientnet_lite0", None),
    ],
)
def test_a_spelling_finds_its_model(typed: str, name: str, tag: str | None) -> None:
    """Torchvision's names, timm's in all of its own spellings, and the Hub's."""
    spec = find_spec(typed)
    assert (spec.name, spec.tag) == (name, tag)


def test_a_revision_of_the_hub_is_kept() -> None:
    """The files of the weights are then those of that commit."""
    _, weights = resolve_loosely(f"hf-hub:timm/resnet50.a1_in1k@{'a' * 40}")
    assert weights is not None
    assert weights.files[0].hub is not None
    assert weights.files[0].hub.revision == "a" * 40


def test_names_that_both_have_are_torchvisions() -> None:
    """33 bare names stand in both: they stay torchvision's, timm's take the prefix."""
    names = load_index().by_name
    both = [name for name in names if f"timm/{name}" in names]
    assert len(both) == 33
    for name in both:
        assert find_architecture(name).provider in {"torchvision", "zoo"}


def test_an_unknown_name_offers_both() -> None:
    """A typing error in a name that both have."""
    with pytest.raises(UnknownNameError) as caught:
        find_spec("resnet5O")
    assert set(caught.value.nearest) >= {"resnet50", "timm/resnet50"}


def test_every_former_name_of_timm_leads_to_what_it_is_now(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """209 names that timm has given up; what is said names the new one."""
    every = load_index().aliases
    aliases = {old: new for old, new in every.items() if "/" not in old}
    assert len(aliases) == 209
    index = load_index()
    for old, new in aliases.items():
        if old in index.by_name or f"timm/{old}" in index.by_name:
            continue  # given up as weights, alive as an architecture
        with caplog.at_level(logging.WARNING):
            spec = find_spec(old)
        name, _, tag = new.partition(":")
        assert (spec.name, spec.tag or "") == (name, tag)
        assert new in caplog.text
        caplog.clear()


def test_default_tags_of_timm_are_timms_own() -> None:
    """What ``timm.create_model(name, pretrained=True)`` would load."""
    timm_models = pytest.importorskip("timm.models")
    for name in ("resnet50", "vit_base_patch16_224", "efficientnet_b0", "convnext_tiny"):
        assert resolve(f"timm/{name}")[1].tag == timm_models.get_pretrained_cfg(name).tag
