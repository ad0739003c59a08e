"""Keep torch's cache in order: verify it, prune it, remove from it, store equal files once.

What is decided is decided first, by pure functions over an inventory; only then is anything touched. Nothing here needs
the network, and verifying works on a read-only cache.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from zoo.weights import cache, checkpoint, disk, receipts
from zoo.weights.digests import sha256_file
from zoo.weights.inventory import CachedFile, Role, target_of_side_file
from zoo.weights.scans import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

DAY_S = 86_400.0
ORPHAN_AGE_S = DAY_S
"""A partial file that nobody has touched for so long is an orphan."""


class State(Enum):
    """What verifying a file has found."""

    WHOLE = "whole"
    """It has the digest that the registry or zoo.lock demands."""
    SOUND = "sound"
    """Nothing is known to compare it with, but it keeps its own format and checksums."""
    SUSPECT = "suspect"
    """Nothing is known to compare it with, and zoo would not load it."""
    UNKNOWN = "unknown"
    """Nothing is known to compare it with, and it was not judged."""
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Finding:
    """What verifying one file has found."""

    file: CachedFile
    state: State
    sha256: str | None
    fault: str | None = None
    advice: str | None = None
    """The command that mends it."""


def verify(
    files: Iterable[CachedFile], *, jobs: int | None = None, advance: Callable[[int], None] | None = None
) -> list[Finding]:
    """Read every file and compare it with what the registry and ``zoo.lock`` know, several at once.

    Args:
        files: From an inventory; unfinished downloads are passed over.
        jobs: Files read at the same time; by default as many as there are processors.
        advance: Called with the length of each block that has been read, one call at a time.

    Returns:
        A finding for each file, in the order of the files.
    """
    tell = in_turn(advance)
    wanted = [file for file in files if file.role is not Role.PARTIAL]
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        return list(pool.map(lambda file: verify_one(file, tell), wanted))


def in_turn(advance: Callable[[int], None] | None) -> Callable[[int], None]:
    """Make a function that several threads may call: one at a time gets through."""
    gate = threading.Lock()

    def tell(count: int) -> None:
        with gate:
            if advance is not None:
                advance(count)

    return tell


def verify_one(file: CachedFile, advance: Callable[[int], None] | None = None) -> Finding:
    """Read one file and say whether it is what it should be."""
    if cache.kind_of(file.path) is not cache.Kind.FILE:
        return _damaged(file, None, "expected a file, got a link to nothing")
    if not file.size_bytes or not file.expected.allows_size(file.size_bytes):
        return _damaged(file, None, f"expected {file.expected.size_words}, got {file.size_bytes} bytes")
    try:
        stamp = receipts.stamp(file.path)
        sha256 = sha256_file(file.path, advance)
    except OSError as error:
        return _damaged(file, None, f"it cannot be read: {error.strerror}")
    if file.expected.sha256 is None:
        return _judge_by_format(file, sha256)
    if not file.expected.allows_digest(sha256):
        return _damaged(file, sha256, f"expected sha256 {file.expected.sha256}, got {sha256}")
    receipts.remember(file.path, sha256, stamp)
    return Finding(file, State.WHOLE, sha256)


def _judge_by_format(file: CachedFile, sha256: str) -> Finding:
    """Look through a file that no digest is known of."""
    found = checkpoint.scan(file.path)
    if found.is_safe:
        return Finding(file, State.SOUND, sha256)
    is_whole_format = found.format in (Format.ZIP, Format.SAFETENSORS) and all(use.is_allowed for use in found.imports)
    state = State.DAMAGED if is_whole_format else State.SUSPECT
    return Finding(file, state, sha256, "; ".join(found.faults[:2]), f"zoo scan {file.path}")


def _damaged(file: CachedFile, sha256: str | None, fault: str) -> Finding:
    """Say which command mends a damaged file."""
    if file.role is Role.WEIGHTS:
        advice = f"zoo cache repair {file.name}"
    elif file.role is Role.TWIN and file.owner:
        advice = f"zoo convert --force {file.owner}"
    else:
        advice = f"zoo cache rm {file.name}"
    return Finding(file, State.DAMAGED, sha256, fault, advice)


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that is to go, and why."""

    file: CachedFile
    reason: str


def plan_prune(
    files: Sequence[CachedFile],
    *,
    now_s: float,
    older_than_s: float | None = None,
    most_bytes: int | None = None,
    foreign: bool = False,
) -> list[Removal]:
    """Decide which files go: orphaned partials, files not used for long, then the least recently used over a limit.

    Only what can be had again is removed: files of the registry and twins. Pure: nothing is read or written.

    Args:
        files: The whole inventory.
        now_s: The time now, seconds since 1970.
        older_than_s: Remove what was last used longer ago.
        most_bytes: Remove until the folder has at most this many bytes.
        foreign: Remove files that the registry does not know, too.
    """
    orphans = [file for file in files if file.role is Role.PARTIAL and now_s - file.last_used_s > ORPHAN_AGE_S]
    removals = {file.path: Removal(file, "an unfinished download that nobody goes on with") for file in orphans}
    candidates = [file for file in files if file.role is not Role.PARTIAL and (foreign or _can_be_had_again(file))]
    candidates.sort(key=lambda file: file.last_used_s)
    for file in candidates:
        age_s = now_s - file.last_used_s
        if older_than_s is not None and age_s > older_than_s:
            removals[file.path] = Removal(file, f"not used for {age_s / DAY_S:.0f} days")
    if most_bytes is not None:
        for file in candidates:
            if stored_bytes(other for other in files if other.path not in removals) <= most_bytes:
                break
            reason = f"the least recently used, to get below {most_bytes} bytes"
            removals.setdefault(file.path, Removal(file, reason))
    return list(removals.values())


def stored_bytes(files: Iterable[CachedFile]) -> int:
    """Add up what files take on the disk; what is stored once counts once."""
    return sum({file.inode: file.size_bytes for file in files}.values())


def remove(files: Iterable[CachedFile]) -> list[CachedFile]:
    """Remove files, except those that a running process is fetching now; return what was removed.

    Raises:
        CacheError: The cache cannot be written.
    """
    removed = []
    for file in files:
        target = file.path.with_name(target_of_side_file(file.name) or file.name)
        with _unless_fetched(target) as is_free, disk.translating(file.name):
            if is_free:
                file.path.unlink(missing_ok=True)
                removed.append(file)
    return removed


@contextlib.contextmanager
def _unless_fetched(target: Path) -> Iterator[bool]:
    """Keep others from fetching a file for a moment; false if one is at it now."""
    import filelock

    lock = filelock.FileLock(cache.lock_path(target), timeout=0)
    try:
        if cache.lock_path(target).exists():
            lock.acquire()
    except filelock.Timeout:
        yield False
        return
    except OSError:  # no locks here: what a fetch then writes has a name of its own
        pass
    try:
        yield True
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class Link:
    """Two files of equal bytes, of which the second is to become another name of the first."""

    keep: CachedFile
    replace: CachedFile


def plan_dedupe(files: Iterable[CachedFile], digest_of: Callable[[CachedFile], str]) -> list[Link]:
    """Decide which files become links; only files of equal length are read.

    Args:
        files: The inventory.
        digest_of: Returns the SHA-256 of a file.
    """
    by_size: defaultdict[int, list[CachedFile]] = defaultdict(list)
    for file in files:
        if file.role is not Role.PARTIAL and file.size_bytes and not file.path.is_symlink():
            by_size[file.size_bytes].append(file)
    links = []
    for group in by_size.values():
        if len({file.inode for file in group}) > 1:
            keepers: dict[str, CachedFile] = {}
            for file in sorted(group, key=lambda file: file.role is not Role.WEIGHTS):
                keep = keepers.setdefault(digest_of(file), file)
                if keep.inode != file.inode:
                    links.append(Link(keep, file))
    return links


def digest_of(file: CachedFile, advance: Callable[[int], None] | None = None) -> str:
    """Return the SHA-256 of a file, read unless a receipt vouches for it.

    Raises:
        CacheError: The file cannot be read.
    """
    with disk.translating(file.name):
        stamp = receipts.stamp(file.path)
        known = receipts.recall(file.path)
        if known is None:
            known = sha256_file(file.path, advance)
            receipts.remember(file.path, known, stamp)
    return known


def link(links: Iterable[Link]) -> int:
    """Replace files by hard links to their equals and return the bytes that this frees.

    A file is replaced in one step, and only if neither of the two was touched since it was read.

    Raises:
        CacheError: The cache cannot be written, or cannot hold links.
    """
    freed = 0
    for pair in links:
        keep, path = pair.keep.path, pair.replace.path
        sha256 = receipts.recall(keep)
        if sha256 is None or sha256 != receipts.recall(path):
            continue
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.link")
        with disk.translating(path.name):
            try:
                frees = path.stat().st_nlink == 1
                temporary.hardlink_to(keep)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            for name in (keep, path):  # a new link changes the ctime
                receipts.remember(name, sha256, receipts.stamp(name))
        freed += pair.replace.size_bytes if frees else 0
    return freed


def _can_be_had_again(file: CachedFile) -> bool:
    """Tell whether a removed file can be fetched or made anew."""
    return file.role is Role.TWIN or (file.record is not None and file.record.url is not None)
