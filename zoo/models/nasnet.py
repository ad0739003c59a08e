"""NASNet-A, the network whose cells a recurrent controller found on CIFAR-10.

Paper:
    Zoph, Vasudevan, Shlens, Le: "Learning transferable architectures for scalable image
    recognition", 2017, arXiv:1707.07012, figure 4 (cells), section 3 and appendix A (how they are
    stacked).

What differs from the paper:
    - Auxiliary head and scheduled drop path, which act in training only, are left out, as in the
      released networks.
    - What the paper leaves open is taken from the authors' program (TensorFlow slim,
      ``research/slim/nets/nasnet``), from which the weights come: stem, numbers of channels, and
      which older input the first normal cell after a reduction reads (``skips_reduction_input``).

Padding:
    TensorFlow's ``SAME``; padding is left out of every mean, in strided pools too. timm's
    ``nasnetalarge`` counts it there, in four pools; docs/decisions/0011-nasnet-average-pooling.md
    says why there is no option for that.

Weights:
    Key names are those of Cadene's ``nasnetalarge`` and ``nasnetamobile``, which timm keeps. Both
    carry the authors' TensorFlow weights. timm's files are Apache-2.0; Cadene's state no license.
    Cadene's large file has 1,001 classes: row 0 is background. Images have mean and standard
    deviation 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.models.cell_layers import add_factorized_reduction, factorized_reduction
from zoo.models.cells import Cell, CellNetwork, CellPlan, Options
from zoo.models.options import require_one_of, require_positive
from zoo.models.published_cells import NASNET_A

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.models.genotype import Genotype


STEMS = ("imagenet", "cifar")
"""How a network begins: for images of some hundred pixels, or for small ones."""


@dataclass(frozen=True, slots=True)
class NASNetSize:
    """How often and how wide the cells are stacked.

    Args:
        cells_per_stage: Normal cells in each of the three stages; the paper's *N*.
        filters: Channels of a state in the first stage; doubled in the second, and again in the
            third.
        stem_filters: Channels of the first convolution.
        skips_reduction_input: The first normal cell after a reduction reads, as its older input,
            what the reduction read as its older one; otherwise what the reduction read as its
            nearer one.
        stem: ``"imagenet"``: a convolution of stride 2 and two reduction cells of few filters;
            ``"cifar"``: a convolution of stride 1, as for images of 32x32 (figure 2 of the paper).

    Raises:
        ValueError: A count is below one, the stem has another name, or too few filters are left for
            the stem, which has a quarter of them.
    """

    cells_per_stage: int
    filters: int
    stem_filters: int
    skips_reduction_input: bool
    stem: str = "imagenet"

    def __post_init__(self) -> None:
        """Refuse sizes that leave a layer without channels."""
        require_positive(cells_per_stage=self.cells_per_stage, stem_filters=self.stem_filters)
        require_one_of(STEMS, stem=self.stem)
        if self.filters < 4:
            raise ValueError(
                "filters: expected at least 4, of which the first stem cell has a quarter, "
                f"got {self.filters}"
            )


class NASNetCell(Cell):
    """A cell whose factorized reduction stands directly on it, as the released keys have it."""

    def add_reduction(
        self,
        in_channels: int,
        out_channels: int,
    ) -> None:
        """Register the layers that halve the older input."""
        add_factorized_reduction(self, in_channels, out_channels)

    def reduce(self, older: Tensor) -> Tensor:
        """Halve the older input."""
        return factorized_reduction(self, older)


class NASNet(CellNetwork):
    """A stem, then three stages of normal cells, a reduction cell before the second and the third.

    Args:
        size: How often and how wide the cells are stacked.
        genotype: What the cells are.
        options: Classes, channels and the rest.
    """

    stem_name = "conv0"
    cell_type = NASNetCell

    def __init__(
        self,
        size: NASNetSize,
        genotype: Genotype,
        options: Options,
    ) -> None:
        plans = plan_nasnet(size)
        stride = 1 if size.stem == "cifar" else 2
        super().__init__(genotype, plans, size.stem_filters, options, stride)


def plan_nasnet(size: NASNetSize) -> list[CellPlan]:
    """Stack the cells.

    The released mobile network has 4 cells in a stage and still numbers them 0, 6 and 12 at the
    start of each, like the large one with its 6.
    """
    filters, number = size.filters, max(6, size.cells_per_stage)
    plans = []
    if size.stem == "imagenet":
        plans = [
            CellPlan("cell_stem_0", filters // 4, 2, 0),
            CellPlan("cell_stem_1", filters // 2, 2, 0),
        ]
    for stage in range(3):
        if stage > 0:
            plans.append(
                CellPlan(f"reduction_cell_{stage - 1}", filters * 2**stage, 2, len(plans) - 1)
            )
        for place in range(size.cells_per_stage):
            older = max(0, len(plans) - 1)
            if stage > 0 and place == 0 and size.skips_reduction_input:
                older -= 1
            plans.append(CellPlan(f"cell_{number * stage + place}", filters * 2**stage, 1, older))
    return plans


def nasnet_a_mobile(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.5,
    genotype: Genotype = NASNET_A,
    cells_per_stage: int = 4,
    filters: int = 44,
    stem: str = "imagenet",
) -> NASNet:
    """Build NASNet-A (4 @ 1056) for images of 224x224: 5,289,978 parameters at 1,000 classes.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        genotype: Cells to stack instead of the published ones; other cells have other keys.
        cells_per_stage: Normal cells in each of the three stages; the paper's *N*.
        filters: Channels of a state in the first stage; the paper's *F*.
        stem: ``"cifar"`` for images of some ten pixels: with 6 cells a stage and 32 filters, the
            paper's NASNet-A (6 @ 768).

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    size = NASNetSize(
        cells_per_stage=cells_per_stage,
        filters=filters,
        stem_filters=3 * filters if stem == "cifar" else 32,
        skips_reduction_input=False,
        stem=stem,
    )
    return NASNet(size, genotype, Options(num_classes, in_channels, drop_rate))


def nasnet_a_large(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.5,
    grad_checkpointing: bool = False,
    genotype: Genotype = NASNET_A,
) -> NASNet:
    """Build NASNet-A (6 @ 4032) for images of 331x331: 88,753,150 parameters at 1,000 classes.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        grad_checkpointing: In training, keep only the cells' outputs and compute the rest again for
            the gradients: less memory for about a third more time, and the same gradients.
        genotype: Cells to stack instead of the published ones; other cells have other keys.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    size = NASNetSize(
        cells_per_stage=6,
        filters=168,
        stem_filters=96,
        skips_reduction_input=True,
    )
    return NASNet(size, genotype, Options(num_classes, in_channels, drop_rate, grad_checkpointing))
