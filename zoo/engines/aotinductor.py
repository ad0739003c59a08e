"""AOTInductor: torch's compiler ahead of time, into a shared library."""

from __future__ import annotations

import tempfile
from pathlib import Path

from zoo.engines.record import Call, Engine, Request


def prepare(request: Request) -> Call:
    """Export, compile and load a network for the example's shape."""
    import torch
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    exported = torch.export.export(request.model, (request.example,))
    with tempfile.TemporaryDirectory(prefix="zoo-aotinductor-") as folder:
        package = str(Path(folder) / "model.pt2")
        aoti_compile_and_package(exported, package_path=package)
        # The library is unpacked to a place of its own and stays mapped, so the package may go.
        run: Call = aoti_load_package(package)
    run(request.example)
    return run


ENGINES = (
    Engine(
        name="aotinductor",
        summary="torch's compiler ahead of time, a shared library",
        prepare=prepare,
        devices=("cpu", "cuda"),
        precisions=("fp32", "tf32", "fp16", "bf16"),
        has_fixed_shape=True,
    ),
)
