"""Load a model of the registry.

Resolve its name, build it, fetch and read its weights, fit them in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.catalog.local import find_local, is_local
from zoo.catalog.resolver import find_architecture, find_weights, resolve_loosely
from zoo.errors import CheckpointError, OptionError
from zoo.formats.training_metadata import read_own_record, require_own_record
from zoo.loader import features, timm_models
from zoo.loader.adaptation import (
    apply_key_mappings,
    drop_head,
    load_strictly,
    map_to,
    mappings_of,
    needed_mappings,
    replace_input_layer,
    spread_input_weights,
    to_types_of,
)
from zoo.loader.borrowed import Request, translate
from zoo.loader.construction import build_model, without_initialisation
from zoo.loader.finiteness import warn_of_bad_values
from zoo.loader.reparametrization import joined
from zoo.loader.state_dicts import read_state_dict
from zoo.models.genotype import Genotype

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import nn

    from zoo.catalog.records import Architecture, Weights
    from zoo.formats.training_metadata import OwnRecord
    from zoo.loader.adaptation import StateDict

Verify = Literal["full", "quick", "off"]


def load_model(
    name: str,
    weights: str | None = "default",
    *,
    checkpoint: Path | str | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    device: torch.device | str | None = None,
    verify: Verify = "quick",
    progress: bool = True,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    **options: Any,
) -> nn.Module:
    """Load a model of the registry, with published weights, your own, or none.

    Nothing is initialised that is about to be overwritten, and no code from the weights file runs.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"`` for particular weights; or
            ``"local/NAME"`` for one of your own.
        weights: A tag, ``"default"`` for the publisher's default, ``None`` for random parameters.
        checkpoint: A file of your own with a state dict for this network, instead of published
            weights.
        num_classes: Outputs of the last layer. If the weights have another number, the last layer
            starts untrained; 0 takes it out, so that the network returns pooled features ``(N,
            D)``.
        in_channels: Channels of the image. Published kernels are summed for one channel, else
            repeated and scaled.
        device: Where the parameters go; by default they stay on the CPU.
        verify: Whether to hash a cached file: ``"quick"`` if it changed since it was last hashed,
            ``"full"`` always, ``"off"`` never.
        progress: Show a progress bar on stderr while downloading.
        features_only: Return the maps that the network makes on its way, ``(N, C, H, W)`` each, the
            finest first; ``channels`` and ``strides`` of the result say what they are.
        out_indices: Which of these maps, by default all.
        options: Passed to the architecture's builder: ``drop_rate=0.2``, ``variant="classic"``.

    Returns:
        The network: in eval mode with weights, in train mode with random parameters.

    Raises:
        UnknownNameError: No such model or weights; offers the nearest.
        OptionError: The builder does not take an option or its value.
        FetchError: The weights cannot be had.
        CheckpointError: The file is damaged, hostile, or does not fit the network.

    >>> import zoo
    >>> zoo.load_model("lenet5").training
    False
    >>> zoo.load_model("lenet5", features_only=True, out_indices=(1, 3)).strides
    (2, 8)
    """
    if is_local(name):
        own = find_local(name)
        checkpoint = own.file
        name = own.architecture
    architecture, record = resolve_loosely(name)
    spec = f"{architecture.name}:{record.tag}" if record else architecture.name
    request = translate(
        architecture.name,
        Request(
            weights,
            checkpoint,
            in_channels,
            options,
        ),
    )
    in_channels = request.in_channels
    has_maps = features_only or out_indices is not None
    is_timm = architecture.provider == "timm"
    if is_timm and has_maps:  # timm cuts its own networks
        request.options.update(features_only=True)
        if out_indices is not None:
            request.options.update(out_indices=tuple(out_indices))
    elif (num_classes == 0 and not is_timm) or has_maps:
        whole = load_model(
            spec,
            request.weights,
            checkpoint=request.checkpoint,
            in_channels=in_channels,
            device=device,
            verify=verify,
            progress=progress,
            **request.options,
        )
        return _features(architecture, whole, in_channels, out_indices, has_maps=has_maps)

    changes = _Changes(num_classes, in_channels, request.options)
    if request.checkpoint is not None:
        file = request.checkpoint
        return load_checkpoint(
            architecture.name,
            file,
            device=device,
            **changes.as_arguments(),
        )
    if record is None and request.weights is not None:
        record = find_weights(architecture, request.weights)
    if record is None:
        model = _build(architecture, None, changes)
        if device is not None:
            return model.to(device)
        return model
    return load_weights(
        architecture,
        record,
        device=device,
        verify=verify,
        progress=progress,
        **changes.as_arguments(),
    )


def _features(
    architecture: Architecture,
    model: nn.Module,
    in_channels: int | None,
    out_indices: Sequence[int] | None,
    *,
    has_maps: bool,
) -> nn.Module:
    """Take the last layer out of a classifier, or make it return its maps.

    Raises:
        OptionError: It is no classifier, or has no such maps.
    """
    if architecture.task != "classification":
        option = "num_classes=0"
        if has_maps:
            option = "features_only=True"
        fault = f"features are those of classifiers, its task is {architecture.task}"
        raise OptionError(architecture.name, option, fault)
    if not has_maps:
        return features.without_head(model, None)
    channels, *size = architecture.input_size
    shape = (in_channels or channels, *size)
    return features.feature_maps(model, shape, None, out_indices)


def load_weights(
    architecture: Architecture,
    record: Weights,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    device: torch.device | str | None = None,
    verify: Verify = "quick",
    progress: bool = True,
    **options: Any,
) -> nn.Module:
    """Load the weights of a record, from any registry.

    Arguments and errors are those of :func:`load_model`.
    """
    changes = _Changes(num_classes, in_channels, options)
    if architecture.provider == "timm":
        return _load_timm(architecture, record, changes, device, verify, progress=progress)
    with without_initialisation():
        model = _build(architecture, record, changes)
    path = _obtain(record, verify, progress=progress)
    published = read_state_dict(path, is_verified=True, is_mapped=True)
    state_dict = apply_key_mappings(published, needed_mappings(model, record.key_mappings))
    if in_channels not in {None, record.input_size[0]}:
        state_dict = spread_input_weights(model, state_dict)
    if num_classes not in {None, record.num_classes}:
        state_dict = drop_head(model, state_dict, record.num_classes)
    return _filled(model, state_dict, path, device)


def _load_timm(
    architecture: Architecture,
    record: Weights,
    changes: _Changes,
    device: torch.device | str | None,
    verify: Verify,
    *,
    progress: bool,
) -> nn.Module:
    """Load weights as timm does, from a file that is verified and read here."""
    timm_models.require(architecture)
    path = _obtain(record, verify, progress=progress)
    state_dict = read_state_dict(path, is_verified=True, is_mapped=True)
    model = timm_models.load(architecture, record, state_dict, path, changes.given())
    if device is not None:
        return model.to(device)
    return model


def load_checkpoint(
    name: str,
    file: Path | str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    device: torch.device | str | None = None,
    has_new_head: bool = False,
    **options: Any,
) -> nn.Module:
    """Load a state dict of your own into an architecture of the registry; every key must fit.

    Args:
        name: The architecture.
        file: A safetensors file, or one that ``torch.save`` wrote and that holds nothing but
            tensors.
        num_classes: Outputs of the last layer. By default what the file's record of training says,
            else the architecture's usual number.
        in_channels: Channels of the image that the file was trained with.
        device: Where the parameters go.
        has_new_head: The file has the architecture's usual number of classes; the last layer starts
            untrained.
        options: Passed to the builder.

    Raises:
        CheckpointError: The file is damaged, hostile, was trained as another architecture, or does
            not fit; lists missing, unexpected and mis-shaped keys.
    """
    architecture = find_architecture(name)
    path = Path(file)
    if read_own_record(path) is not None:
        record = require_own_record(path, architecture.name)
        num_classes = num_classes or len(record.labels)
        options = {**_built_with(record, architecture, path), **options}
        in_channels = in_channels or options.pop("in_channels", None)
    with without_initialisation():
        model = _build(architecture, None, _Changes(num_classes, in_channels, options))
    state_dict = read_state_dict(path)
    warn_of_bad_values(state_dict, path.name)
    state_dict = joined(state_dict, model.state_dict().keys(), path.name)
    state_dict = map_to(model, state_dict, mappings_of(architecture))
    state_dict = to_types_of(model, state_dict, path.name)
    if has_new_head:
        state_dict = drop_head(model, state_dict, architecture.num_classes)
    return _filled(model, state_dict, path, device)


def _built_with(
    record: OwnRecord,
    architecture: Architecture,
    path: Path,
) -> dict[str, Any]:
    """Tell what the builder of a file's network was told.

    Raises:
        CheckpointError: Its genotype is none, or the builder is one that could fetch or run more
            than a file should be able to ask for.
    """
    options: dict[str, Any] = dict(record.options)
    if options and architecture.provider != "zoo":
        fault = f"it has options for {architecture.name}, whose builder takes none from files"
        raise CheckpointError(path.name, fault)
    if record.genotype is None:
        return options
    try:
        options["genotype"] = Genotype.from_json(record.genotype)
    except ValueError as error:
        raise CheckpointError(path.name, f"its genotype is none: {error}") from error
    return options


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a caller wants other than published."""

    num_classes: int | None
    in_channels: int | None
    options: dict[str, Any]

    def given(self) -> dict[str, Any]:
        """Those that a caller gave."""
        return {name: value for name, value in self.as_arguments().items() if value is not None}

    def as_arguments(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "in_channels": self.in_channels,
            **self.options,
        }


def _build(
    architecture: Architecture,
    weights: Weights | None,
    changes: _Changes,
) -> nn.Module:
    options = dict(changes.options)
    if changes.num_classes is not None:
        options["num_classes"] = changes.num_classes
    in_channels = changes.in_channels
    if architecture.provider == "timm":
        return build_model(architecture, weights, **changes.given())
    if in_channels is None or in_channels == architecture.input_size[0]:
        return build_model(architecture, weights, **options)
    if weights and "transform_input" in (weights.options or {}):
        fault = "its weights transform red, green and blue; use weights=None"
        raise OptionError(architecture.name, f"in_channels={in_channels}", fault)
    if architecture.provider == "zoo":
        return build_model(
            architecture,
            weights,
            in_channels=in_channels,
            **options,
        )
    if architecture.task != "classification":
        fault = f"in_channels={in_channels}"
        advice = "only classifiers can change their channels"
        raise OptionError(architecture.name, fault, advice)
    model = build_model(architecture, weights, **options)
    replace_input_layer(model, in_channels)
    return model


def _obtain(
    record: Weights,
    verify: Verify,
    *,
    progress: bool,
) -> Path:
    """Find or fetch the file of some weights and return its path."""
    from zoo.cache import paths, safetensors_copies
    from zoo.download import fetcher
    from zoo.download.options import FetchOptions

    (file,) = record.files
    copy = safetensors_copies.find_copy(file, verify=verify)
    if copy is not None:
        return copy
    if verify == "off" and (path := paths.packaged_path(file) or paths.target_path(file)).is_file():
        return path
    options = FetchOptions(verify="full" if verify == "full" else "quick", replaces=False)
    if not progress:
        return fetcher.fetch(file, options=options).path
    from zoo.download.progress import progress_bars

    with progress_bars() as listener:
        return fetcher.fetch(file, options=options, listener=listener).path


def _filled(
    model: nn.Module,
    state_dict: StateDict,
    path: Path,
    device: torch.device | str | None,
) -> nn.Module:
    load_strictly(model, state_dict, path.name)
    model.eval()
    if device is not None:
        return model.to(device)
    return model
