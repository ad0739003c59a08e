"""Git's own digest of a file, which is the one that Hugging Face publishes for small files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def git_oid(path: Path) -> str:
    """Compute git's digest of a file's content."""
    data = path.read_bytes()
    start = b"blob %d\0" % len(data)
    return hashlib.sha1(start + data, usedforsecurity=False).hexdigest()
