"""Layers of searched cells, with the key names of the released PyTorch weights.

TensorFlow's ``SAME`` padding is asymmetric where a stride of 2 meets an even size: one row and one column more at the
bottom and at the right. Instead of padding a copy of the activations, pools here move their window, and strided
convolutions get one row and one column of zeros in their (small) kernel.
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

    ``momentum`` is torch's default, as in the released PyTorch networks. The TensorFlow code trains with a decay of
    0.9997, which torch writes ``momentum=0.0003``.
    """
    return nn.BatchNorm2d(channels, eps=NORM_EPSILON)


class StridedDepthwise(nn.Conv2d):
    """Depthwise convolution of stride 2 with TensorFlow's ``SAME`` padding.

    An even size needs ``(k - 3) / 2`` rows of padding above and ``(k - 1) / 2`` below. A row of zeros on top of the
    kernel and ``(k - 1) / 2`` rows of padding on both sides give the same sums without a padded copy of the input.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__(channels, channels, kernel, 2, kernel // 2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``, rounded up."""
        kernel = self._kernel_for(x.shape[2], x.shape[3])
        return functional.conv2d(x, kernel, None, self.stride, self.padding, self.dilation, self.groups)

    def _kernel_for(self, height: int, width: int) -> Tensor:
        """Put a row of zeros on top for an even height, and a column on the left for an even width.

        ``functional.pad`` would be one line: ONNX Runtime (1.32) takes a Pad before a Conv for padding of the picture.
        """
        channels, _, rows, columns = self.weight.shape
        row = self.weight.new_zeros(channels, 1, 1 - height % 2, columns)
        column = self.weight.new_zeros(channels, 1, rows + 1 - height % 2, 1 - width % 2)
        return torch.cat([column, torch.cat([row, self.weight], 2)], 3)


class StridedPool(nn.Module):
    """Pooling of 3x3 and stride 2 with TensorFlow's ``SAME`` padding, which enters neither a maximum nor a mean.

    An odd size is padded by one on both sides; an even one only at the end, where the window may hang over the edge.

    Args:
        kind: ``"avg"`` or ``"max"``.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C, H / 2, W / 2)``, rounded up."""
        height, width = x.shape[2:]
        padding = (height % 2, width % 2)
        if self.kind == "max":
            return functional.max_pool2d(x, 3, 2, padding, ceil_mode=True)
        return functional.avg_pool2d(x, 3, 2, padding, ceil_mode=True, count_include_pad=False)

    def extra_repr(self) -> str:
        """Show the kind."""
        return f"{self.kind}, kernel_size=3, stride=2, padding=same"


def pool(kind: str, stride: int) -> nn.Module:
    """Make a 3x3 pooling layer; padding is left out of the mean."""
    if stride == 2:
        return StridedPool(kind)
    return nn.MaxPool2d(3, 1, 1) if kind == "max" else nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def projection(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """Make a 1x1 convolution with batch norm; its input comes rectified."""
    conv = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
    return nn.Sequential(OrderedDict(conv=conv, bn=batch_norm(out_channels)))


def separable_convolution(in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Make a depthwise convolution followed by a pointwise one."""
    if stride == 2:
        depthwise: nn.Conv2d = StridedDepthwise(in_channels, kernel)
    else:
        depthwise = nn.Conv2d(in_channels, in_channels, kernel, 1, kernel // 2, groups=in_channels, bias=False)
    pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)
    return nn.Sequential(OrderedDict(depthwise_conv2d=depthwise, pointwise_conv2d=pointwise))


class Separable(nn.Sequential):
    """Separable convolution and batch norm, twice; the input comes rectified, the first convolution has the stride."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            OrderedDict(
                separable_1=separable_convolution(in_channels, out_channels, kernel, stride),
                bn_sep_1=batch_norm(out_channels),
                relu=nn.ReLU(inplace=True),
                separable_2=separable_convolution(out_channels, out_channels, kernel, 1),
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
        height, width = x.shape[2:]
        kept = x[:, :, self.offset :: 2, self.offset :: 2]
        return functional.pad(kept, (0, self.offset * (width % 2), 0, self.offset * (height % 2)))

    def extra_repr(self) -> str:
        """Show the offset."""
        return f"offset={self.offset}"


def add_factorized_reduction(owner: nn.Module, in_channels: int, out_channels: int) -> None:
    """Register the two paths of a factorized reduction and their common batch norm on a module.

    An odd number of output channels gives the second path one more, as in the TensorFlow code.
    """
    for offset, width in enumerate((out_channels // 2, out_channels - out_channels // 2)):
        conv = nn.Conv2d(in_channels, width, 1, bias=False)
        path = nn.Sequential(OrderedDict(subsample=Subsample(offset), conv=conv))
        owner.add_module(f"path_{offset + 1}", path)
    owner.add_module("final_path_bn", batch_norm(out_channels))


def factorized_reduction(owner: nn.Module, x: Tensor) -> Tensor:
    """Halve height and width with two shifted 1x1 convolutions, side by side; ``x`` comes rectified."""
    paths = [owner.get_submodule(name)(x) for name in ("path_1", "path_2")]
    halved: Tensor = owner.get_submodule("final_path_bn")(torch.cat(paths, 1))
    return halved


class FactorizedReduction(nn.Module):
    """A factorized reduction under a name of its own, as PNASNet's keys have it."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        add_factorized_reduction(self, in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Turn ``(N, C, H, W)`` into ``(N, C', H / 2, W / 2)``, rounded up."""
        return factorized_reduction(self, x)


def operation(name: str, in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """Make the layer of one operation, or none for an identity that changes neither size nor channels."""
    if name in SEPARABLE_KERNELS:
        return Separable(in_channels, out_channels, SEPARABLE_KERNELS[name], stride)
    if name in POOLS:
        layer = pool(POOLS[name], stride)
        if in_channels == out_channels:
            return layer
        return nn.Sequential(OrderedDict(pool=layer, **dict(projection(in_channels, out_channels).named_children())))
    if stride == 1 and in_channels == out_channels:
        return None
    return projection(in_channels, out_channels, stride)
