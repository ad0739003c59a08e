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

    has_neither = tensor.dtype is torch.float4_e2m1fn_x2
    if has_neither or not tensor.is_floating_point() or tensor.numel() == 0:
        return BadValues(0, 0)
    if tensor.dtype.itemsize == 1:  # the 8-bit types can do little but be converted
        tensor = tensor.to(torch.float32)

    lowest, highest = torch.aminmax(tensor)  # one pass without a copy; NaN comes through
    if torch.isfinite(lowest) and torch.isfinite(highest):
        return BadValues(0, 0)

    nan = tensor.isnan().sum()
    infinite = tensor.isinf().sum()
    return BadValues(int(nan), int(infinite))


def warn_of_bad_values(state_dict: Mapping[str, Tensor], file: str) -> None:
    """Warn if tensors hold NaN or infinities, naming the first of them."""
    names = []
    nan = infinite = 0
    for name, tensor in state_dict.items():
        bad = count_bad_values(tensor)
        if bad:
            names.append(name)
            nan += bad.nan
            infinite += bad.infinite
    if not names:
        return

    shown = ", ".join(names[:_NAMED])
    if len(names) > _NAMED:
        shown += ", ..."
    text = (
        f"{file} holds {nan} NaN and {infinite} infinite values, in {shown}; "
        f'to see them all, run "zoo inspect {file} --tensors"'
    )
    warnings.warn(text, UserWarning, stacklevel=4)
