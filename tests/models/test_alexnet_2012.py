"""AlexNet of 2012 against a slow float64 network written from the paper."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.support import reference_layers as ref
from zoo.models.alexnet_2012 import AlexNet2012, alexnet_2012


def test_alexnet_2012_has_the_parameters_of_figure_2() -> None:
    """60,965,224.

    Kernels 96x11x11x3, 256x5x5x48, 384x3x3x256, 384x3x3x192, 256x3x3x192, then 4096, 4096, 1000.
    """
    kernels = [(96, 11, 3), (256, 5, 48), (384, 3, 256), (384, 3, 192), (256, 3, 192)]
    expected = sum(filters * (side * side * seen + 1) for filters, side, seen in kernels)
    expected += 4096 * (6 * 6 * 256 + 1) + 4096 * (4096 + 1) + 1000 * (4096 + 1)
    with torch.device("meta"):
        model = alexnet_2012()
    assert sum(parameter.numel() for parameter in model.parameters()) == expected == 60_965_224


def _towers(x: ref.Array, w: dict[str, ref.Array]) -> ref.Array:
    """Compute the convolutional part.

    Rectifier, then response normalisation, then overlapping pooling.
    """
    constants = {"n": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75}
    x = ref.relu(ref.conv2d(x, w["features.conv1.weight"], w["features.conv1.bias"], stride=4))
    x = ref.max_pool(ref.response_norm(x, **constants), 3, 2)  # type: ignore[arg-type]  # one int among floats
    x = ref.pad(x, (2, 2, 2, 2))
    x = ref.relu(ref.conv2d(x, w["features.conv2.weight"], w["features.conv2.bias"], groups=2))
    x = ref.max_pool(ref.response_norm(x, **constants), 3, 2)  # type: ignore[arg-type]  # one int among floats
    for layer, groups in ((3, 1), (4, 2), (5, 2)):
        x = ref.pad(x, (1, 1, 1, 1))
        x = ref.conv2d(
            x, w[f"features.conv{layer}.weight"], w[f"features.conv{layer}.bias"], groups=groups
        )
        x = ref.relu(x)
    return ref.max_pool(x, 3, 2)


@pytest.fixture(scope="module")
def alexnet() -> AlexNet2012:
    """Build it once: most of its time goes into drawing 61 million numbers. Not to be changed."""
    torch.manual_seed(4)
    return alexnet_2012(num_classes=11).eval()


@pytest.fixture(scope="module")
def exact_alexnet(alexnet: AlexNet2012) -> AlexNet2012:
    """Give it float64."""
    return copy.deepcopy(alexnet).double()


@pytest.mark.parametrize("size", [224, 227])
def test_alexnet_2012_computes_what_the_slow_network_computes(
    exact_alexnet: AlexNet2012, size: int
) -> None:
    """Relative error under 1e-9 in float64.

    224 gets three zeros at the right and the lower edge, 227 none.
    """
    model = exact_alexnet
    x = 100 * torch.randn(
        1, 3, size, size, dtype=torch.float64
    )  # as grey levels, so that normalisation counts
    w = ref.arrays(model.state_dict())
    missing = 227 - size
    y = _towers(ref.pad(x.numpy(), (0, missing, 0, missing)), w).reshape(1, 9216)
    for layer in (6, 7):
        y = ref.relu(
            ref.linear(y, w[f"classifier.fc{layer}.weight"], w[f"classifier.fc{layer}.bias"])
        )
    y = ref.linear(y, w["classifier.fc8.weight"], w["classifier.fc8.bias"])
    with torch.no_grad():
        assert ref.relative_error(model(x), y) < 1e-9


def test_alexnet_2012_keeps_the_towers_apart_where_the_paper_does(
    alexnet: AlexNet2012,
) -> None:
    """What the lower tower's second layer sees of the upper tower's first is nothing."""
    conv2 = alexnet.get_submodule("features.conv2")
    x = torch.randn(1, 96, 27, 27)
    changed = x.clone()
    changed[:, :48] += 1
    with torch.no_grad():
        before, after = conv2(x), conv2(changed)
    assert torch.equal(before[:, 128:], after[:, 128:])
    assert not torch.equal(before[:, :128], after[:, :128])


def test_alexnet_2012_starts_with_the_biases_of_section_5(alexnet: AlexNet2012) -> None:
    """One in convolutions 2, 4 and 5 and in the hidden linear layers, zero in the others."""
    state = alexnet.state_dict()
    for name in (
        "features.conv2",
        "features.conv4",
        "features.conv5",
        "classifier.fc6",
        "classifier.fc7",
    ):
        assert state[f"{name}.bias"].eq(1).all(), name
    for name in ("features.conv1", "features.conv3", "classifier.fc8"):
        assert state[f"{name}.bias"].eq(0).all(), name
    assert state["classifier.fc6.weight"].std().item() == pytest.approx(0.01, rel=0.01)
