"""One process at a time per file, and the truth about whether that holds.

The lock is advisory and dies with its holder. Some file systems refuse locks, some grant every
one of them, and in a shared cache the lock may be another user's: all of that is found out before
a lock is relied on. Nothing here is needed for a file to be right, only for it to be fetched
once. So who cannot have the lock goes on without.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk, verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import filelock

_LOG = logging.getLogger("zoo.cache")
POLL_S = 0.1
PATIENCE_S = 120.0
"""How long to wait for a holder that makes no progress: it may be stopped, or on a machine that
is gone."""
DOCUMENT_PATIENCE_S = 30.0
"""The same for a document, which is written in a moment."""
_SHARED_FILE_MODE = 0o666


def _no_progress_known() -> object:
    """Know nothing of what the holder does."""
    return None


@contextlib.contextmanager
def held(
    path: Path,
    *,
    on_wait: Callable[[], None],
    stopped: threading.Event,
    progress: Callable[[], object] = _no_progress_known,
    patience_s: float = PATIENCE_S,
) -> Iterator[bool]:
    """Hold the lock at a path; yield whether it keeps others out.

    Args:
        path: The lock file; it is created and stays.
        on_wait: Called once if another process holds the lock.
        stopped: Set by another thread to give up waiting, with a KeyboardInterrupt.
        progress: Returns something that changes while the holder works.
        patience_s: How long to wait for a holder that makes no progress; then go on without the
            lock.
    """
    try:
        _share(path)
        works = do_locks_work(path)
    except OSError:  # another user's folder of locks, or a folder that is read-only
        works = False
    lock = _acquire(path, on_wait, stopped, progress, patience_s) if works else None
    if lock is None:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextlib.contextmanager
def held_for(document: Path) -> Iterator[None]:
    """Hold the lock of a document that several processes read, change and write.

    Where that cannot be, go on without: each write is whole all the same. The lock lies in the
    user's own cache and not beside the document, whose folder may be a repository.
    """
    real = os.fsencode(os.path.realpath(document))
    name = hashlib.sha256(real).hexdigest()[:32]
    folder = verified.folder().with_name("locks")
    path = folder / f"{name}.lock"
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            waits = held(
                path,
                on_wait=lambda: _LOG.warning(
                    "waiting for another process that writes %s", document
                ),
                stopped=threading.Event(),
                patience_s=DOCUMENT_PATIENCE_S,
            )
            stack.enter_context(waits)
        yield


def _acquire(
    path: Path,
    on_wait: Callable[[], None],
    stopped: threading.Event,
    progress: Callable[[], object],
    patience_s: float,
) -> filelock.BaseFileLock | None:
    """Wait for the lock as long as its holder works; ``None`` if it cannot be had."""
    import filelock

    lock = filelock.FileLock(path, mode=_SHARED_FILE_MODE)
    is_told = False
    seen = progress()
    seen_s = time.monotonic()
    while not lock.is_locked:
        try:
            lock.acquire(timeout=POLL_S if is_told else 0, poll_interval=POLL_S / 2)
        except filelock.Timeout:
            if stopped.is_set():
                raise KeyboardInterrupt from None
            if not is_told:
                on_wait()
            is_told = True
            now = progress()
            if now != seen:
                seen = now
                seen_s = time.monotonic()
            elif time.monotonic() - seen_s > patience_s:
                return None
        except OSError:  # the lock file is another user's
            return None
    return lock


def _share(path: Path) -> None:
    """Make the folder of locks, and let everyone write there who may write beside it."""
    folder = path.parent
    disk.make_shared_folder(folder)
    # A file made under the usual umask would shut the next user out.
    if folder.stat().st_mode & disk.WRITABLE_BY_OTHERS:
        with contextlib.suppress(FileExistsError):
            handle = atomic.create_exclusively(path)
            try:
                os.fchmod(handle, _SHARED_FILE_MODE)
            finally:
                os.close(handle)


def do_locks_work(path: Path) -> bool:
    """Tell whether two open files of one path keep each other out, as locks should."""
    import fcntl

    unique = secrets.token_hex(8)
    probe = path.with_name(f"{path.name}-{unique}-probe")
    first = atomic.create_exclusively(probe, 0o600)
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
