"""Take in files that were carried here by hand, verified like fetched ones."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from typing import TYPE_CHECKING

from zoo.cache.digests import sha256_file
from zoo.errors import DiskFullError, MirrorError
from zoo.mirror import check
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.entries import entry_of, staging_name, stored_file
from zoo.mirror.store.folder import translating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.mirror.index import Item, StoredFile
    from zoo.mirror.published import RemoteFile, RemoteItem
    from zoo.mirror.store import Store

LARGEST_GIT_FILE_BYTES = 10 << 20
"""Larger files are in large file storage at Hugging Face, where git's digest says nothing."""


def import_file(
    store: Store,
    path: Path,
    what: str | None = None,
) -> Item:
    """Copy a file, or the folder of a Hugging Face snapshot, that was carried in by hand.

    Args:
        store: The mirror.
        path: The file or folder.
        what: What it is, where its name does not say so: ``owner/repo:ref``,
            ``hf:org/name@commit``, or an address.

    Raises:
        MirrorError: It is not known what it is, it is not what it is said to be, or cannot be read.
        DiskFullError: It does not fit on the mirror's disk; nothing is left of it.
        PolicyError: The mirror's policy keeps it out.
        UsageError: ``what`` cannot be read.
    """
    if not path.exists():
        raise MirrorError(str(path), "expected a file, there is none", "check the path")
    if not path.is_file() and not path.is_dir():  # reading a pipe would wait for ever
        fault = "expected a file or a folder, it is a pipe or a device"
        raise MirrorError(str(path), fault, "write it into a file first")
    item, sources = _described(path, what)
    item = ecosystems.allowed(store.settings().policy, item)
    sources = {file.path: sources[file.path] for file in item.files}
    with store.working():
        _check_space(store, sources)
        stored = [_take(store, item, file, sources[file.path]) for file in item.files]
        entry = entry_of(item, stored)
        store.enter(entry)
    store.fold()
    return entry


def _check_space(
    store: Store,
    sources: dict[str, Path],
) -> None:
    """Refuse what does not fit before anything is written."""
    needed_bytes = sum(_size_bytes(source) for source in sources.values())
    folder = store.staged("x").parent
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        fault = f"expected {needed_bytes} free bytes in {folder}, got {free_bytes}"
        raise DiskFullError(
            store.address, fault, 'free some space, for example with "zoo mirror prune"'
        )


def _take(
    store: Store,
    item: RemoteItem,
    file: RemoteFile,
    source: Path,
) -> StoredFile:
    """Check one file, copy it into the staging folder, and give it its place."""
    sha256 = _checked(item, file, source)
    staged = store.staged(f"{staging_name(file)}.{secrets.token_hex(4)}")
    try:
        with translating(str(staged)):
            _copy(source, staged)
            is_same = sha256_file(staged) == sha256
        if not is_same:
            raise MirrorError(str(source), "it changed while it was copied", "try again")
        size_bytes = store.adopt(staged, file.path, sha256)
    finally:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)
    return stored_file(file, size_bytes, sha256)


def _copy(
    source: Path,
    target: Path,
) -> None:
    """Copy; what goes wrong in reading is the source's fault, the rest the mirror's disk's."""
    with _blaming(source), source.open("rb") as stream, target.open("wb") as copy:
        shutil.copyfileobj(stream, copy)


def _checked(
    item: RemoteItem,
    file: RemoteFile,
    source: Path,
) -> str:
    """Return the digest of a file that is what it is said to be.

    Raises:
        MirrorError: It is not, or cannot be read.
    """
    with _blaming(source):
        found = sha256_file(source)
        if file.sha256 is None and file.git_oid is None:
            return found
        if check.checked_digest(source, item, file) is not None:
            return found
        size_bytes = source.stat().st_size
    wanted = f"sha256 {file.sha256}" if file.sha256 else f"the git digest {file.git_oid}"
    fault = f"expected {wanted}, got sha256 {found} and {size_bytes} bytes"
    raise MirrorError(str(source), fault, "get the file again")


@contextlib.contextmanager
def _blaming(source: Path) -> Iterator[None]:
    """Say that the file carried in cannot be read, where that is so."""
    try:
        yield
    except OSError as error:
        if str(error.filename) != str(source):
            raise
        fault = f"it cannot be read: {error.strerror}"
        raise MirrorError(str(source), fault, "check the file and its permissions") from error


def _size_bytes(source: Path) -> int:
    with _blaming(source):
        return source.stat().st_size


# -- what is it?


def _described(
    path: Path,
    what: str | None,
) -> tuple[RemoteItem, dict[str, Path]]:
    """Find out what a path holds: the item, and where each of its files lies now."""
    if what is None:
        return _described_by_name(path)
    (spec, *_) = ecosystems.parse(what)
    with _blaming(path):
        item, sources = ecosystems.of(spec.kind).describe(path, spec)
    if len(item.files) != len(sources):
        fault = f"{item.name} has {len(item.files)} files, this is one of them"
        raise MirrorError(
            str(path), fault, 'fetch it whole with "zoo mirror add" and "zoo mirror sync"'
        )
    return item, sources


def _described_by_name(path: Path) -> tuple[RemoteItem, dict[str, Path]]:
    """Ask each ecosystem whether it knows a file by its name alone."""
    for ecosystem in ecosystems.ECOSYSTEMS:
        if (described := ecosystem.describe_by_name(path)) is not None:
            return described
    fault = "expected the file name of registered weights, got another"
    advice = "say what it is with --as owner/repo:ref, hf:org/name@commit, or its address"
    raise MirrorError(str(path), fault, advice)
