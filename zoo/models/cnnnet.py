"""CNNNet, the network of the chapter on convolutional networks.

Book:
    Ian Pointer: "Programming PyTorch for Deep Learning", O'Reilly 2019, chapter 3.

Paper:
    Its layout is the one-tower AlexNet of Krizhevsky: "One weird trick for parallelizing
    convolutional neural networks", 2014, arXiv:1404.5997.

What differs from torchvision's ``alexnet``:
    Two classes by default (the chapter tells cats from fish). Keys, shapes and results are those of
    ``torchvision.models.alexnet(num_classes=2)``, so that files of one load into the other.

Weights:
    None are published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.models.options import require_positive

if TYPE_CHECKING:
    from torch import Tensor


class CNNNet(nn.Module):
    """Five convolutions, then three fully connected layers.

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
        self.features = nn.Sequential(  # for an image of 224x224:
            nn.Conv2d(in_channels, 64, kernel_size=11, stride=4, padding=2),  # (N, 64, 55, 55)
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 64, 27, 27)
            nn.Conv2d(64, 192, kernel_size=5, padding=2),  # (N, 192, 27, 27)
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 192, 13, 13)
            nn.Conv2d(192, 384, kernel_size=3, padding=1),  # (N, 384, 13, 13)
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),  # (N, 256, 13, 13)
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),  # (N, 256, 6, 6)
        )
        # From any image of 63x63 or more.
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))  # (N, 256, 6, 6)
        self.classifier = nn.Sequential(
            nn.Dropout(drop_rate),
            nn.Linear(256 * 6 * 6, 4096),  # (N, 4096)
            nn.ReLU(),
            nn.Dropout(drop_rate),
            nn.Linear(4096, 4096),  # (N, 4096)
            nn.ReLU(),
            nn.Linear(4096, num_classes),  # (N, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Turn images ``(N, in_channels, H, W)`` into logits ``(N, num_classes)``."""
        x = self.features(x)  # (N, 256, H', W')
        x = self.avgpool(x)  # (N, 256, 6, 6)
        x = torch.flatten(x, 1)  # (N, 9216)
        logits: Tensor = self.classifier(x)  # (N, num_classes)
        return logits


def cnnnet(
    *,
    num_classes: int = 2,
    in_channels: int = 3,
    drop_rate: float = 0.5,
) -> CNNNet:
    """Build CNNNet for images of 224x224, or of any size from 63x63.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value, before the first and the second fully
            connected layer.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    require_positive(num_classes=num_classes, in_channels=in_channels)
    return CNNNet(num_classes, in_channels, drop_rate)
