"""Write a file whole or not at all: the one way in which anything here replaces a file.

The new bytes go to a temporary name in the same folder, to the disk, and then under the final name
in one step. The temporary name cannot be guessed and is never one that exists, so that a link
planted in a shared folder is not followed and two writers of one path do not tear each other's
work.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX = ".partial"
_NEW_FILE_MODE = 0o666
_TRIES = 100
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_NOT_SUPPORTED = (
    errno.EINVAL,
    errno.ENOTSUP,
    errno.ENOSYS,
    errno.EBADF,
)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path in the same folder to write to; afterwards its file stands under ``path``.

    Where the block fails, the new file is removed and the one before stays as it was. The file has
    the permissions of the one that it replaces, else those that the umask leaves.

    Raises:
        WriteError: The file system refuses.
    """
    temporary = None
    handle = -1
    try:
        _remove_leftovers(path)
        temporary, handle = _create(path)
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
        yield temporary
        # Some libraries put a file of their own in its place, which only its owner may read.
        temporary.chmod(mode)
        _sync(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise WriteError(str(path), _words(error)) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8.

    Raises:
        WriteError: The file system refuses.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(
    path: Path,
    content: bytes,
) -> None:
    """Write bytes.

    Raises:
        WriteError: The file system refuses.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def create_exclusively(
    path: Path,
    mode: int = _NEW_FILE_MODE,
) -> int:
    """Create a file that must not exist, follow no link, and return its descriptor.

    Raises:
        OSError: Something has this name already, or the file system refuses.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, mode)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the file system can.

    Without it, a power cut may undo a rename.

    Raises:
        OSError: The disk failed or is full.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:  # some network file systems cannot
            raise
    finally:
        os.close(handle)


def _words(error: OSError) -> str:
    """Say what the file system says, and to whom where it refuses somebody."""
    said = error.strerror or str(error)
    if error.errno in _REFUSED:
        return f"{said} (user {os.geteuid()})"
    return said


def _create(path: Path) -> tuple[Path, int]:
    """Create the temporary file, and hold its lock for as long as this process works on it."""
    import secrets  # late: few commands write

    mode = _mode_of(path)
    for _ in range(_TRIES):
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}{_SUFFIX}")
        handle = create_exclusively(temporary)
        _try_lock(handle)
        # Between these two lines another process may have taken the file for a leftover.
        if _is_same_file(temporary, handle):
            if mode is not None:
                with contextlib.suppress(
                    OSError
                ):  # not the owner, or a file system without permissions
                    os.fchmod(handle, mode)
            return temporary, handle
        os.close(handle)
    raise FileExistsError(f"no temporary name is left beside {path}")


def _mode_of(path: Path) -> int | None:
    """Return the permissions of the regular file that is to be replaced."""
    try:
        is_file = path.is_file()
        mode = path.stat(follow_symlinks=False).st_mode if is_file else 0
    except OSError:
        return None
    if is_file:
        return mode & 0o777
    return None


def _sync(temporary: Path) -> None:
    """Bring a file's bytes to the disk, whoever wrote them under this name."""
    handle = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_leftovers(path: Path) -> None:
    """Remove what killed writers of this path have left.

    A living one holds the lock of its file.
    """
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{16}}{re.escape(_SUFFIX)}")
    try:
        names = [name for name in os.listdir(path.parent) if pattern.fullmatch(name)]  # noqa: PTH208
    except OSError:
        return  # creating the file will say what is wrong with the folder
    for name in names:
        leftover = path.with_name(name)
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            handle = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _try_lock(handle):
                    leftover.unlink()
            finally:
                os.close(handle)


def _try_lock(handle: int) -> bool:
    """Lock a file for this process if nobody else has.

    False too where the file system has no locks.
    """
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_same_file(
    path: Path,
    handle: int,
) -> bool:
    """Tell whether a name still leads to an open file."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False
