"""Layers of searched cells, with the key names of the released PyTorch weights.

TensorFlow's ``SAME`` padding is asymmetric where a stride of 2 meets an even size: one row and one
column more at the bottom and at the right. Instead of padding a copy of the activations, pools here
move their window, and strided convolutions get one row and one column of zeros in their (small)
kernel.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.models.genotype import POOLS, SEPARABLE_KERNELS

NORM_EPSILON = 1e-3
"""Batch norm's epsilon in every released NASNet and PNASNet; torch's default is 1e-5."""


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Make the batch norm of both papers.

    ``momentum`` is torch's default, as in the released PyTorch networks. The TensorFlow code trains
    with a decay of 0.9997, which torch writes ``momentum=0.0003``.
    """
    return nn.BatchNorm2d(channels, eps=NORM_EPSILON)


class StridedDepthwise(nn.Conv2d):
    """Depthwise convolution of stride 2 with TensorFlow's ``SAME`` padding.

    An even size needs ``(k - 3) / 2`` rows of padding above and ``(k - 1) / 2`` below. A row of
    zeros on top of the kernel and ``(k - 1) / 2`` rows of padding on both sides give the same sums
    without a padded copy of the input.
    """

    def __init__(
        self,
        channels: int,
        kernel: int,
    ) -> None:
        super().__init__(
            channels,
            channels,
            kernel_size=kernel,
            stride=2,
            padding=kernel // 2,
            groups=channels,
            bias=False,
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``, rounded up."""
        _, _, height, width = x.shape
        kernel = self._kernel_for(height, width)
        return functional.conv2d(  # (N, C, H / 2, W / 2)
            x,
            kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def _kernel_for(
        self,
        height: int,
        width: int,
    ) -> Tensor:
        """Put a row of zeros on top for an even height, and a column on the left for an even width.

        ``functional.pad`` would be one line: ONNX Runtime (1.32) takes a Pad before a Conv for
            padding of the image.
        """
        channels, _, rows, columns = self.weight.shape
        more_rows = 1 - height % 2
        more_columns = 1 - width % 2
        all_rows = rows + more_rows

        top = self.weight.new_zeros(channels, 1, more_rows, columns)
        left = self.weight.new_zeros(channels, 1, all_rows, more_columns)
        kernel = torch.cat([top, self.weight], dim=2)
        return torch.cat([left, kernel], dim=3)


class StridedPool(nn.Module):
    """Pooling of 3x3 and stride 2 with TensorFlow's ``SAME`` padding, which no value includes.

    An odd size is padded by one on both sides; an even one only at the end, where the window may
    hang over the edge.

    Args:
        kind: ``"avg"`` or ``"max"``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``, rounded up."""
        _, _, height, width = x.shape
        padding = (height % 2, width % 2)
        if self.kind == "max":
            return functional.max_pool2d(
                x,
                kernel_size=3,
                stride=2,
                padding=padding,
                ceil_mode=True,
            )
        return functional.avg_pool2d(
            x,
            kernel_size=3,
            stride=2,
            padding=padding,
            ceil_mode=True,
            count_include_pad=False,
        )

    def extra_repr(self) -> str:
        """Show the kind."""
        return f"{self.kind}, kernel_size=3, stride=2, padding=same"


def pool(
    kind: str,
    stride: int,
) -> nn.Module:
    """Make a 3x3 pooling layer; padding is left out of the mean."""
    if stride == 2:
        return StridedPool(kind)
    if kind == "max":
        return nn.MaxPool2d(3, 1, 1)
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def projection(
    in_channels: int,
    out_channels: int,
    stride: int = 1,
) -> nn.Sequential:
    """Make a 1x1 convolution with batch norm; its input comes rectified."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    layers["bn"] = batch_norm(out_channels)
    return nn.Sequential(layers)


def separable_convolution(
    in_channels: int,
    out_channels: int,
    kernel: int,
    stride: int,
) -> nn.Sequential:
    """Make a depthwise convolution followed by a pointwise one."""
    if stride == 2:
        depthwise: nn.Conv2d = StridedDepthwise(in_channels, kernel)
    else:
        depthwise = nn.Conv2d(
            in_channels,
            in_channels,
            kernel_size=kernel,
            padding=kernel // 2,
            groups=in_channels,
            bias=False,
        )

    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["depthwise_conv2d"] = depthwise
    layers["pointwise_conv2d"] = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(layers)


class Separable(nn.Sequential):
    """Separable convolution and batch norm, twice.

    The input comes rectified, the first convolution has the stride.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int,
    ) -> None:
        first = separable_convolution(in_channels, out_channels, kernel, stride)
        second = separable_convolution(out_channels, out_channels, kernel, stride=1)
        super().__init__(
            OrderedDict(
                separable_1=first,  # (N, C', H / stride, W / stride)
                bn_sep_1=batch_norm(out_channels),
                relu=nn.ReLU(inplace=True),
                separable_2=second,
                bn_sep_2=batch_norm(out_channels),
            )
        )


class Subsample(nn.Module):
    """Keep every second row and column, from number ``offset`` on; a missing last one is zero.

    Args:
        offset: 0 or 1.
    """

    def __init__(self, offset: int) -> None:
        super().__init__()
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``, rounded up."""
        _, _, height, width = x.shape
        every_second = slice(self.offset, None, 2)
        kept = x[:, :, every_second, every_second]

        missing_column = self.offset * (width % 2)
        missing_row = self.offset * (height % 2)
        return functional.pad(kept, (0, missing_column, 0, missing_row))  # (N, C, H / 2, W / 2)

    def extra_repr(self) -> str:
        """Show the offset."""
        return f"offset={self.offset}"


def add_factorized_reduction(
    owner: nn.Module,
    in_channels: int,
    out_channels: int,
) -> None:
    """Register the two paths of a factorized reduction and their common batch norm on a module.

    An odd number of output channels gives the second path one more, as in the TensorFlow code.
    """
    half = out_channels // 2
    widths = (half, out_channels - half)
    for offset, width in enumerate(widths):
        path: OrderedDict[str, nn.Module] = OrderedDict()
        path["subsample"] = Subsample(offset)
        path["conv"] = nn.Conv2d(in_channels, width, 1, bias=False)
        owner.add_module(f"path_{offset + 1}", nn.Sequential(path))

    owner.add_module("final_path_bn", batch_norm(out_channels))


def factorized_reduction(
    owner: nn.Module,
    x: Tensor,
) -> Tensor:
    """Halve height and width with two shifted 1x1 convolutions, side by side.

    ``x`` comes rectified.
    """
    path_1 = owner.get_submodule("path_1")
    path_2 = owner.get_submodule("path_2")
    norm = owner.get_submodule("final_path_bn")

    paths = [path_1(x), path_2(x)]
    joined = torch.cat(paths, dim=1)  # (N, C', H / 2, W / 2)
    halved: Tensor = norm(joined)
    return halved


class FactorizedReduction(nn.Module):
    """A factorized reduction under a name of its own, as PNASNet's keys have it."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
    ) -> None:
        super().__init__()
        add_factorized_reduction(self, in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C', H / 2, W / 2)``, rounded up."""
        return factorized_reduction(self, x)


def operation(
    name: str,
    in_channels: int,
    out_channels: int,
    stride: int,
) -> nn.Module | None:
    """Make the layer of one operation, or none for an identity that changes no shape."""
    keeps_channels = in_channels == out_channels
    if name in SEPARABLE_KERNELS:
        kernel = SEPARABLE_KERNELS[name]
        return Separable(in_channels, out_channels, kernel, stride)

    if name in POOLS:
        layer = pool(POOLS[name], stride)
        if keeps_channels:
            return layer

        layers = OrderedDict(pool=layer)
        layers.update(projection(in_channels, out_channels).named_children())
        return nn.Sequential(layers)

    if keeps_channels and stride == 1:
        return None
    return projection(in_channels, out_channels, stride)
