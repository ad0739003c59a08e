"""What lies in torch's folder of checkpoints: each file with its owner, and what is known to check it against."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import nearest
from zoo.errors import UnknownNameError
from zoo.weights import cache, disk, lockfile, receipts, twins
from zoo.weights.digests import Expected, expected_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo.catalog.records import WeightsFile
    from zoo.catalog.registry import Registry
    from zoo.weights.lockfile import LockedFile

_SIDE_FILE = re.compile(
    rf"(?P<target>.+)\.[0-9a-f]{{8}}(-\d+-[0-9a-f]+)?({re.escape(cache.PARTIAL_SUFFIX)}|{re.escape(cache.JOURNAL_SUFFIX)})"
)
_TORCH_PARTIAL = re.compile(r"(?P<target>.+)\.[0-9a-f]{32}\.partial")
"""How torch.hub names what it is downloading."""
_OWN_TEMPORARY = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{8}\.(new|link)")
"""How ``zoo convert`` and ``zoo cache dedupe`` name what they are writing."""


class Role(Enum):
    """What a file in the folder is."""

    WEIGHTS = "weights"
    """A file of the registry."""
    TWIN = "twin"
    """A safetensors copy that ``zoo convert`` made of a file of the registry."""
    FOREIGN = "foreign"
    """Anything else; someone else's to judge."""
    PARTIAL = "partial"
    """An unfinished download, or its journal."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file in the folder."""

    path: Path
    role: Role
    size_bytes: int
    last_used_s: float
    """The later of last read and last written, as far as the file system notes reads; seconds since 1970."""
    inode: tuple[int, int]
    """Device and number: files that share both are stored once."""
    owners: tuple[str, ...]
    """``"resnet18:imagenet1k_v1"``: whose file it is; several sets of weights may share one."""
    expected: Expected
    """What the registry and ``zoo.lock`` know of its bytes."""
    record: WeightsFile | None
    is_verified: bool
    """Whether a full check is remembered and nothing has touched the file since."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def owner(self) -> str | None:
        """The first owner."""
        return self.owners[0] if self.owners else None


def take_inventory(folder: Path | None = None, *, registry: Registry | None = None) -> list[CachedFile]:
    """List the files in a folder of checkpoints by name; none of them is read.

    Args:
        folder: By default torch's.
        registry: By default the one that ships with zoo.

    Raises:
        LockFileError: ``zoo.lock`` is malformed.
        CacheError: A record and ``zoo.lock`` contradict each other, or the folder cannot be read.
    """
    place = folder or cache.checkpoints_folder()
    registry = registry or load_registry()
    locked = lockfile.read(twins.lock_path(place))
    records, owners = registry.files(), owners_of(registry)
    return [_describe(path, records.get(path.name), owners, records, locked) for path in _regular_files(place)]


def owners_of(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Map each file name of the registry to the ``model:tag`` that it belongs to."""
    owners: dict[str, tuple[str, ...]] = {}
    for architecture in registry.architectures.values():
        for weights in architecture.weights.values():
            for file in weights.files:
                owners[file.file_name] = (*owners.get(file.file_name, ()), f"{architecture.name}:{weights.tag}")
    return owners


def select(files: Iterable[CachedFile], names: Sequence[str]) -> list[CachedFile]:
    """Choose files by what users call them: a file's name, a model, ``model:tag``, or a pattern of one of these.

    Args:
        files: From an inventory.
        names: An empty list means all files.

    Raises:
        UnknownNameError: Nothing in the cache is called so; offers the nearest.
    """
    every = list(files)
    chosen: list[CachedFile] = []
    for name in names:
        found = [file for file in every if any(fnmatchcase(alias, name) for alias in _aliases(file))]
        if not found:
            known = {alias for file in every for alias in _aliases(file)}
            advice = 'run "zoo cache list" to see what is there'
            raise UnknownNameError("file or model in the cache", name, nearest(name, known), advice)
        chosen += found
    return list({file.path: file for file in chosen}.values()) if names else every


def _aliases(file: CachedFile) -> list[str]:
    """List what a file may be called."""
    return [file.name, *file.owners, *(owner.partition(":")[0] for owner in file.owners)]


def target_of_side_file(name: str) -> str | None:
    """Return the final name that an unfinished download is for, ``None`` if a name is not one of those."""
    match = _SIDE_FILE.fullmatch(name) or _TORCH_PARTIAL.fullmatch(name) or _OWN_TEMPORARY.fullmatch(name)
    return match["target"] if match else None


def _regular_files(folder: Path) -> list[Path]:
    """List what is no folder, and of hidden files those that a crash has left; an absent folder is empty."""
    if not folder.exists():
        return []
    with disk.translating(folder.name), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.is_dir()]
    return [folder / name for name in sorted(names) if not name.startswith(".") or target_of_side_file(name)]


def _describe(
    path: Path,
    record: WeightsFile | None,
    owners: Mapping[str, tuple[str, ...]],
    records: Mapping[str, WeightsFile],
    locked: Mapping[str, LockedFile],
) -> CachedFile:
    """Say what one file is; a link to nothing has no bytes."""
    try:
        facts = path.stat()
    except OSError:
        facts = path.lstat()
    lock = locked.get(path.name)
    target = target_of_side_file(path.name)
    original = twins.original_name(path.name, records)
    if record is not None:
        role, owner_of, expected = Role.WEIGHTS, path.name, expected_of(record, lock.sha256 if lock else None)
    else:
        role = Role.PARTIAL if target else Role.TWIN if original else Role.FOREIGN
        owner_of, expected = (
            target or original or "",
            Expected(lock.sha256, lock.size_bytes) if lock else Expected(None),
        )
    return CachedFile(
        path=path,
        role=role,
        size_bytes=facts.st_size if stat.S_ISREG(facts.st_mode) else 0,
        last_used_s=max(facts.st_atime, facts.st_mtime),
        inode=(facts.st_dev, facts.st_ino),
        owners=owners.get(owner_of, ()),
        expected=expected,
        record=record,
        is_verified=receipts.recall(path) is not None,
    )
