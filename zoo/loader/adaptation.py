"""Fit a state dict to a network.

What its record names, another number of classes or channels, strict matching.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.errors import MismatchError, OptionError
from zoo.loader.wrappers import without_common_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    from zoo.catalog.records import Architecture

StateDict = dict[str, "Tensor"]
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.", "aux_classifier.")
_DOTTED = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def _densenet_dotted_names(state_dict: StateDict) -> StateDict:
    """Rename ``denselayer1.norm.1.weight`` to ``denselayer1.norm1.weight``.

    A name may no longer hold a dot.
    """
    return {_DOTTED.sub(r"\1\2", key): tensor for key, tensor in state_dict.items()}


def _drop_auxiliary_heads(state_dict: StateDict) -> StateDict:
    """Leave out the heads that only training uses."""
    return {key: tensor for key, tensor in state_dict.items() if not key.startswith(_AUXILIARY)}


def _drop_background_row(state_dict: StateDict) -> StateDict:
    """Leave out row 0 of the last layer, the background class of TensorFlow's 1,001."""
    return {
        key: tensor[1:] if key.startswith("last_linear.") else tensor
        for key, tensor in state_dict.items()
    }


KEY_MAPPINGS: dict[str, Callable[[StateDict], StateDict]] = {
    "densenet-dotted-names": _densenet_dotted_names,
    "drop-auxiliary-heads": _drop_auxiliary_heads,
    "drop-background-row": _drop_background_row,
}
"""What a record's ``key_mappings`` may name."""


def apply_key_mappings(
    state_dict: StateDict,
    names: Iterable[str],
) -> StateDict:
    """Apply what a record names, in its order."""
    for name in names:
        state_dict = KEY_MAPPINGS[name](state_dict)
    return state_dict


def mappings_of(architecture: Architecture) -> list[tuple[str, ...]]:
    """List how files of an architecture may have to be changed; nothing comes first."""
    published = [weights.key_mappings for weights in architecture.weights.values()]
    return list(dict.fromkeys([(), ("drop-auxiliary-heads",), *published]))


def needed_mappings(
    model: nn.Module,
    names: Iterable[str],
) -> list[str]:
    """Leave out the mapping that drops heads for training, where the network has them."""
    has_heads = any(key.startswith(_AUXILIARY) for key in model.state_dict())
    return [name for name in names if not (has_heads and name == "drop-auxiliary-heads")]


def map_to(
    model: nn.Module,
    state_dict: StateDict,
    candidates: Iterable[tuple[str, ...]],
) -> StateDict:
    """Change a state dict by the first of some mappings that gives it the network's names.

    As it is, or without what all its names have in common. Else leave it as it is.
    """
    wanted = _names(model.state_dict())
    mappings = list(candidates)
    for named in (state_dict, *without_common_prefixes(state_dict)):
        for names in mappings:
            mapped = apply_key_mappings(named, names)
            if _names(mapped) == wanted:
                return mapped
    return state_dict


def _names(state_dict: Iterable[str]) -> set[str]:
    """List the names that must fit: files from before torch 0.4.1 count no batches."""
    return {name for name in state_dict if not name.endswith(".num_batches_tracked")}


def to_types_of(
    model: nn.Module,
    state_dict: StateDict,
    file: str,
) -> StateDict:
    """Convert numbers with a fraction to the network's type, and say so.

    People save networks in half precision.

    Whole numbers are left alone: they would not become fractions by mistake.
    """
    mismatch = find_mismatch(model, state_dict)
    missing = _names(mismatch.missing)
    if missing or mismatch.unexpected or mismatch.misshaped:
        return state_dict  # it will be refused, and its types are part of what is listed then
    expected = model.state_dict()
    converted = dict(state_dict)
    types: set[str] = set()
    for key, tensor in state_dict.items():
        wanted = expected[key].dtype if key in expected else tensor.dtype
        if wanted != tensor.dtype and wanted.is_floating_point and tensor.dtype.is_floating_point:
            try:
                converted[key] = tensor.to(wanted)
            except NotImplementedError:  # 4-bit types; what is left is listed as of a wrong type
                continue
            types.add(f"{tensor.dtype} to {wanted}".replace("torch.", ""))
    if types:
        message = f"{file}: its values were converted from {', '.join(sorted(types))}"
        warnings.warn(message, stacklevel=2)
    return converted


@dataclass(frozen=True, slots=True)
class Mismatch:
    """How a state dict differs from what a network expects."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshaped: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]
    """Key -> (shape in the network, shape in the file)."""
    mistyped: Mapping[str, tuple[torch.dtype, torch.dtype]]
    """Key -> (dtype in the network, dtype in the file)."""

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return bool(self.missing or self.unexpected or self.misshaped or self.mistyped)

    def lines(self, limit: int = 8) -> list[str]:
        """One line a difference, at most ``limit`` of each kind."""
        kinds = {
            "missing": list(self.missing),
            "unexpected": list(self.unexpected),
            "wrong shape": [
                f"{key}: expected {list(a)}, got {list(b)}"
                for key, (a, b) in self.misshaped.items()
            ],
            "wrong type": [
                f"{key}: expected {a}, got {b}" for key, (a, b) in self.mistyped.items()
            ],
        }
        lines = []
        for kind, entries in kinds.items():
            lines += [f"{kind}: {entry}" for entry in entries[:limit]]
            if len(entries) > limit:
                lines.append(f"{kind}: and {len(entries) - limit} more")
        return lines


def find_mismatch(
    model: nn.Module,
    state_dict: Mapping[str, Tensor],
) -> Mismatch:
    """Compare a state dict with a network, key by key."""
    expected = model.state_dict()
    shared = [key for key in expected if key in state_dict]
    return Mismatch(
        missing=tuple(key for key in expected if key not in state_dict),
        unexpected=tuple(key for key in state_dict if key not in expected),
        misshaped={
            key: (tuple(expected[key].shape), tuple(state_dict[key].shape))
            for key in shared
            if expected[key].shape != state_dict[key].shape
        },
        mistyped={
            key: (expected[key].dtype, state_dict[key].dtype)
            for key in shared
            if expected[key].dtype != state_dict[key].dtype
        },
    )


def load_strictly(
    model: nn.Module,
    state_dict: StateDict,
    file_name: str,
) -> None:
    """Put the tensors of a state dict into a network, without copying them; every key must fit.

    Batch normalisation's ``num_batches_tracked`` may be missing: files from before torch 0.4.1 have
    none, and inference does not use it.

    Raises:
        MismatchError: Keys are missing, unexpected or of the wrong shape or type; lists them.
    """
    for key in model.state_dict().keys() - state_dict.keys():
        if key.endswith(".num_batches_tracked"):
            state_dict[key] = torch.tensor(0)
    mismatch = find_mismatch(model, state_dict)
    if mismatch:
        raise MismatchError(file_name, type(model).__name__, mismatch.lines())
    ordered = nn.Module.state_dict(
        model
    )  # carries the version of each module, which MNASNet insists on
    ordered.update(state_dict)
    model.load_state_dict(ordered, assign=True)


def drop_head(
    model: nn.Module,
    state_dict: StateDict,
    published_classes: int | None,
) -> StateDict:
    """Leave out the head: tensors of the published number of classes that do not fit.

    The layers that lose their tensors are initialised as their class does.
    """
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    kept = {
        key: tensor
        for key, tensor in state_dict.items()
        if not (
            key in shapes and tensor.shape != shapes[key] and tensor.shape[0] == published_classes
        )
    }
    for path in dict.fromkeys(key.rpartition(".")[0] for key in state_dict if key not in kept):
        layer = model.get_submodule(path)
        layer.to_empty(device="cpu")
        layer.reset_parameters()  # type: ignore[operator]  # Linear and Conv2d, the only heads there are, have it
        kept |= {f"{path}.{name}": tensor for name, tensor in layer.state_dict().items()}
    return kept


def _input_layer(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """Find the first convolution, with its path."""
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d):
            if layer.groups != 1:
                break
            return path, layer
    advice = "its first layer is no plain convolution"
    raise OptionError(type(model).__name__, "in_channels", advice)


def replace_input_layer(
    model: nn.Module,
    in_channels: int,
) -> None:
    """Give the network's first convolution another number of input channels.

    Raises:
        OptionError: The network has no plain convolution over the image's channels.
    """
    path, old = _input_layer(model)
    if in_channels < 1:
        fault = f"in_channels={in_channels}"
        advice = "expected 1 or more"
        raise OptionError(type(model).__name__, fault, advice)
    new = nn.Conv2d(
        in_channels,
        old.out_channels,
        kernel_size=old.kernel_size,  # type: ignore[arg-type]  # Conv2d keeps a pair
        stride=old.stride,  # type: ignore[arg-type]  # likewise
        padding=old.padding,  # type: ignore[arg-type]  # likewise
        dilation=old.dilation,  # type: ignore[arg-type]  # likewise
        bias=old.bias is not None,
        padding_mode=old.padding_mode,
    )
    model.set_submodule(path, new)


def spread_input_weights(
    model: nn.Module,
    state_dict: StateDict,
) -> StateDict:
    """Turn the first kernel of published weights into one over other channels.

    One channel gets the sum, so that a grey image answers as its red, green and blue copies
    would; other counts repeat the kernel in turn, scaled so that the sum over channels stays the
    same for equal ones.
    """
    path, layer = _input_layer(model)
    key = f"{path}.weight"
    weight = state_dict[key]  # (C_out, C_published, K_h, K_w)
    published = weight.shape[1]
    wanted = layer.in_channels
    if wanted == 1:
        return {
            **state_dict,
            key: weight.sum(dim=1, keepdim=True),
        }
    repeats = -(-wanted // published)
    return {
        **state_dict,
        key: weight.repeat(1, repeats, 1, 1)[:, :wanted] * (published / wanted),
    }
