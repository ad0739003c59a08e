"""Say what a file that ``torch.save`` wrote would import and do, without running it.

Four layouts hold pickles: the zip archive of torch 1.6 and later, TorchScript archives (zip, with code), the older
format (five pickles, then the values), and bare pickles. Loading is left to ``torch.load(weights_only=True)``; this
module names beforehand what that would refuse, and checks what torch does not: places and checksums in the archive.
"""

from __future__ import annotations

import io
import mmap
import zlib
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError
from zoo.weights.opcodes import read_program
from zoo.weights.scans import Format, Import, Scan
from zoo.weights.zip_archive import check_sums, read_archive, starts_like_zip

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader
    from pathlib import Path

    from zoo.weights.opcodes import Program
    from zoo.weights.zip_archive import Archive, Member

LARGEST_PICKLE_BYTES = 64 << 20
"""A pickle of 10,000 tensors has 1 MB; values lie outside of it."""
_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""What torch.save wrote first, before 1.6."""
_LEGACY_PICKLES = ("the magic number", "the version", "the system's description", "the object", "the list of storages")
_MOST_BARE_PICKLES = 16
_TAR_MAGIC = slice(257, 262)
_ALLOWED_BY = "torch.load(weights_only=True)"


def scan_pickle(path: Path, *, sums: bool = True, advance: Callable[[int], None] | None = None) -> Scan:
    """List what a pickle-based file imports, and what keeps it from being loaded.

    Args:
        path: The file; whatever it holds, nothing of it runs.
        sums: Also read all values and compare the archive's checksums.
        advance: Called with the length of every block of values that has been read.

    Raises:
        CheckpointError: The file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
            if starts_like_zip(start):
                return _scan_zip(stream, path.name, sums=sums, advance=advance)
            if start[_TAR_MAGIC] == b"ustar":
                fault = f"{_ALLOWED_BY} does not read the tar format; save it again with a newer torch"
                return Scan(path.name, Format.TAR, (), (fault,))
            return _scan_stream(stream, path.name, is_legacy=_MAGIC in start[:24])
    except OSError as error:
        raise CheckpointError(path.name, f"{path} cannot be read: {error.strerror}", "check the path") from error


def _scan_zip(stream: BufferedReader, file: str, *, sums: bool, advance: Callable[[int], None] | None) -> Scan:
    """Scan the pickles of a zip archive and check the archive itself."""
    try:
        archive = read_archive(stream, file)
    except CheckpointError as error:
        return Scan(file, Format.ZIP, (), (error.fault,))
    is_script = archive.find("constants.pkl") is not None
    faults: list[str] = []
    imports: list[Import] = []
    for member in archive.members:
        if member.name.endswith(".pkl"):
            data = _unpacked(stream, member)
            if data is None:
                faults.append(f"{member.name} has more than the {LARGEST_PICKLE_BYTES} bytes that are read of a pickle")
                continue
            program = read_program(io.BytesIO(data))
            imports += _imports(program, member.name)
            faults += [] if is_script else _faults(program, member.name)
    if is_script:
        faults.insert(
            0, f"it holds code, which {_ALLOWED_BY} does not read; load it with torch.jit.load if you trust it"
        )
        return Scan(file, Format.TORCHSCRIPT, tuple(imports), tuple(faults))
    faults += _archive_faults(stream, archive, file, sums=sums and not faults, advance=advance)
    return Scan(file, Format.ZIP, tuple(imports), tuple(faults))


def _archive_faults(
    stream: BufferedReader, archive: Archive, file: str, *, sums: bool, advance: Callable[[int], None] | None
) -> list[str]:
    """List what is wrong with an archive of tensors beside its pickles."""
    if archive.find("data.pkl") is None:
        return [f"it is a zip archive without {archive.folder}/data.pkl, not one that torch.save wrote"]
    packed = [member for member in archive.members if member.is_compressed]
    if packed:
        sizes = (
            f"{sum(member.stored_bytes for member in packed)} to {sum(member.size_bytes for member in packed)} bytes"
        )
        return [f"{packed[0].name} is compressed (altogether {sizes}), which torch.save never does"]
    if sums:
        try:
            check_sums(stream, archive, file, advance)
        except CheckpointError as error:
            return [error.fault]
    return []


def _unpacked(stream: BufferedReader, member: Member) -> bytes | None:
    """Read a member; ``None`` if it is too long for a pickle."""
    if max(member.size_bytes, member.stored_bytes) > LARGEST_PICKLE_BYTES:
        return None
    stream.seek(member.begin)
    data = stream.read(member.stored_bytes)
    if not member.is_compressed:
        return data
    try:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        data = unpacker.decompress(data, LARGEST_PICKLE_BYTES)
    except zlib.error:
        return b""
    return None if unpacker.unconsumed_tail else data


def _scan_stream(stream: BufferedReader, file: str, *, is_legacy: bool) -> Scan:
    """Scan pickles that follow one another from the first byte on."""
    size_bytes = stream.seek(0, 2)
    if size_bytes == 0:
        return Scan(file, Format.UNKNOWN, (), ("it is empty",))
    imports: list[Import] = []
    faults: list[str] = []
    names = _LEGACY_PICKLES if is_legacy else tuple(f"pickle {number + 1}" for number in range(_MOST_BARE_PICKLES))
    with mmap.mmap(stream.fileno(), min(size_bytes, LARGEST_PICKLE_BYTES), access=mmap.ACCESS_READ) as data:
        for number, name in enumerate(names):
            if not is_legacy and data.tell() == len(data):
                break
            program = read_program(data)  # type: ignore[arg-type]  # it has read, readline and tell
            if number == 0 and not is_legacy and program.fault and not program.imports and data[:1] != b"\x80":
                return Scan(file, Format.UNKNOWN, (), ("it is neither safetensors nor a file that torch.save wrote",))
            imports += _imports(program, name)
            faults += _faults(program, name)
            if program.fault:
                break
    if is_legacy:
        return Scan(file, Format.LEGACY, tuple(imports), tuple(faults))
    faults.append("it is a bare pickle, not a file that torch.save wrote")
    return Scan(file, Format.PICKLE, tuple(imports), tuple(faults))


def _imports(program: Program, member: str) -> list[Import]:
    """Say in which pickle the names stand."""
    return [Import(use.name, use.opcode, member, use.position, use.is_allowed) for use in program.imports]


def _faults(program: Program, member: str) -> list[str]:
    """List what of a pickle will not be run."""
    faults = [
        f"it imports {use.name} ({use.opcode} at byte {use.position} of {member}), which {_ALLOWED_BY} does not allow"
        for use in program.imports
        if not use.is_allowed
    ]
    faults += [
        f"it uses the opcode {use.opcode} (byte {use.position} of {member}), which {_ALLOWED_BY} does not run"
        for use in program.foreign_opcodes
    ]
    return faults + ([f"{member}: {program.fault}"] if program.fault else [])
