"""ONNX Runtime: the network exported to ONNX, on the CPU or through CUDA."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engines.record import Call, Engine, Request, require
from zoo.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def prepare(request: Request) -> Call:
    """Export a network and open a session; inputs and outputs stay where torch has them.

    Raises:
        BenchError: The example is on CUDA, and this ONNX Runtime has none.
    """
    import torch

    example = request.example
    session = _open_session(request)
    source = session.get_inputs()[0].name
    result = session.get_outputs()[0]
    held = torch.empty(result.shape, dtype=example.dtype, device=example.device)

    binding = session.io_binding()
    number_type = torch.zeros((), dtype=example.dtype).numpy().dtype
    place = (example.device.type, example.device.index or 0, number_type)
    binding.bind_output(result.name, *place, held.shape, held.data_ptr())

    def run(x: Tensor) -> Tensor:
        x = x.contiguous()
        if x.is_cuda:
            # Its own stream does not wait for torch's, which may still write the input.
            torch.cuda.current_stream(x.device).synchronize()
        binding.bind_input(source, *place, x.shape, x.data_ptr())
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return held

    return run


def _open_session(request: Request) -> Any:
    """Export to a temporary file and load it."""
    import torch

    runtime = require("onnxruntime", "onnxruntime", "export")
    require("onnxscript", "onnxruntime", "export")
    example = request.example
    provider = _CUDA if example.is_cuda else _CPU
    if provider not in runtime.get_available_providers():
        advice = 'run "pip uninstall onnxruntime", then "pip install onnxruntime-gpu"'
        raise BenchError(f"this ONNX Runtime has no CUDA: {advice}")

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    settings: dict[str, str] = {}
    if example.is_cuda:
        settings = {"device_id": str(example.device.index or 0), "use_tf32": "0"}
    with tempfile.TemporaryDirectory(prefix="zoo-onnx-") as folder:
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(request.model, (example,), path, dynamo=True, verbose=False)
        return runtime.InferenceSession(path, options, providers=[(provider, settings)])


ENGINES = (
    Engine(
        name="onnxruntime",
        summary="ONNX Runtime",
        prepare=prepare,
        devices=("cpu", "cuda"),
        precisions=("fp32",),
        own_memory_format="contiguous",
        package="onnxruntime",
        extra="export",
        has_fixed_shape=True,
        # Its convolutions round to TF32 whatever its options say.
        variables={"NVIDIA_TF32_OVERRIDE": "0"},
    ),
)
