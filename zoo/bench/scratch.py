"""A folder for what runs leave on the disk, which is removed even when its session was killed.

Who is killed removes nothing. So each session holds a lock in its folder, which the system frees
with it, and the next session removes every folder whose lock is free.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "zoo-bench-"
_LOCK_NAME = "in-use.lock"


class Scratch:
    """A temporary folder of this process; the folders of dead ones are removed when it is made."""

    def __init__(self) -> None:
        remove_leftovers()
        self.path, self._lock = _make()

    def close(self) -> None:
        """Remove the folder and all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def _make() -> tuple[Path, FileLock]:
    """Make a folder and take its lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        lock = FileLock(path / _LOCK_NAME)
        lock.acquire()
        # Another session may have found it just before the lock was taken.
        if (path / _LOCK_NAME).exists():
            return path, lock
        lock.release()


def remove_leftovers() -> None:
    """Remove the folders of sessions that were killed; another user's stay."""
    for lock_path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK_NAME}"):
        lock = FileLock(lock_path)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            continue
        shutil.rmtree(lock_path.parent, ignore_errors=True)
        lock.release()
