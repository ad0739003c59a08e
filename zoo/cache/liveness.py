"""Whether somebody is writing an unfinished file now: such a file is never removed.

Our own downloads of this kernel hold a lock. torch.hub's hold none, and those of another machine
on a shared file system cannot be asked: they count as alive while a process here has them open,
or while they were written to a short time ago.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FRESH_S = 900.0
"""Who fetches writes more often than this, also from a server that stalls."""
_PRIVATE = re.compile(r".+\.[0-9a-f]{8}-(?P<process>\d+)-[0-9a-f]+\.zoo-(partial|journal)")
_OURS = re.compile(r".+\.[0-9a-f]{8}\.zoo-(partial|journal)")
_ATOMIC = re.compile(r"\..+\.[0-9a-f]{16}\.partial")
_PROCESSES = Path("/proc")


def is_alive(path: Path, kernel: str) -> bool:
    """Tell whether somebody may still write an unfinished file that holds no lock.

    Args:
        path: The unfinished file, or its journal.
        kernel: What stands for the running kernel in the names of our own.
    """
    name = path.name
    owner = _private_owner(name, kernel)
    if owner is not None:
        return owner.exists()
    if _OURS.fullmatch(name) and f".{kernel}" in name:
        return False  # its lock is free, or it would not have come to this
    if _ATOMIC.fullmatch(name):
        return _is_locked(path)
    return _is_fresh(path) or _is_open(path)


def is_anothers(path: Path, kernel: str) -> bool:
    """Tell whether another process of this kernel works on a file alone, as locks do not work."""
    owner = _private_owner(path.name, kernel)
    return owner is not None and owner.name != str(os.getpid()) and owner.exists()


def _private_owner(name: str, kernel: str) -> Path | None:
    """Name the process that a private file belongs to, of this kernel or none."""
    private = _PRIVATE.fullmatch(name)
    if private is None or f".{kernel}" not in name:
        return None
    return _PROCESSES / private["process"]


def _is_fresh(path: Path) -> bool:
    """Tell whether a file was written to lately. One from the future was: clocks differ."""
    try:
        return time.time() - path.lstat().st_mtime < FRESH_S
    except OSError:
        return False


def _is_locked(path: Path) -> bool:
    """Tell whether the writer of a temporary file holds its lock."""
    import fcntl

    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except OSError:
        return _is_fresh(path)  # another user's
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def _is_open(path: Path) -> bool:
    """Tell whether a process of this machine has a file open, as far as this user may see."""
    try:
        wanted = path.stat()
    except OSError:
        return False
    for handle in _open_handles():
        with contextlib.suppress(OSError):
            if os.path.samestat(handle.stat(), wanted):
                return True
    return False


def _open_handles() -> Iterator[Path]:
    """Yield what leads to the open files of all processes that this user may look at."""
    for process in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield from (process / "fd").iterdir()
