"""The registry's computed figures against the ones that torchvision publishes with its weights."""

from __future__ import annotations

import pytest
from torchvision import models

from zoo.catalog.registry import load_registry

ROUNDING = 0.0005e9
"""Half of the last digit: billions with three decimals are published."""


def classification_weights() -> list[tuple[str, str]]:
    """Name every set of classification weights of torchvision."""
    architectures = load_registry().architectures.values()
    ours = [a for a in architectures if a.provider == "torchvision" and a.task == "classification"]
    return [(architecture.name, tag) for architecture in ours for tag in architecture.weights]


def test_all_of_torchvisions_classification_weights_are_recorded() -> None:
    """80 architectures and every member of their enums."""
    names = list(models.list_models(module=models))
    members = {
        (name, member.name.lower()) for name in names for member in models.get_model_weights(name)
    }
    assert set(classification_weights()) == members
    assert len(names) == 80


@pytest.mark.parametrize(("name", "tag"), classification_weights())
def test_multiply_adds_agree_within_half_a_percent(name: str, tag: str) -> None:
    """Our count of the built network against the column named GFLOPS."""
    published = models.get_model_weights(name)[tag.upper()].meta["_ops"] * 1e9
    counted = load_registry().architectures[name].weights[tag].multiply_adds
    assert counted is not None
    assert abs(counted - published) <= max(0.005 * published, ROUNDING)


@pytest.mark.parametrize(("name", "tag"), classification_weights())
def test_parameters_agree_exactly(name: str, tag: str) -> None:
    """The published number leaves GoogLeNet's auxiliary heads out, but counts Inception v3's."""
    published = models.get_model_weights(name)[tag.upper()].meta["num_params"]
    architecture = load_registry().architectures[name]
    auxiliary = architecture.auxiliary_parameters if name == "inception_v3" else 0
    assert architecture.weights[tag].parameters + auxiliary == published


def test_auxiliary_heads_of_googlenet_and_inception_v3() -> None:
    """GoogLeNet has 6.6 M parameters without its heads and 13.0 M with; Inception v3 23.8, 27.2."""
    architectures = load_registry().architectures
    for name in ("googlenet", "inception_v3"):
        record = architectures[name]
        whole = models.get_model(name, weights=None, init_weights=False, aux_logits=True)
        assert record.parameters + record.auxiliary_parameters == sum(
            p.numel() for p in whole.parameters()
        )
    assert architectures["googlenet"].parameters == 6_624_904


def test_vit_b_16_is_counted_with_its_attention() -> None:
    """17.56 G; tools that miss the fused attention or count it twice report 0.17 to 17.58."""
    assert round((load_registry().architectures["vit_b_16"].multiply_adds or 0) / 1e9, 2) == 17.56


def test_published_errors_are_torchvisions_accuracies() -> None:
    """Top-1 and top-5 error are 100 minus the accuracies that torchvision states."""
    for name, tag in classification_weights():
        accuracy = models.get_model_weights(name)[tag.upper()].meta["_metrics"]["ImageNet-1K"]
        claim = load_registry().architectures[name].weights[tag].headline
        if (
            accuracy["acc@5"] == accuracy["acc@5"]
        ):  # not NaN, which stands where only features were trained
            assert claim is not None
            assert claim.top1_error_percent == pytest.approx(100 - accuracy["acc@1"])
            assert claim.top5_error_percent == pytest.approx(100 - accuracy["acc@5"])
        else:
            assert claim is None
