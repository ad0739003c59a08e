"""What an engine is: a record of what it can do, with the function that makes a network ready."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

Call = Callable[["torch.Tensor"], Any]
"""A network that is ready to run, whatever runs it. The next call may write over the result."""

FLOATING = ("fp32", "tf32", "fp16", "bf16", "fp16-autocast", "bf16-autocast")
_MEMORY_FORMATS = ("contiguous", "channels-last")
INFERENCE = ("latency", "throughput", "first-inference")
TRAINING_TOO = ("latency", "throughput", "training", "first-inference")


@dataclass(frozen=True, slots=True)
class Request:
    """What an engine is to make ready."""

    model: nn.Module
    """In eval mode, in its precision and memory format, on its device."""
    example: torch.Tensor
    """An input as those that will come."""
    precision: str = "fp32"


@dataclass(frozen=True, slots=True)
class Engine:
    """One way to run a network."""

    name: str
    """What users type: ``"compile"``, with a mode ``"compile:max-autotune"``."""
    summary: str
    prepare: Callable[[Request], Call]
    devices: tuple[str, ...] = ("cpu", "cuda", "mps")
    precisions: tuple[str, ...] = FLOATING
    own_memory_format: str | None = None
    """What networks and inputs are laid out in where the engine decides that, whatever is asked."""
    workloads: tuple[str, ...] = INFERENCE
    """Modes of ``zoo bench`` that it can be measured in."""
    package: str = "torch"
    """The distribution whose version counts."""
    extra: str | None = None
    """What to install ``torch-zoo`` with to have that package."""
    has_fixed_shape: bool = False
    """Whether it takes inputs of the example's shape only."""
    compiles_each_shape: bool = False
    """Whether it takes inputs of another shape after a while in which it compiles for them: batches
    of other sizes are then filled up or cut, as for those that take one shape only."""
    folds_batch_norms: bool = False
    """Whether the network is rewritten before it is converted."""
    is_layer_by_layer: bool = False
    """Whether each layer is a call of its own, which costs at least the time of a small one."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that its package reads when it loads: ``zoo bench`` then gives each run
    a process that starts with them."""

    @property
    def memory_formats(self) -> tuple[str, ...]:
        """Memory formats that can be asked for."""
        return _MEMORY_FORMATS if self.own_memory_format is None else _MEMORY_FORMATS[:1]

    @property
    def version(self) -> str | None:
        """Version of the package; ``None`` where it is not installed."""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None


def require(
    module: str,
    engine: str,
    extra: str,
) -> Any:
    """Import a module that an engine needs.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPackageError(module, f"the engine {engine}", extra) from error
