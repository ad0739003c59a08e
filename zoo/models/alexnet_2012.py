"""AlexNet as published in 2012, in two towers.

Paper:
    Krizhevsky, Sutskever, Hinton: "ImageNet classification with deep convolutional neural
    networks", NIPS 2012, section 3. 60,965,224 parameters at 1,000 classes.

torchvision's ``alexnet`` is another network: the one-tower one of 2014 (arXiv:1404.5997), with
fewer filters, no groups and no response normalisation.

What differs from the paper:
    - One device computes both towers: layers 2, 4 and 5 are convolutions in two groups.
    - Response normalisation sums over all maps of a layer, as section 3.3 writes it ("N is the
      total number of kernels in the layer"), not over the maps of one GPU.
    - Input. The paper states images of 224x224 and a first layer of 55x55, but 11x11 filters at
      stride 4 fit only 54 times into 224. The authors' program explains it: it applies a filter as
      often as is "required to cover the entire width" (LayerParams.md of cuda-convnet2), so the
      last filter hangs three pixels over the right and the lower edge. Three columns and rows of
      zeros there give the same numbers. An image of 227x227, Caffe's reading of the paper, fits
      exactly: the zeros are then never read, and the result is that of a network without padding.

Response normalisation is ``b = a / (k + alpha * sum of a^2 over n maps)^beta`` with k = 2, n = 5,
alpha = 1e-4, beta = 0.75. torch (as Caffe) divides alpha by n, so it gets ``alpha * n``.

Weights:
    None are published in a format for this network.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.models.options import require_positive

if TYPE_CHECKING:
    from torch import Tensor

STARTS_AT_ONE = ("conv2", "conv4", "conv5", "fc6", "fc7")
"""Layers whose biases are one before training, so that their rectifiers pass something on."""


class AlexNet2012(nn.Module):
    """The two towers of 2012 as grouped convolutions.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                pad1=nn.ZeroPad2d((0, 3, 0, 3)),  # (N, 3, 227, 227)
                conv1=nn.Conv2d(in_channels, 96, kernel_size=11, stride=4),  # (N, 96, 55, 55)
                relu1=nn.ReLU(),
                norm1=_response_normalisation(),
                pool1=nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 96, 27, 27)
                conv2=nn.Conv2d(96, 256, kernel_size=5, padding=2, groups=2),  # (N, 256, 27, 27)
                relu2=nn.ReLU(),
                norm2=_response_normalisation(),
                pool2=nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 13, 13)
                # Here the towers meet.
                conv3=nn.Conv2d(256, 384, kernel_size=3, padding=1),  # (N, 384, 13, 13)
                relu3=nn.ReLU(),
                conv4=nn.Conv2d(384, 384, kernel_size=3, padding=1, groups=2),
                relu4=nn.ReLU(),
                conv5=nn.Conv2d(384, 256, kernel_size=3, padding=1, groups=2),  # (N, 256, 13, 13)
                relu5=nn.ReLU(),
                pool5=nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
            )
        )
        self.classifier = nn.Sequential(
            OrderedDict(
                fc6=nn.Linear(256 * 6 * 6, 4096),  # (N, 4096)
                relu6=nn.ReLU(),
                drop6=nn.Dropout(drop_rate),
                fc7=nn.Linear(4096, 4096),  # (N, 4096)
                relu7=nn.ReLU(),
                drop7=nn.Dropout(drop_rate),
                fc8=nn.Linear(4096, num_classes),  # (N, num_classes)
            )
        )
        for name, module in self.named_modules():
            _draw_weights(name, module)

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, 224, 224)`` into logits ``(N, num_classes)``."""
        x = self.features(x)
        x = torch.flatten(x, 1)  # (N, 9216)
        logits: Tensor = self.classifier(x)  # (N, num_classes)
        return logits


def _response_normalisation() -> nn.LocalResponseNorm:
    """Normalise as section 3.3 says; torch divides alpha by the number of maps."""
    return nn.LocalResponseNorm(
        size=5,
        alpha=1e-4 * 5,
        beta=0.75,
        k=2.0,
    )


def _draw_weights(
    name: str,
    module: nn.Module,
) -> None:
    """Draw from a normal distribution of standard deviation 0.01.

    Section 5 starts some biases at one.
    """
    if not isinstance(module, nn.Conv2d | nn.Linear) or module.bias is None:
        return

    nn.init.normal_(module.weight, std=0.01)
    if name.endswith(STARTS_AT_ONE):
        nn.init.ones_(module.bias)
    else:
        nn.init.zeros_(module.bias)


def alexnet_2012(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.5,
) -> AlexNet2012:
    """Build AlexNet as published in 2012, for images of 224x224 or 227x227.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value, after each hidden fully connected layer.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    require_positive(num_classes=num_classes, in_channels=in_channels)
    return AlexNet2012(num_classes, in_channels, drop_rate)
