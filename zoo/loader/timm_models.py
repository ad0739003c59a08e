"""Networks of timm: built by timm, with weights that zoo has fetched, verified and read.

timm is an extra. Its own loading is used for what it does with a state dict (renames, other
numbers of classes and channels), so that ``zoo.load_model("timm/...")`` is what
``timm.create_model`` makes of the same file.
"""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.catalog.entry_points import entry_point_fault
from zoo.errors import BuilderError, CheckpointError, MissingPackageError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from zoo.catalog.records import Architecture, Weights

PREFIX = "timm/"
_RENAMED = {"in_channels": "in_chans"}
"""Options of zoo -> the same of timm."""
_FOREIGN = frozenset(
    {"pretrained", "checkpoint_path", "cache_dir", "pretrained_cfg", "pretrained_cfg_overlay"}
)
"""Options with which timm would read files by itself."""


def require(architecture: Architecture) -> None:
    """Make sure that timm has a network before its weights are fetched.

    Raises:
        MissingPackageError: timm is not installed.
        BuilderError: This timm lacks the network.
    """
    _timm_name(architecture)


def build(
    architecture: Architecture,
    weights: Weights | None,
    options: dict[str, Any],
) -> nn.Module:
    """Build a network of timm without weights.

    Raises:
        MissingPackageError: timm is not installed.
        BuilderError: This timm has no such network.
        OptionError: The network does not take an option or its value.
    """
    return _create(architecture, weights, options, {"pretrained": False})


def load(
    architecture: Architecture,
    weights: Weights,
    state_dict: dict[str, Tensor],
    path: Path,
    options: dict[str, Any],
) -> nn.Module:
    """Build a network of timm and let timm fit a published state dict into it.

    Raises:
        CheckpointError: The state dict does not fit.
    """
    given = {
        "pretrained": True,
        "pretrained_cfg_overlay": {"state_dict": state_dict},
    }
    try:
        return _create(architecture, weights, options, given).eval()
    except RuntimeError as error:  # of load_state_dict
        fault = " ".join(str(error).split())[:300]
        raise CheckpointError(path.name, f"it does not fit {architecture.name}: {fault}") from error


def _create(
    architecture: Architecture,
    weights: Weights | None,
    options: dict[str, Any],
    given: dict[str, Any],
) -> nn.Module:
    timm = _import(architecture)
    name = _timm_name(architecture)
    refused = sorted(_FOREIGN & options.keys())
    if refused:
        fault = "zoo reads the weights itself; say weights= or checkpoint="
        raise OptionError(architecture.name, refused[0], fault)
    renamed = {_RENAMED.get(option, option): value for option, value in options.items()}
    spec = f"{name}.{weights.tag}" if weights else name
    try:
        with _silence():
            model: nn.Module = timm.create_model(spec, **given, **renamed)
    except (TypeError, ValueError, AssertionError) as error:
        shown = ", ".join(options) or "its options"
        raise OptionError(architecture.name, shown, str(error)) from error
    return model


def _import(architecture: Architecture) -> Any:
    try:
        import timm
    except ImportError as error:
        advice = "timm"
        raise MissingPackageError(architecture.name, "timm", advice) from error
    return timm


def _timm_name(architecture: Architecture) -> str:
    """Look the network up among those that timm registers; nothing else is ever called.

    Raises:
        BuilderError: The record names something else, or this timm lacks the network.
    """
    fault = entry_point_fault("timm", architecture.name, architecture.entry_point)
    if fault is not None:
        raise BuilderError(architecture.name, fault)
    name = architecture.name.removeprefix(PREFIX)
    if not _import(architecture).is_model(name):
        raise BuilderError(architecture.name, "this timm has no network of that name")
    return name


@contextmanager
def _silence() -> Iterator[None]:
    """Keep timm from warning users of what only its own authors can change."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="timm")
        yield
