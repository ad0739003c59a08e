"""What the file system does and says, in our words."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from functools import cache
from typing import TYPE_CHECKING

from zoo.errors import CacheError, DiskFullError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SYNC_FILE_RANGE_WRITE = 2


def check_space(folder: Path, needed_bytes: int, file_name: str) -> None:
    """Refuse a file that does not fit on its disk.

    Raises:
        DiskFullError: Fewer bytes are free than are missing.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        fault = f"expected {needed_bytes} free bytes in {folder}, got {free}"
        raise DiskFullError(file_name, fault, "free some space, or set TORCH_HOME to a folder on a larger disk")


def translated(error: OSError, file_name: str) -> CacheError:
    """Turn an error of the file system into one that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space and run the same command again"
        return DiskFullError(file_name, "the disk is full; what has arrived is kept", advice)
    place = f" at {error.filename}" if error.filename else ""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        advice = "get access to the folder, or set TORCH_HOME to one of your own"
        return CacheError(file_name, f"the cache cannot be read or written{place} ({error.strerror})", advice)
    return CacheError(
        file_name, f"the disk failed{place} ({error.strerror or error})", "check the disk, then try again"
    )


@contextlib.contextmanager
def translating(file_name: str) -> Iterator[None]:
    """Translate every error of the file system that the block raises."""
    try:
        yield
    except OSError as error:
        raise translated(error, file_name) from error


def begin_writing_back(handle: int, start: int, length: int) -> None:
    """Let the system begin to write a span of a file to its disk, without waiting: a later fsync has less to wait for.

    Does nothing where the system has no such call.
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
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    found: Callable[[int, int, int, int], int] = call
    return found


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder survive a power cut, where the file system can."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot
            os.fsync(handle)
    finally:
        os.close(handle)
