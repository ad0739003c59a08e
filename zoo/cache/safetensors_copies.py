"""The safetensors copy that ``zoo convert`` lays beside a pickle, and when it is loaded instead.

A copy loads several times faster and cannot hold code. It is made from a verified file, proven
equal to it tensor by tensor, and its digest is written into ``zoo.lock``; conversion is
deterministic, so everyone gets the same copy. One that is not in the lock file is never used: it
could be anyone's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from zoo.cache import lockfile, paths, status
from zoo.cache.digests import Expected
from zoo.config import load_config

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

    from zoo.catalog.records import WeightsFile

SUFFIX = ".safetensors"
Verify = Literal["full", "quick", "off"]
PICKLE_SUFFIXES = (".pth", ".pt", ".bin", ".ckpt", ".tar")


def copy_path(path: Path) -> Path:
    """Return where the copy of a file lies, whether or not it is there."""
    return path.with_suffix(SUFFIX)


def original_name(
    name: str,
    names: Container[str],
) -> str | None:
    """Return which of ``names`` a file is the copy of, by its name alone."""
    stem = name.removesuffix(SUFFIX)
    return next(
        (stem + suffix for suffix in PICKLE_SUFFIXES if name != stem and stem + suffix in names),
        None,
    )


def find_copy(
    file: WeightsFile,
    folder: Path | None = None,
    *,
    verify: Verify = "quick",
) -> Path | None:
    """Return the copy of a weights file if there is one that ``zoo.lock`` vouches for.

    Args:
        file: The record of the original.
        folder: Another folder than torch's checkpoints.
        verify: ``"quick"`` reads the copy if it was touched since it was last read, ``"full"``
            always, ``"off"`` never.

    Raises:
        LockFileError: ``zoo.lock`` is malformed.
    """
    if file.packaged is not None:
        return None
    target = paths.target_path(file, folder)
    copy = copy_path(target)
    if copy == target or paths.kind_of(copy) is not paths.Kind.FILE:
        return None
    locked = lockfile.read(lock_path(target.parent)).get(copy.name)
    if locked is None:
        return None
    expected = Expected(locked.sha256, locked.size_bytes)
    if verify == "off":
        is_right = expected.allows_size(copy.stat().st_size)
    else:
        found = status.look(copy, expected, may_trust_receipt=verify == "quick")
        is_right = status.plan(found, expected).state is status.State.WHOLE
    return copy if is_right else None


def lock_path(folder: Path) -> Path:
    """Find the lock file that counts for a folder of checkpoints."""
    return load_config().lock_file or lockfile.default_path(folder)
