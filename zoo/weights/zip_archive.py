"""Check the zip archive that ``torch.save`` writes, more strictly than zip or torch do.

torch ignores the checksums of a zip, and its reader and Python's may see different members in a crooked one. So only
what ``torch.save`` writes is let through: members lie side by side inside the file, in one folder, under different
plain names, and the local header of each agrees with the central directory. Compressed members are marked: two
megabytes that unpack to two gigabytes are no weights.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader

LARGEST_DIRECTORY_BYTES = 8 << 20
"""Room for about 80,000 tensors."""
BLOCK_BYTES = 1 << 18
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_HAS_DESCRIPTOR = 0x0008


@dataclass(frozen=True, slots=True)
class Member:
    """One file in the archive."""

    name: str
    """``"archive/data/0"``."""
    begin: int
    """Byte of the archive at which its content starts."""
    stored_bytes: int
    """What it takes in the archive."""
    size_bytes: int
    """What it unpacks to; the same unless it is compressed."""
    crc32: int
    is_compressed: bool


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of a sound archive, in the order in which they lie in it."""

    folder: str
    """The folder that holds everything."""
    members: tuple[Member, ...]

    def find(self, name: str) -> Member | None:
        """Find a member by its name inside the folder: ``"data.pkl"``."""
        return next((member for member in self.members if member.name == f"{self.folder}/{name}"), None)


def starts_like_zip(start: bytes) -> bool:
    """Tell whether a file's first bytes are those by which torch knows a zip archive."""
    return start.startswith(b"PK\x03\x04")


def read_archive(stream: BufferedReader, file: str) -> Archive:
    """Read the directory of an archive and check every member's place and name.

    Args:
        stream: The whole file.
        file: Its name, for messages.

    Raises:
        CheckpointError: The archive is cut, crooked, encrypted, or asks for more than it holds.
    """
    directory_begin = _directory_begin(stream, file)
    try:
        infos = zipfile.ZipFile(stream).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, EOFError, IndexError) as error:
        raise _fault(file, f"its directory cannot be read: {str(error)[:100]}") from error
    infos.sort(key=lambda info: info.header_offset)
    members, at, names = [], 0, set[str]()
    for info in infos:
        member, end = _member(stream, info, directory_begin, file)
        if info.header_offset < at or end > directory_begin:
            raise _fault(file, f"the member {member.name} overlaps another or reaches past the end")
        if member.name.lower() in names:  # torch's reader ignores the case
            raise _fault(file, f"the member {member.name} stands twice")
        names.add(member.name.lower())
        members.append(member)
        at = end
    folders = {member.name.partition("/")[0] for member in members}
    if len(folders) != 1 or infos[0].header_offset != 0:
        raise _fault(file, f"expected one folder from the first byte on, got {len(folders)}")
    return Archive(folders.pop(), tuple(members))


def check_sums(
    stream: BufferedReader, archive: Archive, file: str, advance: Callable[[int], None] | None = None
) -> None:
    """Compare the CRC-32 of every stored member with its directory entry, which torch does not do.

    Args:
        stream: The whole file.
        archive: What :func:`read_archive` returned for it.
        file: Its name, for messages.
        advance: Called with the length of every block that has been read.

    Raises:
        CheckpointError: A member is damaged; names it.
    """
    buffer = memoryview(bytearray(BLOCK_BYTES))
    for member in archive.members:
        if member.is_compressed:
            continue
        stream.seek(member.begin)
        left, crc = member.stored_bytes, 0
        while left:
            count = stream.readinto(buffer[: min(left, BLOCK_BYTES)])
            if not count:
                raise _fault(file, f"the member {member.name} is cut")
            crc = zlib.crc32(buffer[:count], crc)
            left -= count
            if advance is not None:
                advance(count)
        if crc != member.crc32:
            raise _fault(file, f"the member {member.name} has the CRC {crc:08x}, its directory says {member.crc32:08x}")


def _directory_begin(stream: BufferedReader, file: str) -> int:
    """Find the central directory and bound it before anything is made of it."""
    size_bytes = stream.seek(0, 2)
    if size_bytes < _END.size:
        raise _fault(file, "it ends before its directory")
    stream.seek(size_bytes - _END.size)
    signature, _, _, _, members, length, begin, comment = _END.unpack(stream.read(_END.size))
    if signature != b"PK\5\6" or comment:
        raise _fault(file, "it ends before its directory does")
    end = size_bytes - _END.size
    at = end - _LOCATOR_64.size
    stream.seek(max(at, 0))
    locator = stream.read(_LOCATOR_64.size)
    if at >= 0 and locator.startswith(b"PK\6\7"):
        _, _, place, _ = _LOCATOR_64.unpack(locator)
        if place > at - _END_64.size:
            raise _fault(file, "its directory lies outside")
        stream.seek(place)
        signature, *_, members, length, begin = _END_64.unpack(stream.read(_END_64.size))
        if signature != b"PK\6\6":
            raise _fault(file, "its directory is not where it should be")
        end = place
    if length > LARGEST_DIRECTORY_BYTES:
        raise _fault(file, f"its directory has {length} bytes, more than the {LARGEST_DIRECTORY_BYTES} that are read")
    if members == 0 or begin + length != end:
        raise _fault(file, "its directory is empty or not at the end")
    return int(begin)


def _member(stream: BufferedReader, info: zipfile.ZipInfo, directory_begin: int, file: str) -> tuple[Member, int]:
    """Check one member; the second value is the byte after it."""
    shown = ascii(info.orig_filename[:100])
    name_fault = _name_fault(info.orig_filename)
    if name_fault or info.filename != info.orig_filename:
        raise _fault(file, f"the member name {shown} {name_fault or 'is not plain'}")
    if info.flag_bits & _ENCRYPTED:
        raise _fault(file, f"the member {shown} is encrypted")
    is_inside = 0 <= info.header_offset < directory_begin
    stream.seek(info.header_offset if is_inside else 0)
    head = stream.read(_LOCAL.size)
    if not is_inside or len(head) < _LOCAL.size or not starts_like_zip(head):
        raise _fault(file, f"the member {shown} is not where the directory says")
    _, _, flags, method, _, _, crc, stored_bytes, size_bytes, name_bytes, extra_bytes = _LOCAL.unpack(head)
    name = stream.read(name_bytes)
    has_sums = not flags & _HAS_DESCRIPTOR and 0xFFFFFFFF not in (stored_bytes, size_bytes)
    agrees = (crc, stored_bytes, size_bytes) == (info.CRC, info.compress_size, info.file_size) if has_sums else True
    if name != info.orig_filename.encode() or method != info.compress_type or flags != info.flag_bits or not agrees:
        raise _fault(file, f"the header of the member {shown} contradicts the directory")
    begin = info.header_offset + _LOCAL.size + name_bytes + extra_bytes
    is_compressed = info.compress_type != zipfile.ZIP_STORED
    if not is_compressed and info.compress_size != info.file_size:
        raise _fault(file, f"the member {shown} has two lengths")
    member = Member(info.filename, begin, info.compress_size, info.file_size, info.CRC, is_compressed)
    return member, begin + info.compress_size


def _name_fault(name: str) -> str | None:
    """Say what keeps a member's name from being ``folder/name``."""
    if not name.isprintable() or "\\" in name or ":" in name:
        return "has characters that are no part of a plain name"
    parts = name.split("/")
    if len(parts) < 2 or not all(parts) or any(part in (".", "..") for part in parts):
        return "is not of the form folder/name"
    return None


def _fault(file: str, fault: str) -> CheckpointError:
    """Make the error of an archive that is not as torch.save writes it."""
    return CheckpointError(file, f"not a sound zip archive of torch.save: {fault}")
