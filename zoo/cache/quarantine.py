"""Quarantine: where files go that are not what they should be, instead of being destroyed.

A file under a name of the registry may be a damaged download, but also a person's own export. So
nothing that does not match is ever removed before its replacement is whole and verified, and then
it lands here: in ``quarantine/`` beside the cached files, out of the reach of torch, under its
own name and a number. ``zoo cache list`` shows what is there, ``zoo cache prune`` takes it last.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from typing import TYPE_CHECKING

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
        for place in _free_places(target):
            try:
                os.link(target, place, follow_symlinks=False)
            except FileExistsError:
                continue  # another process has taken this number meanwhile
            except OSError:
                target.rename(place)
            return place
    return None


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


def _free_places(target: Path) -> itertools.filterfalse[Path]:
    """Offer names that nothing has yet: ``quarantine/NAME.1``, ``.2`` ..."""
    folder = target.parent / FOLDER
    folder.mkdir(exist_ok=True)
    numbers = itertools.count(1)
    names = (folder / f"{target.name}.{number}" for number in numbers)
    return itertools.filterfalse(os.path.lexists, names)
