"""Load a model of the registry: resolve its name, build it, fetch and read its weights, fit them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import OptionError
from zoo.loader.adaptation import (
    apply_key_mappings,
    drop_head,
    load_strictly,
    replace_input_layer,
    spread_input_weights,
)
from zoo.loader.construction import build_model, without_initialisation
from zoo.loader.finiteness import warn_of_bad_values
from zoo.loader.state_dicts import read_state_dict
from zoo.weights.own_record import read_own_record, require_own_record

if TYPE_CHECKING:
    import torch
    from torch import nn

    from zoo.catalog.records import Architecture, Weights
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
    **options: Any,
) -> nn.Module:
    """Load a model of the registry, with published weights, your own, or none.

    Nothing is initialised that is about to be overwritten, and no code from the weights file runs.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"`` for particular weights.
        weights: A tag, ``"default"`` for the publisher's default, ``None`` for random parameters.
        checkpoint: A file of your own with a state dict for this network, instead of published weights.
        num_classes: Outputs of the last layer. If the weights have another number, the last layer starts untrained.
        in_channels: Channels of the picture. Published kernels are summed for one channel, else repeated and scaled.
        device: Where the parameters go; by default they stay on the CPU.
        verify: Whether to hash a cached file: ``"quick"`` if it changed since it was last hashed, ``"full"`` always,
            ``"off"`` never.
        progress: Show a progress bar on stderr while downloading.
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
    """
    name, _, tag = name.partition(":")
    architecture = find_architecture(name)
    changes = _Changes(num_classes, in_channels, options)
    if checkpoint is not None:
        return load_checkpoint(name, checkpoint, device=device, **changes.as_arguments())
    wanted = tag or weights
    if wanted is None:
        model = _build(architecture, None, changes)
        return model.to(device) if device is not None else model
    return load_weights(
        architecture,
        find_weights(architecture, wanted),
        device=device,
        verify=verify,
        progress=progress,
        **changes.as_arguments(),
    )


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
    """Load the weights of a record, from any registry; arguments and errors are those of :func:`load_model`."""
    with without_initialisation():
        model = _build(architecture, record, _Changes(num_classes, in_channels, options))
    path = _obtain(record, verify, progress=progress)
    state_dict = apply_key_mappings(read_state_dict(path, is_verified=True), record.key_mappings)
    if in_channels not in {None, record.input_size[0]}:
        state_dict = spread_input_weights(model, state_dict)
    if num_classes not in {None, record.num_classes}:
        state_dict = drop_head(model, state_dict, record.num_classes)
    return _filled(model, state_dict, path, device)


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
        file: A safetensors file, or one that ``torch.save`` wrote and that holds nothing but tensors.
        num_classes: Outputs of the last layer. By default what the file's record of training says, else the
            architecture's usual number.
        in_channels: Channels of the picture that the file was trained with.
        device: Where the parameters go.
        has_new_head: The file has the architecture's usual number of classes; the last layer starts untrained.
        options: Passed to the builder.

    Raises:
        CheckpointError: The file is damaged, hostile, was trained as another architecture, or does not fit; lists
            missing, unexpected and mis-shaped keys.
    """
    architecture, path = find_architecture(name.partition(":")[0]), Path(file)
    if read_own_record(path) is not None:
        record = require_own_record(path, architecture.name)
        num_classes = num_classes or len(record.labels)
    with without_initialisation():
        model = _build(architecture, None, _Changes(num_classes, in_channels, options))
    state_dict = read_state_dict(path)
    warn_of_bad_values(state_dict, path.name)
    if has_new_head:
        state_dict = drop_head(model, state_dict, architecture.num_classes)
    return _filled(model, state_dict, path, device)


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a caller wants other than published."""

    num_classes: int | None
    in_channels: int | None
    options: dict[str, Any]

    def as_arguments(self) -> dict[str, Any]:
        return {"num_classes": self.num_classes, "in_channels": self.in_channels, **self.options}


def _build(architecture: Architecture, weights: Weights | None, changes: _Changes) -> nn.Module:
    options = dict(changes.options)
    if changes.num_classes is not None:
        options["num_classes"] = changes.num_classes
    in_channels = changes.in_channels
    if in_channels is None or in_channels == architecture.input_size[0]:
        return build_model(architecture, weights, **options)
    if weights and "transform_input" in (weights.options or {}):
        fault = "its weights transform red, green and blue; use weights=None"
        raise OptionError(architecture.name, f"in_channels={in_channels}", fault)
    if architecture.provider == "zoo":
        return build_model(architecture, weights, in_channels=in_channels, **options)
    if architecture.task != "classification":
        raise OptionError(architecture.name, f"in_channels={in_channels}", "only classifiers can change their channels")
    model = build_model(architecture, weights, **options)
    replace_input_layer(model, in_channels)
    return model


def _obtain(record: Weights, verify: Verify, *, progress: bool) -> Path:
    """Find or fetch the file of some weights and return its path."""
    from zoo.weights import cache, fetcher, twins
    from zoo.weights.options import FetchOptions

    (file,) = record.files
    if (twin := twins.find_twin(file, verify=verify)) is not None:
        return twin
    if verify == "off" and (path := cache.packaged_path(file) or cache.target_path(file)).is_file():
        return path
    options = FetchOptions(verify="full" if verify == "full" else "quick")
    if not progress:
        return fetcher.fetch(file, options=options).path
    from zoo.weights.progress import progress_bars

    with progress_bars() as listener:
        return fetcher.fetch(file, options=options, listener=listener).path


def _filled(model: nn.Module, state_dict: StateDict, path: Path, device: torch.device | str | None) -> nn.Module:
    load_strictly(model, state_dict, path.name)
    model.eval()
    return model.to(device) if device is not None else model
