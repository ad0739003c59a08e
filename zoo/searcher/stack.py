"""How a genotype becomes a network: how many cells, how wide, for which images."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the strict decoder reads these annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.catalog.records import Scalar  # noqa: TC001 - likewise
from zoo.catalog.resolver import find_architecture
from zoo.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from zoo.models.genotype import Genotype

ARCHITECTURE = "nasnet_a_mobile"
"""The architecture of the registry whose builder stacks the cells."""
SMALL_IMAGE_PIXELS = 64
"""Up to so many, the network begins as NASNet does for CIFAR-10."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Everything of a network but its cells.

    Args:
        channels: 1 for grey images, 3 for colored ones.
        pixels: Height and width of an image.
        num_classes: Outputs.
        cells_per_stage: Normal cells in each of three stages; *N* of the papers.
        filters: Channels of a state in the first stage; *F* of the papers.

    Raises:
        UsageError: A value is out of its range.
    """

    channels: int
    pixels: int
    num_classes: int
    cells_per_stage: int = 1
    filters: int = 8

    def __post_init__(self) -> None:
        """Refuse what no network can be."""
        if self.pixels < 4:
            raise UsageError(f"--image-size must be 4 or more, got {self.pixels}")
        if self.cells_per_stage < 1:
            raise UsageError(f"--cells-per-stage must be 1 or more, got {self.cells_per_stage}")
        if self.filters < 4:
            raise UsageError(f"--filters must be 4 or more, got {self.filters}")

    @property
    def input_size(self) -> tuple[int, int, int]:
        """The shape of one image."""
        return self.channels, self.pixels, self.pixels

    @property
    def options(self) -> Mapping[str, Scalar]:
        """What the builder is told besides the genotype."""
        stem = "cifar" if self.pixels <= SMALL_IMAGE_PIXELS else "imagenet"
        return {
            "in_channels": self.channels,
            "cells_per_stage": self.cells_per_stage,
            "filters": self.filters,
            "stem": stem,
            "drop_rate": 0.0,
        }

    def build(self, genotype: Genotype) -> nn.Module:
        """Build the network; its parameters are random."""
        from zoo.loader.construction import build_model  # torch, which nobody else here needs

        architecture = find_architecture(ARCHITECTURE)
        options = dict(self.options)
        return build_model(
            architecture, None, num_classes=self.num_classes, genotype=genotype, **options
        )
