"""Torch-TensorRT: every layer in TensorRT or none."""

from __future__ import annotations

from zoo.engines.record import Call, Engine, Request, require


def prepare(request: Request) -> Call:
    """Export a network and compile it."""
    import torch

    runtime = require("torch_tensorrt", "tensorrt", "tensorrt")
    exported = torch.export.export(request.model, (request.example,))
    compiled: Call = runtime.dynamo.compile(
        exported,
        inputs=[request.example],
        require_full_compilation=True,
        disable_tf32=True,
    )
    return compiled


ENGINES = (
    Engine(
        name="tensorrt",
        summary="Torch-TensorRT",
        prepare=prepare,
        devices=("cuda",),
        precisions=("fp32", "fp16"),
        own_memory_format="contiguous",
        package="torch-tensorrt",
        extra="tensorrt",
        has_fixed_shape=True,
    ),
)
