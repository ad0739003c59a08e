"""NASNet-A against a slow network from the paper, and against timm where timm is right."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.models import reference_nas as reference
from zoo.models import nasnet
from zoo.models.cells import Options
from zoo.models.genotype import Cell, Genotype
from zoo.models.nasnet import NASNet, NASNetSize, nasnet_a_large, nasnet_a_mobile
from zoo.models.published_cells import NASNET_A

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

REFERENCES = {
    "mobile": partial(reference.nasnet_logits, cells=4, skips_reduction_input=False),
    "large": partial(reference.nasnet_logits, cells=6, skips_reduction_input=True),
}
NARROW_LARGE = NASNetSize(cells_per_stage=6, filters=8, stem_filters=6, skips_reduction_input=True)
"""As deep as the large network, which itself is compared with timm's."""
BUILDERS = {
    "mobile": nasnet_a_mobile,
    "large": lambda: NASNet(NARROW_LARGE, NASNET_A, Options()),
}
SIZES = [(64, 64), (75, 98)]  # with even and with odd sizes in front of the cells of stride 2
OTHER_CELLS = Genotype(
    "other",
    normal=Cell.of(
        ("separable_7x7", 1, "identity", 0), ("max_pool_3x3", 2, "avg_pool_3x3", 1), output=(0, 3)
    ),
    reduction=Cell.of(
        ("identity", 1, "avg_pool_3x3", 1), ("max_pool_3x3", 1, "separable_3x3", 0), output=(2, 3)
    ),
)


def _small(genotype: Genotype = NASNET_A, **options: Any) -> NASNet:
    """Build a network of three normal cells with few channels."""
    torch.manual_seed(0)
    size = NASNetSize(cells_per_stage=1, filters=8, stem_filters=6, skips_reduction_input=True)
    return NASNet(size, genotype, Options(num_classes=5, **options))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", REFERENCES)
def test_nasnet_agrees_with_the_slow_network(name: str, size: tuple[int, int]) -> None:
    """Same weights, same answer in float64, whatever the parity of the sizes."""
    torch.manual_seed(1)
    model = reference.with_statistics(BUILDERS[name]())
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        expected = REFERENCES[name](dict(model.state_dict()), image)
        assert reference.relative_error(model(image), expected) < 1e-12


class _MeanWithoutPadding(nn.Module):
    """What timm's strided average pool would have to be.

    The mean of the pixels under the window.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pad zeros as timm does, then divide by the number of pixels instead of nine."""
        padding = [p for n in (x.shape[3], x.shape[2]) for p in reference.same_padding(n, 3, 2)]
        padded, ones = (functional.pad(t, padding) for t in (x, torch.ones_like(x)))
        return functional.avg_pool2d(padded, 3, 2) / functional.avg_pool2d(ones, 3, 2)


def test_nasnet_a_large_agrees_with_timm_but_for_the_zeros_in_four_means() -> None:
    """A state dict of timm's has the same keys and shapes.

    With its four strided average pools corrected, so do its logits, here of a narrower one.
    """
    timm = pytest.importorskip(
        "timm", reason="timm is not installed, so NASNet-A Large was not compared with it"
    )
    with torch.device("meta"):
        large = [nasnet_a_large(), timm.create_model("nasnetalarge")]
    shapes = [{key: value.shape for key, value in m.state_dict().items()} for m in large]
    assert shapes[0] == shapes[1]

    torch.manual_seed(2)
    width = {"stem_size": NARROW_LARGE.stem_filters, "num_features": 24 * NARROW_LARGE.filters}
    theirs = reference.with_statistics(timm.create_model("nasnetalarge", **width))
    ours = BUILDERS["large"]().double().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    images = [torch.randn(1, 3, *size, dtype=torch.float64) for size in SIZES]
    with torch.inference_mode():
        got = [ours(image) for image in images]
        for image, logits in zip(images, got, strict=True):
            # Once timm is right, this test may be simpler.
            assert reference.relative_error(theirs(image), logits) > 1e-3
        pools = [
            n for n, module in theirs.named_modules() if type(module).__name__ == "AvgPool2dSame"
        ]
        cells = ["cell_stem_0", "cell_stem_1", "reduction_cell_0", "reduction_cell_1"]
        assert pools == [f"{cell}.comb_iter_2_left" for cell in cells]
        for name in pools:
            theirs.set_submodule(name, _MeanWithoutPadding())
        for image, logits in zip(images, got, strict=True):
            assert reference.relative_error(logits, theirs(image)) < 1e-12


def _expected_keys(cells: int) -> Iterator[str]:
    """Work out the released keys from the paper's figures."""
    yield from reference.projection_keys("conv0.")
    reduction, normal = reference.NASNET_REDUCTION, reference.NASNET_NORMAL
    yield from reference.cell_keys("cell_stem_0.", reduction, halves=None, is_first=True, stride=2)
    yield from reference.cell_keys("cell_stem_1.", reduction, halves="", is_first=False, stride=2)
    for stage in range(3):
        if stage > 0:
            name = f"reduction_cell_{stage - 1}."
            yield from reference.cell_keys(name, reduction, halves=None, is_first=False, stride=2)
        for place in range(cells):
            halves = "" if place == 0 else None
            name = f"cell_{6 * stage + place}."
            yield from reference.cell_keys(name, normal, halves=halves, is_first=False, stride=1)
    yield from ("last_linear.weight", "last_linear.bias")


@pytest.mark.parametrize(
    ("name", "cells", "count", "parameters"),
    [("nasnet_a_mobile", 4, 1_318, 5_289_978), ("nasnet_a_large", 6, 1_810, 88_753_150)],
)
def test_nasnet_has_the_released_keys(name: str, cells: int, count: int, parameters: int) -> None:
    """Keys as in nasnetamobile-7e03cead.pth and nasnetalarge-a1897284.pth.

    Parameters without auxiliary heads.
    """
    with torch.device("meta"):
        model = getattr(nasnet, name)()
    keys = list(model.state_dict())
    assert set(keys) == set(_expected_keys(cells))
    assert len(keys) == count
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_nasnet_a_mobile_reads_the_cell_before_the_reduction() -> None:
    """TensorFlow's mobile configuration has ``skip_reduction_layer_input=0``, the large one 1."""
    with torch.device("meta"):
        older = {plan.name: plan.older for plan in nasnet_a_mobile().plans}
    # Outputs: 0 stem, 1 and 2 stem cells, 3 to 6 cells 0 to 3, 7 the reduction: cell 6 reads 7 and
    # cell 3's output.
    assert older["cell_6"] == 6
    with torch.device("meta"):
        older = {plan.name: plan.older for plan in nasnet_a_large().plans}
    # 3 to 8 are cells 0 to 5, 9 the reduction: cell 6 reads 9 and cell 4's output.
    assert older["cell_6"] == 7


def test_other_cells_are_stacked_and_learn() -> None:
    """A user's genotype makes the layers that it names, and each parameter has a gradient."""
    model = _small(OTHER_CELLS)
    model(torch.randn(2, 3, 33, 40)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    kernels = {
        m.kernel_size
        for m in model.get_submodule("cell_0").modules()
        if isinstance(m, nn.Conv2d) and m.groups > 1
    }
    assert kernels == {(7, 7)}
    # The stem's older input is the first convolution itself: pooled, then brought from 6 channels
    # to 8 / 4.
    assert isinstance(model.get_submodule("cell_stem_0.comb_iter_0_right.conv"), nn.Conv2d)
    # The last cell joins states 0 and 3 of 8 * 4 channels each.
    assert model.last_linear.in_features == 2 * 8 * 4


def test_builders_take_other_cells() -> None:
    """The entry points hand a genotype on."""
    model = nasnet_a_mobile(genotype=OTHER_CELLS, num_classes=7)
    assert model.genotype is OTHER_CELLS
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_checkpointing_changes_neither_gradients_nor_statistics() -> None:
    """The second run of a cell does not count its batch again."""
    plain, saving = _small(drop_rate=0.0), _small(drop_rate=0.0, grad_checkpointing=True)
    images = torch.randn(3, 3, 40, 33)
    for model in (plain, saving):
        for _ in range(2):
            model(images).square().sum().backward()
    for (name, expected), got in zip(plain.named_parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(got.grad, expected.grad, msg=name)
    for (name, expected_buffer), got_buffer in zip(
        plain.named_buffers(), saving.buffers(), strict=True
    ):
        torch.testing.assert_close(got_buffer, expected_buffer, msg=name)
    assert saving.get_buffer("cell_0.conv_1x1.bn.num_batches_tracked") == 2


def test_checkpointing_keeps_less_for_the_backward_pass() -> None:
    """Only the cells' outputs stay between the passes."""

    def kept_values(model: nn.Module) -> int:
        kept: dict[int, Tensor] = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t
        ):
            model(torch.randn(2, 3, 48, 48))
        parameters = {p.data_ptr() for p in model.parameters()}
        return sum(t.numel() for t in kept.values() if t.data_ptr() not in parameters)

    assert kept_values(_small(grad_checkpointing=True)) < kept_values(_small()) / 2


def test_the_layout_of_the_image_does_not_matter() -> None:
    """On a CPU the network works channels-last inside and leaves the image as it was."""
    model = _small().eval()
    image = torch.randn(2, 3, 50, 41)
    kept = image.clone()
    other = image.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(model(image), model(other))
        assert model.forward_features(image).is_contiguous(memory_format=torch.channels_last)
    assert image.is_contiguous()
    assert torch.equal(image, kept)


def test_no_tensor_is_rectified_twice_and_no_pool_computed_twice() -> None:
    """A normal cell rectifies two inputs, its convolutions' middles and its output.

    Three pools become two.
    """
    graph = torch.fx.symbolic_trace(_small().eval().get_submodule("cell_0"))
    nodes = list(graph.graph.nodes)
    modules = dict(graph.named_modules())
    relus = [n for n in nodes if n.target is functional.relu]
    inner = [n for n in nodes if n.op == "call_module" and isinstance(modules[n.target], nn.ReLU)]
    pools = [
        n for n in nodes if n.op == "call_module" and isinstance(modules[n.target], nn.AvgPool2d)
    ]
    assert len(relus) == 2 + 1
    assert len(inner) == 5  # five separable convolutions
    assert len({n.args for n in pools}) == len(pools) == 2


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"num_classes": 0}, "num_classes: expected a whole number of at least 1, got 0"),
        ({"in_channels": -1}, "in_channels: expected a whole number of at least 1, got -1"),
        ({"drop_rate": 1.5}, "dropout probability"),
        (
            {"genotype": "NASNet-A"},
            "genotype: expected a zoo.models.genotype.Genotype, got 'NASNet-A'",
        ),
    ],
)
@pytest.mark.parametrize("name", ["nasnet_a_mobile", "nasnet_a_large"])
def test_nasnet_refuses_wrong_options(name: str, options: dict[str, Any], fault: str) -> None:
    """The message names the option, what was expected and what was got."""
    with torch.device("meta"), pytest.raises(ValueError, match=fault):
        getattr(nasnet, name)(**options)


def test_a_size_refuses_too_few_filters() -> None:
    """The first stem cell would have none."""
    with pytest.raises(ValueError, match="filters: expected at least 4"):
        NASNetSize(cells_per_stage=1, filters=3, stem_filters=8, skips_reduction_input=False)


def test_a_copy_is_independent() -> None:
    """A deep copy gives the same answer and shares no parameter."""
    model = _small().eval()
    twin = copy.deepcopy(model)
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(model(image), twin(image))
        model.last_linear.weight.zero_()
        assert not torch.equal(model(image), twin(image))


def test_cells_for_small_images_have_as_many_parameters_as_the_paper_says() -> None:
    """Table 1: NASNet-A (6 @ 768) on CIFAR-10 has 3.3 M; six cells a stage, 32 filters."""
    with torch.device("meta"):
        model = nasnet_a_mobile(num_classes=10, cells_per_stage=6, filters=32, stem="cifar")
    assert model.last_linear.in_features == 768
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert round(parameters / 1e6, 1) == 3.3


def test_a_stem_for_small_images_keeps_their_size() -> None:
    """8x8 is halved twice, by the two reduction cells."""
    model = nasnet_a_mobile(
        num_classes=3, in_channels=1, cells_per_stage=1, filters=4, stem="cifar"
    )
    features = model.forward_features(torch.zeros(2, 1, 8, 8))
    assert features.shape == (2, 96, 2, 2)


def test_another_stem_is_refused() -> None:
    """The message lists the two that there are."""
    with pytest.raises(ValueError, match="stem: expected one of 'imagenet', 'cifar', got 'mnist'"):
        nasnet_a_mobile(stem="mnist")
