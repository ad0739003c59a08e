"""PNASNet-5 against a slow network written from the paper and against timm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch.nn import functional

from tests.models import reference_nas as reference
from zoo.models import pnasnet
from zoo.models.cell_layers import StridedPool
from zoo.models.cells import Options
from zoo.models.genotype import Cell, Genotype
from zoo.models.pnasnet import PNASNet, PNASNetSize, pnasnet_5_large, pnasnet_5_mobile
from zoo.models.published_cells import PNASNET_5

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCES = {
    "mobile": partial(reference.pnasnet_logits, cells=3),
    "large": partial(reference.pnasnet_logits, cells=4),
}
NARROW_LARGE = PNASNetSize(cells_per_stage=4, filters=10, stem_filters=6)
"""As deep as the large network, which itself is compared with timm's."""
BUILDERS = {
    "mobile": pnasnet_5_mobile,
    "large": lambda: PNASNet(NARROW_LARGE, PNASNET_5, Options()),
}
SIZES = [(64, 64), (75, 98)]  # with even and with odd sizes in front of the cells of stride 2


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", REFERENCES)
def test_pnasnet_agrees_with_the_slow_network(name: str, size: tuple[int, int]) -> None:
    """Same weights, same answer in float64, whatever the parity of the sizes."""
    torch.manual_seed(1)
    model = reference.with_statistics(BUILDERS[name]())
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        expected = REFERENCES[name](dict(model.state_dict()), image)
        assert reference.relative_error(model(image), expected) < 1e-12


def test_pnasnet_5_large_agrees_with_timm() -> None:
    """A state dict of timm's fits strictly, and the logits are the same.

    There is no average pool to differ in.
    """
    timm = pytest.importorskip(
        "timm", reason="timm is not installed, so PNASNet-5 Large was not compared with it"
    )
    torch.manual_seed(2)
    theirs = reference.with_statistics(timm.create_model("pnasnet5large"))
    with torch.device("meta"):
        ours = pnasnet_5_large().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True, assign=True)
    # Its height is odd and its width even in front of three of the four cells of stride 2.
    image = torch.randn(1, 3, *SIZES[1], dtype=torch.float64)
    with torch.inference_mode():
        assert reference.relative_error(ours(image), theirs(image)) < 1e-12


def _expected_keys(cells: int) -> Iterator[str]:
    """Work out the released keys from the paper's figure."""
    yield from reference.projection_keys("conv_0.")
    yield from reference.cell_keys(
        "cell_stem_0.", reference.PNASNET, halves=None, is_first=True, stride=2
    )
    names = ["cell_stem_1", *(f"cell_{number}" for number in range(3 * cells))]
    strides = [2] + [2 if number in {cells, 2 * cells} else 1 for number in range(3 * cells)]
    for name, stride, before in zip(names, strides, [2, *strides], strict=False):
        halves = "conv_prev_1x1." if before == 2 else None
        yield from reference.cell_keys(
            f"{name}.", reference.PNASNET, halves=halves, is_first=False, stride=stride
        )
    yield from ("last_linear.weight", "last_linear.bias")


@pytest.mark.parametrize(
    ("name", "cells", "count", "parameters"),
    [("pnasnet_5_mobile", 3, 1_092, 5_064_487), ("pnasnet_5_large", 4, 1_380, 86_057_668)],
)
def test_pnasnet_has_the_released_keys(name: str, cells: int, count: int, parameters: int) -> None:
    """Keys as in pnasnet5large-bf079911.pth.

    The mobile network, never released for PyTorch, by the same rule.
    """
    with torch.device("meta"):
        model = getattr(pnasnet, name)()
    keys = list(model.state_dict())
    assert set(keys) == set(_expected_keys(cells))
    assert len(keys) == count
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_pnasnet_5_mobile_has_the_parameters_that_its_cells_add_up_to() -> None:
    """Worked out from the paper's N = 3 and F = 54 alone: it says 5.1 million."""

    def separable(kernel: int, inputs: int, filters: int) -> int:
        first = kernel**2 * inputs + inputs * filters + 2 * filters
        return first + kernel**2 * filters + filters**2 + 2 * filters

    def projection(inputs: int, filters: int) -> int:
        return inputs * filters + 2 * filters

    def cell(filters: int, nearer: int, older: int, stride: int) -> int:
        kernels = (5, 7, 5, 3, 3, 3)
        total = projection(nearer, filters) + projection(
            older, filters
        )  # a halving has as many as a projection
        total += sum(separable(kernel, filters, filters) for kernel in kernels)
        return total + (projection(filters, filters) if stride == 2 else 0)

    # The first stem cell: filters 13, one input of 32 channels, which the branches on state 1 read
    # as it is.
    total = 32 * 3 * 9 + 2 * 32 + projection(32, 13) + projection(32, 13) + projection(13, 13)
    total += (
        sum(separable(k, 13, 13) for k in (7, 5, 3, 3))
        + separable(5, 32, 13)
        + separable(3, 32, 13)
    )
    outputs = [32, 5 * 13]
    for filters, stride in [(27, 2)] + [
        (54 * 2 ** (n // 3), 2 if n in {3, 6} else 1) for n in range(9)
    ]:
        total += cell(filters, outputs[-1], outputs[-2], stride)
        outputs.append(5 * filters)
    assert total + 1000 * (outputs[-1] + 1) == 5_064_487


def _small(genotype: Genotype = PNASNET_5, **options: Any) -> PNASNet:
    """Build a network of three cells with few channels, odd ones where a halving splits them."""
    torch.manual_seed(0)
    return PNASNet(
        PNASNetSize(cells_per_stage=1, filters=10, stem_filters=6),
        genotype,
        Options(num_classes=5, **options),
    )


def test_an_odd_number_of_channels_gives_the_second_path_one_more() -> None:
    """The second stem cell has 27 channels in the mobile network.

    13 and 14, as in the TensorFlow code.
    """
    model = pnasnet_5_mobile()
    widths = [
        model.get_parameter(f"cell_stem_1.conv_prev_1x1.path_{i}.conv.weight").shape[0]
        for i in (1, 2)
    ]
    assert widths == [13, 14]


def test_checkpointing_changes_neither_gradients_nor_statistics() -> None:
    """The second run of a cell does not count its batch again."""
    plain, saving = _small(drop_rate=0.0), _small(drop_rate=0.0, grad_checkpointing=True)
    images = torch.randn(3, 3, 40, 33)
    for model in (plain, saving):
        model(images).square().sum().backward()
    for expected, got in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad)
    for expected_buffer, got_buffer in zip(plain.buffers(), saving.buffers(), strict=True):
        torch.testing.assert_close(got_buffer, expected_buffer)


def test_no_tensor_is_rectified_twice_and_no_pool_computed_twice() -> None:
    """A reduction cell rectifies two inputs, an inner state, convolutions' middles, its output."""
    graph = torch.fx.symbolic_trace(_small().get_submodule("cell_1"))
    nodes = list(graph.graph.nodes)
    pools = [n for n in nodes if n.target is functional.max_pool2d]
    assert len([n for n in nodes if n.target is functional.relu]) == 3 + 1
    assert len(pools) == 2  # three branches: two of them pool state 0


def test_other_cells_are_stacked_and_learn() -> None:
    """A user's genotype makes the layers that it names, and each parameter has a gradient."""
    cell = Cell.of(
        ("avg_pool_3x3", 1, "separable_3x3", 0), ("identity", 2, "max_pool_3x3", 0), output=(3,)
    )
    model = _small(Genotype("other", cell, cell))
    model(torch.randn(2, 3, 33, 40)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert (
        sum(isinstance(module, StridedPool) for module in model.modules()) == 2 * 4
    )  # two stem and two reduction cells
    assert model.last_linear.in_features == 10 * 4


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"num_classes": 0}, "num_classes: expected a whole number of at least 1, got 0"),
        ({"in_channels": 0}, "in_channels: expected a whole number of at least 1, got 0"),
        ({"drop_rate": -0.1}, "dropout probability"),
        ({"genotype": None}, "genotype: expected a zoo.models.genotype.Genotype, got None"),
    ],
)
@pytest.mark.parametrize("name", ["pnasnet_5_mobile", "pnasnet_5_large"])
def test_pnasnet_refuses_wrong_options(name: str, options: dict[str, Any], fault: str) -> None:
    """The message names the option, what was expected and what was got."""
    with torch.device("meta"), pytest.raises(ValueError, match=fault):
        getattr(pnasnet, name)(**options)


def test_a_size_refuses_too_few_filters() -> None:
    """The first stem cell would have none."""
    with pytest.raises(ValueError, match="filters: expected at least 4"):
        PNASNetSize(cells_per_stage=1, filters=3, stem_filters=8)
