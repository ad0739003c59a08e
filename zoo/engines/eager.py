"""PyTorch as it is: operation by operation. Ready at once, takes any size of image."""

from __future__ import annotations

from zoo.engines.record import FLOATING, Call, Engine, Request

_WORKLOADS = ("latency", "throughput", "training", "first-inference", "load")


def prepare(request: Request) -> Call:
    """Call the network itself."""
    return _prepare(request, is_autotuned=False)


def prepare_autotuned(request: Request) -> Call:
    """Let cuDNN try its algorithms on each new shape, and keep the fastest."""
    return _prepare(request, is_autotuned=True)


def _prepare(
    request: Request,
    *,
    is_autotuned: bool,
) -> Call:
    import torch

    from zoo.engines.precision import with_precision

    torch.backends.cudnn.benchmark = is_autotuned
    return with_precision(request.model, request.precision, request.example.device.type)


ENGINES = (
    Engine(
        name="eager",
        summary="PyTorch as it is",
        prepare=prepare,
        precisions=(*FLOATING, "int8"),
        workloads=_WORKLOADS,
        is_layer_by_layer=True,
    ),
    Engine(
        name="eager:autotuned",
        summary="eager, cuDNN tries its algorithms first",
        prepare=prepare_autotuned,
        devices=("cuda",),
        workloads=_WORKLOADS,
        is_layer_by_layer=True,
    ),
)
