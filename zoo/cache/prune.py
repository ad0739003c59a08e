"""Prune: decide which files go, then remove them, except those that somebody is writing now."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.cache import disk, liveness, paths
from zoo.cache.inventory import CachedFile, Role, target_of_side_file
from zoo.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

DAY_S = 86_400.0
ORPHAN_AGE_S = DAY_S
"""A partial file that nobody has touched for so long is an orphan."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that is to go, and why."""

    file: CachedFile
    reason: str


@dataclass(slots=True)
class Removed:
    """What removing files has done."""

    files: list[CachedFile] = field(default_factory=list)
    busy: list[CachedFile] = field(default_factory=list)
    """Somebody is fetching or writing these now."""
    failures: list[CacheError] = field(default_factory=list)


def plan_prune(
    files: Sequence[CachedFile],
    *,
    now_s: float,
    older_than_s: float | None = None,
    most_bytes: int | None = None,
    foreign: bool = False,
) -> list[Removal]:
    """Decide which files go.

    Orphaned partials, files not used for long, then the least recently used over a limit.

    Only what can be had again is removed: files of the registry and safetensors copies, and last
    what was kept aside. Pure: nothing is read or written.

    Args:
        files: The whole inventory.
        now_s: The time now, seconds since 1970.
        older_than_s: Remove what was last used longer ago.
        most_bytes: Remove until the folder has at most this many bytes.
        foreign: Remove files that the registry does not know, too.
    """
    removals: dict[Path, Removal] = {}
    for file in files:
        is_old = now_s - file.last_used_s > ORPHAN_AGE_S
        if file.role is Role.PARTIAL and is_old:
            reason = "an unfinished download that nobody goes on with"
            removals[file.path] = Removal(file, reason)

    candidates = [file for file in files if _may_go(file, foreign=foreign)]
    # What was kept aside may be someone's only copy: it goes when nothing else is left to go.
    candidates.sort(key=lambda file: (file.role is Role.QUARANTINED, file.last_used_s))
    for file in candidates:
        age_s = now_s - file.last_used_s
        if older_than_s is not None and age_s > older_than_s:
            reason = f"not used for {age_s / DAY_S:.0f} days"
            removals[file.path] = Removal(file, reason)

    for file in candidates if most_bytes is not None else ():
        rest = [other for other in files if other.path not in removals]
        if stored_bytes(rest) <= (most_bytes or 0):
            break
        reason = f"the least recently used, to get below {most_bytes} bytes"
        removals.setdefault(file.path, Removal(file, reason))
    return list(removals.values())


def stored_bytes(files: Iterable[CachedFile]) -> int:
    """Add up what files take on the disk; what is stored once counts once."""
    sizes = {file.inode: file.size_bytes for file in files}
    return sum(sizes.values())


def remove(files: Iterable[CachedFile]) -> Removed:
    """Remove files, except those that somebody is fetching or writing now.

    One that cannot go stops no other.
    """
    done = Removed()
    for file in files:
        target_name = target_of_side_file(file.name) or file.name
        target = file.path.with_name(target_name)
        try:
            with (
                _unless_fetched(target) as is_free,
                disk.translating(file.name),
            ):
                if is_free and not _is_being_written(file):
                    file.path.unlink(missing_ok=True)
                    done.files.append(file)
                else:
                    done.busy.append(file)
        except CacheError as error:
            done.failures.append(error)
    return done


def _may_go(
    file: CachedFile,
    *,
    foreign: bool,
) -> bool:
    """Tell whether a file may be removed to make room."""
    if file.role is Role.PARTIAL:
        return False
    return file.role is Role.QUARANTINED or foreign or _can_be_had_again(file)


def _can_be_had_again(file: CachedFile) -> bool:
    """Tell whether a removed file can be fetched or made anew."""
    has_publisher = file.record is not None and file.record.url is not None
    return file.role is Role.SAFETENSORS_COPY or has_publisher


def _is_being_written(file: CachedFile) -> bool:
    """Tell whether an unfinished file is somebody's work that goes on."""
    if file.role is not Role.PARTIAL:
        return False
    return liveness.is_alive(file.path, paths.kernel())


@contextlib.contextmanager
def _unless_fetched(target: Path) -> Iterator[bool]:
    """Keep others from fetching a file for a moment; false if one is at it now."""
    import filelock

    place = paths.lock_path(target)
    lock = filelock.FileLock(place, timeout=0)
    try:
        if place.exists():
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
