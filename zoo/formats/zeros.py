"""Find tensors that hold nothing but zeros.

A layer that was never filled answers the same to everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO

BLOCK_BYTES = 1 << 18
LEAST_DIMENSIONS = 2
"""Biases and running means may well be zero; kernels and matrices are not, once they are
trained."""
_NAMED = 3


def zero_note(
    stream: BinaryIO,
    tensors: Iterable[tuple[str, int, int]],
) -> list[str]:
    """Say which tensors hold nothing but zeros, in one note or none.

    Reads of a tensor only up to its first value that is not zero.

    Args:
        stream: The whole file.
        tensors: (name, first byte, length in bytes) of those that should hold something else.
    """
    names = [name for name, begin, length in tensors if _is_zero(stream, begin, length)]
    if not names:
        return []
    shown = ", ".join(names[:_NAMED])
    more = ""
    if len(names) > _NAMED:
        more = f" and {len(names) - _NAMED} more"
    verb = "holds"
    if len(names) > 1:
        verb = "hold"
    return [f"{shown}{more} {verb} nothing but zeros: was it ever filled?"]


def _is_zero(
    stream: BinaryIO,
    begin: int,
    length: int,
) -> bool:
    """Tell whether a run of bytes holds nothing but zeros."""
    stream.seek(begin)
    left = length
    while left:
        block = stream.read(min(left, BLOCK_BYTES))
        if not block or block.count(0) < len(block):
            return False
        left -= len(block)
    return length > 0
