"""Find NaN and infinities among weights: a network that has any answers nothing of use."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_NAMED = 3


@dataclass(frozen=True, slots=True)
class BadValues:
    """How many values of a tensor are no numbers."""

    nan: int
    infinite: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.nan or self.infinite)


def count_bad_values(tensor: Tensor) -> BadValues:
    """Count NaN and infinities in a tensor of any type.

    Only floating-point and complex ones can have them.

    >>> count_bad_values(torch.tensor([1.0, float("nan"), float("-inf")]))
    BadValues(nan=1, infinite=1)
    """
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    has_none = tensor.dtype is torch.float4_e2m1fn_x2  # neither NaN nor infinities
    if not tensor.is_floating_point() or tensor.numel() == 0 or has_none:
        return BadValues(0, 0)
    if tensor.dtype.itemsize == 1:  # the 8-bit types can do little but be converted
        tensor = tensor.to(torch.float32)
    lowest, highest = torch.aminmax(tensor)  # one pass without a copy; NaN comes through
    if torch.isfinite(lowest) and torch.isfinite(highest):
        return BadValues(0, 0)
    return BadValues(int(tensor.isnan().sum()), int(tensor.isinf().sum()))


def warn_of_bad_values(
    state_dict: Mapping[str, Tensor],
    file: str,
) -> None:
    """Warn if tensors hold NaN or infinities, naming the first of them."""
    bad = {key: count for key, tensor in state_dict.items() if (count := count_bad_values(tensor))}
    if bad:
        nan = sum(count.nan for count in bad.values())
        infinite = sum(count.infinite for count in bad.values())
        shown = ", ".join(list(bad)[:_NAMED]) + (", ..." if len(bad) > _NAMED else "")
        text = (
            f"{file} holds {nan} NaN and {infinite} infinite values, in {shown}; "
            f'to see them all, run "zoo inspect {file} --tensors"'
        )
        warnings.warn(text, UserWarning, stacklevel=4)
