"""One process at a time per file, and the truth about whether that holds.

The lock is advisory and dies with its holder. Some file systems refuse locks, and some grant every one of them; both
are found out before a lock is relied on. Nothing here is needed for a file to be right, only for it to be fetched once.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

POLL_S = 0.1


@contextlib.contextmanager
def held(path: Path, *, on_wait: Callable[[], None], stopped: threading.Event) -> Iterator[bool]:
    """Hold the lock at a path; yield whether it keeps others out.

    Args:
        path: The lock file; it is created and stays.
        on_wait: Called once if another process holds the lock.
        stopped: Set by another thread to give up waiting, with a KeyboardInterrupt.
    """
    path.parent.mkdir(exist_ok=True)
    if not do_locks_work(path):
        yield False
        return
    import filelock

    lock = filelock.FileLock(path)
    is_told = False
    while not lock.is_locked:
        try:
            lock.acquire(timeout=POLL_S if is_told else 0, poll_interval=POLL_S / 2)
        except filelock.Timeout:
            if stopped.is_set():
                raise KeyboardInterrupt from None
            if not is_told:
                on_wait()
            is_told = True
    try:
        yield True
    finally:
        lock.release()


def do_locks_work(path: Path) -> bool:
    """Tell whether two open files of one path keep each other out, as locks should."""
    import fcntl

    probe = path.with_name(f"{path.name}-{os.getpid()}-{threading.get_ident()}-probe")
    first = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    second = os.open(probe, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return _is_refused(second)
    finally:
        os.close(first)
        os.close(second)
        probe.unlink(missing_ok=True)


def _is_refused(file: int) -> bool:
    """Tell whether a file's lock is held by someone else."""
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    return False
