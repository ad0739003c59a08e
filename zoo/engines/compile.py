"""``torch.compile``: fused kernels, made at the first call; on a CPU it needs a C++ compiler."""

from __future__ import annotations

from functools import partial

from zoo.engines.record import TRAINING_TOO, Call, Engine, Request


def prepare(
    request: Request,
    mode: str = "default",
) -> Call:
    """Compile a network for the example's shape; another shape compiles again."""
    import torch

    from zoo.engines.precision import with_precision

    compiled = torch.compile(request.model, mode=mode, dynamic=False)
    call = with_precision(compiled, request.precision, request.example.device.type)
    call(request.example)
    return call


ENGINES = (
    Engine(
        name="compile",
        summary="torch.compile",
        prepare=prepare,
        workloads=TRAINING_TOO,
        compiles_each_shape=True,
    ),
    Engine(
        name="compile:reduce-overhead",
        summary="torch.compile with CUDA graphs",
        prepare=partial(prepare, mode="reduce-overhead"),
        devices=("cuda",),
        workloads=TRAINING_TOO,
        compiles_each_shape=True,
    ),
    Engine(
        name="compile:max-autotune",
        summary="torch.compile, kernels tuned",
        prepare=partial(prepare, mode="max-autotune"),
        devices=("cpu", "cuda"),
        workloads=TRAINING_TOO,
        compiles_each_shape=True,
    ),
)
