"""Engines beside eager: each gives what eager gives, or is refused."""

import importlib.util
from dataclasses import replace

import pytest
import torch

from tests.support.thorough import few_of
from zoo.bench.records import Case, Effort
from zoo.bench.runner import measure
from zoo.bench.summary import tolerance
from zoo.engines.known import find_engine
from zoo.engines.record import Request
from zoo.errors import BenchError, MissingPackageError

CASE = Case("tests.support.bench_models.small", "latency", "cpu", (3, 16, 16), 1)
LENET5 = Case("lenet5", "latency", "cpu", (1, 32, 32), 1)
MOBILENET = Case("mobilenet_v1_025", "latency", "cpu", (3, 64, 64), 1)
EFFORT = Effort(measure_s=0.01, warmup_limit_s=0.01, has_ceilings=False)


def check(engine: str, precision: str = "fp32", batch: int = 1, case: Case = CASE) -> float:
    """Measure a small network in an engine, hold it against eager fp32, return the distance."""
    case = replace(case, engine=engine, mode="throughput", batch=batch, precision=precision)  # type: ignore[arg-type]  # words
    run = measure(case, EFFORT, started_ns=0)
    assert run.follows_input
    assert run.prepare_ns > 0
    assert run.error is not None
    assert run.error < tolerance(run, precision)
    return run.error


@pytest.mark.parametrize("batch", few_of([1, 4], 4))
def test_onnxruntime_agrees_with_eager(batch: int) -> None:
    """Its inputs and outputs are torch's own memory, nothing is copied."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    check("onnxruntime", batch=batch)


def test_openvino_agrees_with_eager_in_fp32_and_roughly_in_bf16() -> None:
    """The precision hint is obeyed where the CPU computes in bf16: it is further away."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO is not installed")
    assert check("openvino") < check("openvino", "bf16-autocast")


@pytest.mark.filterwarnings(
    "ignore"
)  # torch 2.14 calls its own int8 deprecated, at several places, and offers no other
def test_int8_is_near_to_fp32_and_far_enough_to_be_int8() -> None:
    """A network of eight bits rounds by more than a thousandth and by less than half."""
    assert check("eager", "int8") > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "case"),
    few_of(
        [("compile", LENET5), ("compile", MOBILENET), ("aotinductor", CASE)],
        ("compile", LENET5),
        ("aotinductor", CASE),
    ),
    ids=lambda value: value.model if isinstance(value, Case) else value,
)
def test_compiled_networks_agree_with_eager(engine: str, case: Case) -> None:
    """The compiler's code for this CPU, at the first call and ahead of time; of ours, too.

    Behind folded batch norms it is held against eager by ``tests/test_optimizer.py``.
    """
    from torch._inductor import config

    # Its headers would serve one network alone, and nobody times what is around its kernels.
    once = {"precompile_headers": False, "compile_wrapper_opt_level": "O0"}
    with config.patch({f"aot_inductor.{name}": value for name, value in once.items()}):
        check(engine, batch=2, case=case)


def test_optimize_is_measured_like_any_engine() -> None:
    """Batch norms are folded and images lie channels-last; the answer is that of eager fp32."""
    check("optimize", batch=2)
    check("optimize", "bf16", batch=2)


def test_optimize_runs_with_another_runtime() -> None:
    """A folded network in ONNX Runtime."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    check("optimize:onnxruntime", batch=2)


def test_an_engine_without_its_package_says_what_to_install() -> None:
    """TensorRT is not here; the message names the extra."""
    if importlib.util.find_spec("torch_tensorrt"):
        pytest.skip("Torch-TensorRT is installed")
    with pytest.raises(
        MissingPackageError,
        match=r"engine tensorrt needs the package torch_tensorrt.*\[tensorrt\]",
    ):
        find_engine("tensorrt").prepare(Request(torch.nn.Identity(), torch.zeros(1)))


def test_a_network_that_the_quantizer_cannot_trace_says_so() -> None:
    """Control flow that hangs on values is no graph."""
    case = replace(CASE, model="tests.support.bench_models.branching", precision="int8")
    with pytest.raises(
        BenchError, match="no int8: torch's quantizer cannot take this network apart"
    ):
        measure(case, EFFORT, started_ns=0)
