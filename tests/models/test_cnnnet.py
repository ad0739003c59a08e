"""CNNNet against torchvision's AlexNet and against a slow float64 network."""

from __future__ import annotations

import pytest
import torch
import torchvision

from tests.support import reference_layers as ref
from zoo.models.cnnnet import CNNNet, cnnnet


def test_cnnnet_has_the_parameters_of_its_layer_table() -> None:
    """Five convolutions and three linear layers, each with biases: 57,012,034 at two classes."""
    convolutions = [(3, 64, 11), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)]
    linear = [(256 * 6 * 6, 4096), (4096, 4096), (4096, 2)]
    expected = sum(out * (into * side * side + 1) for into, out, side in convolutions)
    expected += sum(out * (into + 1) for into, out in linear)
    with torch.device("meta"):
        model = cnnnet()
    assert sum(parameter.numel() for parameter in model.parameters()) == expected == 57_012_034


def test_cnnnet_loads_torchvisions_alexnet_and_answers_the_same() -> None:
    """Same keys, same shapes, the very same logits."""
    theirs = torchvision.models.alexnet(num_classes=2).eval()
    with torch.device("meta"):
        ours = cnnnet().eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), assign=True)
    for size in (224, 97):
        x = torch.randn(2, 3, size, size)
        with torch.no_grad():
            assert torch.equal(ours(x), theirs(x))


@pytest.fixture(scope="module")
def exact_cnnnet() -> CNNNet:
    """Build it once: most of its time goes into drawing 57 million numbers. Not to be changed."""
    torch.manual_seed(3)
    return cnnnet(num_classes=5).double().eval()


@pytest.mark.parametrize("size", [224, 300])
def test_cnnnet_computes_what_the_slow_network_computes(exact_cnnnet: CNNNet, size: int) -> None:
    """Relative error under 1e-9 in float64.

    300x300 ends in a map of 8x8 that the adaptive mean makes 6x6.
    """
    model = exact_cnnnet
    x = torch.randn(1, 3, size, size, dtype=torch.float64)
    w = ref.arrays(model.state_dict())
    y = x.numpy()
    for place, stride, margin, has_pool in [
        (0, 4, 2, True),
        (3, 1, 2, True),
        (6, 1, 1, False),
        (8, 1, 1, False),
    ]:
        y = ref.pad(y, (margin, margin, margin, margin))
        y = ref.relu(
            ref.conv2d(y, w[f"features.{place}.weight"], w[f"features.{place}.bias"], stride)
        )
        y = ref.max_pool(y, 3, 2) if has_pool else y
    y = ref.relu(
        ref.conv2d(ref.pad(y, (1, 1, 1, 1)), w["features.10.weight"], w["features.10.bias"])
    )
    y = ref.max_pool(y, 3, 2)
    y = ref.adaptive_mean(y, 6).reshape(1, 256 * 6 * 6)
    for place in (1, 4):
        y = ref.relu(ref.linear(y, w[f"classifier.{place}.weight"], w[f"classifier.{place}.bias"]))
    y = ref.linear(y, w["classifier.6.weight"], w["classifier.6.bias"])
    with torch.no_grad():
        assert ref.relative_error(model(x), y) < 1e-9


def test_cnnnet_takes_the_smallest_image_that_its_head_names() -> None:
    """63x63 works, 62x62 leaves nothing for the last pool."""
    with torch.no_grad(), torch.device("meta"):
        model = cnnnet().eval()
        assert model(torch.zeros(1, 3, 63, 63)).shape == (1, 2)
        with pytest.raises(RuntimeError):
            model(torch.zeros(1, 3, 62, 62))
