"""What a weights file describes: plain values, tensors, and where in the file their bytes lie.

A reader of a format makes such a description without torch; :mod:`zoo.loader.state_dicts` turns it
into tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES_BY_BYTES = {
    1: (
        "bool",
        "uint8",
        "int8",
        "float8_e4m3fn",
        "float8_e4m3fnuz",
        "float8_e5m2",
        "float8_e5m2fnuz",
        "float8_e8m0fnu",
        "float4_e2m1fn_x2",
    ),
    2: ("uint16", "int16", "float16", "bfloat16"),
    4: ("uint32", "int32", "float32", "complex32"),
    8: ("uint64", "int64", "float64", "complex64"),
    16: ("complex128",),
}
ITEM_BYTES = {name: size for size, names in _TYPES_BY_BYTES.items() for name in names}
"""Bytes of one value of each of torch's types."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of values in the file."""

    key: str
    """Its name in the file."""
    dtype: str
    """The type of its values, as torch calls it; ``"uint8"`` where it is only bytes."""
    count: int
    """How many values it has."""

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return self.count * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A dense, strided tensor: a view of a storage that has room for it."""

    storage: Storage
    dtype: str
    offset: int
    """Of its first value in the storage, in values of ``dtype``."""
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    is_conjugated: bool = False
    is_negated: bool = False

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)


def whole_tensor(key: str, dtype: str, shape: tuple[int, ...]) -> TensorSpec:
    """Describe a tensor in row-major order that has a storage of its own.

    >>> whole_tensor("fc.weight", "float32", (10, 84)).stride
    (84, 1)
    """
    stride: list[int] = []
    step = 1
    for size in reversed(shape):
        stride.insert(0, step)
        step *= max(size, 1)

    storage = Storage(key, dtype, math.prod(shape))
    return TensorSpec(
        storage=storage,
        dtype=dtype,
        offset=0,
        shape=shape,
        stride=tuple(stride),
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a storage's bytes lie in its file."""

    begin: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Description:
    """What a sound file holds."""

    content: Any
    """Plain values, lists and dictionaries, with a :class:`TensorSpec` for each tensor."""
    places: Mapping[str, Place]
    """Where each storage lies, by its key."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """What the file says of itself."""
    is_wrapped: bool = True
    """Whether the named tensors may lie in other dictionaries of the content."""
    is_mappable: bool = True
    """Whether the bytes lie so that they can be used where they are."""
