"""Check the zip archive that ``torch.save`` writes, more strictly than zip or torch do.

torch ignores the checksums of a zip, and its reader and Python's may see different members in a
crooked one. So only what ``torch.save`` writes is let through: members lie side by side inside the
file, in one folder, under different plain names, and the local header of each agrees with the
central directory. Compressed members are marked: two megabytes that unpack to two gigabytes are no
weights.

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
_SEE_EXTRA = 0xFFFFFFFF
"""A length that does not fit into 32 bits stands in an extra field."""
_DESCRIPTORS = (struct.Struct("<4s3I"), struct.Struct("<4sI2Q"))
"""What may follow a member: its checksum and lengths once more, the lengths in 32 or 64 bits."""
_EXTRA_FIELD = struct.Struct("<2H")
_PADDING_FIELD = 0x4246
"""What torch.save puts before a member's content, so that it begins at a round place."""
_PLAIN_FIELDS = {
    0x0001: 28,
    0x5455: 13,
    0x7875: 15,
}
"""Fields that zip programs write, with the most bytes they need: long lengths, times, owners."""


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
        return next(
            (member for member in self.members if member.name == f"{self.folder}/{name}"), None
        )


def starts_like_zip(start: bytes) -> bool:
    """Tell whether a file's first bytes are those by which torch knows a zip archive."""
    return start.startswith(b"PK\x03\x04")


def read_archive(
    stream: BufferedReader,
    file: str,
) -> Archive:
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
    except (
        zipfile.BadZipFile,
        ValueError,
        NotImplementedError,
        struct.error,
        EOFError,
        IndexError,
    ) as error:
        fault = f"its directory cannot be read: {str(error)[:100]}"
        raise _fault(file, fault) from error
    infos.sort(key=lambda info: info.header_offset)
    members: list[Member] = []
    names: set[str] = set()
    at = 0
    last: zipfile.ZipInfo | None = None
    for info in infos:
        member, end = _member(stream, info, directory_begin, file)
        if info.header_offset < at or end > directory_begin:
            fault = f"the member {member.name} overlaps another or reaches past the end"
            raise _fault(file, fault)
        if not _is_tail_of(stream, at, info.header_offset, last):
            gap = info.header_offset - at
            fault = f"{gap} bytes before the member {member.name} belong to none"
            raise _fault(file, fault)
        if member.name.lower() in names:  # torch's reader ignores the case
            fault = f"the member {member.name} stands twice"
            raise _fault(file, fault)
        names.add(member.name.lower())
        members.append(member)
        at = end
        last = info
    if not _is_tail_of(stream, at, directory_begin, last):
        fault = f"{directory_begin - at} bytes before its directory belong to no member"
        raise _fault(file, fault)
    folders = {member.name.partition("/")[0] for member in members}
    if len(folders) != 1 or infos[0].header_offset != 0:
        fault = f"expected one folder from the first byte on, got {len(folders)}"
        raise _fault(file, fault)
    return Archive(folders.pop(), tuple(members))


def check_sums(
    stream: BufferedReader,
    archive: Archive,
    file: str,
    advance: Callable[[int], None] | None = None,
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
        left = member.stored_bytes
        crc = 0
        while left:
            count = stream.readinto(buffer[: min(left, BLOCK_BYTES)])
            if not count:
                fault = f"the member {member.name} is cut"
                raise _fault(file, fault)
            crc = zlib.crc32(buffer[:count], crc)
            left -= count
            if advance is not None:
                advance(count)
        if crc != member.crc32:
            fault = (
                f"the member {member.name} has the CRC {crc:08x}, "
                f"its directory says {member.crc32:08x}"
            )
            raise _fault(file, fault)


def _directory_begin(
    stream: BufferedReader,
    file: str,
) -> int:
    """Find the central directory and bound it before anything is made of it."""
    size_bytes = stream.seek(0, 2)
    if size_bytes < _END.size:
        raise _fault(file, "it ends before its directory")
    stream.seek(size_bytes - _END.size)
    record = stream.read(_END.size)
    signature, _, _, _, members, length, begin, comment = _END.unpack(record)
    if signature != b"PK\5\6" or comment:
        raise _fault(file, "it ends before its directory does")
    end = size_bytes - _END.size
    at = end - _LOCATOR_64.size
    stream.seek(max(at, 0))
    locator = stream.read(_LOCATOR_64.size)
    if at >= 0 and locator.startswith(b"PK\6\7"):
        _, _, place, _ = _LOCATOR_64.unpack(locator)
        if place != at - _END_64.size:
            raise _fault(file, "its directory lies outside")
        stream.seek(place)
        record = stream.read(_END_64.size)
        signature, *_, members, length, begin = _END_64.unpack(record)
        if signature != b"PK\6\6":
            raise _fault(file, "its directory is not where it should be")
        end = place
    if length > LARGEST_DIRECTORY_BYTES:
        fault = (
            f"its directory has {length} bytes, "
            f"more than the {LARGEST_DIRECTORY_BYTES} that are read"
        )
        raise _fault(file, fault)
    if members == 0 or begin + length != end:
        raise _fault(file, "its directory is empty or not at the end")
    return int(begin)


def _member(
    stream: BufferedReader,
    info: zipfile.ZipInfo,
    directory_begin: int,
    file: str,
) -> tuple[Member, int]:
    """Check one member; the second value is the byte after it."""
    shown = ascii(info.orig_filename[:100])
    name_fault = _name_fault(info.orig_filename)
    if name_fault or info.filename != info.orig_filename:
        fault = f"the member name {shown} {name_fault or 'is not plain'}"
        raise _fault(file, fault)
    if info.flag_bits & _ENCRYPTED:
        fault = f"the member {shown} is encrypted"
        raise _fault(file, fault)
    is_inside = 0 <= info.header_offset < directory_begin
    stream.seek(info.header_offset if is_inside else 0)
    head = stream.read(_LOCAL.size)
    is_head = len(head) == _LOCAL.size and starts_like_zip(head)
    if not is_inside or not is_head:
        fault = f"the member {shown} is not where the directory says"
        raise _fault(file, fault)
    _, _, flags, method, _, _, crc, stored_bytes, size_bytes, name_bytes, extra_bytes = (
        _LOCAL.unpack(head)
    )
    name = stream.read(name_bytes)
    agrees = (
        name == info.orig_filename.encode()
        and method == info.compress_type
        and flags == info.flag_bits
    )
    # With a descriptor, or in a long archive, checksum and lengths stand elsewhere.
    is_long = _SEE_EXTRA in (stored_bytes, size_bytes)
    if not flags & _HAS_DESCRIPTOR and not is_long:
        stated = (crc, stored_bytes, size_bytes)
        agrees = agrees and stated == (info.CRC, info.compress_size, info.file_size)
    if not agrees:
        fault = f"the header of the member {shown} contradicts the directory"
        raise _fault(file, fault)
    head_bytes = _LOCAL.size + name_bytes + extra_bytes
    begin = info.header_offset + head_bytes
    extra = stream.read(extra_bytes)
    is_plain = _is_plain_extra(extra) and _is_plain_extra(info.extra)
    if info.comment or not is_plain:
        fault = f"the header of the member {shown} hides bytes that belong to nothing"
        raise _fault(file, fault)
    is_compressed = info.compress_type != zipfile.ZIP_STORED
    if not is_compressed and info.compress_size != info.file_size:
        fault = f"the member {shown} has two lengths"
        raise _fault(file, fault)
    member = Member(
        info.filename,
        begin,
        info.compress_size,
        info.file_size,
        info.CRC,
        is_compressed,
    )
    return member, begin + info.compress_size


def _is_tail_of(
    stream: BufferedReader,
    begin: int,
    end: int,
    info: zipfile.ZipInfo | None,
) -> bool:
    """Tell whether between two members lies nothing but the first one's lengths."""
    if begin == end:
        return True
    if info is None or not info.flag_bits & _HAS_DESCRIPTOR:
        return False
    facts = (
        b"PK\7\x08",
        info.CRC,
        info.compress_size,
        info.file_size,
    )
    for descriptor in _DESCRIPTORS:
        if end - begin == descriptor.size:
            stream.seek(begin)
            return descriptor.unpack(stream.read(descriptor.size)) == facts
    return False


def _is_plain_extra(extra: bytes) -> bool:
    """Tell whether a header's extra bytes are padding or what zip programs write."""
    at = 0
    while at + _EXTRA_FIELD.size <= len(extra):
        kind, length = _EXTRA_FIELD.unpack_from(extra, at)
        at += _EXTRA_FIELD.size
        content = extra[at : at + length]
        at += length
        is_padding = kind == _PADDING_FIELD and not content.strip(b"Z\0")
        is_known = length <= _PLAIN_FIELDS.get(kind, -1)
        if not is_padding and not is_known:
            return False
    return at == len(extra)


def _name_fault(name: str) -> str | None:
    """Say what keeps a member's name from being ``folder/name``."""
    has_other_slash = "\\" in name
    has_drive = ":" in name
    if not name.isprintable() or has_other_slash or has_drive:
        return "has characters that are no part of a plain name"
    parts = name.split("/")
    leads_out = "." in parts or ".." in parts
    if len(parts) < 2 or not all(parts) or leads_out:
        return "is not of the form folder/name"
    return None


def _fault(
    file: str,
    fault: str,
) -> CheckpointError:
    """Make the error of an archive that is not as torch.save writes it."""
    return CheckpointError(file, f"not a sound zip archive of torch.save: {fault}")
