"""Quarantine: where files go that are not what they should be, instead of being destroyed.

A file under a name of the registry may be a damaged download, but also a person's own export. So
nothing that does not match is ever removed before its replacement is whole and verified, and then
it lands here: in ``quarantine/`` beside the cached files, out of the reach of torch, under its
own name and a number. ``zoo cache list`` shows what is there, ``zoo cache prune`` takes it last.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk, paths

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = disk.QUARANTINE


def keep_copy(target: Path) -> Path | None:
    """Give a file a second name in the quarantine, so that its first can be replaced in one step.

    Where the file system has no hard links, the file is moved there instead.

    Returns:
        Where it is kept; ``None`` for an empty file or a link to nothing, in which nobody loses
        anything.

    Raises:
        CacheError: The folder cannot be written.
    """
    if paths.kind_of(target) is not paths.Kind.FILE:
        return None
    if target.stat().st_size == 0:
        return None
    with disk.translating(target.name):
        folder = target.parent / FOLDER
        disk.make_shared_folder(folder)
        place = _second_name(target, folder)
        try:
            # A power cut must not take the first name and leave no second one.
            atomic.sync_folder(folder)
            atomic.sync_folder(target.parent)
        except OSError:
            put_back(place, target)
            raise
    return place


def put_back(
    kept: Path,
    target: Path,
) -> None:
    """Undo :func:`keep_copy` where nothing better has come."""
    with contextlib.suppress(OSError):  # what cannot be put back is safe where it is
        if not os.path.lexists(target):
            kept.rename(target)
        elif kept.samefile(target):
            kept.unlink()


def move_aside(target: Path) -> Path | None:
    """Move a file into the quarantine; nothing is left under its name.

    Returns:
        Where it is now; ``None`` if it was empty or a link to nothing, and was removed.

    Raises:
        CacheError: The folder cannot be written.
    """
    kept = keep_copy(target)
    with (
        disk.translating(target.name),
        contextlib.suppress(FileNotFoundError),
    ):
        target.unlink()
    return kept


def original_name(path: Path) -> str:
    """Return the name that a file in the quarantine had."""
    return path.name.rpartition(".")[0]


def _second_name(
    target: Path,
    folder: Path,
) -> Path:
    """Give a file the first of ``quarantine/NAME.1``, ``.2`` ... that nothing has yet.

    One that an earlier run has given it, before it was ended, will do.
    """
    number = 1
    while True:
        place = folder / f"{target.name}.{number}"
        if os.path.lexists(place):
            if place.exists() and place.samefile(target):
                return place
            number += 1
            continue
        try:
            os.link(target, place, follow_symlinks=False)
        except FileExistsError:
            continue  # another process has taken this number meanwhile
        except OSError:
            target.rename(place)
        return place
