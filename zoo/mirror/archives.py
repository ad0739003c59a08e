"""Check a hub repository's archive before it enters the mirror.

Clients (torch.hub) unpack it without much of a look.

torch.hub takes the first entry as the folder that holds everything; an archive without folder
entries leaves a file where the folder should be, and every later load fails. Python's ``zipfile``
makes plain files of links, GitHub's own archives of repositories with links are refused here all
the same: what is unpacked would not be what was published.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.hashes import is_commit
from zoo.mirror import layout

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LARGEST_BYTES = 2 << 30
"""The most that an archive may take, and ..."""
LARGEST_UNPACKED_BYTES = 8 << 30
LARGEST_RATIO = 200
"""... how many times its length it may unpack to."""
MOST_ENTRIES = 200_000
ENTRY_POINT = "hubconf.py"
_DRIVE = re.compile(r"[A-Za-z]:")
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
)
"""What reading a broken archive raises."""
_ADVICE = "tell the repository's owner, or leave it out"


def check_archive(
    path: Path,
    name: str,
    commit: str,
) -> None:
    """Refuse an archive that is damaged, hostile, of another commit, or no hub repository.

    Raises:
        MirrorError: Names the entry and its fault.
    """
    subject = f"the archive of {name} at {commit[:12]}"
    try:
        size_bytes = path.stat().st_size
        with zipfile.ZipFile(path) as archive:
            fault = _fault(archive, size_bytes, commit)
            if fault is not None:
                raise MirrorError(subject, f"it is refused: {fault}", _ADVICE)
            damaged = archive.testzip()
    except _DAMAGED as error:
        fault = f"it is refused: expected a sound zip archive, got: {error}"
        raise MirrorError(subject, fault, "try again") from error

    if damaged is not None:
        fault = f"it is refused: the checksum of {damaged!a:.200} is wrong"
        raise MirrorError(subject, fault, "try again")


def commit_of(path: Path) -> str | None:
    """Return the commit that ``git archive`` has written into a zip archive's comment."""
    try:
        with zipfile.ZipFile(path) as archive:
            comment = archive.comment.decode("ascii", "replace")
    except (zipfile.BadZipFile, OSError):
        return None

    if not is_commit(comment):
        return None
    return comment


def _fault(
    archive: zipfile.ZipFile,
    size_bytes: int,
    commit: str,
) -> str | None:
    """Say what is wrong with an archive's directory."""
    entries = archive.infolist()
    comment = archive.comment.decode("ascii", "replace")
    if comment != commit:  # git archive and GitHub write it; a cut comment shows a cut archive
        return f"expected commit {commit}, its comment says {comment!a:.80}"
    if not entries or len(entries) > MOST_ENTRIES:
        count = len(entries)
        return f"expected 1 to {MOST_ENTRIES} entries, got {count}"

    first = entries[0]
    top = first.filename
    is_top = first.is_dir() and top.count("/") == 1
    if not is_top or layout.component_fault(top.rstrip("/")):
        return f"expected its top folder as first entry, got {top!a:.200}"

    unpacked = sum(entry.file_size for entry in entries)
    most = min(LARGEST_UNPACKED_BYTES, LARGEST_RATIO * size_bytes)
    if unpacked > most:
        return f"it unpacks to {unpacked} bytes, too many for an archive of {size_bytes}"

    names = {entry.filename for entry in entries}
    if f"{top}{ENTRY_POINT}" not in names:
        return f"it has no {ENTRY_POINT}, so it is not a hub repository"
    return _first_fault(entries, top)


def _first_fault(
    entries: Iterable[zipfile.ZipInfo],
    top: str,
) -> str | None:
    """Say what is wrong with the first bad entry."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename.rstrip("/")
        fault = _entry_fault(entry, top)
        if name in seen:
            fault = "has the name of another"

        if fault is not None:
            return f"entry {entry.orig_filename!a:.200} {fault}"
        seen.add(name)
    return None


def _entry_fault(
    entry: zipfile.ZipInfo,
    top: str,
) -> str | None:
    """Say what is wrong with an entry."""
    name = entry.orig_filename
    steps = name.replace("\\", "/").split("/")
    mode = entry.external_attr >> 16
    kind = stat.S_IFMT(mode)
    faults = {
        "has a control character in its name": not name.isprintable(),
        "is absolute": name.startswith(("/", "\\")) or _DRIVE.match(name),
        "leads out of its folder": ".." in steps,
        f"lies outside of {top!a:.80}": not name.startswith(top),
        "is a link": kind == stat.S_IFLNK,
        "is a device": kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is encrypted": entry.flag_bits & 0x1,
    }
    for fault, is_so in faults.items():
        if is_so:
            return fault
    return None
