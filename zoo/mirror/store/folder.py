"""A mirror in a folder: locks and renames of the file system make every step whole.

A name that leads out of the folder by a link is never followed, and a file is never written under
its final name.

The file is long because it is one class: all that a store must do, in terms of folders.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk, verified
from zoo.documents import read_regular_file
from zoo.errors import CacheError, DiskFullError, MirrorError, WriteError
from zoo.mirror import layout
from zoo.mirror.store.objects import LARGEST_DOCUMENT_BYTES, Document, StoredObject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

LOCK_TIMEOUT_S = 60.0
ALONE_TIMEOUT_S = 60.0
_POLL_S = 0.1
_FILE_MODE = 0o644
_PART_BYTES = 256 << 10
_TICK_NS = 50_000_000
"""Two changes of a folder within this time may have one time stamp."""
_CANNOT_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES)
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Folder:
    """The objects of a mirror as files below one folder."""

    def __init__(
        self,
        root: Path,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        alone_timeout_s: float = ALONE_TIMEOUT_S,
    ) -> None:
        self.root = root
        self._lock_timeout_s = lock_timeout_s
        self._alone_timeout_s = alone_timeout_s
        self._listed: dict[str, tuple[int, frozenset[str]]] = {}

    @property
    def address(self) -> str:
        """The folder's path."""
        return str(self.root)

    @property
    def staging(self) -> Path:
        """On the mirror's own disk as a rule, and never served."""
        return self.root / layout.INCOMING

    @property
    def home(self) -> Path:
        """The part of the folder that is never served."""
        return self.root / layout.PRIVATE

    # -- documents

    def read(
        self,
        key: str,
        largest_bytes: int = LARGEST_DOCUMENT_BYTES,
    ) -> Document | None:
        """Read a file whole; ``None`` if there is none."""
        path = self.root / key
        with translating(self.address):
            try:
                version = _version(path)
                data = read_regular_file(path, largest_bytes)
            except FileNotFoundError:
                return None
        return Document(data, version)

    def version(self, key: str) -> object | None:
        """Return inode, time and length: a replaced file has another inode."""
        with translating(self.address):
            try:
                return _version(self.root / key)
            except FileNotFoundError:
                return None

    def update(
        self,
        key: str,
        change: Callable[[bytes | None], bytes],
    ) -> None:
        """Change a file in one step, under a lock that all processes of a machine respect."""
        with self._locked():
            document = self.read(key)
            self._write(key, change(document.data if document else None))

    def touch(self, key: str) -> None:
        """Make an empty file. It is no loss if a power cut takes it."""
        path = self._made(key)
        with translating(self.address):
            os.close(atomic.create_exclusively(path, _FILE_MODE))

    def _write(
        self,
        key: str,
        data: bytes,
    ) -> None:
        path = self._made(key)
        with translating(self.address):
            is_new = not path.exists()
            atomic.write_bytes(path, data)
            if is_new:
                path.chmod(_FILE_MODE)  # a web server is another user

    def _made(self, key: str) -> Path:
        """Make the folder of a file, inside the mirror."""
        path = self.root / key
        with translating(self.address):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.parent.resolve().is_relative_to(self.root):
                fault = "its folder is a link that leaves the mirror"
                raise MirrorError(key, fault, "remove the link")
        return path

    # -- listings

    def names(self, prefix: str) -> frozenset[str]:
        """Return the files of one folder; it is listed again only after a change."""
        folder = self.root / prefix
        with translating(self.address):
            try:
                changed_ns = folder.stat().st_mtime_ns
                known_ns, known = self._listed.get(prefix, (0, frozenset[str]()))
                if changed_ns == known_ns:
                    return known
                found = frozenset(f"{prefix}{entry.name}" for entry in os.scandir(folder))
            except FileNotFoundError:
                return frozenset()
        # What changes from now on within the same tick of the clock would leave no trace.
        if time.time_ns() - changed_ns > _TICK_NS:
            self._listed[prefix] = (changed_ns, found)
        return found

    def listed(self, prefix: str = "") -> Iterator[StoredObject]:
        """List the files below a folder; links are files of their own and are not followed."""
        for folder, _, names in os.walk(self.root / prefix):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(OSError):
                    facts = path.lstat()
                    key = path.relative_to(self.root).as_posix()
                    yield StoredObject(key, facts.st_size, facts.st_mtime)

    # -- files

    def size_bytes(self, key: str) -> int | None:
        """Return the length of a file inside the mirror."""
        path = self.local(key)
        with contextlib.suppress(OSError):
            if path is not None:
                return path.stat().st_size
            return None
        return None

    def local(self, key: str) -> Path | None:
        """Resolve a path; ``None`` where there is no file, or where a link leaves the mirror."""
        try:
            real = (self.root / key).resolve(strict=True)
            is_file = real.is_file()
        except (OSError, RuntimeError):  # RuntimeError: a link to itself
            return None
        if is_file and real.is_relative_to(self.root):
            return real
        return None

    def take(
        self,
        staged: Path,
        key: str,
        sha256: str,
    ) -> None:
        """Rename a file into its place, or copy it where the staging folder is on another disk."""
        target = self._made(key)
        with translating(key):
            handle = os.open(staged, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                os.fsync(handle)
                os.fchmod(handle, _FILE_MODE)
            finally:
                os.close(handle)
            try:
                staged.replace(target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy(staged, target)
                staged.unlink()
            atomic.sync_folder(target.parent)
        self.remember(key, sha256)

    def copy(
        self,
        source: str,
        key: str,
    ) -> None:
        """Link a file a second time, or copy it where the file system has no links."""
        target = self._made(key)
        original = self.local(source)
        if original is None:
            raise MirrorError(source, "it has just gone", "try again")
        beginning = target.name[:100]
        own = f"{os.getpid()}.{time.monotonic_ns()}"
        temporary = target.with_name(f".{beginning}.{own}")
        with translating(key):
            try:
                os.link(original, temporary)
                temporary.replace(target)
            except OSError as error:
                if error.errno not in _CANNOT_LINK:
                    raise
                _copy(original, target)
            finally:
                # Where both names lead to one file already, a rename does nothing.
                temporary.unlink(missing_ok=True)
            atomic.sync_folder(target.parent)

    def open(self, key: str) -> IO[bytes]:
        """Open a file inside the mirror."""
        path = self.local(key)
        if path is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), key)
        return path.open("rb")

    async def stream(
        self,
        key: str,
        start: int,
        end: int,
        size_bytes: int,  # noqa: ARG002 - who asks has looked
    ) -> AsyncIterator[bytes]:
        """Yield a part of a file; the server sends files without this."""
        with self.open(key) as stream:
            stream.seek(start)
            left = end - start
            while left > 0:
                block = stream.read(min(_PART_BYTES, left))
                if not block:
                    break
                left -= len(block)
                yield block

    def signed_url(
        self,
        key: str,  # noqa: ARG002 - see the protocol
        valid_s: float,  # noqa: ARG002
    ) -> str | None:
        """Say that files have no addresses."""
        return None

    def remove(self, key: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path = self.root / key
        with translating(self.address):
            path.unlink(missing_ok=True)
        kept = (self.root, self.home, self.staging, self.root / layout.PENDING)
        for folder in path.parents:
            if folder in kept or not folder.is_relative_to(self.root):
                break
            with contextlib.suppress(OSError):
                folder.rmdir()

    def move(
        self,
        key: str,
        target: str,
    ) -> None:
        """Rename a file."""
        place = self._made(target)
        with translating(key):
            (self.root / key).replace(place)

    # -- what is known of the bytes

    def remember(
        self,
        key: str,
        sha256: str,
    ) -> None:
        """Write a receipt."""
        path = self.local(key)
        if path is not None:
            with contextlib.suppress(OSError):
                verified.remember(path, sha256, verified.stamp(path))

    def recall(self, key: str) -> str | None:
        """Read the receipt."""
        path = self.local(key)
        if path is not None:
            return verified.recall(path)
        return None

    # -- who works here

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Share a lock with all who work here."""
        import fcntl

        with self._flocked(fcntl.LOCK_SH, self._lock_timeout_s):
            yield

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock that those who work here share."""
        import fcntl

        with self._flocked(fcntl.LOCK_EX, self._alone_timeout_s):
            yield

    @contextlib.contextmanager
    def _flocked(
        self,
        kind: int,
        timeout_s: float,
    ) -> Iterator[None]:
        import fcntl

        path = self._made(f"{layout.PRIVATE}/working.lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with translating(self.address):
            handle = os.open(path, flags, 0o600)
        try:
            deadline_s = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(handle, kind | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() > deadline_s:
                        what = "brings" if kind == fcntl.LOCK_EX else "removes"
                        fault = f"another process {what} files here"
                        advice = "wait for it or end it, then try again"
                        raise MirrorError(self.address, fault, advice) from error
                    time.sleep(_POLL_S)
                except OSError:  # a file system without locks: go on, as one has to
                    break
            yield
        finally:
            os.close(handle)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from changing the documents."""
        import filelock

        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = filelock.FileLock(self.home / "lock", timeout=self._lock_timeout_s)
        try:
            with translating(self.address), lock:
                yield
        except filelock.Timeout as error:
            patience = f"{self._lock_timeout_s:.0f} seconds"
            fault = f"another process has held the mirror's lock for {patience}"
            advice = "wait for it or end it, then try again"
            raise MirrorError(self.address, fault, advice) from error


def _version(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _copy(
    source: Path,
    target: Path,
) -> None:
    """Copy a file into its place, whole or not at all."""
    with atomic.replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    target.chmod(_FILE_MODE)


@contextlib.contextmanager
def translating(subject: str) -> Iterator[None]:
    """Translate what the file system says into errors that tell what to do about a mirror.

    Raises:
        DiskFullError: The disk is full.
        CacheError: It failed in another way.
    """
    try:
        yield
    except WriteError as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise _translated(cause, subject) from error
        raise
    except OSError as error:
        raise _translated(error, subject) from error


def _translated(
    error: OSError,
    subject: str,
) -> CacheError:
    if error.errno in _FULL:
        advice = (
            'free some space, for example with "zoo mirror prune", then run the same command again'
        )
        return DiskFullError(subject, "the mirror's disk is full", advice)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        place = f" at {error.filename}" if error.filename else ""
        fault = f"the mirror cannot be read or written{place} ({error.strerror})"
        return CacheError(subject, fault, "get access to the mirror's folder")
    return disk.translated(error, subject)
