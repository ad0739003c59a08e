"""Say what is in a weights file: its tensors, values that are no numbers, and the architectures that it fits.

A file says nothing about its architecture but the names and shapes of its tensors. The shipped tables of layers rule
out most architectures without building them: every tensor must belong to a layer that the network has, and every layer
with parameters must have some in the file. Those that are left are built without parameters and compared key by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.catalog.registry import load_registry
from zoo.errors import OptionError, RegistryError
from zoo.inspector.layers import load_table
from zoo.loader.adaptation import apply_key_mappings, find_mismatch, replace_input_layer
from zoo.loader.construction import build_model, without_initialisation
from zoo.loader.finiteness import count_bad_values
from zoo.loader.state_dicts import read_state_dict
from zoo.weights import checkpoint
from zoo.weights.safetensors_file import is_safetensors, read_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from zoo.catalog.records import Architecture
    from zoo.catalog.registry import Registry
    from zoo.loader.adaptation import Mismatch


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor of a file."""

    name: str
    dtype: str
    """As torch calls it: ``"float32"``."""
    shape: tuple[int, ...]
    count: int
    """How many values it has."""
    nan: int | None
    """How many of them are NaN; ``None`` if they were not read."""
    infinite: int | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a weights file."""

    file: str
    format: str
    metadata: Mapping[str, str]
    """What a safetensors file says about itself."""
    tensors: tuple[TensorFacts, ...]

    @property
    def count(self) -> int:
        """Values of all tensors."""
        return sum(tensor.count for tensor in self.tensors)

    @property
    def bad_count(self) -> int | None:
        """NaN and infinite values of all tensors; ``None`` if they were not read."""
        counts = [
            tensor.nan + tensor.infinite
            for tensor in self.tensors
            if tensor.nan is not None and tensor.infinite is not None
        ]
        return sum(counts) if len(counts) == len(self.tensors) else None


@dataclass(frozen=True, slots=True)
class Fit:
    """An architecture that a file can be loaded into."""

    model: str
    options: Mapping[str, int]
    """What ``zoo.load_model`` must be told: ``{"num_classes": 10}``; empty if nothing."""
    key_mappings: tuple[str, ...]
    """How the file's keys must be changed first, as some records say of theirs."""
    dtype: str | None
    """The type of the file's tensors where it is not the network's."""

    @property
    def is_exact(self) -> bool:
        """Whether the file loads as it is."""
        return not (self.options or self.key_mappings or self.dtype)


def read_contents(path: Path, *, values: bool = True) -> tuple[Contents, dict[str, Tensor]]:
    """Read a weights file after looking through it, and describe its tensors in their order.

    Args:
        path: A safetensors file, or one that ``torch.save`` wrote.
        values: Read all values and count those that are no numbers.

    Returns:
        The description, and the tensors.

    Raises:
        CheckpointError: The file is damaged, or holds more than tensors.
    """
    state_dict = read_state_dict(path)
    metadata = read_header(path).metadata if is_safetensors(path) else {}
    kind = checkpoint.scan(path, sums=False).format.value
    tensors = tuple(_facts(name, tensor, values=values) for name, tensor in state_dict.items())
    return Contents(path.name, kind, metadata, tensors), state_dict


def find_fits(state_dict: Mapping[str, Tensor], registry: Registry | None = None) -> list[Fit]:
    """List the architectures that a state dict can be loaded into, those that need nothing changed first.

    Args:
        state_dict: Names and tensors; the values do not count.
        registry: By default the one that ships with zoo.
    """
    fits = []
    for architecture in (registry or load_registry()).architectures.values():
        for mappings in _mappings_of(architecture):
            mapped = apply_key_mappings(dict(state_dict), mappings)
            if mapped and _may_fit(architecture, mapped):
                fit = _try(architecture, mapped, mappings)
                if fit is not None:
                    fits.append(fit)
                    break
    return sorted(fits, key=lambda fit: (not fit.is_exact, len(fit.options), len(fit.key_mappings)))


def _facts(name: str, tensor: Tensor, *, values: bool) -> TensorFacts:
    """Describe one tensor."""
    bad = count_bad_values(tensor) if values else None
    dtype = str(tensor.dtype).removeprefix("torch.")
    counts = (None, None) if bad is None else (bad.nan, bad.infinite)
    return TensorFacts(name, dtype, tuple(tensor.shape), tensor.numel(), *counts)


def _mappings_of(architecture: Architecture) -> list[tuple[str, ...]]:
    """List how files of an architecture may have to be changed; nothing comes first."""
    return list(dict.fromkeys([(), *(weights.key_mappings for weights in architecture.weights.values())]))


def _may_fit(architecture: Architecture, state_dict: Mapping[str, Tensor]) -> bool:
    """Tell by the shipped table of layers whether building the network is worth the time."""
    try:
        table = load_table(architecture.name)
    except RegistryError:  # none is shipped
        return True
    below = {layer.path: 0 for layer in table.layers}
    for layer in table.layers[1:]:
        below[layer.path.rpartition(".")[0]] += layer.parameters
    needed = {layer.path for layer in table.layers if layer.parameters > below[layer.path]}
    owners = {name.rpartition(".")[0] for name in state_dict}
    return needed <= owners <= below.keys()


def _try(architecture: Architecture, state_dict: Mapping[str, Tensor], mappings: tuple[str, ...]) -> Fit | None:
    """Build the network and compare; once more with what the shapes say about classes and channels."""
    model = _build(architecture, {})
    if model is None:
        return None
    mismatch = find_mismatch(model, state_dict)
    options: dict[str, int] = {}
    if mismatch.misshaped:
        options = _guess_options(architecture, mismatch)
        model = _build(architecture, options) if options else None
        if model is None:
            return None
        mismatch = find_mismatch(model, state_dict)
    missing = [name for name in mismatch.missing if not name.endswith(".num_batches_tracked")]
    if missing or mismatch.unexpected or mismatch.misshaped:
        return None
    types = {str(got).removeprefix("torch.") for _, got in mismatch.mistyped.values()}
    return Fit(architecture.name, options, mappings, ", ".join(sorted(types)) or None)


def _guess_options(architecture: Architecture, mismatch: Mismatch) -> dict[str, int]:
    """Say which number of classes or channels would explain the shapes that differ."""
    options: dict[str, int] = {}
    for expected, got in mismatch.misshaped.values():
        if len(expected) != len(got):
            return {}
        if expected[:1] == (architecture.num_classes,) and expected[1:] == got[1:]:
            options["num_classes"] = got[0]
        elif len(expected) == 4 and expected[1] == architecture.input_size[0] and expected[0] == got[0]:
            options["in_channels"] = got[1]
    return options


def _build(architecture: Architecture, options: Mapping[str, int]) -> nn.Module | None:
    """Build a network without parameters; ``None`` if it does not take the options."""
    changes: dict[str, Any] = dict(options)
    in_channels = None if architecture.provider == "zoo" else changes.pop("in_channels", None)
    try:
        with without_initialisation():
            model = build_model(architecture, **changes)
            if in_channels is not None:
                replace_input_layer(model, in_channels)
    except OptionError:
        return None
    return model
