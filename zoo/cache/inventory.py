"""What lies in torch's folder of checkpoints.

Each file with its owner, and what is known to check it against.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.cache import disk, lockfile, paths, quarantine, safetensors_copies, verified
from zoo.cache.digests import Expected, expected_of
from zoo.catalog.nearness import nearest
from zoo.catalog.registry import load_registry
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo.cache.lockfile import LockedFile
    from zoo.catalog.records import WeightsFile
    from zoo.catalog.registry import Registry

_SIDE_FILE = re.compile(r"(?P<target>.+)\.[0-9a-f]{8}(-\d+-[0-9a-f]+)?\.zoo-(partial|journal)")
_TORCH_PARTIAL = re.compile(r"(?P<target>.+)\.[0-9a-f]{32}\.partial")
"""How torch.hub names what it is downloading."""
_OWN_TEMPORARY = re.compile(r"\.(?P<target>.+)\.([0-9a-f]{8}\.(new|link)|[0-9a-f]{16}\.partial)")
"""How ``zoo convert``, ``zoo cache dedupe`` and :mod:`zoo.atomic` name what they are writing."""


class Role(Enum):
    """What a file in the folder is."""

    WEIGHTS = "weights"
    """A file of the registry."""
    SAFETENSORS_COPY = "safetensors copy"
    """A safetensors copy that ``zoo convert`` made of a file of the registry."""
    FOREIGN = "foreign"
    """Anything else; someone else's to judge."""
    QUARANTINED = "quarantined"
    """A file that did not match, kept aside: see :mod:`zoo.cache.quarantine`."""
    PARTIAL = "partial"
    """An unfinished download, or its journal."""


@dataclass(frozen=True, slots=True)
class CachedFile:
    """One file in the folder."""

    path: Path
    role: Role
    size_bytes: int
    last_used_s: float
    """The later of last read and last written, as far as the file system notes reads; seconds
    since 1970."""
    inode: tuple[int, int]
    """Device and number: files that share both are stored once."""
    owners: tuple[str, ...]
    """``"resnet18:imagenet1k_v1"``: whose file it is; several sets of weights may share one."""
    expected: Expected
    """What the registry and ``zoo.lock`` know of its bytes."""
    record: WeightsFile | None
    is_verified: bool
    """Whether a full check has found the digest that is demanded, and nothing touched it since."""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def owner(self) -> str | None:
        """The first owner."""
        if self.owners:
            return self.owners[0]
        return None


def take_inventory(
    folder: Path | None = None, *, registry: Registry | None = None
) -> list[CachedFile]:
    """List the files in a folder of checkpoints by name; none of them is read.

    Args:
        folder: By default torch's.
        registry: By default the one that ships with zoo.

    Raises:
        LockFileError: ``zoo.lock`` is malformed.
        CacheError: A record and ``zoo.lock`` contradict each other, or the folder cannot be read.
    """
    place = folder or paths.checkpoints_folder()
    registry = registry or load_registry()
    known = _Known(
        records=registry.files(),
        owners=owners_of(registry),
        locked=lockfile.read(safetensors_copies.lock_path(place)),
    )
    cached = _regular_files(place)
    kept_aside = _regular_files(place / quarantine.FOLDER)
    described = [_describe(path, known) for path in cached]
    aside = [_describe_aside(path, known) for path in kept_aside]
    # Another process may remove a file between the look at the folder and the look at the file.
    return [file for file in (*described, *aside) if file is not None]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of files before one looks at them."""

    records: Mapping[str, WeightsFile]
    owners: Mapping[str, tuple[str, ...]]
    locked: Mapping[str, LockedFile]


def owners_of(registry: Registry) -> dict[str, tuple[str, ...]]:
    """Map each file name of the registry to the ``model:tag`` that it belongs to."""
    owners: dict[str, tuple[str, ...]] = {}
    for architecture in registry.architectures.values():
        for weights in architecture.weights.values():
            owner = f"{architecture.name}:{weights.tag}"
            for file in weights.files:
                others = owners.get(file.file_name, ())
                owners[file.file_name] = (*others, owner)
    return owners


def select(
    files: Iterable[CachedFile],
    names: Sequence[str],
) -> list[CachedFile]:
    """Choose files by what users call them.

    A file's name, a model, ``model:tag``, or a pattern of one of these.

    Args:
        files: From an inventory.
        names: An empty list means all files.

    Raises:
        UnknownNameError: Nothing in the cache is called so; offers the nearest.
    """
    every = list(files)
    chosen: list[CachedFile] = []
    for name in names:
        found = [file for file in every if _is_called(file, name)]
        if not found:
            known = {alias for file in every for alias in _aliases(file)}
            advice = 'to see what is there, run "zoo cache list"'
            raise UnknownNameError(
                "file or model in the cache",
                name,
                nearest(name, known),
                advice,
            )
        chosen += found
    if not names:
        return every
    once = {file.path: file for file in chosen}
    return list(once.values())


def _is_called(
    file: CachedFile,
    pattern: str,
) -> bool:
    """Tell whether one of a file's names fits a pattern."""
    return any(fnmatchcase(alias, pattern) for alias in _aliases(file))


def _aliases(file: CachedFile) -> list[str]:
    """List what a file may be called; what was kept aside is never meant by a model's name."""
    if file.role is Role.QUARANTINED:
        return [file.name]
    models = [owner.partition(":")[0] for owner in file.owners]
    return [file.name, *file.owners, *models]


def target_of_side_file(name: str) -> str | None:
    """Return the final name that an unfinished download is for, else ``None``."""
    match = (
        _SIDE_FILE.fullmatch(name)
        or _TORCH_PARTIAL.fullmatch(name)
        or _OWN_TEMPORARY.fullmatch(name)
    )
    if match:
        return match["target"]
    return None


def _regular_files(folder: Path) -> list[Path]:
    """List what is no folder, and of hidden files those that a crash has left.

    An absent folder is empty.
    """
    if not folder.exists():
        return []
    with (
        disk.translating(folder.name),
        os.scandir(folder) as entries,
    ):
        names = sorted(entry.name for entry in entries if not _is_folder(entry))
    shown = []
    for name in names:
        is_hidden = name.startswith(".")
        if not is_hidden or target_of_side_file(name):
            shown.append(folder / name)
    return shown


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; links that lead round in a circle are none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _facts(path: Path) -> os.stat_result | None:
    """Look at a file, or at a link that leads nowhere; ``None`` if it is gone."""
    for look in (path.stat, path.lstat):
        with contextlib.suppress(OSError):
            return look()
    return None


def _describe_aside(
    path: Path,
    known: _Known,
) -> CachedFile | None:
    """Say what a file in the quarantine is: whose name it had; nothing is expected of its bytes."""
    facts = _facts(path)
    if facts is None:
        return None
    return CachedFile(
        path=path,
        role=Role.QUARANTINED,
        size_bytes=_length(facts),
        last_used_s=max(facts.st_atime, facts.st_mtime),
        inode=(facts.st_dev, facts.st_ino),
        owners=known.owners.get(quarantine.original_name(path), ()),
        expected=Expected(None),
        record=None,
        is_verified=False,
    )


def _describe(
    path: Path,
    known: _Known,
) -> CachedFile | None:
    """Say what one file is; a link to nothing has no bytes."""
    facts = _facts(path)
    if facts is None:
        return None

    record = known.records.get(path.name)
    locked = known.locked.get(path.name)
    target = target_of_side_file(path.name)
    original = safetensors_copies.original_name(path.name, known.records)
    if record is not None:
        role = Role.WEIGHTS
        owner_of = path.name
        expected = expected_of(record, locked.sha256 if locked else None)
    else:
        role = _role_of_other(target, original)
        owner_of = target or original or ""
        expected = Expected(locked.sha256, locked.size_bytes) if locked else Expected(None)

    return CachedFile(
        path=path,
        role=role,
        size_bytes=_length(facts),
        last_used_s=max(facts.st_atime, facts.st_mtime),
        inode=(facts.st_dev, facts.st_ino),
        owners=known.owners.get(owner_of, ()),
        expected=expected,
        record=record,
        is_verified=_is_verified(path, role, expected),
    )


def _is_verified(
    path: Path,
    role: Role,
    expected: Expected,
) -> bool:
    """Tell whether a full check that still counts has found the digest that is demanded.

    A safetensors copy was compared with its original when it was written.
    """
    sha256 = verified.recall(path)
    if sha256 is None:
        return False
    is_demanded = expected.sha256 is not None and expected.allows_digest(sha256)
    return is_demanded or role is Role.SAFETENSORS_COPY


def _role_of_other(
    target: str | None,
    original: str | None,
) -> Role:
    """Say what a file is that the registry does not name."""
    if target is not None:
        return Role.PARTIAL
    if original is not None:
        return Role.SAFETENSORS_COPY
    return Role.FOREIGN


def _length(facts: os.stat_result) -> int:
    """Return the length of a file; what is no file has none."""
    if stat.S_ISREG(facts.st_mode):
        return facts.st_size
    return 0
