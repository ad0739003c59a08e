"""What networks return: a tensor, or a structure of tensors; and how far two results are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable

_TINY = 1e-30


def main_tensor(result: Any) -> Tensor:
    """Take the tensor out of what a network returns: its main output where there are several."""
    if isinstance(result, Tensor):
        return result
    if isinstance(result, dict):
        return main_tensor(next(iter(result.values())))
    return main_tensor(result[0])


def tensors(result: Any) -> list[Tensor]:
    """List the tensors of a result, which may be a tensor or a dict, list or tuple of results."""
    if isinstance(result, Tensor):
        return [result]
    parts: Any = ()
    if isinstance(result, dict):
        parts = result.values()
    elif isinstance(result, list | tuple):
        parts = result
    return [tensor for part in parts for tensor in tensors(part)]


def map_tensors(
    result: Any,
    function: Callable[[Tensor], Tensor],
) -> Any:
    """Apply a function to each tensor of a result and keep its structure."""
    if isinstance(result, Tensor):
        return function(result)
    if isinstance(result, dict):
        pairs = [(key, map_tensors(part, function)) for key, part in result.items()]
        return type(result)(pairs)
    if not isinstance(result, list | tuple):
        return result
    parts = [map_tensors(part, function) for part in result]
    is_named_tuple = hasattr(result, "_fields")
    return type(result)(*parts) if is_named_tuple else type(result)(parts)


def relative_distance(
    got: Tensor,
    wanted: Tensor,
) -> float:
    """Tell how far two tensors are apart: the L2 norm of their difference over the second's."""
    difference = (got.double() - wanted.double()).norm()
    length = wanted.double().norm().clamp_min(_TINY)
    return float(difference / length)
