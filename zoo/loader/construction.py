"""Build an architecture from its record, with or without initialising parameters."""

from __future__ import annotations

import importlib
import inspect
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from zoo.catalog.entry_points import entry_point_fault
from zoo.errors import BuilderError, OptionError
from zoo.loader import timm_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.catalog.records import Architecture, Weights

_MAKE_PARAMETERS = {
    torch.empty,
    torch.zeros,
    torch.ones,
    torch.full,
    torch.rand,
    torch.randn,
}
_IN_PLACE = ("normal", "uniform", "fill", "zero", "erfinv", "mul", "add", "clamp")
_SET_VALUES = {getattr(torch.Tensor, f"{name}_") for name in _IN_PLACE}
"""What initialising does to a parameter, where it is not done by a function of torch.nn.init."""


class _ParametersOnMeta(TorchFunctionMode):
    """Send the factories of parameters to the meta device, and leave tables alone.

    ``torch.device("meta")`` would also catch ``arange``, ``linspace`` and ``tensor``: RegNet and
    Swin compute their block widths and index tables with those and need real numbers. Initialising
    is left out as well: on the meta device torch does it in Python, which takes longer than all the
    rest.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKE_PARAMETERS and kwargs.get("device") is None:
            kwargs = {
                **kwargs,
                "device": "meta",
            }
        if func in _SET_VALUES or getattr(func, "__module__", "") == "torch.nn.init":
            target = args[0] if args else kwargs["tensor"]
            if target.is_meta:
                return target
        return func(*args, **kwargs)


@contextmanager
def without_initialisation() -> Iterator[None]:
    """Build modules whose parameters take no memory and no time to initialise.

    Load a state dict with ``assign=True``.

    >>> with without_initialisation():
    ...     layer = torch.nn.Linear(2, 3)
    >>> layer.weight.device
    device(type='meta')
    """
    with (
        _ParametersOnMeta(),
        torch.no_grad(),
    ):
        yield


def find_builder(architecture: Architecture) -> Callable[..., nn.Module]:
    """Find what builds an architecture among its provider's registered builders.

    Nothing else is ever called.

    Raises:
        BuilderError: The record names something else, or this version of the provider lacks the
            builder.
    """
    name = architecture.name
    entry_point = architecture.entry_point
    fault = entry_point_fault(architecture.provider, name, entry_point)
    if fault is not None:
        raise BuilderError(name, fault)
    if architecture.provider == "torchvision":
        return _torchvision_builder(name)
    return _own_builder(name, entry_point)


def _torchvision_builder(name: str) -> Callable[..., nn.Module]:
    """Look a builder up where torchvision registers its own."""
    from torchvision.models import get_model_builder

    try:
        builder: Callable[..., nn.Module] = get_model_builder(name)
    except ValueError as error:
        raise BuilderError(name, "this torchvision has no builder of that name") from error
    return builder


def _own_builder(
    name: str,
    entry_point: str,
) -> Callable[..., nn.Module]:
    """Look a builder up in ``zoo.models``.

    A function that is defined there and takes a number of classes.
    """
    module_name = entry_point.rpartition(".")[0]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        fault = f"there is no module {module_name}"
        raise BuilderError(name, fault) from error
    builder: Any = getattr(module, name, None)
    is_defined_here = inspect.isfunction(builder) and builder.__module__ == module_name
    if not is_defined_here or "num_classes" not in inspect.signature(builder).parameters:
        fault = f"{module_name} has no builder of that name"
        raise BuilderError(name, fault)
    found: Callable[..., nn.Module] = builder
    return found


def build_model(
    architecture: Architecture,
    weights: Weights | None = None,
    **options: Any,
) -> nn.Module:
    """Build the network for an architecture; no weights are loaded.

    Args:
        architecture: Its record.
        weights: Build it as it was published with these weights: number of classes, input size,
            options, and what torchvision's builder does when it is given them (frozen batch
            normalization, eps, trainable layers).
        options: Passed to the builder; they win over what the weights need.

    Raises:
        OptionError: The builder takes no such option, or refuses its value.
    """
    if architecture.provider == "timm":
        return timm_models.build(architecture, weights, options)
    builder = find_builder(architecture)
    if weights is not None and architecture.provider == "torchvision":
        member = _torchvision_weights(architecture, weights)
        if member is not None and _is_as_published(weights, options):
            return _build_as_published(builder, architecture, member, options)
    signature = inspect.signature(builder)
    fixed = _builder_defaults(architecture, signature)
    needed = dict(weights.options or {}) if weights else {}
    if weights and weights.num_classes is not None:
        needed.setdefault("num_classes", weights.num_classes)
    arguments = {
        **fixed,
        **needed,
        **options,
    }
    _check_options(architecture, signature, options)
    try:
        model = builder(**arguments)
    except (TypeError, ValueError, AssertionError) as error:
        raise OptionError(
            architecture.name, ", ".join(options) or "its options", str(error)
        ) from error
    return model


def _is_as_published(
    weights: Weights,
    options: dict[str, Any],
) -> bool:
    """Tell whether options leave alone what torchvision's builder insists on for its weights.

    Other numbers of classes and networks without their auxiliary heads are built as without
    weights.
    """
    wants_heads_dropped = False in (options.get("aux_loss"), options.get("aux_logits"))
    is_usual_count = options.get("num_classes") in (None, weights.num_classes)
    return is_usual_count and not wants_heads_dropped


def _torchvision_weights(
    architecture: Architecture,
    weights: Weights,
) -> Any | None:
    """Find the member of torchvision's enum that stands for some weights.

    ``None`` for quantized networks, which are built with the weights of their float network or
    none, and for weights that this torchvision does not know.
    """
    if architecture.name.startswith("quantized_"):
        return None
    from torchvision.models import get_model_weights

    return get_model_weights(architecture.name).__members__.get(weights.tag.upper())


def _build_as_published(
    builder: Callable[..., nn.Module],
    architecture: Architecture,
    member: Any,
    options: dict[str, Any],
) -> nn.Module:
    """Let torchvision's builder do everything that it does for its weights, except reading them."""
    signature = inspect.signature(builder)
    _check_options(architecture, signature, options)
    given = {
        "weights": member,
        "progress": False,
        **options,
    }
    if "weights_backbone" in signature.parameters:
        given.setdefault("weights_backbone", None)
    try:
        with _without_weights_files():
            return builder(**given)
    except (TypeError, ValueError, AssertionError) as error:
        shown = ", ".join(options) or "its options"
        raise OptionError(architecture.name, shown, str(error)) from error


class _NoTensors(dict[str, torch.Tensor]):
    """Stands for the state dict that is not read."""


_PATCHING = threading.Lock()


@contextmanager
def _without_weights_files() -> Iterator[None]:
    """Keep torchvision's builders from reading weights: the loader verifies them first.

    A builder has no way to ask for that: it fetches, loads, then sets what published networks
    need (eps, heads that are dropped, frozen layers). So for its time, fetching gives a mark, and
    loading that mark does nothing.
    """
    from torchvision.models._api import WeightsEnum

    fetch = WeightsEnum.get_state_dict
    load = nn.Module.load_state_dict

    def load_unless_marked(
        module: nn.Module,
        state_dict: Any,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if isinstance(state_dict, _NoTensors):
            return None
        return load(module, state_dict, *args, **kwargs)

    with _PATCHING:
        WeightsEnum.get_state_dict = lambda *_args, **_kwargs: _NoTensors()
        nn.Module.load_state_dict = load_unless_marked  # type: ignore[assignment, method-assign]  # put back below
        try:
            yield
        finally:
            WeightsEnum.get_state_dict = fetch
            nn.Module.load_state_dict = load  # type: ignore[method-assign]  # as above


def _check_options(
    architecture: Architecture,
    signature: inspect.Signature,
    options: dict[str, Any],
) -> None:
    """Refuse options that a builder does not take.

    Raises:
        OptionError: Lists those that it takes.
    """
    parameters = signature.parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    unknown = [name for name in options if name not in signature.parameters]
    if not unknown:
        return
    known = [
        parameter.name
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "progress"
    ]
    fault = f"it takes {', '.join(known) or 'no options'}"
    raise OptionError(architecture.name, unknown[0], fault)


def _builder_defaults(
    architecture: Architecture,
    signature: inspect.Signature,
) -> dict[str, Any]:
    """Choose what keeps torchvision's builders from downloading or initialising twice."""
    if architecture.provider != "torchvision":
        return {}
    defaults: dict[str, Any] = {"weights": None}
    if "weights_backbone" in signature.parameters:
        defaults["weights_backbone"] = None
    if architecture.family in {"googlenet", "inception"}:
        defaults |= {
            "aux_logits": False,
            "init_weights": True,
        }
    return defaults
