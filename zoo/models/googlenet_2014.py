"""GoogLeNet as published in 2014, the first Inception network.

Paper:
    Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: "Going deeper with
    convolutions", CVPR 2015, arXiv:1409.4842, table 1, figures 2(b) and 3, section 5. 6,998,552
    parameters at 1,000 classes without the two auxiliary heads, 13,378,280 with them.

torchvision's ``googlenet`` is another network: batch normalisation instead of biases and response
normalisation, and 3x3 convolutions in the branch that the paper calls 5x5.

What differs from the paper:
    - The paper gives no constants of the response normalisation and says "same" padding only as a
      letter. Here both are those of BVLC's Caffe model, ``bvlc_googlenet``: n = 5, alpha / n =
      2e-5, beta = 0.75, k = 1; convolutions padded alike on all sides; max pooling rounds up, which
      is the paper's padding at the right and the lower edge.
    - The mean over the last 7x7 map adapts to its size, so that other images than 224x224 work in
      evaluation.

In training, the forward pass returns :class:`GoogLeNetLogits` with the logits of the two auxiliary
heads. The paper adds their losses to the loss with weight 0.3; that is for the training loop to do.
In evaluation it returns the logits alone.

Weights:
    None are published in a format for this network.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from zoo.models.options import require_positive

if TYPE_CHECKING:
    from torch import Tensor


class GoogLeNetLogits(NamedTuple):
    """What GoogLeNet puts out in training."""

    logits: torch.Tensor
    auxiliary_4a: torch.Tensor
    """Logits of the head on inception (4a)."""
    auxiliary_4d: torch.Tensor
    """Logits of the head on inception (4d)."""


class GoogLeNet2014(nn.Module):
    """Nine Inception modules and two auxiliary heads.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        aux_logits: Whether to have the auxiliary heads.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_rate: float,
        aux_logits: bool,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            OrderedDict(
                conv1=ConvReLU(in_channels, 64, kernel_size=7, stride=2),  # (N, 64, 112, 112)
                pool1=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 64, 56, 56)
                norm1=nn.LocalResponseNorm(
                    size=5,
                    alpha=1e-4,
                    beta=0.75,
                    k=1.0,
                ),
                reduce2=ConvReLU(64, 64, kernel_size=1),
                conv2=ConvReLU(64, 192, kernel_size=3),  # (N, 192, 56, 56)
                norm2=nn.LocalResponseNorm(
                    size=5,
                    alpha=1e-4,
                    beta=0.75,
                    k=1.0,
                ),
                pool2=nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True),  # (N, 192, 28, 28)
            )
        )
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32)  # (N, 256, 28, 28)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64)  # (N, 480, 28, 28)
        self.pool3 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)  # (N, 480, 14, 14)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64)  # (N, 512, 14, 14)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64)  # (N, 528, 14, 14)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128)  # (N, 832, 14, 14)
        self.pool4 = nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)  # (N, 832, 7, 7)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128)  # (N, 1024, 7, 7)
        self.avgpool = nn.AdaptiveAvgPool2d(1)  # (N, 1024, 1, 1)
        self.dropout = nn.Dropout(drop_rate)
        self.fc = nn.Linear(1024, num_classes)

        self.auxiliary4a = AuxiliaryHead(512, num_classes) if aux_logits else None
        self.auxiliary4d = AuxiliaryHead(528, num_classes) if aux_logits else None

    def forward(self, x: Tensor) -> Tensor | GoogLeNetLogits:
        """Turn images ``(N, in_channels, H, W)`` into logits ``(N, num_classes)``; three to train.

        The auxiliary heads need images of 224x224 (their 5x5 means at stride 3 must give 4x4
        values).
        """
        x = self.stem(x)  # (N, 192, 28, 28)
        x = self.inception3a(x)  # (N, 256, 28, 28)
        x = self.inception3b(x)  # (N, 480, 28, 28)
        x = self.pool3(x)  # (N, 480, 14, 14)

        x = after_4a = self.inception4a(x)  # (N, 512, 14, 14)
        x = self.inception4b(x)
        x = self.inception4c(x)
        x = after_4d = self.inception4d(x)  # (N, 528, 14, 14)
        x = self.inception4e(x)  # (N, 832, 14, 14)
        x = self.pool4(x)  # (N, 832, 7, 7)

        x = self.inception5a(x)
        x = self.inception5b(x)  # (N, 1024, 7, 7)
        x = self.avgpool(x)  # (N, 1024, 1, 1)
        x = torch.flatten(x, 1)  # (N, 1024)
        x = self.dropout(x)
        logits: Tensor = self.fc(x)  # (N, num_classes)

        if not self.training or self.auxiliary4a is None or self.auxiliary4d is None:
            return logits
        return GoogLeNetLogits(
            logits=logits,
            auxiliary_4a=self.auxiliary4a(after_4a),
            auxiliary_4d=self.auxiliary4d(after_4d),
        )


class Inception(nn.Module):
    """Four views of the same input, side by side.

    Args:
        in_channels: Planes of the input.
        one: Filters of the 1x1 branch.
        three: Filters of the reduction before the 3x3 convolution, and of that.
        five: Filters of the reduction before the 5x5 convolution, and of that.
        pool: Filters of the projection after the max pooling.
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        three: tuple[int, int],
        five: tuple[int, int],
        pool: int,
    ) -> None:
        super().__init__()
        three_reduced, three_filters = three
        five_reduced, five_filters = five

        self.branch1x1 = ConvReLU(in_channels, one, kernel_size=1)
        self.branch3x3 = nn.Sequential(
            ConvReLU(in_channels, three_reduced, kernel_size=1),
            ConvReLU(three_reduced, three_filters, kernel_size=3),
        )
        self.branch5x5 = nn.Sequential(
            ConvReLU(in_channels, five_reduced, kernel_size=1),
            ConvReLU(five_reduced, five_filters, kernel_size=5),
        )
        self.branch_pool = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            ConvReLU(in_channels, pool, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, in_channels, H, W)`` into ``(N, one + three[1] + five[1] + pool, H, W)``."""
        views = [
            self.branch1x1(x),
            self.branch3x3(x),
            self.branch5x5(x),
            self.branch_pool(x),
        ]
        return torch.cat(views, dim=1)


class AuxiliaryHead(nn.Module):
    """A small classifier on a middle layer, for training only.

    Args:
        in_channels: Planes of the input.
        num_classes: Outputs of the last layer.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size=5, stride=3)
        self.conv = ConvReLU(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, in_channels, 14, 14)`` into logits ``(N, num_classes)``."""
        x = self.pool(x)  # (N, in_channels, 4, 4)
        x = self.conv(x)  # (N, 128, 4, 4)
        x = torch.flatten(x, 1)  # (N, 2048)
        x = self.fc1(x)  # (N, 1024)
        x = self.relu(x)
        x = self.dropout(x)
        logits: Tensor = self.fc2(x)  # (N, num_classes)
        return logits


class ConvReLU(nn.Sequential):
    """A convolution with bias, padded to keep the size but for its stride, then a rectifier.

    Args:
        in_channels: Planes of the input.
        out_channels: Filters.
        kernel_size: Side of a filter, odd.
        stride: Distance between two places of a filter.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
    ) -> None:
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
        )
        super().__init__(OrderedDict(conv=conv, relu=nn.ReLU()))


def googlenet_2014(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.4,
    aux_logits: bool = True,
) -> GoogLeNet2014:
    """Build GoogLeNet as published in 2014, for images of 224x224.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer; the auxiliary
            heads keep their 0.7.
        aux_logits: Whether to have the auxiliary heads. Only training uses them.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    require_positive(num_classes=num_classes, in_channels=in_channels)
    return GoogLeNet2014(num_classes, in_channels, drop_rate, aux_logits)
