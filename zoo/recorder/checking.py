"""Compare a lock file with what lies in the caches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.cache import hub_files, paths
from zoo.cache.digests import sha256_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.cache.lock_lines import LockedThing


@dataclass(frozen=True, slots=True)
class Checked:
    """How the caches stand to a lock file."""

    cached: int
    """Lines whose files are in a cache, right or wrong."""
    faults: tuple[str, ...]


def check(things: Sequence[LockedThing]) -> Checked:
    """Read every cached file that a lock file has a line for."""
    cached = 0
    faults = []
    for thing in things:
        path = place_of(thing)
        if path is None:
            continue
        if not path.is_file():
            continue

        cached += 1
        got = sha256_file(path)
        if got != thing.sha256:
            fault = f"expected sha256 {thing.sha256}, got {got}"
            faults.append(f"{path}: {fault}")
    return Checked(cached, tuple(faults))


def place_of(thing: LockedThing) -> Path | None:
    """Return where a cache keeps a file; ``None`` for what is no single file."""
    if thing.kind == "file":
        return paths.checkpoints_folder() / thing.name
    if thing.kind == "huggingface":
        revision = thing.revision or ""
        inner = thing.path or ""
        return hub_files.snapshot_path(thing.subject, revision, inner)
    return None
