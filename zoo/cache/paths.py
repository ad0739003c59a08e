"""torch's own cache of checkpoints.

Where it is, what may be a name in it, and the side files of a download.

A file under its final name is whole and verified, or was put there by someone else. Beside it,
while a download is unfinished, lie its partial file and the partial's journal; locks live in one
hidden folder::

    checkpoints/resnet18-f37072fd.pth                        what torch and torchvision look for
    checkpoints/resnet18-f37072fd.pth.1f0c9a2e.zoo-partial   the bytes so far
    checkpoints/resnet18-f37072fd.pth.1f0c9a2e.zoo-journal   which of them are good
    checkpoints/.zoo-locks/resnet18-f37072fd.pth.lock        held while one process fetches

``1f0c9a2e`` tells which running kernel wrote them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cache.digests import expected_of
from zoo.catalog.file_names import name_fault
from zoo.config import expanded
from zoo.errors import CacheError

if TYPE_CHECKING:
    from zoo.catalog.records import WeightsFile

PARTIAL_SUFFIX = ".zoo-partial"
JOURNAL_SUFFIX = ".zoo-journal"
_SIDE_SUFFIX = r"\.zoo-(partial|journal)"
LOCKS_FOLDER = ".zoo-locks"


class Kind(Enum):
    """What stands under a name."""

    NOTHING = "nothing"
    FILE = "a file"
    BROKEN_LINK = "a broken link"
    OTHER = "not a regular file"


def checkpoints_folder() -> Path:
    """Return the folder in which torch.hub keeps checkpoints, without importing torch."""
    loaded = sys.modules.get("torch.hub")
    if loaded is not None:  # a program may have called torch.hub.set_dir
        return Path(loaded.get_dir()) / "checkpoints"
    caches = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    torch_home = os.environ.get("TORCH_HOME", f"{caches}/torch")
    return expanded(torch_home) / "hub" / "checkpoints"


def target_path(
    file: WeightsFile,
    folder: Path | None = None,
) -> Path:
    """Return the final name of a file in the cache, whether or not it is there.

    Raises:
        CacheError: The name could leave the folder, hide, or be another name on some system.
    """
    name = file.file_name
    fault = name_fault(name)
    if fault:
        advice = "fix the registry"
        raise CacheError(ascii(name)[1:-1], f"the registry's file name {fault}", advice)
    return (folder or checkpoints_folder()) / name


@dataclass(frozen=True, slots=True)
class SideFiles:
    """Where an unfinished download of one file lies."""

    partial: Path
    journal: Path


def side_files(
    target: Path,
    *,
    is_private: bool = False,
) -> SideFiles:
    """Name the side files of a target.

    The name holds the running kernel, because file locks are only sure to work among processes of
    one kernel: a partial file of another machine on a shared file system is never written to.

    Args:
        target: The final name.
        is_private: Make a name that no other process uses, for where locks do not work at all.
    """
    owner = kernel()
    if is_private:
        import secrets

        owner += f"-{os.getpid()}-{secrets.token_hex(4)}"
    stem = f"{target.name}.{owner}"
    partial = target.with_name(stem + PARTIAL_SUFFIX)
    journal = target.with_name(stem + JOURNAL_SUFFIX)
    return SideFiles(partial, journal)


def temporary_journal(journal: Path) -> Path:
    """Name a journal that is being written.

    Nobody can guess it, and whoever tidies up knows it for what it is.
    """
    import secrets

    stem = journal.name.removesuffix(JOURNAL_SUFFIX)
    is_private = re.search(r"\.[0-9a-f]{8}-\d+-[0-9a-f]+$", stem) is not None
    owner = "" if is_private else f"-{os.getpid()}-"
    return journal.with_name(f"{stem}{owner}{secrets.token_hex(8)}{JOURNAL_SUFFIX}")


def all_side_files(target: Path) -> list[Path]:
    """List the side files of a target that any process on any machine has left."""
    owner = r"\.[0-9a-f]{8}(-\d+-[0-9a-f]+)?"
    pattern = re.compile(re.escape(target.name) + owner + _SIDE_SUFFIX)
    try:
        every = sorted(target.parent.iterdir())
    except OSError:
        return []
    return [path for path in every if pattern.fullmatch(path.name)]


def lock_path(target: Path) -> Path:
    """Return the lock that one process holds while it fetches a target."""
    return target.parent / LOCKS_FOLDER / f"{target.name}.lock"


def kernel() -> str:
    """Return 8 hex digits that stand for the running kernel: its boot and the machine's name."""
    import hashlib  # late, as all of these: who lists files names none
    import platform

    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = platform.node()
    try:
        identity = boot.read_bytes() + machine.encode()
    except OSError:
        import uuid

        identity = f"{machine} {uuid.getnode()}".encode()
    return hashlib.sha256(identity).hexdigest()[:8]


def kind_of(path: Path) -> Kind:
    """Look what stands under a path; links to regular files count as files.

    Raises:
        CacheError: The path cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.is_symlink():
            return Kind.BROKEN_LINK
        return Kind.NOTHING
    except OSError as error:
        if path.is_symlink():  # a link to itself
            return Kind.BROKEN_LINK
        fault = f"cannot look at {path}: {error.strerror}"
        advice = "check the path"
        raise CacheError(path.name, fault, advice) from error
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.OTHER


def cached_path(
    file: WeightsFile,
    folder: Path | None = None,
) -> Path | None:
    """Return where a file lies if something of the right length is there; its bytes are not read.

    Use :func:`zoo.download.fetcher.fetch` to get a path whose bytes are verified.
    """
    path = packaged_path(file) or target_path(file, folder)
    if kind_of(path) is not Kind.FILE:
        return None
    size_bytes = path.stat().st_size
    is_there = expected_of(file).allows_size(size_bytes)
    if is_there and size_bytes > 0:
        return path
    return None


def packaged_path(file: WeightsFile) -> Path | None:
    """Return the path of a file that ships inside the package, ``None`` for any other.

    Raises:
        CacheError: The record's path leads out of the package.
    """
    if file.packaged is None:
        return None
    package = Path(__file__).resolve().parents[1]
    path = (package / file.packaged).resolve()
    if not path.is_relative_to(package):
        advice = "fix the registry"
        raise CacheError(
            file.file_name,
            "its record's packaged path leads out of the package",
            advice,
        )
    return path
