"""Full checks remembered, so that a file that nobody has touched since need not be read again.

A receipt says: the file at this path, with this device, inode, length and these times, had this
digest. It lies in the user's own ``$XDG_CACHE_HOME/zoo/receipts`` and not in torch's cache, so that
whoever can write to a shared cache cannot vouch for what he puts there. Changing a file's bytes
changes its ``ctime``, which no program can set back.

What no stamp shows is a disk that forgets: bytes that change below the file system. So a receipt
counts for ``verify_after_days`` (30, see :mod:`zoo.config`), after which the file is read again;
``verify="full"`` reads it always.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.config import load_config, own_folder
from zoo.documents import read_regular_file
from zoo.errors import WriteError
from zoo.hashes import is_sha256

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES = 4096
_DAY_S = 86_400.0


def folder() -> Path:
    """Return where receipts lie."""
    return own_folder("cache") / "receipts"


def stamp(path: Path) -> list[int]:
    """Return what changes when a file is touched.

    Raises:
        OSError: There is no such file.
    """
    facts = path.stat()
    return [
        facts.st_dev,
        facts.st_ino,
        facts.st_size,
        facts.st_mtime_ns,
        facts.st_ctime_ns,
    ]


def remember(
    path: Path,
    sha256: str,
    stamp_before: list[int],
) -> None:
    """Write a receipt, if it can be written and nothing touched the file while it was read."""
    place = _place(path)
    with contextlib.suppress(OSError, WriteError):
        if stamp(path) != stamp_before:
            return
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        receipt = {
            "path": os.path.realpath(path),
            "stamp": stamp_before,
            "sha256": sha256,
            "checked_at_s": time.time(),
        }
        atomic.write_text(place, json.dumps(receipt))


def recall(path: Path) -> str | None:
    """Return the digest of a file that is as it was at its last full check, else ``None``.

    A check that is longer ago than the settings allow does not count.

    Raises:
        ConfigError: The settings cannot be read.
    """
    try:
        receipt = json.loads(read_regular_file(_place(path), LARGEST_BYTES))
        is_this_file = receipt["path"] == os.path.realpath(path)
        is_untouched = receipt["stamp"] == stamp(path)
        sha256 = receipt["sha256"]
        checked_at_s = float(receipt["checked_at_s"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    if not (is_this_file and is_untouched and is_sha256(sha256)):
        return None
    if _is_recent(checked_at_s):
        return str(sha256)
    return None


def _is_recent(checked_at_s: float) -> bool:
    """Tell whether a check still counts. A clock may have been set back since.

    So long ahead is recent, too.
    """
    days = load_config().verify_after_days
    if days == 0:
        return True
    age_s = abs(time.time() - checked_at_s)
    return age_s <= days * _DAY_S


def _place(path: Path) -> Path:
    """Return where the receipt of a file lies.

    In one of 256 folders, for a mirror has very many.
    """
    real = os.fsencode(os.path.realpath(path))
    name = hashlib.sha256(real).hexdigest()[:32]
    return folder() / name[:2] / f"{name[2:]}.json"
