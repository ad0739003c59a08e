"""Names, tags, patterns and families as sets of weights."""

from __future__ import annotations

import pytest

from zoo.catalog.wanted import find_wanted
from zoo.errors import UnknownNameError


def labels(*specs: str, families: tuple[str, ...] = (), has_all_weights: bool = False) -> list[str]:
    """Write what is found as NAME:TAG."""
    found = find_wanted(specs, families, has_all_weights=has_all_weights)
    return [f"{architecture.name}:{weights.tag}" for architecture, weights in found]


def test_names_and_tags_come_in_order_and_once() -> None:
    """Asking twice gives one."""
    assert labels("resnet50", "resnet18", "resnet50:imagenet1k_v2", "resnet50:imagenet1k_v1") == [
        "resnet50:imagenet1k_v2",
        "resnet18:imagenet1k_v1",
        "resnet50:imagenet1k_v1",
    ]


def test_a_pattern_takes_the_default_weights_of_each() -> None:
    """One set for each name that fits the whole pattern."""
    assert labels("vgg1[36]") == ["vgg13:imagenet1k_v1", "vgg16:imagenet1k_v1"]


def test_a_pattern_with_a_tag_passes_over_what_has_no_such_weights() -> None:
    """Only ResNets that have a second set."""
    found = labels("resnet*:imagenet1k_v2")
    assert "resnet50:imagenet1k_v2" in found
    assert all(name.endswith(":imagenet1k_v2") for name in found)
    assert not any(name.startswith("resnet18") for name in found)


def test_what_a_pattern_passes_over_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """By name, the first few of many; not where nobody has typed the pattern."""
    labels("mobilenet_v1*")
    (message,) = caplog.messages
    assert message.startswith("mobilenet_v1*: passed over 3 without such weights: ")
    assert message.endswith(": mobilenet_v1_075, mobilenet_v1_050, mobilenet_v1_025")
    caplog.clear()

    labels("resnet*:imagenet1k_v2", families=("mobilenet",))
    assert [message.partition(",")[0] for message in caplog.messages] == [
        "resnet*:imagenet1k_v2: passed over 2 without such weights: resnet18",
        "--all-of mobilenet: passed over 3 without such weights: mobilenet_v1_075",
    ]
    caplog.clear()

    find_wanted(["*"], tells=False)
    assert caplog.messages == []


def test_all_weights_of_a_name() -> None:
    """Both sets of VGG-16: the usual ones, and the convolutions only."""
    assert labels("vgg16", has_all_weights=True) == [
        "vgg16:imagenet1k_v1",
        "vgg16:imagenet1k_features",
    ]


def test_a_tag_wins_over_all_weights() -> None:
    """Whoever names a tag means it."""
    assert labels("resnet50:imagenet1k_v1", has_all_weights=True) == ["resnet50:imagenet1k_v1"]


def test_a_family_gives_all_its_members() -> None:
    """Both SqueezeNets."""
    assert labels(families=("squeezenet",)) == [
        "squeezenet1_0:imagenet1k_v1",
        "squeezenet1_1:imagenet1k_v1",
    ]


@pytest.mark.parametrize("spec", ["resnt18", "resnet18:v9", "nothing*", "resnet*:v9", "cnnnet"])
def test_what_gives_nothing_is_an_error(spec: str) -> None:
    """Unknown names, tags and patterns, and a name without weights."""
    with pytest.raises(UnknownNameError):
        find_wanted([spec])


def test_an_unknown_family_offers_the_nearest() -> None:
    """A typo is answered."""
    with pytest.raises(UnknownNameError, match="did you mean squeezenet"):
        find_wanted([], ["squezenet"])
