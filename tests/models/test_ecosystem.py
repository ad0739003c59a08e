"""Every network of ours does what a network of this ecosystem does.

Export, trace, compile, cast, train, print.

One table of cases, one test for each ability. Small images, small widths and few cells stand for
the architecture where it allows them; the large networks have their turn in a thorough run.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from tests.models.few_layers import (
    FewNASNetCells,
    FewPNASNetCells,
    few_blocks_of_mobilenet,
    few_modules_of_googlenet,
    narrow_alexnet,
    narrow_cnnnet,
)
from tests.support.thorough import few_of
from zoo import hub
from zoo.catalog.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from _pytest.mark import ParameterSet


@dataclass(frozen=True)
class Case:
    """One network to try."""

    entry_point: str
    shape: tuple[int, int, int]
    """Image, ``(C, H, W)``."""
    nodes: tuple[str, ...]
    """Modules whose outputs are asked for as features."""
    options: dict[str, Any] = field(default_factory=dict)
    train_shape: tuple[int, int, int] | None = None
    """Image in training, where that needs another."""
    builder: Callable[..., nn.Module] | None = None
    """What builds it in the place of the entry point."""

    def build(self, **options: Any) -> nn.Module:
        """Build it with parameters that let the image through to the logits."""
        torch.manual_seed(0)
        builder = self.builder or getattr(hub, self.entry_point)
        model: nn.Module = builder(**self.options, **options)
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        return model

    def images(self, count: int = 2) -> Tensor:
        """Draw some images."""
        return torch.randn(count, *self.shape, generator=torch.Generator().manual_seed(1))


MOBILENET_NODES = ("conv_stem", "blocks.1.0.conv_dw", "blocks.4.1.conv_pw", "classifier")
NASNET_NODES = (
    "conv0.conv",
    "cell_1",
    "cell_7.comb_iter_0_left.separable_1.pointwise_conv2d",
    "last_linear",
)
PNASNET_NODES = (
    "conv_0.conv",
    "cell_1",
    "cell_7.comb_iter_0_left.separable_1.pointwise_conv2d",
    "last_linear",
)
CASES = {
    "lenet5": Case("lenet5", (1, 32, 32), ("c1", "s2", "c3_squash", "output")),
    "lenet5-classic": Case(
        "lenet5", (1, 32, 32), ("c3.four", "s4.pool", "f6"), {"variant": "classic"}
    ),
    "cnnnet": Case(
        "cnnnet",
        (3, 96, 96),
        ("features.0", "features.12", "classifier.6"),
        builder=narrow_cnnnet,
    ),
    "alexnet_2012": Case(
        "alexnet_2012",
        (3, 224, 224),
        ("features.norm1", "features.pool5", "classifier.fc8"),
        builder=narrow_alexnet,
    ),
    "googlenet_2014": Case(
        "googlenet_2014",
        (3, 64, 64),
        ("stem.norm2", "inception3a.branch5x5.1.conv", "inception5b.branch_pool.0", "fc"),
        train_shape=(3, 224, 224),
    ),
    "mobilenet_v1_100": Case("mobilenet_v1_100", (3, 64, 64), MOBILENET_NODES),
    "mobilenet_v1_075": Case("mobilenet_v1_075", (3, 64, 64), MOBILENET_NODES),
    "mobilenet_v1_050": Case("mobilenet_v1_050", (3, 64, 64), MOBILENET_NODES, {"padding": "same"}),
    "mobilenet_v1_025": Case("mobilenet_v1_025", (3, 64, 64), MOBILENET_NODES),
    "nasnet_a_mobile": Case("nasnet_a_mobile", (3, 64, 64), NASNET_NODES),
    "pnasnet_5_mobile": Case("pnasnet_5_mobile", (3, 64, 64), PNASNET_NODES),
    "nasnet_a_large": Case("nasnet_a_large", (3, 64, 64), NASNET_NODES),
    "pnasnet_5_large": Case("pnasnet_5_large", (3, 64, 64), PNASNET_NODES),
}
LARGE = {"nasnet_a_large", "pnasnet_5_large", "mobilenet_v1_100", "mobilenet_v1_075"}
"""Have the layers of a smaller network, wider or more often."""
FEW_LAYERS = {
    "nasnet_a-few": Case("nasnet_a_mobile", (3, 64, 64), (), builder=FewNASNetCells),
    "pnasnet_5-few": Case("pnasnet_5_mobile", (3, 64, 64), (), builder=FewPNASNetCells),
    "mobilenet_v1-few": Case(
        "mobilenet_v1_050",
        (3, 64, 64),
        (),
        {"padding": "same"},  # the other's layers, and TensorFlow's padding besides
        builder=few_blocks_of_mobilenet,
    ),
    "googlenet_2014-few": Case("googlenet_2014", (3, 64, 64), (), builder=few_modules_of_googlenet),
}
"""Translated in the place of networks whose further layers are the same again."""
SLOW_TO_TRANSLATE = {*FEW_LAYERS, "nasnet_a_mobile", "pnasnet_5_mobile"}
SAME_LAYERS = {"mobilenet_v1_025"}
"""The one of half the width has the same layers, and TensorFlow's padding besides."""
TRANSLATABLE = [name for name in CASES | FEW_LAYERS if name not in LARGE | SAME_LAYERS]
"""To translate the large networks takes minutes and shows no more."""
WHOLE = few_of(CASES, *[name for name in CASES if name not in LARGE])
TRANSLATED = few_of(TRANSLATABLE, "lenet5", "lenet5-classic", "cnnnet", "alexnet_2012", *FEW_LAYERS)
HAS_DROPOUT = {case.entry_point for case in CASES.values()} - {"lenet5"}


def _parameters(names: Sequence[str], slow: set[str]) -> list[ParameterSet]:
    return [pytest.param(name, marks=pytest.mark.slow if name in slow else ()) for name in names]


every_case = pytest.mark.parametrize("name", _parameters(WHOLE, LARGE))
every_case_built = pytest.mark.parametrize("built", _parameters(WHOLE, LARGE), indirect=True)
every_kind_translated = pytest.mark.parametrize(
    "built", _parameters(TRANSLATED, SLOW_TO_TRANSLATE), indirect=True
)


@dataclass
class Built:
    """A network in evaluation, images, and the logits that it puts out for them.

    Not to be changed.
    """

    case: Case
    model: nn.Module
    images: Tensor
    logits: Tensor

    def error_of(self, logits: Tensor) -> float:
        """Relate the largest difference to the spread of the logits, which tells classes apart."""
        assert logits.shape == self.logits.shape
        return float((logits.float() - self.logits).abs().max() / self.logits.std())


@pytest.fixture(scope="module")
def built(request: pytest.FixtureRequest) -> Built:
    """Build a case once for all abilities, and see that its logits depend on the image."""
    case = (CASES | FEW_LAYERS)[request.param]
    model, images = case.build().eval(), case.images()
    with torch.no_grad():
        logits = model(images)
    result = Built(case, model, images, logits)
    assert result.error_of(logits.flip(0)) > 0.1, (
        "two images look alike: no test of this network would mean anything"
    )
    return result


def test_every_entry_point_has_a_case() -> None:
    """The registry says which there are."""
    ours = {
        name for name, record in load_registry().architectures.items() if record.provider == "zoo"
    }
    assert {case.entry_point for case in CASES.values()} == ours


@every_case_built
@pytest.mark.filterwarnings(
    # The auxiliary heads run in training only; torchvision says so for every network of this kind.
    "ignore:NOTE. The nodes obtained by tracing the model in eval mode:UserWarning"
)
def test_feature_extractor_gives_what_the_layers_put_out(built: Built) -> None:
    """Inner layers through torchvision's extractor, against hooks on the network itself."""
    seen: dict[str, Tensor] = {}
    handles = [
        built.model.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.update({name: output.clone()})
        )
        for name in built.case.nodes
    ]
    with torch.no_grad():
        built.model(built.images)
        for handle in handles:
            handle.remove()
        features = create_feature_extractor(built.model, list(built.case.nodes))(built.images)
    assert list(features) == list(built.case.nodes)
    for name, value in features.items():
        torch.testing.assert_close(value, seen[name], rtol=0, atol=0)


@every_kind_translated
def test_exported_program_takes_any_batch_size(built: Built) -> None:
    """``torch.export`` with a free batch size.

    The same logits for two images, and for one alone.
    """
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(
        built.model, (built.images,), dynamic_shapes=({0: batch},)
    ).module()
    with torch.no_grad():
        assert built.error_of(program(built.images)) < 1e-4
        alone = torch.cat([program(image[None]) for image in built.images])
    assert built.error_of(alone) < 1e-4


@every_kind_translated
# torch.jit is deprecated in torch as a whole, and still asked for.
@pytest.mark.filterwarnings(
    "ignore:`torch.jit.trace:FutureWarning", "ignore:`torch.jit.trace:DeprecationWarning"
)
# torch's own local_response_norm looks at the shape of its input, which a trace fixes; ours do not.
@pytest.mark.filterwarnings(
    "ignore:Converting a tensor to a Python boolean:torch.jit.TracerWarning:torch.nn.functional"
)
def test_jit_trace_gives_the_same_logits(built: Built) -> None:
    """``torch.jit.trace`` on images, run on others."""
    others = built.case.images(3).flip(0)
    with torch.no_grad():
        traced = torch.jit.trace(built.model, built.images, check_trace=False)  # type: ignore[no-untyped-call]  # torch's
        torch.testing.assert_close(traced(others), built.model(others), rtol=1e-4, atol=1e-4)


@every_kind_translated
def test_onnx_runtime_gives_the_same_logits(built: Built, tmp_path: Path) -> None:
    """``torch.onnx.export``, run by ONNX Runtime."""
    onnxruntime = pytest.importorskip(
        "onnxruntime", reason="onnxruntime is absent, so ONNX export is NOT tested"
    )
    pytest.importorskip("onnxscript", reason="onnxscript is absent, so ONNX export is NOT tested")
    file = tmp_path / "network.onnx"
    torch.onnx.export(
        built.model, (built.images,), file, input_names=["images"], dynamo=True, verbose=False
    )
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"images": built.images.numpy()})
    assert built.error_of(torch.from_numpy(logits)) < 1e-3


@every_case_built
def test_channels_last_gives_the_same_logits(built: Built) -> None:
    """Another order in memory, the same network."""
    model = copy.deepcopy(built.model).to(memory_format=torch.channels_last)
    with torch.no_grad():
        logits = model(built.images.to(memory_format=torch.channels_last))
    assert built.error_of(logits) < 1e-4


@every_case_built
def test_bfloat16_autocast_stays_close(built: Built) -> None:
    """Eight bits of mantissa.

    A few percent of the spread of the logits, and half-sized logits as proof of the cast.
    """
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        logits = built.model(built.images)
    assert logits.dtype is torch.bfloat16
    assert built.error_of(logits) < 0.1


@every_kind_translated
def test_compiler_captures_the_network_in_one_graph(built: Built) -> None:
    """``torch.compile`` without a graph break, its graph run as it was captured.

    What the compiler makes of it is held against eager by ``tests/bench/test_engines.py``.
    """
    torch._dynamo.reset()
    compiled = torch.compile(built.model, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert built.error_of(compiled(built.images)) < 1e-4


@every_case_built
def test_print_shows_each_layer_by_name(built: Built) -> None:
    """``print(model)``.

    No bare addresses, no endless lines, and every layer that has parameters of its own.
    """
    text = repr(built.model)
    assert " object at 0x" not in text
    assert max(len(line) for line in text.splitlines()) <= 160
    for name, module in built.model.named_modules():
        if name and any(True for _ in module.parameters(recurse=False)):
            assert f"({name.rpartition('.')[2]}): {type(module).__name__}(" in text, name


def _loss(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy; auxiliary logits count 0.3, as GoogLeNet's paper says."""
    output = model(images)
    first, *others = output if isinstance(output, tuple) else (output,)
    loss: Tensor = nn.functional.cross_entropy(first, labels)
    return loss + sum(0.3 * nn.functional.cross_entropy(other, labels) for other in others)


@every_case
def test_one_training_step_lowers_the_loss(name: str) -> None:
    """Every parameter gets a gradient; a step that should lower the loss by 5 % lowers it."""
    case = CASES[name]
    model = case.build().train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # the loss before and after must be of the same function
    shape = case.train_shape or case.shape
    generator = torch.Generator().manual_seed(2)
    images, labels = torch.randn(4, *shape, generator=generator), torch.arange(4)
    before = _loss(model, images, labels)
    before.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    gradients = {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    assert [
        name
        for name, _ in model.named_parameters()
        if name not in gradients or not gradients[name].any()
    ] == []
    square = sum(float(gradient.square().sum()) for gradient in gradients.values())
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            parameter.sub_(gradients[path], alpha=0.05 * before.item() / square)
        after = _loss(model, images, labels)
    assert after < before


@pytest.mark.parametrize("name", CASES)
def test_options_change_the_layers_that_they_name(name: str) -> None:
    """Three classes and two channels in, three logits out.

    Dropout has the rate that was asked for.
    """
    case = CASES[name]
    has_dropout = case.entry_point in HAS_DROPOUT
    build = getattr(hub, case.entry_point)
    _, height, width = case.shape
    with torch.no_grad(), torch.device("meta"):  # shapes without values
        model = build(
            num_classes=3,
            in_channels=2,
            **case.options,
            **({"drop_rate": 0.25} if has_dropout else {}),
        ).eval()
        assert model(torch.zeros(1, 2, height, width)).shape == (1, 3)
    rates = {module.p for module in model.modules() if isinstance(module, nn.Dropout)}
    assert (0.25 in rates) == has_dropout


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("option", [{"num_classes": 0}, {"in_channels": -1}, {"drop_rate": 1.5}])
def test_bad_option_values_are_refused(name: str, option: dict[str, Any]) -> None:
    """A ``ValueError`` at the builder, not a failure somewhere in torch later."""
    case = CASES[name]
    build = getattr(hub, case.entry_point)
    with torch.device("meta"):  # what is refused late needs no values either
        if "drop_rate" in option and case.entry_point not in HAS_DROPOUT:
            with pytest.raises(TypeError, match="drop_rate"):
                build(**option)
        else:
            with pytest.raises(ValueError, match=r"expected|between"):
                build(**option)
