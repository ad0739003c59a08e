"""Put a file into huggingface_hub's cache, as its own library would after a download."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from zoo.cache import hub_files

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put(
    repository: str,
    path: str,
    data: bytes,
    commit: str = COMMIT,
) -> Path:
    """Write a file of a commit that ``main`` means, and return where it is found."""
    folder = hub_files.model_folder(repository)
    blob = folder / "blobs" / hashlib.sha256(data).hexdigest()
    place = hub_files.snapshot_path(repository, commit, path)
    for parent in (blob.parent, place.parent, folder / "refs"):
        parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(data)
    place.symlink_to(os.path.relpath(blob, place.parent))
    (folder / "refs" / "main").write_text(commit, encoding="ascii")
    return place
