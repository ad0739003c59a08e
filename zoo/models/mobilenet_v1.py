"""MobileNet, the first network made of depthwise separable convolutions.

Paper:
    Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam: "MobileNets: efficient
    convolutional neural networks for mobile vision applications", 2017, arXiv:1704.04861, table 1
    and section 3.3 (width multiplier).

What differs from the paper:
    - ReLU6 instead of ReLU, as in the authors' program (TensorFlow slim) and in timm.
    - Table 1 gives the last depthwise convolution stride 2 on a 7x7 map that stays 7x7; it is 1.
    - No dropout unless asked for (slim drops 0.1 %).

Padding:
    ``"symmetric"`` adds one zero on each side, as timm and its weights do. ``"same"`` is
    TensorFlow's: at stride 2 an even size gets its zero at the right and the lower edge only.
    Weights converted from TensorFlow need ``"same"`` and ``norm_eps=1e-3``; with the wrong padding
    they load without a word and see every map shifted by a pixel.

Weights:
    Key names are those of timm's ``mobilenetv1_100``, whose ``ra4_e3600_r224_in1k`` (Apache-2.0, on
    the Hugging Face hub) fits ``mobilenet_v1_100`` with the default options. Its images have mean
    and standard deviation 0.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import nn
from torch.nn import functional

from zoo.models.options import require_one_of, require_positive

if TYPE_CHECKING:
    from torch import Tensor

Padding = Literal["symmetric", "same"]

# Table 1: each stage halves the image (but the first) and holds these widths at multiplier 1.
STAGES = (
    (64,),
    (128, 128),
    (256, 256),
    (512, 512, 512, 512, 512, 512),
    (1024, 1024),
)


class MobileNetV1(nn.Module):
    """A 3x3 convolution, thirteen depthwise separable ones, a mean and a linear layer.

    Args:
        width: Width multiplier; the width of each layer is rounded to a multiple of 8.
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        padding: ``"symmetric"`` or TensorFlow's ``"same"``.
        norm_eps: Added to the variance in each batch normalisation.
    """

    def __init__(
        self,
        *,
        width: float,
        num_classes: int,
        in_channels: int,
        drop_rate: float,
        padding: Padding,
        norm_eps: float,
    ) -> None:
        super().__init__()
        require_positive(num_classes=num_classes, in_channels=in_channels)
        require_one_of(("symmetric", "same"), padding=padding)

        channels = _scaled(32, width)
        self.conv_stem = _conv3x3(
            in_channels,
            channels,
            stride=2,
            groups=1,
            padding=padding,
        )
        self.bn1 = nn.BatchNorm2d(channels, norm_eps)
        self.act1 = nn.ReLU6(inplace=True)  # here and below on a value that nothing else reads
        self.blocks = nn.Sequential()
        for number, widths in enumerate(STAGES):
            stage = nn.Sequential()
            for place, full_width in enumerate(widths):
                halves = number > 0 and place == 0
                out_channels = _scaled(full_width, width)
                block = DepthwiseSeparableConv(
                    channels,
                    out_channels,
                    stride=2 if halves else 1,
                    padding=padding,
                    norm_eps=norm_eps,
                )
                stage.append(block)
                channels = out_channels
            self.blocks.append(stage)

        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(drop_rate)
        self.classifier = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, H, W)`` into logits ``(N, num_classes)``."""
        # Planes here and below at width 1.
        x = self.conv_stem(x)  # (N, 32, H / 2, W / 2)
        x = self.bn1(x)
        x = self.act1(x)

        x = self.blocks(x)  # (N, 1024, H / 32, W / 32)
        x = self.global_pool(x)  # (N, 1024, 1, 1)
        x = torch.flatten(x, 1)  # (N, 1024)

        x = self.dropout(x)
        logits: Tensor = self.classifier(x)  # (N, num_classes)
        return logits


class DepthwiseSeparableConv(nn.Module):
    """A 3x3 filter for each plane, then a 1x1 convolution that mixes the planes.

    Args:
        in_channels: Planes of the input.
        out_channels: Planes of the output.
        stride: Stride of the 3x3 filters.
        padding: ``"symmetric"`` or TensorFlow's ``"same"``.
        norm_eps: Added to the variance in each batch normalisation.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        padding: Padding,
        norm_eps: float,
    ) -> None:
        super().__init__()
        self.conv_dw = _conv3x3(
            in_channels, in_channels, stride, groups=in_channels, padding=padding
        )
        self.bn1 = nn.BatchNorm2d(in_channels, norm_eps)
        self.act1 = nn.ReLU6(inplace=True)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, norm_eps)
        self.act2 = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, in_channels, H, W)`` into ``(N, out_channels, ceil(H / s), ceil(W / s))``."""
        x = self.conv_dw(x)  # (N, in_channels, ceil(H / s), ceil(W / s))
        x = self.bn1(x)
        x = self.act1(x)

        x = self.conv_pw(x)  # (N, out_channels, ceil(H / s), ceil(W / s))
        x = self.bn2(x)
        mixed: Tensor = self.act2(x)
        return mixed


class SameStride2Conv2d(nn.Conv2d):
    """A 3x3 convolution at stride 2 with TensorFlow's "same" padding.

    TensorFlow pads so that the output has half the size, rounded up, and puts the odd zero at the
    end: an even size gets 0 and 1, an odd one 1 and 1. ``nn.Conv2d(padding="same")`` refuses
    strides.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C', H / 2, W / 2)``, rounded up."""
        _, _, height, width = x.shape
        sides = (width % 2, 1, height % 2, 1)
        padded = functional.pad(x, sides)
        return super().forward(padded)  # (N, C', H / 2, W / 2)


def _conv3x3(
    in_channels: int,
    out_channels: int,
    stride: int,
    groups: int,
    padding: Padding,
) -> nn.Conv2d:
    """Make a 3x3 convolution without bias; at stride 1 both paddings are the same."""
    if padding == "same" and stride == 2:
        return SameStride2Conv2d(
            in_channels,
            out_channels,
            kernel_size=3,
            stride=2,
            groups=groups,
            bias=False,
        )
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size=3,
        stride=stride,
        padding=1,
        groups=groups,
        bias=False,
    )


def _scaled(
    channels: int,
    width: float,
) -> int:
    """Scale a number of planes and round it to a multiple of 8, to no less than 8."""
    scaled = channels * width
    eighths = int(scaled + 4) // 8
    return max(8, 8 * eighths)


def mobilenet_v1_100(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.0,
    padding: Padding = "symmetric",
    norm_eps: float = 1e-5,
) -> MobileNetV1:
    """Build MobileNet for images of 224x224, or any others: 4,231,976 parameters at 1,000 classes.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        padding: ``"symmetric"`` or TensorFlow's ``"same"``; see the head of this file.
        norm_eps: Added to the variance in each batch normalisation; TensorFlow's weights want 1e-3.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    return MobileNetV1(
        width=1.0,
        num_classes=num_classes,
        in_channels=in_channels,
        drop_rate=drop_rate,
        padding=padding,
        norm_eps=norm_eps,
    )


def mobilenet_v1_075(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.0,
    padding: Padding = "symmetric",
    norm_eps: float = 1e-5,
) -> MobileNetV1:
    """Build MobileNet at width 0.75: 2,585,560 parameters.

    Options as those of :func:`mobilenet_v1_100`.
    """
    return MobileNetV1(
        width=0.75,
        num_classes=num_classes,
        in_channels=in_channels,
        drop_rate=drop_rate,
        padding=padding,
        norm_eps=norm_eps,
    )


def mobilenet_v1_050(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.0,
    padding: Padding = "symmetric",
    norm_eps: float = 1e-5,
) -> MobileNetV1:
    """Build MobileNet at width 0.5: 1,331,592 parameters.

    Options as those of :func:`mobilenet_v1_100`.
    """
    return MobileNetV1(
        width=0.5,
        num_classes=num_classes,
        in_channels=in_channels,
        drop_rate=drop_rate,
        padding=padding,
        norm_eps=norm_eps,
    )


def mobilenet_v1_025(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.0,
    padding: Padding = "symmetric",
    norm_eps: float = 1e-5,
) -> MobileNetV1:
    """Build MobileNet at width 0.25: 470,072 parameters.

    Options as those of :func:`mobilenet_v1_100`.
    """
    return MobileNetV1(
        width=0.25,
        num_classes=num_classes,
        in_channels=in_channels,
        drop_rate=drop_rate,
        padding=padding,
        norm_eps=norm_eps,
    )
