"""OpenVINO: the network converted for its CPU plug-in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from zoo.engines.record import Call, Engine, Request, require
from zoo.errors import BenchError

if TYPE_CHECKING:
    from torch import Tensor

_TELEMETRY = "openvino_telemetry"
_HINTS = {"fp32": "f32", "bf16-autocast": "bf16"}


def prepare(request: Request) -> Call:
    """Convert and compile a network; in ``bf16-autocast`` it may compute in bf16.

    Raises:
        BenchError: This CPU computes in another precision than was asked for.
    """
    import torch

    runtime = _import_without_telemetry()
    hint = _HINTS[request.precision]
    settings = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": hint,
    }
    exported = torch.export.export(request.model, (request.example,))
    compiled = runtime.compile_model(runtime.convert_model(exported), "CPU", settings)

    used = compiled.get_property("INFERENCE_PRECISION_HINT")
    wanted = {"f32": runtime.Type.f32, "bf16": runtime.Type.bf16}[hint]
    if used != wanted:
        found = used.get_type_name()
        raise BenchError(f"OpenVINO computes in {found} on this CPU, not in {request.precision}")

    def run(x: Tensor) -> Tensor:
        return torch.from_numpy(compiled(x.contiguous().numpy())[0])

    return run


def _import_without_telemetry() -> Any:
    """Import OpenVINO, which otherwise tells Google Analytics of each import and conversion.

    Where its package of telemetry cannot be imported, it takes a stand-in of its own. A program
    that has imported either itself keeps what it chose.
    """
    is_chosen = _TELEMETRY in sys.modules
    # Each of the messages starts a process, for which it waits up to three seconds.
    if not is_chosen:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # as Python means it
    try:
        return require("openvino", "openvino", "openvino")
    finally:
        if not is_chosen:
            del sys.modules[_TELEMETRY]


ENGINES = (
    Engine(
        name="openvino",
        summary="OpenVINO",
        prepare=prepare,
        devices=("cpu",),
        precisions=tuple(_HINTS),
        own_memory_format="contiguous",
        package="openvino",
        extra="openvino",
        has_fixed_shape=True,
    ),
)
