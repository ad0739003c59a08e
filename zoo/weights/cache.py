"""torch's own cache of checkpoints: where it is, what may be a name in it, and the side files of a download.

A file under its final name is whole and verified, or was put there by someone else. Beside it, while a download is
unfinished, lie its partial file and the partial's journal; locks live in one hidden folder::

    checkpoints/resnet18-f37072fd.pth                            what torch and torchvision look for
    checkpoints/resnet18-f37072fd.pth.1f0c9a2e.zoo-partial       the bytes so far   (1f0c9a2e: which running kernel)
    checkpoints/resnet18-f37072fd.pth.1f0c9a2e.zoo-journal       which of them are good
    checkpoints/.zoo-locks/resnet18-f37072fd.pth.lock            held while one process fetches
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import stat
import sys
import uuid
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CacheError
from zoo.weights.digests import expected_of

if TYPE_CHECKING:
    from zoo.catalog.records import WeightsFile

PARTIAL_SUFFIX = ".zoo-partial"
JOURNAL_SUFFIX = ".zoo-journal"
_SIDE_SUFFIX = r"\.zoo-(partial|journal(-new)?)"
LOCKS_FOLDER = ".zoo-locks"
LONGEST_NAME_BYTES = 200
"""File systems allow 255; the side files' longer names must fit as well."""
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789"}


class Kind(Enum):
    """What stands under a name."""

    NOTHING = "nothing"
    FILE = "a file"
    BROKEN_LINK = "a broken link"
    OTHER = "not a regular file"


def checkpoints_folder() -> Path:
    """Return the folder in which torch.hub keeps checkpoints, as torch.hub itself would, without importing torch."""
    loaded = sys.modules.get("torch.hub")
    if loaded is not None:  # a program may have called torch.hub.set_dir
        return Path(loaded.get_dir()) / "checkpoints"
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "torch"
    return Path(os.environ.get("TORCH_HOME", default)).expanduser() / "hub" / "checkpoints"


def target_path(file: WeightsFile, folder: Path | None = None) -> Path:
    """Return the final name of a file in the cache, whether or not it is there.

    Raises:
        CacheError: The name could leave the folder, hide, or be another name on some system.
    """
    name = file.file_name
    fault = name_fault(name)
    if fault:
        raise CacheError(ascii(name)[1:-1], f"the registry's file name {fault}", "mend the registry")
    return (folder or checkpoints_folder()) / name


def name_fault(name: str) -> str | None:
    """Say what keeps a string from being a plain file name everywhere, or ``None``."""
    if not name or name.startswith(".") or name.endswith((".", " ")):
        return "is empty, starts with a dot or ends with a dot or space"
    if not name.isprintable() or any(letter in name for letter in '/\\:*?"<>|'):
        return "has a slash, a control character or a letter that some systems forbid"
    if name.split(".", maxsplit=1)[0].strip().lower() in _RESERVED:
        return "is a device on Windows"
    if name.endswith((PARTIAL_SUFFIX, JOURNAL_SUFFIX)):
        return "ends like an unfinished download"
    if len(name.encode()) > LONGEST_NAME_BYTES:
        return f"has more than {LONGEST_NAME_BYTES} bytes"
    return None


@dataclass(frozen=True, slots=True)
class SideFiles:
    """Where an unfinished download of one file lies."""

    partial: Path
    journal: Path


def side_files(target: Path, *, is_private: bool = False) -> SideFiles:
    """Name the side files of a target.

    The name holds the running kernel, because file locks are only sure to work among processes of one kernel: a partial
    file of another machine on a shared file system is never written to.

    Args:
        target: The final name.
        is_private: Make a name that no other process uses, for where locks do not work at all.
    """
    owner = _kernel() + (f"-{os.getpid()}-{secrets.token_hex(4)}" if is_private else "")
    stem = f"{target.name}.{owner}"
    return SideFiles(target.with_name(stem + PARTIAL_SUFFIX), target.with_name(stem + JOURNAL_SUFFIX))


def all_side_files(target: Path) -> list[Path]:
    """List the side files of a target that any process on any machine has left."""
    pattern = re.compile(re.escape(target.name) + r"\.[0-9a-f]{8}(-\d+-[0-9a-f]+)?" + _SIDE_SUFFIX)
    try:
        return sorted(path for path in target.parent.iterdir() if pattern.fullmatch(path.name))
    except OSError:
        return []


def lock_path(target: Path) -> Path:
    """Return the lock that one process holds while it fetches a target."""
    return target.parent / LOCKS_FOLDER / f"{target.name}.lock"


def _kernel() -> str:
    """Return 8 hex digits that stand for the running kernel: its boot and the machine's name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    with contextlib.suppress(OSError):
        return hashlib.sha256(boot.read_bytes() + platform.node().encode()).hexdigest()[:8]
    return hashlib.sha256(f"{platform.node()} {uuid.getnode()}".encode()).hexdigest()[:8]


def kind_of(path: Path) -> Kind:
    """Look what stands under a path; links to regular files count as files.

    Raises:
        CacheError: The path cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return Kind.BROKEN_LINK if path.is_symlink() else Kind.NOTHING
    except OSError as error:
        if path.is_symlink():  # a link to itself
            return Kind.BROKEN_LINK
        raise CacheError(path.name, f"cannot look at {path}: {error.strerror}", "check the path") from error
    return Kind.FILE if stat.S_ISREG(mode) else Kind.OTHER


def cached_path(file: WeightsFile, folder: Path | None = None) -> Path | None:
    """Return where a file lies if something of the right length is there; its bytes are not read.

    Use :func:`zoo.weights.fetcher.fetch` to get a path whose bytes are verified.
    """
    path = packaged_path(file) or target_path(file, folder)
    is_there = kind_of(path) is Kind.FILE and expected_of(file).allows_size(path.stat().st_size)
    return path if is_there and path.stat().st_size > 0 else None


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
        raise CacheError(file.file_name, "its record's packaged path leads out of the package", "mend the registry")
    return path
