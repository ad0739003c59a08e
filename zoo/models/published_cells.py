"""The cells that their papers published, as data: a page can draw them without torch.

Papers:
    NASNet-A: Zoph et al. 2017, arXiv:1707.07012, figure 4; see :mod:`zoo.models.nasnet`.
    PNASNet-5: Liu et al. 2017, arXiv:1712.00559, figure 1; see :mod:`zoo.models.pnasnet`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.models.genotype import Cell, Genotype

if TYPE_CHECKING:
    from collections.abc import Mapping

NASNET_A = Genotype(
    "NASNet-A",
    normal=Cell.of(
        ("separable_5x5", 0, "separable_3x3", 1),
        ("separable_5x5", 1, "separable_3x3", 1),
        ("avg_pool_3x3", 0, "identity", 1),
        ("avg_pool_3x3", 1, "avg_pool_3x3", 1),
        ("separable_3x3", 0, "identity", 0),
        output=(1, 2, 3, 4, 5, 6),
    ),
    reduction=Cell.of(
        ("separable_5x5", 0, "separable_7x7", 1),
        ("max_pool_3x3", 0, "separable_7x7", 1),
        ("avg_pool_3x3", 0, "separable_5x5", 1),
        ("identity", 3, "avg_pool_3x3", 2),
        ("separable_3x3", 2, "max_pool_3x3", 0),
        output=(3, 4, 5, 6),
    ),
)
"""The published cells: figure 4 of the paper, in the program's numbering of states."""

_PNASNET_CELL = Cell.of(
    ("separable_5x5", 1, "max_pool_3x3", 1),
    ("separable_7x7", 0, "max_pool_3x3", 0),
    ("separable_5x5", 0, "separable_3x3", 0),
    ("separable_3x3", 4, "max_pool_3x3", 0),
    ("separable_3x3", 1, "identity", 0),
    output=(2, 3, 4, 5, 6),
)

PNASNET_5 = Genotype("PNASNet-5", normal=_PNASNET_CELL, reduction=_PNASNET_CELL)
"""The published cell: figure 1 of the paper, in the numbering of states of the authors' program."""

GENOTYPES: Mapping[str, Genotype] = {
    "nasnet_a_mobile": NASNET_A,
    "nasnet_a_large": NASNET_A,
    "pnasnet_5_mobile": PNASNET_5,
    "pnasnet_5_large": PNASNET_5,
}
"""Of the architectures that are stacked from published cells."""
