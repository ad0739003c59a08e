"""Say what is in a weights file.

Its tensors, values that are no numbers, and the architectures that it fits.

A file says nothing about its architecture but the names and shapes of its tensors. The shipped
tables of layers rule out most architectures without building them: every tensor must belong to a
layer that the network has, and every layer with parameters must have some in the file. Those that
are left are built without parameters and compared key by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.catalog.registry import load_registry
from zoo.errors import OptionError, RegistryError
from zoo.formats import checkpoint
from zoo.inspector.layers import load_table, may_have_layers
from zoo.loader.adaptation import (
    apply_key_mappings,
    find_mismatch,
    mappings_of,
    replace_input_layer,
)
from zoo.loader.construction import build_model, without_initialisation
from zoo.loader.finiteness import count_bad_values
from zoo.loader.state_dicts import read_named_tensors
from zoo.loader.wrappers import without_common_prefixes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

    from zoo.catalog.records import Architecture
    from zoo.catalog.registry import Registry
    from zoo.loader.adaptation import Mismatch


_COUNTER = ".num_batches_tracked"
"""What batch norms count; files may lack it."""


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
    keys: tuple[str, ...] = ()
    """Of the dictionaries that the tensors were taken out of: ``("state_dict",)``."""
    prefixes: tuple[str, ...] = ()
    """What stood before every name and was dropped: ``("module.",)``."""

    @property
    def count(self) -> int:
        """Values of all tensors."""
        return sum(tensor.count for tensor in self.tensors)

    @property
    def bad_count(self) -> int | None:
        """NaN and infinite values of all tensors; ``None`` if they were not read."""
        total = 0

        for tensor in self.tensors:
            if tensor.nan is None or tensor.infinite is None:
                return None
            total += tensor.nan + tensor.infinite

        return total


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


def read_contents(
    path: Path,
    *,
    values: bool = True,
) -> tuple[Contents, dict[str, Tensor]]:
    """Read a weights file after looking through it, and describe its tensors in their order.

    Args:
        path: A safetensors file, or one that ``torch.save`` wrote.
        values: Read all values and count those that are no numbers.

    Returns:
        The description, and the tensors.

    Raises:
        CheckpointError: The file is damaged, or holds more than tensors.
    """
    named = read_named_tensors(path)
    found = [_facts(name, tensor, values=values) for name, tensor in named.tensors.items()]

    contents = Contents(
        file=path.name,
        format=checkpoint.scan(path, sums=False).format.value,
        metadata=named.metadata,
        tensors=tuple(found),
        keys=named.keys,
        prefixes=named.prefixes,
    )
    return contents, named.tensors


def find_fits(
    state_dict: Mapping[str, Tensor],
    registry: Registry | None = None,
) -> list[Fit]:
    """List the architectures that a state dict fits, those that need nothing changed first.

    Args:
        state_dict: Names and tensors; the values do not count.
        registry: By default the one that ships with zoo.
    """
    known = registry or load_registry()
    named = dict(state_dict)

    for candidate in (named, *without_common_prefixes(named)):
        tried = [find_fit(one, candidate) for one in known.architectures.values()]
        fits = [fit for fit in tried if fit is not None]
        if fits:
            return sorted(fits, key=_changes)
    return []


def _changes(fit: Fit) -> tuple[bool, int, int, bool]:
    """Say how much must be changed, for sorting; quantized networks come last."""
    is_quantized = fit.model.startswith("quantized_")
    return (
        not fit.is_exact,
        len(fit.options),
        len(fit.key_mappings),
        is_quantized,
    )


def find_fit(
    architecture: Architecture,
    state_dict: Mapping[str, Tensor],
) -> Fit | None:
    """Say how a state dict can be loaded into one architecture; ``None`` if it cannot."""
    for mappings in mappings_of(architecture):
        mapped = apply_key_mappings(dict(state_dict), mappings)
        if not mapped or not _may_fit(architecture, mapped):
            continue

        fit = _try(architecture, mapped, mappings)
        if fit is not None:
            return fit
    return None


def _facts(
    name: str,
    tensor: Tensor,
    *,
    values: bool,
) -> TensorFacts:
    """Describe one tensor."""
    bad = count_bad_values(tensor) if values else None
    return TensorFacts(
        name=name,
        dtype=_type_name(tensor.dtype),
        shape=tuple(tensor.shape),
        count=tensor.numel(),
        nan=None if bad is None else bad.nan,
        infinite=None if bad is None else bad.infinite,
    )


def _type_name(dtype: object) -> str:
    """Name a type without its module: ``float32``."""
    return str(dtype).removeprefix("torch.")


def _owner(name: str) -> str:
    """Name the module that a parameter, or another module, is part of."""
    return name.rpartition(".")[0]


def _may_fit(
    architecture: Architecture,
    state_dict: Mapping[str, Tensor],
) -> bool:
    """Tell by the shipped table of layers whether building the network is worth the time."""
    names = list(state_dict)
    some = (names[0], names[len(names) // 2], names[-1])
    if not may_have_layers(architecture.name, map(_owner, some)):
        return False

    try:
        table = load_table(architecture.name)
    except RegistryError:  # none is shipped
        return True

    below = {layer.path: 0 for layer in table.layers}
    for layer in table.layers[1:]:
        owner = _owner(layer.path)
        below[owner] += layer.parameters

    needed: set[str] = set()
    for layer in table.layers:
        has_own = layer.parameters > below[layer.path]
        if has_own:
            needed.add(layer.path)

    owners = set(map(_owner, state_dict))
    return needed <= owners <= below.keys()


def _try(
    architecture: Architecture,
    state_dict: Mapping[str, Tensor],
    mappings: tuple[str, ...],
) -> Fit | None:
    """Build the network and compare.

    Once more with what the shapes say about classes and channels.
    """
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

    missing = [name for name in mismatch.missing if not name.endswith(_COUNTER)]
    if missing or mismatch.unexpected or mismatch.misshaped:
        return None

    types = {_type_name(got) for _, got in mismatch.mistyped.values()}
    return Fit(
        model=architecture.name,
        options=options,
        key_mappings=mappings,
        dtype=", ".join(sorted(types)) or None,
    )


def _guess_options(
    architecture: Architecture,
    mismatch: Mismatch,
) -> dict[str, int]:
    """Say which number of classes or channels would explain the shapes that differ."""
    options: dict[str, int] = {}
    usual_channels = architecture.input_size[0]

    for expected, got in mismatch.misshaped.values():
        if len(expected) != len(got):
            return {}

        outputs, *others = expected
        got_outputs, *got_others = got
        is_head = outputs == architecture.num_classes
        is_convolution = len(expected) == 4
        is_first = is_convolution and others[0] == usual_channels

        if is_head and got_others == others:
            options["num_classes"] = got_outputs
        elif is_first and got_outputs == outputs:
            options["in_channels"] = got_others[0]

    return options


def _build(
    architecture: Architecture,
    options: Mapping[str, int],
) -> nn.Module | None:
    """Build a network without parameters; ``None`` if it does not take the options."""
    changes: dict[str, Any] = dict(options)
    in_channels = None
    if architecture.provider != "zoo":
        in_channels = changes.pop("in_channels", None)

    try:
        with without_initialisation():
            model = build_model(architecture, **changes)
            if in_channels is not None:
                replace_input_layer(model, in_channels)
    except OptionError:
        return None
    return model
