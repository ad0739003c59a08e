"""Engines: what turns a network into something to call. Each is one function, listed in ``PREPARE``.

ONNX Runtime, OpenVINO and TensorRT take the network out of PyTorch; each needs its package.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import BenchError, MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from zoo.bench.devices import Call

_AUTOCAST = {"fp16-autocast": torch.float16, "bf16-autocast": torch.bfloat16}
_NATIVE = {"fp16": torch.float16, "bf16": torch.bfloat16}
_CAPTURE_WARMUPS = 3


def set_precision(precision: str) -> None:
    """Let matrix products and convolutions of fp32 numbers round to TF32, or forbid it."""
    is_allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = is_allowed
    torch.backends.cudnn.allow_tf32 = is_allowed  # the newer fp32_precision makes torch.export 2.14 fail: "mix of APIs"


def tensor_type(precision: str) -> torch.dtype:
    """Tell the type of parameters and inputs in a precision."""
    return _NATIVE.get(precision, torch.float32)


def low_precision(precision: str) -> torch.dtype:
    """Tell the type that matrix products and convolutions are computed in."""
    return _AUTOCAST.get(precision) or tensor_type(precision)


def memory_format(name: str, dimensions: int) -> torch.memory_format:
    """Tell torch's memory format for a tensor of so many dimensions; only pictures and clips have channels."""
    if name == "channels-last" and dimensions in (4, 5):
        return torch.channels_last if dimensions == 4 else torch.channels_last_3d
    return torch.contiguous_format


def convert(model: nn.Module, precision: str, layout: str, probes: Sequence[torch.Tensor]) -> nn.Module:
    """Give a network the precision and the memory format to measure it in, in place where that is possible.

    Args:
        model: A network in fp32.
        precision: Of the cell.
        layout: The cell's memory format.
        probes: Inputs to learn the ranges of activations from, for int8.
    """
    dimensions = probes[0].dim()
    if precision == "int8":
        return _quantised(model, probes)
    return model.to(dtype=tensor_type(precision)).to(memory_format=memory_format(layout, dimensions))


def _quantised(model: nn.Module, probes: Sequence[torch.Tensor]) -> nn.Module:
    """Quantise after training, for the CPU: weights by channel, activations by the ranges that the probes show.

    This is FX graph mode, old and still the only one in torch 2.14 that takes convolutional networks as they are: the
    quantiser of torchao 0.18 refuses ResNet-18.
    """
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    backend = torch.backends.quantized.engine
    try:
        observed = prepare_fx(model, get_default_qconfig_mapping(backend), (probes[0],))
        for probe in probes:
            observed(probe)
        converted: nn.Module = convert_fx(observed)
    except Exception as error:  # a tracer meets every kind of code, and what it raises is any kind of error
        fault = f"torch's quantiser cannot take this network apart ({type(error).__name__}: {error!s:.100})"
        raise BenchError(f"no int8: {fault}; measure it in another precision") from error
    return converted


def with_precision(call: Call, precision: str, device: str) -> Call:
    """Wrap a call in autocast where the precision asks for it, as a user would: around each call."""
    if precision not in _AUTOCAST:
        return call
    kind, dtype = torch.device(device).type, _AUTOCAST[precision]

    def autocast_call(x: torch.Tensor) -> Any:
        with torch.autocast(kind, dtype=dtype):
            return call(x)

    return autocast_call


def prepare(engine: str, model: nn.Module, example: torch.Tensor, precision: str) -> Call:
    """Make a call out of a network in eval mode.

    Args:
        engine: A name of ``zoo.bench.plan.ENGINES``; after a colon, its mode.
        model: The network, converted to its precision and on its device.
        example: An input as those that will be measured.
        precision: Of the cell, for autocast.
    """
    name, _, mode = engine.partition(":")
    return PREPARE[name](model, example, precision, mode)


def _eager(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    torch.backends.cudnn.benchmark = mode == "autotuned"
    return with_precision(model, precision, example.device.type)


def _compile(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    compiled = torch.compile(model, mode=mode or "default", dynamic=False)
    call = with_precision(compiled, precision, example.device.type)
    call(example)
    return call


def _cudagraphs(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    """Capture one call; each later call copies its input into the captured one's place and replays."""
    del mode
    inner = with_precision(model, precision, example.device.type)
    held = example.clone()
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_CAPTURE_WARMUPS):
            inner(held)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = inner(held)

    def replay(x: torch.Tensor) -> Any:
        held.copy_(x)
        graph.replay()
        return output

    return replay


def _require(package: str, engine: str, extra: str) -> Any:
    """Import a package that an engine needs.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingPackageError(package, f"the engine {engine}", extra) from error


def _onnxruntime(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    """Export to ONNX and run there; inputs and outputs stay where torch has them, nothing is copied."""
    del precision, mode
    runtime = _require("onnxruntime", "onnxruntime", "export")
    _require("onnxscript", "onnxruntime", "export")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    provider = "CUDAExecutionProvider" if example.is_cuda else "CPUExecutionProvider"
    if provider not in runtime.get_available_providers():
        raise BenchError(
            "this ONNX Runtime has no CUDA: run pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, (example,), path, dynamo=True, verbose=False)
        settings = {"device_id": str(example.device.index or 0), "use_tf32": "0"} if example.is_cuda else {}
        session = runtime.InferenceSession(path, options, providers=[(provider, settings)])
    source, target = session.get_inputs()[0].name, session.get_outputs()[0].name
    held = torch.empty(session.get_outputs()[0].shape, dtype=example.dtype, device=example.device)
    binding = session.io_binding()
    where = (example.device.type, example.device.index or 0, torch.zeros((), dtype=example.dtype).numpy().dtype)
    binding.bind_output(target, *where, held.shape, held.data_ptr())

    def run(x: torch.Tensor) -> torch.Tensor:
        binding.bind_input(source, *where, x.shape, x.data_ptr())
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return held

    return run


_HINTS = {"fp32": "f32", "bf16-autocast": "bf16"}


def _openvino(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    """Convert for OpenVINO's CPU plug-in; ``bf16-autocast`` lets it compute in bf16."""
    del mode
    runtime = _require("openvino", "openvino", "openvino")
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }
    exported = torch.export.export(model, (example,))
    compiled = runtime.compile_model(runtime.convert_model(exported), "CPU", settings)
    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    if used != {"f32": runtime.Type.f32, "bf16": runtime.Type.bf16}[_HINTS[precision]]:
        raise BenchError(f"OpenVINO computes in {used.get_type_name()} on this CPU, not in {precision}")
    return lambda x: torch.from_numpy(compiled(x.numpy())[0])


def _tensorrt(model: nn.Module, example: torch.Tensor, precision: str, mode: str) -> Call:
    """Compile with Torch-TensorRT, every layer in TensorRT or none."""
    del precision, mode
    runtime = _require("torch_tensorrt", "tensorrt", "tensorrt")
    exported = torch.export.export(model, (example,))
    compiled: Call = runtime.dynamo.compile(
        exported, inputs=[example], require_full_compilation=True, disable_tf32=True
    )
    return compiled


PREPARE: dict[str, Callable[[nn.Module, torch.Tensor, str, str], Call]] = {
    "eager": _eager,
    "compile": _compile,
    "cudagraphs": _cudagraphs,
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "tensorrt": _tensorrt,
}
