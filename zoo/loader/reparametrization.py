"""Join again what training has split: pruned parameters, and those with weight normalization.

Who saves a network before ``torch.nn.utils.prune.remove`` or ``remove_weight_norm`` keeps two
tensors in the place of one: a parameter and its mask, or a direction and its length. What others
mean (spectral normalization, parametrizations of one's own) is not guessed.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor

_PARAMETRIZED = "parametrizations."
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class _Split:
    """A parameter that was split in two."""

    name: str
    second: str
    """The name of its other part."""
    joined: Callable[[Tensor, Tensor], Tensor | None]


def joined(
    state_dict: Mapping[str, Tensor],
    expected: Collection[str],
    file: str,
) -> dict[str, Tensor]:
    """Compute the parameters that were split, and say so.

    Args:
        state_dict: What the file holds.
        expected: The network's own names: what it splits itself is left alone.
        file: Its name, for the warning.
    """
    whole = dict(state_dict)
    done: list[str] = []
    for first in state_dict:
        split = _split(first)
        if split is None or first in expected or split.second not in state_dict:
            continue
        tensor = split.joined(state_dict[first], state_dict[split.second])
        if tensor is None:
            continue
        del whole[first], whole[split.second]
        whole[split.name] = tensor
        done.append(split.name)

    if done:
        names = ", ".join(done[:_SHOWN])
        more = ", ..." if len(done) > _SHOWN else ""
        fault = f"{len(done)} pruned or normalized parameters were joined: {names}{more}"
        warnings.warn(f"{file}: {fault}", stacklevel=2)
    return whole


def _split(first: str) -> _Split | None:
    """Tell by its name whether a tensor is the first part of a parameter."""
    if first.endswith("_orig"):
        name = first.removesuffix("_orig")
        return _Split(name, f"{name}_mask", _masked)
    if first.endswith("_g"):
        name = first.removesuffix("_g")
        return _Split(name, f"{name}_v", _normalized)
    if first.endswith(".original0"):
        path, _, parameter = first.removesuffix(".original0").rpartition(_PARAMETRIZED)
        second = f"{path}{_PARAMETRIZED}{parameter}.original1"
        return _Split(f"{path}{parameter}", second, _normalized)
    return None


def _masked(values: Tensor, mask: Tensor) -> Tensor | None:
    """Prune: ``values * mask``."""
    if values.shape != mask.shape:
        return None
    return values * mask.to(values.dtype)


def _normalized(length: Tensor, direction: Tensor) -> Tensor | None:
    """Give a direction its length: along one dimension, or as a whole."""
    summed: list[int] = []
    sizes = length.shape or (1,) * direction.dim()
    if len(sizes) != direction.dim():
        return None
    for dimension, size in enumerate(sizes):
        if size == 1:
            summed.append(dimension)
        elif size != direction.shape[dimension]:
            return None
    norm = torch.linalg.vector_norm(direction, dim=summed, keepdim=True)
    values: Tensor = direction * (length / norm)
    return values
