"""Build an architecture from its record, with or without initialising parameters."""

from __future__ import annotations

import importlib
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zoo.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.catalog.records import Architecture, Weights

_MAKE_PARAMETERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
_IN_PLACE = ("normal", "uniform", "fill", "zero", "erfinv", "mul", "add", "clamp")
_SET_VALUES = {getattr(torch.Tensor, f"{name}_") for name in _IN_PLACE}
"""What initialising does to a parameter, where it is not done by a function of torch.nn.init."""


class _ParametersOnMeta(TorchFunctionMode):
    """Send the factories that modules make parameters with to the meta device, and leave tables alone.

    ``torch.device("meta")`` would also catch ``arange``, ``linspace`` and ``tensor``: RegNet and Swin compute their
    block widths and index tables with those and need real numbers. Initialising is left out as well: on the meta device
    torch does it in Python, which takes longer than all the rest.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _MAKE_PARAMETERS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        if func in _SET_VALUES or getattr(func, "__module__", "") == "torch.nn.init":
            target = args[0] if args else kwargs["tensor"]
            if target.is_meta:
                return target
        return func(*args, **kwargs)


@contextmanager
def without_initialisation() -> Iterator[None]:
    """Build modules whose parameters take no memory and no time to initialise; load a state dict with ``assign=True``.

    >>> with without_initialisation():
    ...     layer = torch.nn.Linear(2, 3)
    >>> layer.weight.device
    device(type='meta')
    """
    with _ParametersOnMeta(), torch.no_grad():
        yield


def find_builder(architecture: Architecture) -> Callable[..., nn.Module]:
    """Import what builds an architecture: ``torchvision.models.resnet18`` or a function of ``zoo.models``."""
    module_name, _, function = architecture.entry_point.rpartition(".")
    builder: Callable[..., nn.Module] = getattr(importlib.import_module(module_name), function)
    return builder


def build_model(architecture: Architecture, weights: Weights | None = None, **options: Any) -> nn.Module:
    """Build the network for an architecture; no weights are loaded.

    Args:
        architecture: Its record.
        weights: Build it as these weights need it: their number of classes, input size and options.
        options: Passed to the builder; they win over what the weights need.

    Raises:
        OptionError: The builder takes no such option, or refuses its value.
    """
    builder = find_builder(architecture)
    signature = inspect.signature(builder)
    fixed = _builder_defaults(architecture, signature)
    needed = dict(weights.options or {}) if weights else {}
    if weights and weights.num_classes is not None:
        needed.setdefault("num_classes", weights.num_classes)
    arguments = {**fixed, **needed, **options}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    unknown = [name for name in options if name not in signature.parameters and not takes_any]
    if unknown:
        known = [n for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY and n != "progress"]
        raise OptionError(architecture.name, unknown[0], f"it takes {', '.join(known) or 'no options'}")
    try:
        model = builder(**arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise OptionError(architecture.name, ", ".join(options) or "its options", str(error)) from error
    return model


def _builder_defaults(architecture: Architecture, signature: inspect.Signature) -> dict[str, Any]:
    """Choose what torchvision's builders must be told so that they neither download nor initialise twice."""
    if architecture.provider != "torchvision":
        return {}
    defaults: dict[str, Any] = {"weights": None}
    if "weights_backbone" in signature.parameters:
        defaults["weights_backbone"] = None
    if architecture.family in {"googlenet", "inception"}:
        defaults |= {"aux_logits": False, "init_weights": True}
    return defaults
