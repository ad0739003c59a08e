"""Read the header of a safetensors file, strictly and without torch; make the header of a new one.

A safetensors file is eight bytes of length, that much JSON, then the bytes of the tensors, one after another::

    {"__metadata__": {"format": "pt"}, "conv.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}}

``zoo`` reads it itself, so that ``torch.hub.load(..., "lenet5", pretrained=True)`` works where only torch is installed,
and so that a hostile header is refused in one sentence, whatever it claims: the header has a length limit, no key
stands twice, every tensor lies inside the file, none overlaps another and no byte belongs to none.

Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LARGEST_HEADER_BYTES = 16 << 20
"""Room for about 100,000 tensors; the format allows 100 MB, which only a hostile file needs."""
LARGEST_COUNT = 2**63 - 1
"""The most values that a tensor can have in torch."""
MOST_DIMENSIONS = 64
ITEM_BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "C64": 8,
    "F64": 8,
    "I64": 8,
    "U64": 8,
}
"""Bytes of one value, by the format's name of the type; in the order in which the library sorts the types."""
_RANKS = {dtype: rank for rank, dtype in enumerate(ITEM_BYTES)}
_LENGTH_BYTES = 8
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies in its file; the values are little-endian and in row-major order."""

    name: str
    dtype: str
    """A key of :data:`ITEM_BYTES`: ``"F32"``."""
    shape: tuple[int, ...]
    begin: int
    """Byte of the file at which the values start, counted from the start of the file."""
    end: int
    """Byte after the last value."""

    @property
    def is_aligned(self) -> bool:
        """Whether the values can be used where they lie, without a copy."""
        return self.begin % ITEM_BYTES[self.dtype] == 0

    @property
    def count(self) -> int:
        """How many values the tensor has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """What a safetensors file says about itself."""

    tensors: tuple[TensorEntry, ...]
    """In the order in which they lie in the file."""
    metadata: Mapping[str, str]
    data_begin: int
    """First byte after the header."""
    size_bytes: int
    """Length of the whole file."""


def read_header(path: Path) -> SafetensorsHeader:
    """Read and check the header of a safetensors file; the tensors are not touched.

    Raises:
        CheckpointError: The file cannot be read or breaks the format; says how.
    """
    try:
        with path.open("rb") as stream:
            size_bytes = stream.seek(0, 2)
            stream.seek(0)
            length = _header_length(stream.read(_LENGTH_BYTES), size_bytes, path.name)
            text = stream.read(length)
    except OSError as error:
        raise CheckpointError(path.name, f"{path} cannot be read: {error.strerror}", "check the path") from error
    return parse_header(text, size_bytes, path.name)


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file means to be safetensors: a small length, then a brace."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_LENGTH_BYTES + 1)
    except OSError:
        return False
    is_brace = start[_LENGTH_BYTES:] == b"{"
    return is_brace and int.from_bytes(start[:_LENGTH_BYTES], "little") < 1 << 40


def parse_header(text: bytes, size_bytes: int, file: str) -> SafetensorsHeader:
    """Check the JSON of a header against the length of its file.

    Args:
        text: The header, without the eight bytes of its length.
        size_bytes: Length of the whole file.
        file: The file's name, for messages.

    Raises:
        CheckpointError: See :func:`read_header`.
    """
    table = _decode(text, file)
    metadata = table.pop(_METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _fault(file, f"expected {_METADATA} to map names to strings")
    data_begin = _LENGTH_BYTES + len(text)
    entries = [_entry(name, value, data_begin, file) for name, value in table.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    at = data_begin
    for entry in entries:
        if entry.begin != at:
            fault = "overlaps the tensor before it" if entry.begin < at else "leaves a hole before it"
            raise _fault(file, f"{entry.name!r} starts at byte {entry.begin} where {at} is expected: it {fault}")
        at = entry.end
    if at != size_bytes:
        raise _fault(file, f"the header describes a file of {at} bytes, got {size_bytes}")
    return SafetensorsHeader(tuple(entries), metadata, data_begin, size_bytes)


def make_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str]
) -> tuple[bytes, list[TensorEntry]]:
    """Lay out a file for some tensors, the same for the same tensors: by size of item, largest first, then by name.

    So every tensor is aligned, and the bytes are those that the safetensors library writes.

    Args:
        tensors: Name, type and shape of each.
        metadata: Anything about the file.

    Returns:
        The first bytes of the file, and where each tensor's values follow, in their order.
    """
    ordered = sorted(tensors, key=lambda tensor: (-_RANKS[tensor[1]], tensor[0]))
    table: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))} if metadata else {}
    at = 0
    for name, dtype, shape in ordered:
        end = at + math.prod(shape) * ITEM_BYTES[dtype]
        table[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    header = parse_header(text, _LENGTH_BYTES + len(text) + at, "the new file")
    return len(text).to_bytes(_LENGTH_BYTES, "little") + text, list(header.tensors)


def _header_length(start: bytes, size_bytes: int, file: str) -> int:
    """Read the length of the header and bound it."""
    if len(start) < _LENGTH_BYTES:
        raise _fault(file, f"expected at least {_LENGTH_BYTES} bytes, got {len(start)}")
    length = int.from_bytes(start, "little")
    if length > size_bytes - _LENGTH_BYTES:
        raise _fault(file, f"its header claims {length} bytes, but the file has only {size_bytes}")
    if length > LARGEST_HEADER_BYTES:
        raise _fault(file, f"its header claims {length} bytes, more than the {LARGEST_HEADER_BYTES} that are read")
    return length


def _decode(text: bytes, file: str) -> dict[str, Any]:
    """Parse the JSON; a key that stands twice is a fault."""
    try:
        table = json.loads(text.decode(), object_pairs_hook=_unique)
    except RecursionError as error:
        raise _fault(file, "its header is nested too deeply") from error
    except ValueError as error:  # not UTF-8, not JSON, a key twice, a number too long
        raise _fault(file, f"its header is not the JSON expected: {str(error)[:120]}") from error
    if not isinstance(table, dict):
        raise _fault(file, f"expected the header to be a JSON object, got {type(table).__name__}")
    return table


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of pairs with different keys."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the name {key[:100]!a} stands twice")
        table[key] = value
    return table


def _entry(name: str, value: object, data_begin: int, file: str) -> TensorEntry:
    """Check one tensor by itself."""
    shown = repr(name) if len(name) <= 100 else f"{name[:100]!r}..."
    if not name.isprintable():
        raise _fault(file, f"the tensor name {shown} has characters that cannot be printed")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _fault(file, f"expected dtype, shape and data_offsets of {shown}, and nothing else")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise _fault(file, f"{shown} has the type {dtype!r:.40}, expected one of {', '.join(ITEM_BYTES)}")
    if not _are_counts(shape) or len(shape) > MOST_DIMENSIONS:
        raise _fault(file, f"{shown} has the shape {shape!r:.80}, expected at most {MOST_DIMENSIONS} whole numbers")
    if math.prod(max(size, 1) for size in shape) > LARGEST_COUNT:
        raise _fault(file, f"{shown} has the shape {shape!r:.80}, more values than fit in memory")
    if not _are_counts(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _fault(file, f"{shown} has the offsets {offsets!r:.80}, expected two rising whole numbers")
    wanted, got = math.prod(shape) * ITEM_BYTES[dtype], offsets[1] - offsets[0]
    if wanted != got:
        raise _fault(file, f"{shown} needs {wanted} bytes for {dtype} of shape {shape!r:.80}, its offsets give {got}")
    return TensorEntry(name, dtype, tuple(shape), data_begin + offsets[0], data_begin + offsets[1])


def _are_counts(values: object) -> bool:
    """Tell whether a value is a list of whole numbers that are not negative and not truth values."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value <= LARGEST_COUNT for value in values)


def _fault(file: str, fault: str) -> CheckpointError:
    """Make the error of a file that breaks the format."""
    return CheckpointError(file, f"not a sound safetensors file: {fault}")
