"""Dedupe: store files of equal bytes once, as hard links."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.cache import disk, verified
from zoo.cache.digests import sha256_file
from zoo.cache.inventory import CachedFile, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True)
class Link:
    """Two files of equal bytes, of which the second is to become another name of the first."""

    keep: CachedFile
    replace: CachedFile


def plan_dedupe(
    files: Iterable[CachedFile],
    digest_of: Callable[[CachedFile], str],
) -> list[Link]:
    """Decide which files become links; only files of equal length are read.

    Args:
        files: The inventory.
        digest_of: Returns the SHA-256 of a file.
    """
    by_size: defaultdict[int, list[CachedFile]] = defaultdict(list)
    for file in files:
        is_apart = file.role in (Role.PARTIAL, Role.QUARANTINED)
        if not is_apart and file.size_bytes and not file.path.is_symlink():
            by_size[file.size_bytes].append(file)
    links: list[Link] = []
    for group in by_size.values():
        inodes = {file.inode for file in group}
        if len(inodes) > 1:
            links += _links_within(group, digest_of)
    return links


def _links_within(
    group: list[CachedFile],
    digest_of: Callable[[CachedFile], str],
) -> list[Link]:
    """Decide which files of one length become links."""
    links = []
    keepers: dict[str, CachedFile] = {}
    # Weights keep their bytes; what others call the same becomes a link to them.
    group.sort(key=lambda file: file.role is not Role.WEIGHTS)
    for file in group:
        digest = digest_of(file)
        keep = keepers.setdefault(digest, file)
        if keep.inode != file.inode:
            links.append(Link(keep, file))
    return links


def digest_of(
    file: CachedFile,
    advance: Callable[[int], None] | None = None,
) -> str:
    """Return the SHA-256 of a file, read unless a receipt vouches for it.

    Raises:
        CacheError: The file cannot be read.
    """
    with disk.translating(file.name):
        stamp = verified.stamp(file.path)
        known = verified.recall(file.path)
        if known is None:
            known = sha256_file(file.path, advance)
            verified.remember(file.path, known, stamp)
    return known


def link(links: Iterable[Link]) -> int:
    """Replace files by hard links to their equals and return the bytes that this frees.

    A file is replaced in one step, and only if neither of the two was touched since it was read.

    Raises:
        CacheError: The cache cannot be written, or cannot hold links.
    """
    freed = 0
    for pair in links:
        keep = pair.keep.path
        path = pair.replace.path
        sha256 = verified.recall(keep)
        if sha256 is None or sha256 != verified.recall(path):
            continue
        unique = secrets.token_hex(4)
        temporary = path.with_name(f".{path.name}.{unique}.link")
        with disk.translating(path.name):
            try:
                frees = path.stat().st_nlink == 1
                temporary.hardlink_to(keep)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            for name in (keep, path):  # a new link changes the ctime
                verified.remember(name, sha256, verified.stamp(name))
        if frees:
            freed += pair.replace.size_bytes
    return freed
