"""LeNet-5, the network that read handwritten cheques.

Paper:
    LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document recognition",
    Proceedings of the IEEE 86(11), 1998, doi:10.1109/5.726791, section II.B and appendix A.

Two variants:
    ``"usual"`` is what the name means today, 61,706 parameters: every C3 map sees all six S2 maps,
    the subsampling is a plain average, the squashing function is ``tanh``.
    ``"classic"`` is the paper's, 60,850 parameters: subsampling with a trainable coefficient and
    bias for each map, C3 connected as table I says, ``1.7159 tanh(2x / 3)``, weights drawn as
    appendix A says.

What differs from the paper:
    The output layer is linear in both. The paper's is a Euclidean distance to ten fixed 7x12
    bitmaps (RBF units), which has no trainable parameters and serves its own loss; a linear layer
    serves cross-entropy. So ``"classic"`` has the paper's 60,000 trainable parameters and the 850
    of a linear output for ten classes.

Weights:
    ``usual`` ships trained on the digits of scikit-learn by ``scripts/train_lenet5.py``, under
    Apache-2.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from zoo.models.options import require_one_of, require_positive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

# Table I of the paper: the S2 maps that each of the sixteen C3 maps sees.
THREE_INPUTS = (
    (0, 1, 2),
    (1, 2, 3),
    (2, 3, 4),
    (3, 4, 5),
    (0, 4, 5),
    (0, 1, 5),
)
FOUR_INPUTS = (
    (0, 1, 2, 3),
    (1, 2, 3, 4),
    (2, 3, 4, 5),
    (0, 3, 4, 5),
    (0, 1, 4, 5),
    (0, 1, 2, 5),
    # These three are the paper's discontinuous ones.
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
)
VARIANTS = ("usual", "classic")


class LeNet5(nn.Module):
    """LeNet-5 as it is built today.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.c1_squash = nn.Tanh()
        self.s2 = nn.AvgPool2d(2)

        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.c3_squash = nn.Tanh()
        self.s4 = nn.AvgPool2d(2)

        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.c5_squash = nn.Tanh()
        self.f6 = nn.Linear(120, 84)
        self.f6_squash = nn.Tanh()
        self.output = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, 32, 32)`` into logits ``(N, num_classes)``."""
        x = self.c1(x)  # (N, 6, 28, 28)
        x = self.c1_squash(x)
        x = self.s2(x)  # (N, 6, 14, 14)

        x = self.c3(x)  # (N, 16, 10, 10)
        x = self.c3_squash(x)
        x = self.s4(x)  # (N, 16, 5, 5)

        x = self.c5(x)  # (N, 120, 1, 1)
        x = self.c5_squash(x)
        x = torch.flatten(x, 1)  # (N, 120)

        x = self.f6(x)  # (N, 84)
        x = self.f6_squash(x)
        logits: Tensor = self.output(x)  # (N, num_classes)
        return logits


class ClassicLeNet5(nn.Module):
    """LeNet-5 of 1998, but for its output layer.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
    ) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.c1_squash = ScaledTanh()
        self.s2 = Subsampling(6)
        self.s2_squash = ScaledTanh()

        self.c3 = PartialConv2d()
        self.c3_squash = ScaledTanh()
        self.s4 = Subsampling(16)
        self.s4_squash = ScaledTanh()

        self.c5 = nn.Conv2d(16, 120, kernel_size=5)
        self.c5_squash = ScaledTanh()
        self.f6 = nn.Linear(120, 84)
        self.f6_squash = ScaledTanh()
        self.output = nn.Linear(84, num_classes)
        self.apply(_draw_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, 32, 32)`` into logits ``(N, num_classes)``."""
        x = self.c1(x)  # (N, 6, 28, 28)
        x = self.c1_squash(x)
        x = self.s2(x)  # (N, 6, 14, 14)
        x = self.s2_squash(x)

        x = self.c3(x)  # (N, 16, 10, 10)
        x = self.c3_squash(x)
        x = self.s4(x)  # (N, 16, 5, 5)
        x = self.s4_squash(x)

        x = self.c5(x)  # (N, 120, 1, 1)
        x = self.c5_squash(x)
        x = torch.flatten(x, 1)  # (N, 120)

        x = self.f6(x)  # (N, 84)
        x = self.f6_squash(x)
        logits: Tensor = self.output(x)  # (N, num_classes)
        return logits


class ScaledTanh(nn.Module):
    """Squash with ``1.7159 tanh(2x / 3)``, which maps 1 to 1 and -1 to -1."""

    def forward(self, x: Tensor) -> Tensor:
        """Squash each value."""
        return 1.7159 * torch.tanh(x * (2 / 3))


class Subsampling(nn.Module):
    """Sum each 2x2 square of a map, times the map's coefficient, plus its bias.

    Args:
        channels: Number of maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``."""
        # Exact; ONNX export drops AvgPool2d's divisor_override without a word.
        sums: Tensor = 4 * self.pool(x)  # (N, C, H / 2, W / 2)

        weight = self.weight[:, None, None]  # (C, 1, 1)
        bias = self.bias[:, None, None]
        return sums * weight + bias

    def extra_repr(self) -> str:
        """Show the number of maps in ``print(model)``."""
        return f"channels={self.weight.numel()}"


class PartialConv2d(nn.Module):
    """The layer C3: sixteen 5x5 filters over three, four or all six of the maps, as table I says.

    Maps of like fan-in form one grouped convolution over the gathered inputs, so that the 1,516
    parameters and the multiply-adds are the paper's, with no zeros stored or multiplied.
    """

    def __init__(self) -> None:
        super().__init__()
        self.three = nn.Conv2d(18, 6, kernel_size=5, groups=6)
        self.four = nn.Conv2d(36, 9, kernel_size=5, groups=9)
        self.all = nn.Conv2d(6, 1, kernel_size=5)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, 6, H, W)`` into ``(N, 16, H - 4, W - 4)``."""
        maps = [x[:, i : i + 1] for i in range(6)]  # six of (N, 1, H, W)
        inputs_of_three = _gathered(maps, THREE_INPUTS)  # (N, 18, H, W)
        inputs_of_four = _gathered(maps, FOUR_INPUTS)  # (N, 36, H, W)

        three = self.three(inputs_of_three)  # (N, 6, H - 4, W - 4)
        four = self.four(inputs_of_four)  # (N, 9, H - 4, W - 4)
        all_six = self.all(x)  # (N, 1, H - 4, W - 4)
        return torch.cat([three, four, all_six], dim=1)


def _gathered(
    maps: list[Tensor],
    table: Sequence[Sequence[int]],
) -> Tensor:
    """Lay the maps that each row of a table names behind one another."""
    named = [maps[i] for row in table for i in row]
    return torch.cat(named, dim=1)


@torch.no_grad()
def _draw_weights(module: nn.Module) -> None:
    """Draw from the uniform distribution within ``2.4 / fan_in``, as appendix A says."""
    if isinstance(module, Subsampling):
        fan_in = 4
    elif isinstance(module, nn.Conv2d | nn.Linear):
        fan_in = module.weight[0].numel()
    else:
        return

    bound = 2.4 / fan_in
    nn.init.uniform_(module.weight, -bound, bound)
    if module.bias is not None:
        nn.init.uniform_(module.bias, -bound, bound)


def lenet5(
    *,
    num_classes: int = 10,
    in_channels: int = 1,
    variant: Literal["usual", "classic"] = "usual",
) -> LeNet5 | ClassicLeNet5:
    """Build LeNet-5 for 32x32 images.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        variant: ``"usual"`` or the 1998 paper's ``"classic"``; see the head of this file.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    require_positive(num_classes=num_classes, in_channels=in_channels)
    require_one_of(VARIANTS, variant=variant)
    if variant == "classic":
        return ClassicLeNet5(num_classes, in_channels)
    return LeNet5(num_classes, in_channels)
