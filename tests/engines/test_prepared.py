"""Networks made ready by an engine: any batch in, the network's own answer out."""

import copy
import functools
import importlib
import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import zoo
from tests.support import bench_models
from zoo.engines import NAMES
from zoo.engines.known import find_engine, known_engines, packages
from zoo.engines.precision import precision_of_fp32
from zoo.engines.prepared import PreparedModel, prepare_model
from zoo.errors import MissingPackageError, OptimizeError, ShapeError, UnknownNameError, UsageError
from zoo.optimizer import choices

RUNTIMES = ["eager", "optimize", "onnxruntime", "openvino", "optimize:openvino"]


@pytest.mark.parametrize(
    ("device", "capability", "is_allowed", "expected"),
    [
        ("cpu", 9, True, "fp32"),
        ("cuda", 9, True, "tf32"),
        ("cuda", 9, False, "fp32"),
        ("cuda", 7, True, "fp32"),
    ],
)
def test_convolutions_of_fp32_numbers_are_called_what_they_are(
    device: str,
    capability: int,
    is_allowed: bool,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch lets cuDNN round to TF32 by default; a record that says fp32 would be wrong."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (capability, 0))
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", is_allowed)
    assert precision_of_fp32(torch.device(device)) == expected


@functools.cache
def make_ready(engine: str) -> tuple[nn.Module, PreparedModel]:
    """Prepare the small network for batches of four; skip without the engine's package."""
    torch.manual_seed(0)
    model = bench_models.small().eval()
    try:
        return model, prepare_model(model, torch.randn(4, 3, 16, 16), engine)
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("engine", RUNTIMES)
def test_any_batch_is_answered_as_the_network_does(engine: str) -> None:
    """Smaller than the example, as large, larger; an earlier result stays as it was."""
    model, ready = make_ready(engine)
    earlier: list[tuple[torch.Tensor, torch.Tensor]] = []
    for items in (4, 1, 3, 9):
        x = torch.randn(items, 3, 16, 16)
        earlier.append((ready(x), model(x).detach()))
    for got, expected in earlier:
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)


def test_openvino_tells_nobody_that_it_is_used() -> None:
    """Its package of telemetry asks Google Analytics; ours leaves it the stand-in that it has."""
    make_ready("openvino")
    for name in ("convert_impl", "telemetry_utils"):
        module = importlib.import_module(f"openvino.tools.ovc.{name}")
        assert module.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
    assert "openvino_telemetry" not in sys.modules, "a program could not import it any more"


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_bound_to_one_shape_says_so(engine: str) -> None:
    """Another size of image, with what was prepared and what to do."""
    _, ready = make_ready(engine)
    with pytest.raises(ShapeError, match=r"items of \(3, 16, 16\), got \(3, 17, 16\).*again"):
        ready(torch.zeros(4, 3, 17, 16))


def test_the_network_is_left_as_it_is_and_shared_where_nothing_changes() -> None:
    """Eager in fp32 copies no parameter; folding works on a copy."""
    model = bench_models.small().eval()
    before = copy.deepcopy(model.state_dict())
    example = torch.randn(2, 3, 16, 16)
    assert prepare_model(model, example).network is model
    folded = prepare_model(model, example, "optimize", "bf16")
    assert folded.folded == 2
    assert next(folded.parameters()).dtype == torch.bfloat16
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_network_in_training_is_prepared_as_in_evaluation() -> None:
    """Its own mode stays; the copy answers as in evaluation."""
    model = bench_models.small().train()
    example = torch.randn(2, 3, 16, 16)
    ready = prepare_model(model, example)
    assert model.training
    torch.testing.assert_close(ready(example), copy.deepcopy(model).eval()(example).detach())
    with pytest.raises(UsageError, match="train the model"):
        ready.train()


@pytest.mark.parametrize(
    ("engine", "precision", "expected"),
    [
        ("cudagraphs", "fp32", "the engine cudagraphs runs on cuda, not on cpu"),
        ("onnxruntime", "bf16", "the engine onnxruntime has no bf16; it has fp32"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(engine: str, precision: str, expected: str) -> None:
    """Before anything is copied or exported."""
    with pytest.raises(UsageError, match=expected):
        prepare_model(bench_models.small(), torch.zeros(1, 3, 16, 16), engine, precision)


def test_an_unknown_engine_offers_the_nearest() -> None:
    """As every other name does."""
    with pytest.raises(UnknownNameError, match="did you mean openvino"):
        find_engine("open-vino")


@pytest.mark.slow
def test_a_network_that_an_engine_cannot_take_is_one_sentence() -> None:
    """Control flow that hangs on values cannot be exported."""
    make_ready("openvino")
    with pytest.raises(OptimizeError, match=r"with the engine openvino: .*try the engine eager"):
        prepare_model(bench_models.branching(), torch.ones(1, 3, 4, 4), "openvino")


def test_every_record_is_whole() -> None:
    """Each module lists its engines under its own name; each has all that a record needs."""
    engines = known_engines()
    assert {name.partition(":")[0] for name in engines} == set(NAMES)
    for name, engine in engines.items():
        assert engine.name == name
        assert engine.summary
        assert engine.devices
        assert "fp32" in engine.precisions
        assert "latency" in engine.workloads
        assert engine.extra is None or engine.package != "torch"
    assert find_engine("eager").version == torch.__version__.partition("+")[0]
    assert {"torch", "onnxruntime", "openvino"} <= set(packages())


def test_whatever_runs_a_network_runs_a_folded_one_too() -> None:
    """``zoo.optimize`` knows every engine without a line of its own for it."""
    assert choices() == [name for name in NAMES if name != "optimize"]
    for name in choices():
        plain = find_engine(name)
        folded = find_engine("optimize" if name == "eager" else f"optimize:{name}")
        assert (folded.package, folded.extra) == (plain.package, plain.extra)
        assert folded.variables == plain.variables
        assert folded.folds_batch_norms


def test_only_records_know_what_is_special_about_an_engine() -> None:
    """No other code of zoo calls one by its name but eager, the default and the reference."""
    package = Path(zoo.__file__).parent
    names = "|".join(name for name in NAMES if name not in ("eager", "optimize"))
    named = re.compile(rf"(?<!`)[\"'](optimize:)?({names})[\"':]")
    elsewhere = [path for path in package.rglob("*.py") if path.parent.name != "engines"]
    found = [str(path) for path in elsewhere if named.search(path.read_text(encoding="utf-8"))]
    assert found == []
