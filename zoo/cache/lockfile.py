"""``zoo.lock``: what a project fetches, and the bytes that each thing must have.

The first download of a file whose publisher states only a part of its digest is trusted, and its
whole SHA-256 written down; ``zoo record`` writes down all that a program fetches. From then on
everyone who shares the lock file gets these bytes or an error. There is one line a thing, sorted,
so that version control merges them well; :mod:`zoo.cache.lock_lines` says what stands in one::

    # zoo.lock 2 -- what this project fetches, one line a thing; …
    file resnet18-f37072fd.pth sha256=f37072fd… size=46830571

Version 1, which held digests of files only, is read, and written as version 2 when a line is added.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import lock_lines, locks
from zoo.cache.lock_lines import LockedThing
from zoo.catalog.file_names import name_fault
from zoo.documents import read_regular_file
from zoo.errors import CacheError, LockFileError, WriteError
from zoo.hashes import SHA256_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HEADER = (
    "# zoo.lock 2 -- what this project fetches, one line a thing; "
    'commit this file, "zoo" maintains it'
)
HEADER_1 = '# zoo.lock 1 -- digests of weights files; commit this file, "zoo" maintains it'
FILE_NAME = "zoo.lock"
LARGEST_BYTES = 16 << 20
_LINE_1 = re.compile(
    rf"sha256:(?P<sha256>{SHA256_DIGITS}) (?P<size>0|[1-9][0-9]{{0,15}}) (?P<name>.+)"
)


@dataclass(frozen=True, slots=True)
class LockedFile:
    """What ``zoo.lock`` demands of one file."""

    sha256: str
    size_bytes: int


def default_path(checkpoints: Path) -> Path:
    """Find the lock file.

    The nearest ``zoo.lock`` from the working folder up, else the cache's own.
    """
    with contextlib.suppress(OSError):  # the working folder may be gone
        for folder in (Path.cwd(), *Path.cwd().parents):
            if (folder / FILE_NAME).is_file():
                return folder / FILE_NAME
    return checkpoints.parent / FILE_NAME


def read(path: Path) -> dict[str, LockedFile]:
    """Read what a lock file demands of files in torch's cache; one that does not exist is empty.

    Raises:
        LockFileError: The file is not what :func:`write` writes.
    """
    return _files(read_things(path))


def read_things(path: Path) -> tuple[LockedThing, ...]:
    """Read every line of a lock file; one that does not exist is empty.

    Raises:
        LockFileError: The file is not what :func:`write_things` writes.
    """
    try:
        data = read_regular_file(path, LARGEST_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
        raise LockFileError(str(path), 1, fault) from error
    return parse_things(data, str(path))


def parse(
    data: bytes,
    file: str = FILE_NAME,
) -> dict[str, LockedFile]:
    """Turn the bytes of a lock file into what it demands of files in torch's cache.

    Raises:
        LockFileError: See :func:`parse_things`.
    """
    return _files(parse_things(data, file))


def parse_things(
    data: bytes,
    file: str = FILE_NAME,
) -> tuple[LockedThing, ...]:
    """Turn the bytes of a lock file into its lines, sorted.

    Raises:
        LockFileError: A line cannot be read, or two lines contradict each other.
    """
    lines = data.split(b"\n")
    if len(lines) > 1 and lines[-1]:  # half a number is a number, too
        fault = "its end is missing: expected every line to end in a newline"
        raise LockFileError(file, len(lines), fault)

    things: dict[tuple[str, str], LockedThing] = {}
    parse_line = _parse_line_1 if data.startswith(HEADER_1.encode()) else lock_lines.parse_line

    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.decode().rstrip("\r")
        except UnicodeDecodeError as error:
            advice = "expected UTF-8 text"
            raise LockFileError(file, number, advice) from error
        # An emptied file lacks it too: a power cut must not unpin everything.
        if number == 1 and line not in (HEADER, HEADER_1):
            fault = f"expected the heading {HEADER!r}, got {line[:80]!a}"
            raise LockFileError(file, number, fault)
        if not line.strip() or line.startswith("#"):
            continue
        try:
            thing = parse_line(line)
            _add(things, thing)
        except ValueError as error:
            raise LockFileError(file, number, str(error)) from error

    return tuple(things[key] for key in sorted(things))


def write(
    path: Path,
    entries: Mapping[str, LockedFile],
) -> None:
    """Write a lock file that holds nothing but files of torch's cache.

    Raises:
        CacheError: It cannot be written.
    """
    things = [_thing(name, entry) for name, entry in entries.items()]
    write_things(path, things)


def write_things(
    path: Path,
    things: Iterable[LockedThing],
) -> None:
    """Write a lock file: sorted, whole or not at all.

    Raises:
        CacheError: It cannot be written.
    """
    in_order = sorted(things, key=lambda thing: thing.key)
    lines = [lock_lines.format_line(thing) for thing in in_order]
    try:
        atomic.write_text(path, "\n".join([HEADER, *lines, ""]))
    except WriteError as error:
        fault = f"cannot write {path}: {error.fault}"
        advice = "free or unlock its folder"
        raise CacheError(path.name, fault, advice) from error


def learn(
    path: Path,
    file_name: str,
    entry: LockedFile,
) -> None:
    """Add one file to the lock file, keeping what others add at the same time.

    Raises:
        CacheError: The file is there with another digest, or the lock file cannot be written.
        LockFileError: The lock file is malformed.
    """

    def added(things: tuple[LockedThing, ...]) -> Iterable[LockedThing]:
        known = _files(things).get(file_name)
        if known == entry:
            return things
        if known is not None:
            fault = f"{path} demands sha256 {known.sha256}, but the file has {entry.sha256}"
            advice = "remove the line only if you know why the file has changed"
            raise CacheError(file_name, fault, advice)
        return [*things, _thing(file_name, entry)]

    change(path, added)


def change(
    path: Path, changed: Callable[[tuple[LockedThing, ...]], Iterable[LockedThing]]
) -> tuple[LockedThing, ...]:
    """Let ``changed`` turn the lines into others, while no other process writes the file.

    Returns:
        The lines that stand there now, sorted. The file is not touched where they are the same.

    Raises:
        CacheError: The lock file cannot be written.
        LockFileError: The lock file is malformed.
    """
    with locks.held_for(path):
        before = read_things(path)
        after = tuple(sorted(changed(before), key=lambda thing: thing.key))
        if after != before:
            write_things(path, after)
    return after


def _files(things: Iterable[LockedThing]) -> dict[str, LockedFile]:
    """Pick the files of torch's cache."""
    files = (thing for thing in things if thing.kind == "file")
    entries = {}
    for thing in files:
        entries[thing.name] = LockedFile(thing.sha256 or "", thing.size_bytes or 0)
    return entries


def _thing(
    name: str,
    entry: LockedFile,
) -> LockedThing:
    return LockedThing(
        "file",
        name,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
    )


def _add(
    things: dict[tuple[str, str], LockedThing],
    thing: LockedThing,
) -> None:
    """Add a line to those before it.

    Raises:
        ValueError: It contradicts one of them.
    """
    if things.setdefault(thing.key, thing) != thing:
        raise ValueError(f"a second, different line is about {thing.name}")


def _parse_line_1(line: str) -> LockedThing:
    """Read a line of version 1: ``sha256:DIGEST SIZE NAME``."""
    match = _LINE_1.fullmatch(line)
    if match is None or name_fault(match["name"]):
        raise ValueError(f"expected 'sha256:DIGEST SIZE NAME', got {line[:120]!a}")
    size_bytes = int(match["size"])
    entry = LockedFile(match["sha256"], size_bytes)
    return _thing(match["name"], entry)
