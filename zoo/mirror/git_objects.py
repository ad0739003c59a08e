"""Git's own digest of a file, which is the one that Hugging Face publishes for small files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.hashes import git_blob

if TYPE_CHECKING:
    from pathlib import Path


def git_oid(path: Path) -> str:
    """Compute git's digest of a file's content."""
    data = path.read_bytes()
    blob = git_blob(len(data))
    blob.update(data)
    return blob.hexdigest()
