"""``zoo.lock``: the digest of every file whose publisher states only a part of it, or none.

The first download of such a file is trusted and its whole SHA-256 written down; from then on everyone who shares the
lock file gets these bytes or an error. Lines are sorted, so that version control merges them well::

    # zoo.lock 1 -- digests of weights files; commit this file, "zoo" maintains it
    sha256:f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec 46830571 resnet18-f37072fd.pth
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CacheError, LockFileError
from zoo.weights import cache, locks, receipts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HEADER = '# zoo.lock 1 -- digests of weights files; commit this file, "zoo" maintains it'
FILE_NAME = "zoo.lock"
LARGEST_BYTES = 16 << 20
_LINE = re.compile(r"sha256:(?P<sha256>[0-9a-f]{64}) (?P<size>0|[1-9][0-9]{0,15}) (?P<name>.+)")


@dataclass(frozen=True, slots=True)
class LockedFile:
    """What ``zoo.lock`` demands of one file."""

    sha256: str
    size_bytes: int


def default_path(checkpoints: Path) -> Path:
    """Find the lock file: the nearest ``zoo.lock`` from the working folder up, else the cache's own."""
    with contextlib.suppress(OSError):  # the working folder may be gone
        for folder in (Path.cwd(), *Path.cwd().parents):
            if (folder / FILE_NAME).is_file():
                return folder / FILE_NAME
    return checkpoints.parent / FILE_NAME


def read(path: Path) -> dict[str, LockedFile]:
    """Read a lock file; one that does not exist is empty.

    Raises:
        LockFileError: The file is not what :func:`write` writes.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LockFileError(str(path), 1, f"cannot be read: {error.strerror}") from error
    if len(data) > LARGEST_BYTES:
        raise LockFileError(str(path), 1, f"expected at most {LARGEST_BYTES} bytes")
    return parse(data, str(path))


def parse(data: bytes, file: str = FILE_NAME) -> dict[str, LockedFile]:
    """Turn the bytes of a lock file into its entries.

    Raises:
        LockFileError: A line cannot be read, or two lines are about one file.
    """
    entries: dict[str, LockedFile] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        try:
            line = raw.decode().rstrip("\r")
        except UnicodeDecodeError as error:
            raise LockFileError(file, number, "expected UTF-8 text") from error
        if number == 1 and line and line != HEADER:
            raise LockFileError(file, number, f"expected the heading {HEADER!r}, got {line[:80]!a}")
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None or cache.name_fault(match["name"]):
            raise LockFileError(file, number, f"expected 'sha256:DIGEST SIZE NAME', got {line[:120]!a}")
        entry = LockedFile(match["sha256"], int(match["size"]))
        if entries.setdefault(match["name"], entry) != entry:
            raise LockFileError(file, number, f"a second, different line is about {match['name']}")
    return entries


def write(path: Path, entries: Mapping[str, LockedFile]) -> None:
    """Write a lock file: sorted, whole or not at all.

    Raises:
        CacheError: It cannot be written.
    """
    lines = [f"sha256:{entry.sha256} {entry.size_bytes} {name}" for name, entry in sorted(entries.items())]
    try:
        handle, temporary = tempfile.mkstemp(prefix=".zoo.lock-", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write("\n".join([HEADER, *lines, ""]))
                os.fchmod(stream.fileno(), 0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CacheError(path.name, f"cannot write {path}: {error.strerror}", "free or unlock its folder") from error


def learn(path: Path, file_name: str, entry: LockedFile) -> None:
    """Add one file to the lock file, keeping what others add at the same time.

    Raises:
        CacheError: The file is there with another digest, or the lock file cannot be written.
        LockFileError: The lock file is malformed.
    """
    with _held(path):
        entries = read(path)
        known = entries.get(file_name)
        if known == entry:
            return
        if known is not None:
            fault = f"{path} demands sha256 {known.sha256}, but the file has {entry.sha256}"
            raise CacheError(file_name, fault, "remove the line only if you know why the file has changed")
        write(path, {**entries, file_name: entry})


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock of a lock file, or go on without where that cannot be: the write itself is whole all the same."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
            guard = receipts.folder().with_name("locks") / f"{name}.lock"  # not beside: that may be a repository
            guard.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locks.held(guard, on_wait=lambda: None, stopped=threading.Event()))
        yield
