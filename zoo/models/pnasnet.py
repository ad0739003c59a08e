"""PNASNet-5, whose cell a search from simple to complex found in a fifth of NASNet's trials.

Paper:
    Liu, Zoph, Neumann, Shlens, Hua, Li, Fei-Fei, Yuille, Huang, Murphy: "Progressive neural
    architecture search", 2017, arXiv:1712.00559, figure 1 (the cell) and table 5 (sizes).

What differs from the paper:
    - Auxiliary head and scheduled drop path, which act in training only, are left out, as in the
      released network.
    - What the paper leaves open is taken from the authors' program (TensorFlow slim,
      ``research/slim/nets/nasnet``), from which the weights come. One cell serves as normal cell
      and, with stride 2, as reduction cell, which is the first of its stage; NASNet has an extra
      cell between the stages.

Padding:
    TensorFlow's ``SAME``. There is no average pool but the last.

Weights:
    Key names are those of Cadene's ``pnasnet5large``, which timm keeps; both carry the authors'
    TensorFlow weights. timm's file is Apache-2.0; Cadene's states no license and has 1,001 classes:
    row 0 is background. Images have mean and standard deviation 0.5. The mobile network was
    released for TensorFlow only; its keys here follow the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.models.cells import CellNetwork, CellPlan, Options
from zoo.models.options import require_positive
from zoo.models.published_cells import PNASNET_5

if TYPE_CHECKING:
    from zoo.models.genotype import Genotype


@dataclass(frozen=True, slots=True)
class PNASNetSize:
    """How often and how wide the cells are stacked.

    Args:
        cells_per_stage: Cells in each of the three stages; the paper's *N*.
        filters: Channels of a state in the first stage; doubled in the second, and again in the
            third; the paper's *F*.
        stem_filters: Channels of the first convolution.

    Raises:
        ValueError: A count is below one, or too few filters are left for the stem, which has a
            quarter of them.
    """

    cells_per_stage: int
    filters: int
    stem_filters: int

    def __post_init__(self) -> None:
        """Refuse sizes that leave a layer without channels."""
        require_positive(cells_per_stage=self.cells_per_stage, stem_filters=self.stem_filters)
        if self.filters < 4:
            raise ValueError(
                "filters: expected at least 4, of which the first stem cell has a quarter, "
                f"got {self.filters}"
            )


class PNASNet(CellNetwork):
    """A stem, then three stages of cells; the second and the third begin with a reduction cell.

    Args:
        size: How often and how wide the cells are stacked.
        genotype: What the cells are.
        options: Classes, channels and the rest.
    """

    stem_name = "conv_0"

    def __init__(
        self,
        size: PNASNetSize,
        genotype: Genotype,
        options: Options,
    ) -> None:
        super().__init__(genotype, plan_pnasnet(size), size.stem_filters, options)


def plan_pnasnet(size: PNASNetSize) -> list[CellPlan]:
    """Stack the cells; each reads the two before it."""
    filters, count = size.filters, size.cells_per_stage
    plans = [
        CellPlan("cell_stem_0", filters // 4, 2, 0),
        CellPlan("cell_stem_1", filters // 2, 2, 0),
    ]
    for number in range(3 * count):
        stride = 2 if number in {count, 2 * count} else 1
        plans.append(
            CellPlan(f"cell_{number}", filters * 2 ** (number // count), stride, len(plans) - 1)
        )
    return plans


def pnasnet_5_mobile(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.5,
    genotype: Genotype = PNASNET_5,
) -> PNASNet:
    """Build PNASNet-5 (N = 3, F = 54) for images of 224x224: 5,064,487 parameters at 1,000 classes.

    Counted are all trainable parameters, without auxiliary head and without running statistics; the
    paper says 5.1 M.

    Args:
        num_classes: Outputs of the last layer.
        in_channels: Planes of the image.
        drop_rate: Probability that dropout zeroes a value before the last layer.
        genotype: Cells to stack instead of the published ones; other cells have other keys.

    Returns:
        The network with random weights, in training mode.

    Raises:
        ValueError: An option has a value that it cannot have.
    """
    size = PNASNetSize(cells_per_stage=3, filters=54, stem_filters=32)
    return PNASNet(size, genotype, Options(num_classes, in_channels, drop_rate))


def pnasnet_5_large(
    *,
    num_classes: int = 1000,
    in_channels: int = 3,
    drop_rate: float = 0.5,
    grad_checkpointing: bool = False,
    genotype: Genotype = PNASNET_5,
) -> PNASNet:
    """Build PNASNet-5 (N = 4, F = 216) for images of 331x331.

    86,057,668 parameters at 1,000 classes.

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
    size = PNASNetSize(cells_per_stage=4, filters=216, stem_filters=96)
    return PNASNet(size, genotype, Options(num_classes, in_channels, drop_rate, grad_checkpointing))
