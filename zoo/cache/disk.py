"""What the file system does and says, in our words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from zoo.errors import CacheError, DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

QUARANTINE = "quarantine"
"""Where replaced files are kept, beside the files (:mod:`zoo.cache.quarantine`)."""
T = TypeVar("T")
WRITABLE_BY_OTHERS = 0o022
_SYNC_FILE_RANGE_WRITE = 2
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_FREE_SPACE = "free some space, or set TORCH_HOME to a folder on a larger disk"
_WORDS = {
    errno.EFBIG: (
        "it is longer than its file system or this process may write",
        "use another file system, or raise the limit (ulimit -f)",
    ),
    errno.EMFILE: (
        "this process may open no more files",
        "raise the limit (ulimit -n), or do less at once",
    ),
    errno.ENFILE: ("this machine can open no more files", "end other programs, then try again"),
    errno.ENOENT: ("a folder or file is gone that was there", "run the same command again"),
    errno.ENOTDIR: ("a part of the path is no folder", "check the path"),
    errno.EISDIR: ("it is a folder", "move it away, then try again"),
    errno.ELOOP: ("its links lead round in a circle", "remove the link, then try again"),
    errno.EXDEV: (
        "the two names lie on different file systems",
        "keep the folder and what is below it on one file system",
    ),
    errno.ENAMETOOLONG: ("the path is too long", "choose a folder with a shorter path"),
    errno.ENOTEMPTY: ("the folder holds files", "choose another, or empty it"),
    errno.ENOMEM: ("there is no memory left", "end other programs, then try again"),
}
"""What happened and what to do, by the system's number of the error."""


# -- space


def free_bytes(folder: Path) -> int:
    """Return how much is free on the disk of a folder that need not exist yet."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    return shutil.disk_usage(place).free


def check_space(
    folder: Path,
    needed_bytes: int,
    file_name: str,
) -> None:
    """Refuse a file that does not fit on its disk.

    Raises:
        DiskFullError: Fewer bytes are free than are missing.
    """
    free = free_bytes(folder)
    if needed_bytes > free:
        raise no_room(file_name, folder, needed_bytes, free)


def no_room(
    file_name: str,
    folder: Path,
    needed_bytes: int,
    free: int,
) -> DiskFullError:
    """Say that a file does not fit, and what replaced files take that are still kept."""
    fault = f"expected {needed_bytes} free bytes in {folder}, got {free}"
    replaced = replaced_bytes(folder)
    if not replaced:
        return DiskFullError(file_name, fault, _FREE_SPACE)
    place = folder / QUARANTINE
    advice = f"{place} holds {replaced} bytes of files that were replaced: look at them and remove"
    return DiskFullError(file_name, fault, f"{advice} what nobody needs, or {_FREE_SPACE}")


def replaced_bytes(folder: Path) -> int:
    """Return how much would be free without the replaced files that are kept beside the others."""
    total = 0
    with contextlib.suppress(OSError):
        for path in (folder / QUARANTINE).iterdir():
            facts = path.lstat()
            # a file with another name as well frees nothing when this one goes
            if stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1:
                total += facts.st_size
    return total


def that_fit(
    needed_bytes: Mapping[T, int],
    free: int,
) -> list[T]:
    """Choose what fits into the free space together: in their order, each that still does.

    >>> that_fit({"a": 5, "b": 9, "c": 3}, free=10)
    ['a', 'c']
    """
    chosen: list[T] = []
    left = free
    for name, size_bytes in needed_bytes.items():
        if size_bytes <= left:
            chosen.append(name)
            left -= size_bytes
    return chosen


# -- folders


def make_shared_folder(folder: Path) -> None:
    """Make a folder, and let everyone write there who may write beside it.

    One made under the usual umask would shut out the other users of a shared cache.

    Raises:
        OSError: The folder beside it may not be written.
    """
    try:
        folder.mkdir()
    except FileExistsError:
        return
    beside = folder.parent.stat().st_mode
    if beside & WRITABLE_BY_OTHERS:
        folder.chmod(stat.S_IMODE(beside))


# -- errors


def translated(
    error: OSError,
    file_name: str,
    kept_bytes: int = 0,
) -> CacheError:
    """Turn an error of the file system into one that says what to do and what is kept."""
    place = ""
    if error.filename:
        place = f" at {error.filename}"
    if error.errno in _FULL:
        kept = ""
        if kept_bytes:
            kept = f"; {kept_bytes} bytes that have arrived are kept"
        return DiskFullError(file_name, _why_full(error, place) + kept, _FREE_SPACE)
    if error.errno in _REFUSED:
        who = f"user {os.geteuid()}"
        fault = f"{who} cannot read or write the cache{place} ({error.strerror})"
        advice = "get access to the folder, or set TORCH_HOME to one of your own"
        return CacheError(file_name, fault, advice)

    known = _WORDS.get(error.errno or 0)
    if known is not None:
        fault, advice = known
        return CacheError(file_name, f"{fault}{place} ({error.strerror})", advice)
    fault = f"the disk failed{place} ({error.strerror or error})"
    return CacheError(file_name, fault, "check the disk, then try again")


def _why_full(error: OSError, place: str) -> str:
    """Say what is used up: bytes, the user's quota, or the number of files."""
    if error.errno == errno.EDQUOT:
        return f"the quota of user {os.geteuid()} is used up{place}"
    if error.filename is not None:
        with contextlib.suppress(OSError, TypeError, ValueError):
            facts = os.statvfs(os.path.dirname(os.fspath(error.filename)) or ".")  # noqa: PTH120
            has_inodes = facts.f_files == 0 or facts.f_favail > 0
            if not has_inodes:
                return f"the disk has no room for one more file{place} (no inodes are left)"
    return f"the disk is full{place}"


def out_of_means(
    error: Exception,
    file_name: str,
) -> CacheError:
    """Say that this machine allows no more threads or memory."""
    fault = f"this machine is at its limits ({str(error) or type(error).__name__})"
    return CacheError(file_name, fault, "raise the limits (ulimit -u, ulimit -v), then try again")


def lost(
    error: OSError,
    file_name: str,
) -> CacheError:
    """Turn a failed fsync into an error: what had arrived cannot be trusted and is gone."""
    fault = f"the disk did not keep what had arrived ({error.strerror or error}); it was removed"
    if error.errno in _FULL:
        return DiskFullError(file_name, fault, "free some space and run the same command again")
    return CacheError(file_name, fault, "check the disk, then try again")


@contextlib.contextmanager
def translating(file_name: str) -> Iterator[None]:
    """Translate every error of the file system that the block raises."""
    try:
        yield
    except OSError as error:
        raise translated(error, file_name) from error


# -- writing back


def begin_writing_back(
    handle: int,
    start: int,
    length: int,
) -> None:
    """Let the system begin to write a span of a file to its disk, without waiting.

    A later fsync has less to wait for. Does nothing where the system has no such call.
    """
    call = _sync_file_range()
    if call is not None:
        call(handle, start, length, _SYNC_FILE_RANGE_WRITE)  # a mere hint: fsync tells what fails


@cache
def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    """Find Linux's call, which Python has no name for."""
    import ctypes  # looking at the cache needs none of it

    try:
        call = ctypes.CDLL(None).sync_file_range
    except (OSError, AttributeError, TypeError):
        return None
    call.argtypes = (
        ctypes.c_int,
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_uint,
    )
    found: Callable[[int, int, int, int], int] = call
    return found
