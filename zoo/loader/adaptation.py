"""Fit a state dict to a network: what its record names, another number of classes or channels, strict matching."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from zoo.errors import MismatchError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

StateDict = dict[str, "Tensor"]
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.", "aux_classifier.")
_DOTTED = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")


def _densenet_dotted_names(state_dict: StateDict) -> StateDict:
    """Rename ``denselayer1.norm.1.weight`` to ``denselayer1.norm1.weight``: a name may no longer hold a dot."""
    return {_DOTTED.sub(r"\1\2", key): tensor for key, tensor in state_dict.items()}


def _drop_auxiliary_heads(state_dict: StateDict) -> StateDict:
    """Leave out the heads that only training uses."""
    return {key: tensor for key, tensor in state_dict.items() if not key.startswith(_AUXILIARY)}


def _drop_background_row(state_dict: StateDict) -> StateDict:
    """Leave out row 0 of the last layer, the background class of TensorFlow's 1,001."""
    return {key: tensor[1:] if key.startswith("last_linear.") else tensor for key, tensor in state_dict.items()}


KEY_MAPPINGS: dict[str, Callable[[StateDict], StateDict]] = {
    "densenet-dotted-names": _densenet_dotted_names,
    "drop-auxiliary-heads": _drop_auxiliary_heads,
    "drop-background-row": _drop_background_row,
}
"""What a record's ``key_mappings`` may name."""


def apply_key_mappings(state_dict: StateDict, names: Iterable[str]) -> StateDict:
    """Apply what a record names, in its order."""
    for name in names:
        state_dict = KEY_MAPPINGS[name](state_dict)
    return state_dict


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
            "wrong shape": [f"{key}: expected {list(a)}, got {list(b)}" for key, (a, b) in self.misshaped.items()],
            "wrong type": [f"{key}: expected {a}, got {b}" for key, (a, b) in self.mistyped.items()],
        }
        lines = []
        for kind, entries in kinds.items():
            lines += [f"{kind}: {entry}" for entry in entries[:limit]]
            if len(entries) > limit:
                lines.append(f"{kind}: and {len(entries) - limit} more")
        return lines


def find_mismatch(model: nn.Module, state_dict: Mapping[str, Tensor]) -> Mismatch:
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


def load_strictly(model: nn.Module, state_dict: StateDict, file_name: str) -> None:
    """Put the tensors of a state dict into a network, without copying them; every key must fit.

    Batch normalisation's ``num_batches_tracked`` may be missing: files from before torch 0.4.1 have none, and inference
    does not use it.

    Raises:
        MismatchError: Keys are missing, unexpected or of the wrong shape or type; lists them.
    """
    for key in model.state_dict().keys() - state_dict.keys():
        if key.endswith(".num_batches_tracked"):
            state_dict[key] = torch.tensor(0)
    mismatch = find_mismatch(model, state_dict)
    if mismatch:
        raise MismatchError(file_name, type(model).__name__, mismatch.lines())
    ordered = nn.Module.state_dict(model)  # carries the version of each module, which MNASNet insists on
    ordered.update(state_dict)
    model.load_state_dict(ordered, assign=True)


def drop_head(model: nn.Module, state_dict: StateDict, published_classes: int | None) -> StateDict:
    """Leave out the tensors whose first axis is the published number of classes and fits the network no more.

    The layers that lose their tensors are initialised as their class does.
    """
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    kept = {
        key: tensor
        for key, tensor in state_dict.items()
        if not (key in shapes and tensor.shape != shapes[key] and tensor.shape[0] == published_classes)
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
    raise OptionError(type(model).__name__, "in_channels", "its first layer is no plain convolution")


def replace_input_layer(model: nn.Module, in_channels: int) -> None:
    """Give the network's first convolution another number of input channels.

    Raises:
        OptionError: The network has no plain convolution over the picture's channels.
    """
    path, old = _input_layer(model)
    if in_channels < 1:
        raise OptionError(type(model).__name__, f"in_channels={in_channels}", "expected 1 or more")
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


def spread_input_weights(model: nn.Module, state_dict: StateDict) -> StateDict:
    """Turn the first kernel of published weights into one over the network's own number of channels.

    One channel gets the sum, so that a grey picture answers as its red, green and blue copies would; other counts
    repeat the kernel in turn, scaled so that the sum over channels stays the same for equal ones.
    """
    path, layer = _input_layer(model)
    key = f"{path}.weight"
    weight = state_dict[key]  # (C_out, C_published, K_h, K_w)
    published, wanted = weight.shape[1], layer.in_channels
    if wanted == 1:
        return {**state_dict, key: weight.sum(dim=1, keepdim=True)}
    repeats = -(-wanted // published)
    return {**state_dict, key: weight.repeat(1, repeats, 1, 1)[:, :wanted] * (published / wanted)}
