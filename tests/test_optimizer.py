"""Faster networks answer the same, and say so when they cannot be made."""

from __future__ import annotations

import copy
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from tests.models.reference_nas import relative_error, with_statistics
from zoo.engines.folding import fold_batch_norms
from zoo.errors import OptimizeError, ShapeError, UsageError
from zoo.models.cell_layers import StridedDepthwise, StridedPool
from zoo.models.cells import Options
from zoo.models.nasnet import NASNet, NASNetSize
from zoo.models.published_cells import NASNET_A
from zoo.optimizer import optimize

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDS_COMPILER = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="torch.compile needs a C++ compiler for the CPU: install g++",
)


def _small_nasnet() -> nn.Module:
    """Build a network with every kind of layer of the large ones."""
    size = NASNetSize(cells_per_stage=1, filters=8, stem_filters=6, skips_reduction_input=True)
    return with_statistics(NASNet(size, NASNET_A, Options(num_classes=5))).float()


def _convolution_and_norm(*, is_read_twice: bool = False, has_statistics: bool = True) -> nn.Module:
    """Build a convolution with batch norm, whose result may be needed a second time."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.bn = nn.BatchNorm2d(4, track_running_stats=has_statistics)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            y: Tensor = self.bn(x)
            return x + y if is_read_twice else y

    model = Pair()
    return with_statistics(model).float() if has_statistics else model.eval()


@pytest.mark.parametrize(
    ("build", "folded"),
    [
        (
            torchvision.models.resnet18,
            20,
        ),  # one per convolution: the first, 16 in blocks, 3 in shortcuts
        (torchvision.models.mobilenet_v2, 52),
        (_small_nasnet, None),
    ],
    ids=["resnet18", "mobilenet_v2", "nasnet"],
)
def test_folding_keeps_the_answer(build: Callable[[], nn.Module], folded: int | None) -> None:
    """In float64 what is left is rounding.

    In float32 the folded network is as near to the truth as the plain one.
    """
    torch.manual_seed(0)
    model = with_statistics(build())
    images = torch.randn(2, 3, 65, 64, dtype=torch.float64)
    with torch.inference_mode():
        truth = model(images)
        assert relative_error(optimize(model, images)(images), truth) < 1e-12
        narrow = model.float()
        fast = optimize(narrow, images.float())
        assert fast(images.float()).dtype == torch.float32
        plain_error = relative_error(narrow(images.float()).double(), truth)
        assert relative_error(fast(images.float()).double(), truth) < 5 * plain_error
    assert folded is None or fast.folded == folded


def test_nasnet_folds_all_but_the_norms_behind_a_concatenation() -> None:
    """The stem, each projection and each separable convolution lose theirs.

    A factorized reduction joins two layers.
    """
    model = _small_nasnet()
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    behind = [name for name in norms if name.endswith("final_path_bn")]
    assert optimize(model, torch.randn(1, 3, 40, 40)).folded == len(norms) - len(behind)
    assert len(behind) == 4  # the second stem cell and the first cell of each of three stages


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv1d(3, 4, 3, bias=False), nn.BatchNorm1d(4)],
        [nn.Conv2d(3, 6, (3, 1), 2, groups=3), nn.BatchNorm2d(6)],
        [nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4)],
        [nn.ConvTranspose2d(3, 4, 3, stride=2), nn.BatchNorm2d(4)],
        [nn.Linear(5, 3), nn.BatchNorm1d(3)],
    ],
    ids=lambda layers: type(layers[0]).__name__,
)
def test_every_kind_of_layer_is_folded(layers: list[nn.Module]) -> None:
    """With and without bias, in groups, transposed."""
    torch.manual_seed(0)
    model = with_statistics(nn.Sequential(*layers))
    shape = {1: (2, 3, 8), 2: (2, 3, 8, 9), 3: (2, 3, 4, 5, 6)}
    is_linear = isinstance(layers[0], nn.Linear)
    x = torch.randn((4, 5) if is_linear else shape[layers[0].weight.dim() - 2], dtype=torch.float64)  # type: ignore[operator]  # a weight is a tensor
    with torch.inference_mode():
        expected = model(x)
        folded, count = fold_batch_norms(copy.deepcopy(model))
        assert count == 1
        assert not any("BatchNorm" in type(module).__name__ for module in folded.modules())
        torch.testing.assert_close(folded(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("options", [{"is_read_twice": True}, {"has_statistics": False}])
def test_a_batch_norm_that_must_stay_stays(options: dict[str, bool]) -> None:
    """Something else reads the convolution, or the norm takes its statistics from each batch."""
    model = _convolution_and_norm(**options)
    images = torch.randn(2, 3, 8, 8)
    fast = optimize(model, images)
    assert fast.folded == 0
    torch.testing.assert_close(fast(images), model(images).detach())


def test_layers_that_run_twice_are_not_folded() -> None:
    """One convolution in front of two batch norms cannot hold both."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.second(self.conv(self.first(self.conv(x))))
            return y

    model = with_statistics(Shared()).float()
    images = torch.randn(2, 3, 8, 8)
    fast = optimize(model, images)
    assert fast.folded == 0
    torch.testing.assert_close(fast(images), model(images).detach())


def test_a_network_that_cannot_be_traced_still_runs() -> None:
    """Control flow on values stops the trace: nothing is folded, and the answer is right."""

    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair = _convolution_and_norm()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.pair(x)
            return y if y.sum() > 0 else -y

    model = Branching().eval()
    images = torch.randn(2, 3, 8, 8)
    fast = optimize(model, images)
    assert fast.folded == 0
    torch.testing.assert_close(fast(images), model(images).detach())


def test_the_model_is_left_as_it_is() -> None:
    """Values, layout and mode stay; the copy shares no memory with it."""
    model = _small_nasnet().train()
    before = copy.deepcopy(model.state_dict())
    strides = {name: parameter.stride() for name, parameter in model.named_parameters()}
    fast = optimize(model, torch.randn(1, 3, 40, 40), dtype=torch.bfloat16)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name: parameter.stride() for name, parameter in model.named_parameters()} == strides
    shared = {p.data_ptr() for p in model.parameters()} & {p.data_ptr() for p in fast.parameters()}
    assert not shared


def test_an_optimized_network_takes_other_sizes_and_keeps_no_gradients() -> None:
    """The engine eager is not bound to the example."""
    model = _small_nasnet()
    fast = optimize(model, torch.randn(1, 3, 40, 40))
    other = torch.randn(3, 3, 51, 64, requires_grad=True)
    torch.testing.assert_close(fast(other), model(other).detach())
    assert not fast(other).requires_grad
    assert fast.network.get_parameter("conv0.conv.weight").is_contiguous(
        memory_format=torch.channels_last
    )
    assert "engine=optimize, folded=" in repr(fast)


def test_half_precision_inside_gives_the_type_of_the_image_outside() -> None:
    """The error is that of bfloat16: 8 bits of mantissa, added up over the layers."""
    model = _small_nasnet()
    images = torch.randn(2, 3, 64, 64)
    fast = optimize(model, images, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in fast.parameters()} == {torch.bfloat16}
    result = fast(images)
    assert result.dtype == torch.float32
    assert 1e-5 < relative_error(result, model(images)) < 0.1


class _Named(NamedTuple):
    """A result with names."""

    out: Tensor
    aux: list[Tensor]


@pytest.mark.parametrize(
    "pack",
    [lambda t: {"out": t, "aux": t + 1}, lambda t: (t, [t]), lambda t: _Named(t, [t])],
    ids=["dict", "tuple", "named"],
)
def test_results_keep_their_structure(pack: Callable[[Tensor], Any]) -> None:
    """Segmentation networks return dicts, others tuples with names."""

    class Packing(nn.Module):
        def forward(self, x: Tensor) -> Any:
            return pack(functional.relu(x))

    x = torch.randn(2, 3)
    got, expected = optimize(Packing(), x)(x), Packing()(x)
    assert type(got) is type(expected)
    torch.testing.assert_close(got, expected)


def test_a_network_that_answers_otherwise_is_refused() -> None:
    """Whoever draws random numbers in evaluation mode cannot be checked, and is refused."""

    class Dice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    with pytest.raises(
        OptimizeError,
        match=r"engine eager: its answer .* away from the model's.*use the model itself",
    ):
        optimize(Dice(), torch.randn(2, 100))


def test_a_network_that_answers_with_nan_is_refused() -> None:
    """Not a number is never near enough."""

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / 0 * 0

    with pytest.raises(OptimizeError, match="is nan away"):
        optimize(Broken(), torch.randn(2, 3))


def test_an_engine_that_fails_says_why() -> None:
    """Float16 has no kernel for this on a CPU, or any other fault of torch's.

    One sentence, and what to try.
    """

    class OnlyFloat(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if x.dtype != torch.float32:
                raise RuntimeError("float32 only\nand more lines")
            return x

    with pytest.raises(
        OptimizeError, match="engine eager: RuntimeError: float32 only; use the model itself"
    ) as caught:
        optimize(OnlyFloat(), torch.randn(2), dtype=torch.float16)
    assert caught.value.engine == "eager"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (
            {"engine": "tensorflow"},
            "no engine is called 'tensorflow'; choose one of eager, compile, aotinductor, ",
        ),
        (
            {"engine": "cudagraphs"},
            "the engine optimize:cudagraphs runs on cuda, not on cpu; try eager",
        ),
    ],
)
def test_wrong_usage_is_refused(options: dict[str, Any], fault: str) -> None:
    """Before anything is copied or run."""
    with pytest.raises(UsageError, match=fault):
        optimize(nn.Linear(2, 2), torch.zeros(1, 2), **options)


def test_model_and_example_on_two_devices_are_refused() -> None:
    """The message names both devices."""
    with pytest.raises(
        UsageError, match=r"the model is on meta and the example on cpu; move both to one device"
    ):
        optimize(nn.Linear(2, 2, device="meta"), torch.zeros(1, 2))


def test_an_optimized_network_cannot_be_trained() -> None:
    """There is no batch norm left to train; evaluation mode is allowed."""
    fast = optimize(nn.Linear(2, 2), torch.zeros(1, 2))
    assert fast.eval() is fast
    with pytest.raises(UsageError, match="train the model that it was made from"):
        fast.train()


@NEEDS_COMPILER
@pytest.mark.slow
def test_a_compiled_network_keeps_the_answer() -> None:
    """Frozen weights, packed once; another size compiles again and is right, too."""
    torch.manual_seed(0)
    projected = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
    halved = nn.Sequential(
        StridedDepthwise(8, 5), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4), StridedPool("avg")
    )
    model = with_statistics(nn.Sequential(projected, halved)).float()
    images = torch.randn(2, 3, 40, 40)
    fast = optimize(model, images, engine="compile")
    assert fast.folded == 2
    for tried in (images, torch.randn(1, 3, 33, 48)):
        assert relative_error(fast(tried), model(tried)) < 1e-5
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            fast(tried)
        packed = [
            event for event in profile.events() if event.name == "mkldnn::_convolution_pointwise"
        ]
        assert len(packed) == 2  # the strided one makes its kernel anew

    # The last batch of a data set is smaller, and must not take a minute longer.
    with torch.compiler.set_stance("fail_on_recompile"):
        fewer = fast(images[:1])
        more = fast(torch.cat([images, images, images[:1]]))
    assert relative_error(fewer, model(images[:1])) < 1e-5
    assert more.shape[0] == 5


@pytest.mark.cuda
@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device here, so no CUDA graph was recorded"
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_recorded_graph_keeps_the_answer_for_any_batch_and_refuses_other_sizes(
    dtype: torch.dtype,
) -> None:
    """Each replay reads its own image, and an earlier result is not overwritten by a later one."""
    model = _small_nasnet().cuda()
    images = torch.randn(2, 3, 40, 40, device="cuda")
    fast = optimize(model, images, engine="cudagraphs", dtype=dtype)
    first = fast(images)
    fast(torch.zeros_like(images))
    assert relative_error(first, model(images)) < (1e-3 if dtype == torch.float32 else 0.1)
    assert relative_error(fast(images[:1]), model(images[:1])) < 0.1
    with pytest.raises(ShapeError, match=r"items of \(3, 40, 40\), got \(3, 33, 40\)"):
        fast(images[:, :, :33])
