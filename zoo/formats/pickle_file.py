"""Files that ``torch.save`` wrote.

Where their tensors lie, and what keeps a file from being loaded.

Four layouts hold pickles: the zip archive of torch 1.6 and later, TorchScript archives (zip, with
code), the older format (five pickles, then the values), and bare pickles. Only the first and the
third are loaded. Nothing of a file runs, also not in torch: :mod:`zoo.formats.pickle_values`
reads what its pickle describes, and here every storage is held against the bytes that the file
has for it, before anything is read.

The file is long because the layouts share their findings and the look into a pickle: it has a part
for the archive, one for the older layout and one for pickles, to be read one after the other.
"""

from __future__ import annotations

import io
import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import CheckpointError
from zoo.formats.description import Description, Place
from zoo.formats.opcodes import read_program
from zoo.formats.pickle_values import ProgramError, read_values
from zoo.formats.record import FileFormat
from zoo.formats.scan_result import Format, Import, Scan
from zoo.formats.zeros import LEAST_DIMENSIONS, zero_note
from zoo.formats.zip_archive import check_sums, read_archive, starts_like_zip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from io import BufferedReader
    from pathlib import Path

    from zoo.formats.description import Storage
    from zoo.formats.opcodes import Program
    from zoo.formats.pickle_values import Values
    from zoo.formats.zip_archive import Archive, Member

LARGEST_PICKLE_BYTES = 64 << 20
"""A pickle of 10,000 tensors has 1 MB; values lie outside of it."""
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_MAGIC = _MAGIC_NUMBER.to_bytes(10, "little")
"""What torch.save wrote first, before 1.6."""
_LEGACY_PICKLES = (
    "the magic number",
    "the version",
    "the system's description",
    "the object",
    "the list of storages",
)
_COUNT_BYTES = 8
"""In the older format a storage begins with the number of its values."""
_MOST_BARE_PICKLES = 16
_MOST_NAMED_TENSORS = 3
_TAR_MAGIC = slice(257, 262)
_ALLOWED_BY = "torch.load(weights_only=True)"


@dataclass(slots=True)
class _Findings:
    """What looking through a file has found so far."""

    file: str
    format: Format
    imports: list[Import]
    faults: list[str]
    notes: list[str]
    values: Values | None = None
    places: dict[str, Place] | None = None

    def scan(self) -> Scan:
        """Give the result of a scan."""
        return Scan(
            self.file,
            self.format,
            tuple(self.imports),
            tuple(self.faults),
            tuple(self.notes),
        )


def scan_pickle(
    path: Path,
    *,
    sums: bool = True,
    advance: Callable[[int], None] | None = None,
) -> Scan:
    """List what a pickle-based file imports, and what keeps it from being loaded.

    Args:
        path: The file; whatever it holds, nothing of it runs.
        sums: Also read all values and compare the archive's checksums.
        advance: Called with the length of every block of values that has been read.

    Raises:
        CheckpointError: The file cannot be opened.
    """
    return _look_through(path, sums=sums, advance=advance).scan()


def read_pickle_file(path: Path) -> Description:
    """Read what a file describes, and where its values lie; the values themselves are not read.

    Raises:
        CheckpointError: The file cannot be opened, is damaged, or holds more than plain tensors.
    """
    found = _look_through(path, sums=False, advance=None)
    if found.faults or found.values is None or found.places is None:
        raise found.scan().error()
    return Description(
        content=found.values.content,
        places=found.places,
        # Values of the older layout lie crooked: views of them are slow where they work at all.
        is_mappable=found.format == Format.ZIP,
    )


def _look_through(
    path: Path,
    *,
    sums: bool,
    advance: Callable[[int], None] | None,
) -> _Findings:
    """Look through a file of any of the layouts."""
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
            if starts_like_zip(start):
                return _look_through_zip(
                    stream,
                    path.name,
                    sums=sums,
                    advance=advance,
                )
            if start[_TAR_MAGIC] == b"ustar":
                fault = (
                    f"{_ALLOWED_BY} does not read the tar format; save it again with a newer torch"
                )
                return _Findings(
                    path.name,
                    Format.TAR,
                    [],
                    [fault],
                    [],
                )
            if _MAGIC in start[:24]:
                found = _look_through_legacy(stream, path.name)
                if sums:
                    _look_at_values(stream, found)
                return found
            return _look_through_bare(stream, path.name)
    except OSError as error:
        fault = f"{path} cannot be read: {error.strerror}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice) from error


# --- the zip archive ---------------------------------------------------------------------


def _look_through_zip(
    stream: BufferedReader,
    file: str,
    *,
    sums: bool,
    advance: Callable[[int], None] | None,
) -> _Findings:
    """Look through the pickles of a zip archive, then the archive itself."""
    found = _Findings(
        file,
        Format.ZIP,
        [],
        [],
        [],
    )
    try:
        archive = read_archive(stream, file)
    except CheckpointError as error:
        found.faults.append(error.fault)
        return found
    if archive.find("constants.pkl") is not None:
        found.format = Format.TORCHSCRIPT
        found.faults.append(
            f"it holds code, which {_ALLOWED_BY} does not read; "
            "load it with torch.jit.load if you trust it"
        )
    for member in archive.members:
        if member.name.endswith(".pkl"):
            _look_through_member(stream, archive, member, found)
    if found.format == Format.TORCHSCRIPT:
        return found
    found.faults += _archive_faults(stream, archive)
    if not found.faults and found.values is not None:
        _place_members(archive, found.values, found)
    if sums and not found.faults:
        _check_sums(stream, archive, found, advance)
        _look_at_values(stream, found)
    return found


def _look_at_values(
    stream: BufferedReader,
    found: _Findings,
) -> None:
    """Note the tensors that hold nothing but zeros, where the values can be found."""
    if found.faults or found.values is None or found.places is None:
        return
    wanted: dict[str, str] = {}
    for name, tensor in found.values.named_tensors():
        if len(tensor.shape) >= LEAST_DIMENSIONS and tensor.count:
            wanted.setdefault(tensor.storage.key, name)
    tensors: list[tuple[str, int, int]] = []
    for key, name in wanted.items():
        place = found.places[key]
        tensors.append((name, place.begin, place.size_bytes))
    found.notes += zero_note(stream, tensors)


def _look_through_member(
    stream: BufferedReader,
    archive: Archive,
    member: Member,
    found: _Findings,
) -> None:
    """Look through one pickle of an archive. A packed one is never unpacked.

    It could grow without end.
    """
    if member.is_compressed:
        found.faults.append(_packed_fault([member]))
        return
    if member.size_bytes > LARGEST_PICKLE_BYTES:
        found.faults.append(
            f"{member.name} has more than the {LARGEST_PICKLE_BYTES} bytes "
            "that are read of a pickle"
        )
        return
    stream.seek(member.begin)
    data = stream.read(member.stored_bytes)
    if found.format == Format.TORCHSCRIPT:
        # Its pickles hold classes of its own: only what they import is of interest.
        found.imports += _imports(read_program(io.BytesIO(data)), member.name)
        return
    values = _look_through_pickle(data, 0, member.name, found)
    if member == archive.find("data.pkl"):
        found.values = values


def _archive_faults(
    stream: BufferedReader,
    archive: Archive,
) -> list[str]:
    """List what is wrong with an archive of tensors beside its pickles."""
    if archive.find("data.pkl") is None:
        return [
            f"it is a zip archive without {archive.folder}/data.pkl, not one that torch.save wrote"
        ]
    packed = [member for member in archive.members if member.is_compressed]
    if packed and not packed[0].name.endswith(".pkl"):
        return [_packed_fault(packed)]
    order = archive.find("byteorder")
    if order is not None and not order.is_compressed:
        stream.seek(order.begin)
        if stream.read(len(b"little")) != b"little":
            return ["its values are in big-endian order; save it again on a usual machine"]
    return []


def _packed_fault(packed: list[Member]) -> str:
    """Say what unpacking would cost."""
    stored = sum(member.stored_bytes for member in packed)
    unpacked = sum(member.size_bytes for member in packed)
    sizes = f"{stored} to {unpacked} bytes"
    return f"{packed[0].name} is compressed (altogether {sizes}), which torch.save never does"


def _place_members(
    archive: Archive,
    values: Values,
    found: _Findings,
) -> None:
    """Hold every storage against its member of the archive."""
    members = {member.name: member for member in archive.members}
    places: dict[str, Place] = {}
    for storage in values.storages:
        member = members.get(f"{archive.folder}/data/{storage.key}")
        if member is None:
            found.faults.append(f"it has no values for its storage {storage.key[:40]!a}")
            return
        if member.size_bytes != storage.size_bytes:
            found.faults.append(_length_fault(storage, member.size_bytes))
            return
        places[storage.key] = Place(member.begin, member.size_bytes)
    found.places = places


def _check_sums(
    stream: BufferedReader,
    archive: Archive,
    found: _Findings,
    advance: Callable[[int], None] | None,
) -> None:
    """Compare the archive's checksums, if it was written with any."""
    data = [member for member in archive.members if "/data/" in member.name]
    sums = [member.crc32 for member in data if member.size_bytes]
    if sums and not any(sums):
        found.notes.append("it has no checksums, so damage to its values would not show")
        return
    try:
        check_sums(stream, archive, found.file, advance)
    except CheckpointError as error:
        found.faults.append(error.fault)


# --- the older format --------------------------------------------------------------------


def _look_through_legacy(
    stream: BufferedReader,
    file: str,
) -> _Findings:
    """Look through the five pickles of the older format, then find the values behind them."""
    found = _Findings(
        file,
        Format.LEGACY,
        [],
        [],
        [],
    )
    pickles: list[Values] = []
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 0
        for name in _LEGACY_PICKLES:
            values = _look_through_pickle(data, at, name, found)
            if values is None:
                return found
            pickles.append(values)
            at = values.end
        magic, _, system, content, keys = pickles
        found.values = content
        if magic.content != _MAGIC_NUMBER:
            found.faults.append("it does not begin as torch.save wrote it")
        elif not _is_little_endian(system.content):
            found.faults.append(
                "its values are in big-endian order; save it again on a usual machine"
            )
        else:
            _place_behind(data, at, content.storages, keys.content, found)
    return found


def _is_little_endian(system: Any) -> bool:
    """Tell whether the machine that wrote a file had the usual order of bytes."""
    if not isinstance(system, dict):
        return False
    return bool(system.get("little_endian", True))


def _place_behind(
    data: mmap.mmap,
    at: int,
    storages: Iterable[Storage],
    keys: Any,
    found: _Findings,
) -> None:
    """Find the values of each storage: a count and the values, one storage behind the other."""
    by_key: dict[str, Storage] = {}
    for storage in storages:
        if by_key.setdefault(storage.key, storage) != storage:
            found.faults.append(f"its storage {storage.key[:40]!a} has two lengths or types")
            return
    places: dict[str, Place] = {}
    for key in keys if isinstance(keys, list) else ():
        known = by_key.get(key) if isinstance(key, str) else None
        if known is None or key in places:
            found.faults.append("its list of storages is not the one that its tensors need")
            return
        count = int.from_bytes(data[at : at + _COUNT_BYTES], "little")
        at += _COUNT_BYTES
        if at > len(data) or count != known.count:
            left_bytes = max(0, len(data) - at)
            found.faults.append(_length_fault(known, left_bytes))
            return
        if at + known.size_bytes > len(data):
            found.faults.append(_length_fault(known, len(data) - at))
            return
        places[key] = Place(at, known.size_bytes)
        at += known.size_bytes
    missing = by_key.keys() - places.keys()
    if missing:
        found.faults.append(f"it has no values for its storage {min(missing)[:40]!a}")
        return
    if at != len(data):
        found.faults.append(f"{len(data) - at} bytes behind its values belong to none of them")
        return
    found.places = places


def _length_fault(
    storage: Storage,
    got_bytes: int,
) -> str:
    """Say that a storage is shorter or longer than what is there for it."""
    return (
        f"its storage {storage.key[:40]!a} should have {storage.size_bytes} bytes,"
        f" the file has {got_bytes} for it"
    )


# --- pickles -----------------------------------------------------------------------------


def _look_through_bare(
    stream: BufferedReader,
    file: str,
) -> _Findings:
    """Look through pickles that follow one another from the first byte on.

    None of them is loaded.
    """
    size_bytes = stream.seek(0, 2)
    if size_bytes == 0:
        return _Findings(
            file,
            Format.UNKNOWN,
            [],
            ["it is empty"],
            [],
        )
    found = _Findings(
        file,
        Format.PICKLE,
        [],
        [],
        [],
    )
    length = min(size_bytes, LARGEST_PICKLE_BYTES)
    with mmap.mmap(stream.fileno(), length, access=mmap.ACCESS_READ) as data:
        for number in range(_MOST_BARE_PICKLES):
            if data.tell() == len(data):
                break
            program = read_program(data)  # type: ignore[arg-type]  # it has read, readline and tell
            is_other = program.fault and not program.imports and data[:1] != b"\x80"
            if number == 0 and is_other:
                fault = "it is neither safetensors nor a file that torch.save wrote"
                return _Findings(
                    file,
                    Format.UNKNOWN,
                    [],
                    [fault],
                    [],
                )
            name = f"pickle {number + 1}"
            found.imports += _imports(program, name)
            found.faults += _faults(program, name)
            if program.fault:
                break
    found.faults.append("it is a bare pickle, not a file that torch.save wrote")
    return found


def _look_through_pickle(
    data: bytes | mmap.mmap,
    start: int,
    member: str,
    found: _Findings,
) -> Values | None:
    """Read one pickle; where that fails, say what the program would import and use."""
    try:
        values = read_values(data, start)
    except ProgramError as error:
        rest = data[start : start + LARGEST_PICKLE_BYTES]
        program = read_program(io.BytesIO(rest))
        found.imports += _imports(program, member)
        # Where nothing is foreign, the values themselves are at fault.
        foreign = _faults(program, member)
        found.faults += foreign or [f"{member}: {error}"]
        return None
    found.imports += [
        Import(
            name,
            "GLOBAL",
            member,
            position,
            is_allowed=True,
        )
        for name, position in values.imports
    ]
    found.faults += _tensor_faults(values)
    return values


def _tensor_faults(values: Values) -> list[str]:
    """Name tensors that are not plain; the first few are enough."""
    faults = []
    for name, fault in values.unsupported_tensors():
        shown = name or "its tensor"
        faults.append(f"{shown} {fault}; only dense tensors on the CPU are read")
        if len(faults) == _MOST_NAMED_TENSORS:
            break
    return faults


def _imports(
    program: Program,
    member: str,
) -> list[Import]:
    """Say in which pickle the names stand."""
    return [
        Import(
            use.name,
            use.opcode,
            member,
            use.position,
            use.is_allowed,
        )
        for use in program.imports
    ]


def _faults(
    program: Program,
    member: str,
) -> list[str]:
    """List what of a pickle will not be run."""
    faults = [
        f"it imports {use.name} ({use.opcode} at byte {use.position} of {member}), "
        f"which {_ALLOWED_BY} does not allow"
        for use in program.imports
        if not use.is_allowed
    ]
    faults += [
        f"it uses the opcode {use.opcode} (byte {use.position} of {member}), "
        f"which {_ALLOWED_BY} does not run"
        for use in program.foreign_opcodes
    ]
    return faults + ([f"{member}: {program.fault}"] if program.fault else [])


FORMAT = FileFormat(
    begins=lambda _start: True,
    scan=scan_pickle,
    read=read_pickle_file,
    has_sums=True,
)
