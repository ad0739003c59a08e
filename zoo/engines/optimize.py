"""``zoo.optimize`` as engines: batch norms folded, channels-last, then run by another engine.

``optimize:compile`` freezes the weights as well: they are packed once, for oneDNN on a CPU.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.engines import aotinductor, cudagraphs, eager, onnxruntime, openvino
from zoo.engines.record import INFERENCE, Call, Engine, Request

if TYPE_CHECKING:
    from torch import Tensor

_PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
PREFIX = "optimize"


def _prepare_frozen(request: Request) -> Call:
    """Compile a network with frozen weights."""
    import torch
    from torch._inductor import config as inductor_config

    compiled = torch.compile(request.model, dynamic=False)

    def run(x: Tensor) -> Any:
        # torch.compile(options={"freezing": True}) packs nothing.
        with inductor_config.patch(freezing=True):
            return compiled(x)

    run(request.example)
    return run


def _behind(
    name: str,
    summary: str,
    engine: Engine,
) -> Engine:
    """Make the record of an engine that runs folded networks."""
    precisions = [word for word in _PRECISIONS if word in engine.precisions]
    return replace(
        engine,
        name=name,
        summary=summary,
        precisions=tuple(precisions),
        own_memory_format=engine.own_memory_format or "channels-last",
        workloads=INFERENCE,
        folds_batch_norms=True,
    )


_FOLDED = "batch norms folded"
_FROZEN = Engine(name="", summary="", prepare=_prepare_frozen, devices=("cpu", "cuda"))

ENGINES = (
    _behind(PREFIX, f"zoo.optimize: {_FOLDED}, channels-last", eager.ENGINES[0]),
    _behind(f"{PREFIX}:compile", f"{_FOLDED}, torch.compile with frozen weights", _FROZEN),
    _behind(f"{PREFIX}:aotinductor", f"{_FOLDED}, AOTInductor", aotinductor.ENGINES[0]),
    _behind(f"{PREFIX}:cudagraphs", f"{_FOLDED}, captured", cudagraphs.ENGINES[0]),
    _behind(f"{PREFIX}:onnxruntime", f"{_FOLDED}, ONNX Runtime", onnxruntime.ENGINES[0]),
    _behind(f"{PREFIX}:openvino", f"{_FOLDED}, OpenVINO", openvino.ENGINES[0]),
)
