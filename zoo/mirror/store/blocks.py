"""Digests of blocks, which lie beside the weights files of a mirror."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from zoo.cache import block_hashes
from zoo.errors import CacheError
from zoo.mirror import layout
from zoo.mirror.store.folder import translating

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.cache.block_hashes import BlockHashes
    from zoo.mirror.store.objects import Objects


def are_worthwhile(size_bytes: int) -> bool:
    """Tell whether a weights file is worth digests of its blocks.

    A file of one block is fetched whole anyway.
    """
    return size_bytes > block_hashes.BLOCK_BYTES


def of_staged(
    staged: Path,
    path: str,
) -> BlockHashes | None:
    """Compute the digests of a file's blocks before it gets its place, if it is to have some."""
    size_bytes = staged.stat().st_size
    is_described = layout.blocks_path(path) is not None and are_worthwhile(size_bytes)
    if is_described:
        return block_hashes.hash_blocks(staged)
    return None


def read(
    objects: Objects,
    path: str,
) -> bytes | None:
    """Return the digests of a weights file's blocks as they are served.

    ``None`` if there are none.
    """
    beside = layout.blocks_path(path)
    if beside is None or objects.size_bytes(beside) is None:
        return None
    with contextlib.suppress(CacheError):
        document = objects.read(beside, block_hashes.LARGEST_SIDECAR_BYTES)
        if document is not None:
            return document.data
        return None
    return None


def write(
    objects: Objects,
    path: str,
    text: str,
) -> None:
    """Write the digests of blocks, unless the same are there."""
    beside = layout.blocks_path(path)
    if beside is None:
        return
    data = text.encode()
    if read(objects, path) != data:
        objects.update(beside, lambda _: data)
    own_digest = hashlib.sha256(data).hexdigest()
    objects.remember(beside, own_digest)


def describe(
    objects: Objects,
    path: str,
    sha256: str,
) -> None:
    """Write the digests of a weights file's blocks beside it, unless they are there and right.

    The file is read unless a receipt vouches for the digests. Nothing is written for a file of a
    single block, nor for one that is damaged.

    Raises:
        CacheError: The disk is full or failed.
    """
    beside = layout.blocks_path(path)
    size_bytes = objects.size_bytes(path)
    if beside is None or size_bytes is None or not are_worthwhile(size_bytes):
        return

    data = read(objects, path)
    known = block_hashes.parse(data or b"")
    if data is not None and known is not None and known.sha256 == sha256:
        own_digest = hashlib.sha256(data).hexdigest()
        if objects.recall(beside) == own_digest:
            return

    hashes = _hash(objects, path, block_hashes.BLOCK_BYTES)
    if hashes.sha256 == sha256:
        write(objects, path, hashes.to_text())


def are_wrong(
    objects: Objects,
    path: str,
    size_bytes: int,
) -> bool:
    """Tell whether there are digests of a file's blocks that do not fit it; the file is read."""
    data = read(objects, path)
    if data is None or not are_worthwhile(size_bytes):
        return False
    known = block_hashes.parse(data)
    return known is None or known != _hash(objects, path, known.block_bytes)


def _hash(
    objects: Objects,
    path: str,
    block_bytes: int,
) -> BlockHashes:
    with translating(path), objects.open(path) as stream:
        return block_hashes.hash_stream(stream, block_bytes)
