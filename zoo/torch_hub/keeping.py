"""Archives of repositories, and what is unpacked of them for torch.hub.

An archive is kept in a folder of our own until somebody trusts it: torch.hub counts any repository
whose folder it finds as trusted. Only then is it unpacked, as ``OWNER_NAME_COMMIT``, where an
unmodified ``torch.hub.load("OWNER/NAME:COMMIT", ...)`` finds it without a network.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cache import disk
from zoo.errors import TrustError
from zoo.mirror import archives, remotes
from zoo.recorder import trees
from zoo.torch_hub import decisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.mirror.upstream import Client
    from zoo.torch_hub.resolving import Resolved

BLOCK_BYTES = 1 << 20
_MADE_BY_PYTHON = "__pycache__"


def archive_path(resolved: Resolved) -> Path:
    """Return where the archive of a commit is kept."""
    name = resolved.repository.lower()
    stem = name.replace("/", "_")
    folder = decisions.own_folder() / "archives"
    return folder / f"{stem}_{resolved.commit}.zip"


def unpacked_path(resolved: Resolved) -> Path:
    """Return where torch.hub looks for a repository at a commit."""
    name = resolved.repository.replace("/", "_")
    return decisions.hub_folder() / f"{name}_{resolved.commit}"


def fetch(
    resolved: Resolved,
    client: Client,
) -> Path:
    """Fetch the archive of a commit, unless it is there, and check it before it gets its name.

    Raises:
        SourceError: There is no such commit, or nobody answers.
        MirrorError: The archive is damaged, hostile, of another commit, or has no ``hubconf.py``.
        CacheError: It cannot be written.
    """
    path = archive_path(resolved)
    name = resolved.repository
    commit = resolved.commit
    if path.is_file():
        archives.check_archive(path, name, commit)
        return path

    public = remotes.archive_url(name, commit)
    address = client.upstreams.rewritten(public)
    with disk.translating(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            partial = Path(folder) / path.name
            client.download(address, partial, archives.LARGEST_BYTES)
            archives.check_archive(partial, name, commit)
            partial.replace(path)
    return path


def digest_of(archive: Path) -> str:
    """Return the digest of an archive's files."""
    with archive.open("rb") as stream:
        _, digest = trees.commit_and_digest(stream)
    return digest


def unpack(
    archive: Path,
    target: Path,
) -> None:
    """Unpack a checked archive under its final name, whole or not at all.

    Raises:
        CacheError: It cannot be written.
    """
    with disk.translating(target.name):
        own = decisions.own_folder()
        own.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=own) as folder:
            with zipfile.ZipFile(archive) as opened:
                first = opened.infolist()[0]
                # archives.check_archive has refused what leads out of the folder.
                opened.extractall(folder)
            unpacked = Path(folder) / first.filename.rstrip("/")
            unpacked.replace(target)


def check_unpacked(
    folder: Path,
    files_sha256: str,
) -> None:
    """Refuse a folder whose files are not those that were trusted; Python's caches are removed.

    Raises:
        TrustError: A file was changed, added or removed.
    """
    caches = sorted(folder.rglob(_MADE_BY_PYTHON))
    for cache in caches:
        shutil.rmtree(cache, ignore_errors=True)

    found = _folder_digest(folder)
    if found != files_sha256:
        fault = "its files are not those that were trusted"
        raise TrustError(str(folder), fault, "delete the folder, it is unpacked again")


def _folder_digest(folder: Path) -> str:
    """Hash names and contents as :mod:`zoo.recorder.trees` does for an archive."""
    whole = hashlib.sha256()
    for name in sorted(_files(folder)):
        content = _digest(folder / name)
        line = f"{content} {name}\n"
        whole.update(line.encode())
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[str]:
    """Name what is in a folder at any depth; what is no folder counts as a file."""
    for path in folder.rglob("*"):
        is_folder = path.is_dir() and not path.is_symlink()
        if is_folder:
            continue
        inner = path.relative_to(folder)
        yield inner.as_posix()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
