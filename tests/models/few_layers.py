"""Our networks with each kind of layer once, for tools that take long over each layer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn

from zoo import hub
from zoo.models.cells import CellNetwork, CellPlan, Options
from zoo.models.genotype import Cell, Genotype
from zoo.models.nasnet import NASNet
from zoo.models.pnasnet import PNASNet

ONE_CELL_OF_EACH_KIND = (
    CellPlan("cell_stem_0", filters=12, stride=2, older=0),  # keeps its older input
    CellPlan("cell_0", filters=27, stride=1, older=0),  # halves it
    CellPlan("cell_1", filters=54, stride=2, older=1),  # projects it
)
FEW_BLOCKS_OF_NASNET_A = Genotype(
    "each operation of NASNet-A, on the inputs and behind them",
    normal=Cell.of(
        ("separable_5x5", 0, "separable_3x3", 1),
        ("avg_pool_3x3", 0, "identity", 1),
        output=(1, 2, 3),
    ),
    reduction=Cell.of(
        ("max_pool_3x3", 0, "separable_7x7", 1),
        ("avg_pool_3x3", 0, "identity", 2),
        ("separable_3x3", 2, "avg_pool_3x3", 2),
        output=(3, 4),
    ),
)
ONE_CELL = Cell.of(
    ("separable_5x5", 1, "max_pool_3x3", 1),
    ("separable_3x3", 2, "max_pool_3x3", 0),
    ("separable_3x3", 1, "identity", 0),
    output=(2, 3, 4),
)
FEW_BLOCKS_OF_PNASNET_5 = Genotype(
    "each operation of PNASNet-5, on the inputs and behind them",
    normal=ONE_CELL,
    reduction=ONE_CELL,
)


class FewNASNetCells(NASNet):
    """NASNet-A's stem, a normal cell between two reductions, and the head."""

    def __init__(self) -> None:
        CellNetwork.__init__(self, FEW_BLOCKS_OF_NASNET_A, ONE_CELL_OF_EACH_KIND, 32, Options())


class FewPNASNetCells(PNASNet):
    """PNASNet-5's stem, its cell at both strides, and the head; it projects as NASNet-A does."""

    def __init__(self) -> None:
        plans = ONE_CELL_OF_EACH_KIND[:2]
        CellNetwork.__init__(self, FEW_BLOCKS_OF_PNASNET_5, plans, 32, Options())


def few_blocks_of_mobilenet(**options: Any) -> nn.Module:
    """Build MobileNet without the blocks that keep both size and width, all but one."""
    model = hub.mobilenet_v1_050(**options)
    for block in ("2.1", "3.1", "3.2", "3.3", "3.4", "3.5", "4.1"):
        model.set_submodule(f"blocks.{block}", nn.Identity())
    return model


def few_modules_of_googlenet() -> nn.Module:
    """Build GoogLeNet without the Inception modules that keep the width."""
    model = hub.googlenet_2014()
    for module in ("inception4b", "inception4c", "inception5a"):
        model.set_submodule(module, nn.Identity())
    return model


def narrow_alexnet() -> nn.Module:
    """Build AlexNet with few neurons in its hidden layers: no file of 244 MB."""
    head = ("classifier.fc6", "classifier.fc7", "classifier.fc8")
    return _with_narrow_head(hub.alexnet_2012(), head, 1000)


def narrow_cnnnet() -> nn.Module:
    """Build CNNNet with few neurons in its hidden layers."""
    head = ("classifier.1", "classifier.4", "classifier.6")
    return _with_narrow_head(hub.cnnnet(), head, 9)


def _with_narrow_head(model: nn.Module, names: tuple[str, ...], classes: int) -> nn.Module:
    """Put linear layers with 64 neurons between them in the place of those with these names."""
    widths = (9216, 64, 64, classes)
    for name, (inputs, outputs) in zip(names, pairwise(widths), strict=True):
        model.set_submodule(name, nn.Linear(inputs, outputs))
    return model
