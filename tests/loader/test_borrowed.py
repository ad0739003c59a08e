"""What users of timm and torchvision type into load_model works, or says what to type."""

from __future__ import annotations

import pytest
from torchvision.models import ResNet18_Weights

import zoo
from zoo.errors import OptionError, ZooError
from zoo.loader.borrowed import Request, translate, weights_tag


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        (ResNet18_Weights.IMAGENET1K_V1, "imagenet1k_v1"),
        (ResNet18_Weights.DEFAULT, "imagenet1k_v1"),
        (ResNet18_Weights, "default"),
        ("IMAGENET1K_V1", "imagenet1k_v1"),
        ("ResNet18_Weights.IMAGENET1K_V1", "imagenet1k_v1"),
        ("DEFAULT", "default"),
        (True, "default"),
        (False, None),
        (None, None),
        ("a1_in1k", "a1_in1k"),
    ],
)
def test_weights_are_named_in_any_way(given: object, tag: str | None) -> None:
    """Torchvision's enums, their names, and what timm takes."""
    assert weights_tag(given) == tag


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pretrained": True}, ("default", None, None, {})),
        ({"pretrained": False}, (None, None, None, {})),
        ({"in_chans": 1}, ("default", None, 1, {})),
        ({"checkpoint_path": "mine.pth"}, ("default", "mine.pth", None, {})),
        ({"checkpoint_path": ""}, ("default", None, None, {})),
        ({"drop_rate": 0.2}, ("default", None, None, {"drop_rate": 0.2})),
    ],
)
def test_timms_options_are_ours(options: dict[str, object], expected: tuple[object, ...]) -> None:
    """What has no meaning for us is left to the builder."""
    done = translate("resnet18", Request("default", None, None, options))
    assert (done.weights, done.checkpoint, done.in_channels, done.options) == expected


def test_networks_are_built_with_them() -> None:
    """Random parameters, one channel."""
    model = zoo.load_model("resnet18", pretrained=False, in_chans=1)
    assert model.get_submodule("conv1").in_channels == 1
    assert model.training


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pretrained": False, "weights": "imagenet1k_v1"}, "it contradicts weights="),
        ({"global_pool": "avg"}, "num_classes=0 gives pooled features"),
        ({"scriptable": True}, "torch.jit.script"),
        ({"drop_path_rate": 0.1, "weights": None}, "drop_path_rate"),
        ({"weights": "imagenet1k_v9"}, "did you mean imagenet1k_v1"),
    ],
)
def test_what_means_nothing_here_says_what_to_type(options: dict[str, object], words: str) -> None:
    """As an error that a user can act on."""
    with pytest.raises(ZooError, match=words):
        zoo.load_model("resnet18", **options)  # type: ignore[arg-type]


def test_the_error_keeps_the_option() -> None:
    """For programs."""
    with pytest.raises(OptionError) as caught:
        zoo.load_model("resnet18", global_pool="max")
    assert caught.value.option == "global_pool='max'"
