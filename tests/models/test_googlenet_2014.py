"""GoogLeNet of 2014 against a slow float64 network written from the paper."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.support import reference_layers as ref
from zoo.models.googlenet_2014 import GoogLeNetLogits, googlenet_2014

# Table 1 of the paper: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj.
TABLE_1 = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_googlenet_2014_has_the_parameters_of_table_1() -> None:
    """Three stem convolutions, nine modules and a linear layer, all with biases: 6,998,552."""
    expected = 64 * (3 * 7 * 7 + 1) + 64 * (64 + 1) + 192 * (64 * 3 * 3 + 1)
    seen = 192
    for one, three_reduce, three, five_reduce, five, pool in TABLE_1.values():
        expected += (one + three_reduce + five_reduce + pool) * (seen + 1)
        expected += three * (three_reduce * 3 * 3 + 1) + five * (five_reduce * 5 * 5 + 1)
        seen = one + three + five + pool
    assert seen == 1024
    expected += 1000 * (1024 + 1)
    assert _parameters(googlenet_2014(aux_logits=False)) == expected == 6_998_552


def test_googlenet_2014_has_two_auxiliary_heads_of_section_5() -> None:
    """1x1 convolution to 128, 1,024 units, 1,000 classes, on 512 and on 528 planes.

    13,378,280 in all.
    """
    heads = sum(
        128 * (planes + 1) + 1024 * (128 * 4 * 4 + 1) + 1000 * (1024 + 1) for planes in (512, 528)
    )
    assert _parameters(googlenet_2014()) == 6_998_552 + heads == 13_378_280


class SlowGoogLeNet:
    """The paper's network over the parameters of a state dict."""

    def __init__(self, w: dict[str, ref.Array]) -> None:
        """Keep the parameters."""
        self.w = w

    def conv(self, x: ref.Array, name: str, stride: int = 1) -> ref.Array:
        """Convolve with half a filter of zeros on each side, then rectify."""
        weight, bias = self.w[f"{name}.conv.weight"], self.w[f"{name}.conv.bias"]
        half = weight.shape[2] // 2
        return ref.relu(ref.conv2d(ref.pad(x, (half, half, half, half)), weight, bias, stride))

    def halve(self, x: ref.Array) -> ref.Array:
        """Pool 3x3 windows at stride 2.

        Where the last one hangs over the edge, it takes what there is.
        """
        below, right = (0 if side % 2 else 1 for side in x.shape[2:])
        return ref.max_pool(x, 3, 2, (0, below, 0, right))

    def inception(self, x: ref.Array, name: str) -> ref.Array:
        """Concatenate the four branches of figure 2(b)."""
        name = f"inception{name}"
        return np.concatenate(
            [
                self.conv(x, f"{name}.branch1x1"),
                self.conv(self.conv(x, f"{name}.branch3x3.0"), f"{name}.branch3x3.1"),
                self.conv(self.conv(x, f"{name}.branch5x5.0"), f"{name}.branch5x5.1"),
                self.conv(ref.max_pool(x, 3, 1, (1, 1, 1, 1)), f"{name}.branch_pool.1"),
            ],
            axis=1,
        )

    def head(self, x: ref.Array, name: str) -> ref.Array:
        """Compute an auxiliary head without its dropout."""
        x = self.conv(ref.sum_pool(x, 5, 3) / 25, f"{name}.conv").reshape(len(x), 2048)
        x = ref.relu(ref.linear(x, self.w[f"{name}.fc1.weight"], self.w[f"{name}.fc1.bias"]))
        return ref.linear(x, self.w[f"{name}.fc2.weight"], self.w[f"{name}.fc2.bias"])

    def __call__(self, x: ref.Array) -> tuple[ref.Array, dict[str, ref.Array]]:
        """Compute the logits and every module's output."""
        maps = {}
        x = self.halve(self.conv(x, "stem.conv1", stride=2))
        x = ref.response_norm(x, n=5, k=1.0, alpha=2e-5, beta=0.75)
        x = self.conv(self.conv(x, "stem.reduce2"), "stem.conv2")
        x = self.halve(ref.response_norm(x, n=5, k=1.0, alpha=2e-5, beta=0.75))
        for module in TABLE_1:
            x = maps[module] = self.inception(x, module)
            x = self.halve(x) if module in {"3b", "4e"} else x
        return ref.linear(x.mean(axis=(2, 3)), self.w["fc.weight"], self.w["fc.bias"]), maps


@pytest.mark.parametrize("size", [224, 139])
def test_googlenet_2014_computes_what_the_slow_network_computes(size: int) -> None:
    """Relative error under 1e-9 in float64, in evaluation."""
    torch.manual_seed(5)
    model = googlenet_2014(num_classes=9, aux_logits=False).double().eval()
    x = 100 * torch.randn(
        1, 3, size, size, dtype=torch.float64
    )  # as grey levels, so that normalisation counts
    expected, _ = SlowGoogLeNet(ref.arrays(model.state_dict()))(x.numpy())
    with torch.no_grad():
        assert ref.relative_error(model(x), expected) < 1e-9


def test_googlenet_2014_puts_out_both_auxiliary_logits_in_training() -> None:
    """On (4a) and (4d), pooling 5x5 at stride 3; equal to 1e-9 in float64 with dropout off."""
    torch.manual_seed(6)
    model = googlenet_2014(num_classes=9, drop_rate=0.0).double()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    x = 100 * torch.randn(1, 3, 224, 224, dtype=torch.float64)
    slow = SlowGoogLeNet(ref.arrays(model.state_dict()))
    expected, maps = slow(x.numpy())
    got = model(x)
    assert isinstance(got, GoogLeNetLogits)
    assert ref.relative_error(got.logits, expected) < 1e-9
    assert ref.relative_error(got.auxiliary_4a, slow.head(maps["4a"], "auxiliary4a")) < 1e-9
    assert ref.relative_error(got.auxiliary_4d, slow.head(maps["4d"], "auxiliary4d")) < 1e-9


def test_googlenet_2014_without_heads_puts_out_plain_logits_in_training() -> None:
    """``aux_logits=False`` is for fine-tuning without the extra losses."""
    model = googlenet_2014(num_classes=9, aux_logits=False)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 9)


def test_googlenet_2014_has_a_real_5x5_convolution() -> None:
    """The network of torchvision has 3x3 there."""
    weight = googlenet_2014(aux_logits=False).state_dict()["inception3a.branch5x5.1.conv.weight"]
    assert weight.shape == (32, 16, 5, 5)
