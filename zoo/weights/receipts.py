"""Full checks remembered, so that a file that nobody has touched since need not be read again.

A receipt says: the file at this path, with this device, inode, length and these times, had this digest. It lies in the
user's own ``$XDG_CACHE_HOME/zoo/receipts`` and not in torch's cache, so that whoever can write to a shared cache cannot
vouch for what he puts there. Changing a file's bytes changes its ``ctime``, which no program can set back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from zoo.weights.digests import is_sha256

LARGEST_BYTES = 4096


def folder() -> Path:
    """Return where receipts lie."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo" / "receipts"


def stamp(path: Path) -> list[int]:
    """Return what changes when a file is touched.

    Raises:
        OSError: There is no such file.
    """
    facts = path.stat()
    return [facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def remember(path: Path, sha256: str, stamp_before: list[int]) -> None:
    """Write a receipt, if nothing touched the file while it was read and receipts can be written at all."""
    place = _place(path)
    temporary = place.with_suffix(f".{os.getpid()}.new")
    with contextlib.suppress(OSError):
        if stamp(path) != stamp_before:
            return
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            temporary.write_text(json.dumps({"path": str(path.resolve()), "stamp": stamp_before, "sha256": sha256}))
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)


def recall(path: Path) -> str | None:
    """Return the digest of a file that nothing has touched since its last full check, else ``None``."""
    try:
        with _place(path).open("rb") as stream:
            receipt = json.loads(stream.read(LARGEST_BYTES))
        is_ours = receipt["path"] == str(path.resolve()) and receipt["stamp"] == stamp(path)
        sha256 = receipt["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return sha256 if is_ours and is_sha256(sha256) else None


def _place(path: Path) -> Path:
    """Return where the receipt of a file lies."""
    return folder() / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]}.json"
