"""From what a publisher offers to an entry of the index, and back."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from zoo.mirror.index import Item, StoredFile
from zoo.mirror.published import RemoteFile, RemoteItem
from zoo.mirror.store import now

if TYPE_CHECKING:
    from collections.abc import Iterable

_ODD = re.compile(r"[^A-Za-z0-9._+-]")
_UNSHOWN = re.compile(r"[^A-Za-z0-9._+/ -]")
_DIGITS = 12
_MOST_LETTERS = 80


def stored_file(
    file: RemoteFile,
    size_bytes: int,
    sha256: str,
) -> StoredFile:
    """Make the entry of a file that has just been checked."""
    return StoredFile(
        path=file.path,
        origin=file.origin,
        size_bytes=size_bytes,
        sha256=sha256,
        fetched_at=now(),
        git_oid=file.git_oid,
    )


def entry_of(
    item: RemoteItem,
    files: Iterable[StoredFile],
) -> Item:
    """Make the entry of an item."""
    return Item(
        kind=item.kind,
        name=item.name,
        files=tuple(files),
        revision=item.revision,
        refs=item.refs,
        license=item.license,
        is_partial=item.is_partial,
        is_gated=item.is_gated,
        aliases=item.aliases,
    )


def remote_of(item: Item) -> RemoteItem:
    """Describe an item that is held as if its publisher did: its bytes are known."""
    files: list[RemoteFile] = []
    for file in item.files:
        remote = RemoteFile(
            path=file.path,
            origin=file.origin,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            git_oid=file.git_oid,
        )
        files.append(remote)

    return RemoteItem(
        kind=item.kind,
        name=item.name,
        files=tuple(files),
        revision=item.revision,
        refs=item.refs,
        license=item.license,
        is_partial=item.is_partial,
        is_gated=item.is_gated,
        aliases=item.aliases,
        is_held=True,
    )


def staging_name(file: RemoteFile) -> str:
    """Name the unfinished download of a file, unlike any other's."""
    digest = hashlib.sha256(file.origin.encode())
    short = digest.hexdigest()[:_DIGITS]
    _, _, name = file.path.rpartition("/")
    readable = _ODD.sub("_", name)
    return f"{short}-{readable[-_MOST_LETTERS:]}"


def shown_name(
    item: RemoteItem,
    file: RemoteFile,
) -> str:
    """Name a file for people who watch it come: ``net.pth``, ``org/model config.json``."""
    _, _, name = file.path.rpartition("/")
    if item.revision is not None:
        _, _, below = file.path.partition(f"/{item.revision}/")
        name = f"{item.name} {below or name}"
    return _UNSHOWN.sub("_", name)
