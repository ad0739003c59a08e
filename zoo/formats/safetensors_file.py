"""Read the header of a safetensors file, strictly and without torch; make the header of a new one.

A safetensors file is eight bytes of length, that much JSON, then the bytes of the tensors, one
after another::

    {"__metadata__": {"format": "pt"},
     "conv.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}}

``zoo`` reads it itself, so that ``torch.hub.load(..., "lenet5", pretrained=True)`` works where only
torch is installed, and so that a hostile header is refused in one sentence, whatever it claims: the
header has a length limit, no key stands twice, every tensor lies inside the file, none overlaps
another and no byte belongs to none.

Format: https://github.com/huggingface/safetensors#format

The file is long because each of these rules has its sentence, for readers and for writers.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.documents import parse_json
from zoo.errors import CheckpointError, DocumentError
from zoo.formats.description import Description, Place, whole_tensor
from zoo.formats.record import FileFormat
from zoo.formats.scan_result import Format, Scan
from zoo.formats.zeros import LEAST_DIMENSIONS, zero_note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
"""Bytes of one value, by the format's name of the type; in the order in which the library sorts
the types."""
TORCH_TYPES = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn",
    "I16": "int16",
    "U16": "uint16",
    "F16": "float16",
    "BF16": "bfloat16",
    "I32": "int32",
    "U32": "uint32",
    "F32": "float32",
    "C64": "complex64",
    "F64": "float64",
    "I64": "int64",
    "U64": "uint64",
}
"""What torch calls the types."""
_RANKS = {dtype: rank for rank, dtype in enumerate(ITEM_BYTES)}
_LENGTH_BYTES = 8
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}
_SHOWN_LETTERS = 100
_UNLIKELY_LENGTH = 1 << 40


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
        fault = f"{path} cannot be read: {error.strerror}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice) from error
    return parse_header(text, size_bytes, path.name)


def is_safetensors(path: Path) -> bool:
    """Tell by its first bytes whether a file means to be safetensors."""
    try:
        with path.open("rb") as stream:
            start = stream.read(_LENGTH_BYTES + 1)
    except OSError:
        return False
    return begins_like_safetensors(start)


def begins_like_safetensors(start: bytes) -> bool:
    """Tell the first bytes of a safetensors file: a small length, then a brace."""
    brace = start[_LENGTH_BYTES : _LENGTH_BYTES + 1]
    length = int.from_bytes(start[:_LENGTH_BYTES], "little")
    return brace == b"{" and length < _UNLIKELY_LENGTH


def scan_safetensors(
    path: Path,
    *,
    sums: bool = True,
    advance: Callable[[int], None] | None = None,  # noqa: ARG001 - the format has no checksums
) -> Scan:
    """Check the header, and note the tensors that hold nothing but zeros.

    Arguments and errors are those of :class:`~zoo.formats.record.Scanner`.
    """
    faults: tuple[str, ...] = ()
    notes: list[str] = []
    try:
        header = read_header(path)
    except CheckpointError as error:
        faults = (error.fault,)
    else:
        if sums:
            notes = _zeros_of(path, header.tensors)

    return Scan(
        file=path.name,
        format=Format.SAFETENSORS,
        imports=(),
        faults=faults,
        notes=tuple(notes),
    )


def _zeros_of(path: Path, entries: Iterable[TensorEntry]) -> list[str]:
    """Note the tensors that hold nothing but zeros."""
    tensors = []
    for entry in entries:
        if len(entry.shape) >= LEAST_DIMENSIONS:
            length = entry.end - entry.begin
            tensors.append((entry.name, entry.begin, length))

    try:
        with path.open("rb") as stream:
            return zero_note(stream, tensors)
    except OSError as error:
        fault = f"{path} cannot be read: {error.strerror}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice) from error


def read_safetensors(path: Path) -> Description:
    """Describe the tensors of a file.

    Raises:
        CheckpointError: See :func:`read_header`.
    """
    header = read_header(path)
    content = {}
    places = {}
    for entry in header.tensors:
        dtype = TORCH_TYPES[entry.dtype]
        content[entry.name] = whole_tensor(entry.name, dtype, entry.shape)
        places[entry.name] = Place(entry.begin, entry.end - entry.begin)

    return Description(
        content=content,
        places=places,
        metadata=header.metadata,
        is_wrapped=False,
    )


def parse_header(
    text: bytes,
    size_bytes: int,
    file: str,
) -> SafetensorsHeader:
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
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        fault = f"expected {_METADATA} to map names to strings"
        raise _fault(file, fault)
    data_begin = _LENGTH_BYTES + len(text)
    entries = [_entry(name, value, data_begin, file) for name, value in table.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    at = data_begin
    for entry in entries:
        if entry.begin != at:
            fault = "leaves a hole before it"
            if entry.begin < at:
                fault = "overlaps the tensor before it"
            raise _fault(
                file,
                f"{entry.name!r} starts at byte {entry.begin} where {at} is expected: it {fault}",
            )
        at = entry.end
    if at != size_bytes:
        fault = f"the header describes a file of {at} bytes, got {size_bytes}"
        raise _fault(file, fault)
    return SafetensorsHeader(
        tuple(entries),
        metadata,
        data_begin,
        size_bytes,
    )


def make_header(
    tensors: Iterable[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str]
) -> tuple[bytes, list[TensorEntry]]:
    """Lay out a file for some tensors, the same for the same tensors.

    By size of item, largest first, then by name.

    So every tensor is aligned, and the bytes are those that the safetensors library writes.

    Args:
        tensors: Name, type and shape of each.
        metadata: Anything about the file.

    Returns:
        The first bytes of the file, and where each tensor's values follow, in their order.
    """

    def rank(tensor: tuple[str, str, tuple[int, ...]]) -> tuple[int, str]:
        name, dtype, _ = tensor
        return -_RANKS[dtype], name

    ordered = sorted(tensors, key=rank)
    table: dict[str, Any] = {}
    if metadata:
        table[_METADATA] = dict(sorted(metadata.items()))
    at = 0
    for name, dtype, shape in ordered:
        end = at + math.prod(shape) * ITEM_BYTES[dtype]
        table[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [at, end],
        }
        at = end
    written = json.dumps(table, ensure_ascii=False, separators=(",", ":"))
    text = written.encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    header = parse_header(text, _LENGTH_BYTES + len(text) + at, "the new file")
    length = len(text).to_bytes(_LENGTH_BYTES, "little")
    return length + text, list(header.tensors)


def _header_length(
    start: bytes,
    size_bytes: int,
    file: str,
) -> int:
    """Read the length of the header and bound it."""
    if len(start) < _LENGTH_BYTES:
        fault = f"expected at least {_LENGTH_BYTES} bytes, got {len(start)}"
        raise _fault(file, fault)
    length = int.from_bytes(start, "little")
    if length > size_bytes - _LENGTH_BYTES:
        fault = f"its header claims {length} bytes, but the file has only {size_bytes}"
        raise _fault(file, fault)
    if length > LARGEST_HEADER_BYTES:
        fault = (
            f"its header claims {length} bytes, more than the {LARGEST_HEADER_BYTES} that are read"
        )
        raise _fault(file, fault)
    return length


def _decode(
    text: bytes,
    file: str,
) -> dict[str, Any]:
    """Parse the JSON; a key that stands twice is a fault."""
    try:
        table = parse_json(text)
    except DocumentError as error:
        fault = f"its header is {error}"
        raise _fault(file, fault) from error
    if not isinstance(table, dict):
        fault = f"expected the header to be a JSON object, got {type(table).__name__}"
        raise _fault(file, fault)
    return table


def _entry(
    name: str,
    value: object,
    data_begin: int,
    file: str,
) -> TensorEntry:
    """Check one tensor by itself."""
    shown = repr(name)
    if len(name) > _SHOWN_LETTERS:
        shown = f"{name[:_SHOWN_LETTERS]!r}..."
    if not name.isprintable():
        fault = f"the tensor name {shown} has characters that cannot be printed"
        raise _fault(file, fault)
    if not isinstance(value, dict) or set(value) != _FIELDS:
        fault = f"expected dtype, shape and data_offsets of {shown}, and nothing else"
        raise _fault(file, fault)
    dtype = value["dtype"]
    shape = value["shape"]
    offsets = value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        known = ", ".join(ITEM_BYTES)
        fault = f"{shown} has the type {dtype!r:.40}, which is not read; known are {known}"
        advice = "save it in one of these types"
        raise CheckpointError(file, fault, advice)
    if not _are_counts(shape) or len(shape) > MOST_DIMENSIONS:
        fault = (
            f"{shown} has the shape {shape!r:.80}, expected at most {MOST_DIMENSIONS} whole numbers"
        )
        raise _fault(file, fault)
    # A size of 0 must not hide the others.
    sizes = [max(size, 1) for size in shape]
    if math.prod(sizes) > LARGEST_COUNT:
        fault = f"{shown} has the shape {shape!r:.80}, more values than fit in memory"
        raise _fault(file, fault)
    is_pair = _are_counts(offsets) and len(offsets) == 2
    if not is_pair or offsets[0] > offsets[1]:
        fault = f"{shown} has the offsets {offsets!r:.80}, expected two rising whole numbers"
        raise _fault(file, fault)
    wanted = math.prod(shape) * ITEM_BYTES[dtype]
    got = offsets[1] - offsets[0]
    if wanted != got:
        fault = (
            f"{shown} needs {wanted} bytes for {dtype} of shape {shape!r:.80}, "
            f"its offsets give {got}"
        )
        raise _fault(file, fault)
    return TensorEntry(
        name,
        dtype,
        tuple(shape),
        data_begin + offsets[0],
        data_begin + offsets[1],
    )


def _are_counts(values: object) -> bool:
    """Tell whether a value is a list of whole numbers that are not negative."""
    return isinstance(values, list) and all(
        type(value) is int and 0 <= value <= LARGEST_COUNT for value in values
    )


def _fault(
    file: str,
    fault: str,
) -> CheckpointError:
    """Make the error of a file that breaks the format."""
    return CheckpointError(file, f"not a sound safetensors file: {fault}")


FORMAT = FileFormat(
    begins=begins_like_safetensors,
    scan=scan_safetensors,
    read=read_safetensors,
)
