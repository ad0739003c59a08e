"""``zoo.optimize`` as engines: batch norms folded, channels-last, then run by any other engine.

Made of the other records, the first of each file. ``optimize:compile`` freezes the weights as well:
they are packed once, for oneDNN on a CPU.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.engines import NAMES
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


def _behind(engine: Engine) -> Engine:
    """Make the record of an engine that runs folded networks."""
    name = f"{PREFIX}:{engine.name}"
    summary = f"batch norms folded, {engine.summary}"
    if engine.name == "eager":
        name = PREFIX
        summary = "zoo.optimize: batch norms folded, channels-last"

    precisions = [word for word in _PRECISIONS if word in engine.precisions]
    workloads = [mode for mode in INFERENCE if mode in engine.workloads]
    return replace(
        engine,
        name=name,
        summary=summary,
        precisions=tuple(precisions),
        own_memory_format=engine.own_memory_format or "channels-last",
        workloads=tuple(workloads),
        folds_batch_norms=True,
        is_layer_by_layer=False,
    )


def _plain_engines() -> list[Engine]:
    """List what can run a folded network."""
    found: list[Engine] = []
    for name in NAMES:
        if name != PREFIX:
            module = importlib.import_module(f"zoo.engines.{name}")
            found.append(_OTHERWISE.get(name, module.ENGINES[0]))
    return found


_FROZEN = Engine(
    name="compile",
    summary="torch.compile with frozen weights",
    prepare=_prepare_frozen,
    devices=("cpu", "cuda"),
    compiles_each_shape=True,
)
_OTHERWISE = {"compile": _FROZEN}
"""Engines that do it in another way when the network is folded."""

ENGINES = tuple(_behind(engine) for engine in _plain_engines())
