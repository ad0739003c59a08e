"""Read the cache of huggingface_hub: what is in it, and whether its bytes are what they were.

Nothing is ever written.

::

    models--timm--resnet18.a1_in1k/
        refs/main                   the commit that a branch meant
        snapshots/<commit>/<path>   a link to ../../blobs/<etag>, or a plain file
        blobs/<etag>                the bytes; the etag is their SHA-256 or their git hash
        trees/<commit>.json         what the commit holds, with digests (since 1.22)

huggingface_hub checks the length of what it downloads and never the digest, although it is the name
of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.cache.hub_files import default_folder
from zoo.cache.verify import Verdict, in_turn
from zoo.hashes import git_blob, is_commit, is_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_REPOSITORY = re.compile(r"(models|datasets|spaces)--(.+)")
_READ_BYTES = 1 << 18
LARGEST_TREE_BYTES = 64 << 20
LARGEST_REF_BYTES = 1000


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of one snapshot."""

    repository: str
    """``"timm/resnet18.a1_in1k"``."""
    kind: str
    """``"models"``, ``"datasets"`` or ``"spaces"``."""
    commit: str
    path: str
    """Inside the snapshot: ``"model.safetensors"``."""
    place: Path
    """On the disk, as the snapshot names it."""
    size_bytes: int | None
    """``None`` for a link to nothing."""
    inode: tuple[int, int]
    expected_digest: str | None
    """SHA-256 (64 digits) or git's hash (40), where the cache knows one."""
    expected_bytes: int | None


@dataclass(frozen=True, slots=True)
class HubSnapshot:
    """What the cache holds of one commit of one repository."""

    repository: str
    kind: str
    commit: str
    branches: tuple[str, ...]
    """``"main"``; the names that meant this commit when they were last looked up."""
    files: tuple[HubFile, ...]

    @property
    def size_bytes(self) -> int:
        """Length of all files together."""
        return sum(file.size_bytes or 0 for file in self.files)


@dataclass(frozen=True, slots=True)
class HubFinding:
    """What verifying one file has found."""

    file: HubFile
    verdict: Verdict
    fault: str | None = None
    advice: str | None = None
    """The command that fixes it."""


def list_snapshots(folder: Path | None = None) -> list[HubSnapshot]:
    """List the snapshots in a cache, by repository and commit; an absent cache is empty."""
    place = folder or default_folder()
    try:
        names = sorted(entry.name for entry in place.iterdir() if entry.is_dir())
    except OSError:
        return []
    found = []
    for name in names:
        match = _REPOSITORY.fullmatch(name)
        if match is not None:
            kind = match[1]
            repository = match[2].replace("--", "/")
            found += _snapshots_of(place / name, kind, repository)
    return found


def verify(
    snapshots: Iterable[HubSnapshot],
    *,
    jobs: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[HubFinding]:
    """Read every file and compare it with its digest; those that share their bytes once.

    Args:
        snapshots: From :func:`list_snapshots`.
        jobs: Files read at the same time; by default as many as there are processors.
        advance: Called with the length of each block that has been read, one call at a time.
    """
    files = [file for snapshot in snapshots for file in snapshot.files]
    once = {(file.inode, file.expected_digest): file for file in files}
    tell = in_turn(advance)
    workers = jobs or os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        judged = pool.map(lambda file: _fault(file, tell), once.values())
        faults = dict(zip(once, judged, strict=True))

    findings = []
    for file in files:
        fault = faults[file.inode, file.expected_digest]
        findings.append(_finding(file, fault))
    return findings


def _snapshots_of(
    repository: Path,
    kind: str,
    name: str,
) -> list[HubSnapshot]:
    """List the snapshots of one repository."""
    branches = _branches_of(repository / "refs")
    found = []
    for snapshot in sorted((repository / "snapshots").glob("*")):
        commit = snapshot.name
        if not is_commit(commit) or not snapshot.is_dir():
            continue
        tree = _read_tree(repository / "trees" / f"{commit}.json")
        every = sorted(snapshot.rglob("*"))
        paths = [path for path in every if path.is_symlink() or path.is_file()]
        files = tuple(_hub_file(path, snapshot, kind, name, tree) for path in paths)
        named_by = tuple(branches.get(commit, ()))
        found.append(HubSnapshot(name, kind, commit, named_by, files))
    return found


def _branches_of(refs: Path) -> dict[str, list[str]]:
    """List the names of each commit, as they were when they were last looked up."""
    branches: dict[str, list[str]] = {}
    for ref in sorted(refs.rglob("*")):
        is_plain = ref.is_file() and ref.stat().st_size <= LARGEST_REF_BYTES
        if is_plain:
            commit = ref.read_text(encoding="utf-8", errors="replace")
            branch = ref.relative_to(refs).as_posix()
            branches.setdefault(commit, []).append(branch)
    return branches


def _hub_file(
    place: Path,
    snapshot: Path,
    kind: str,
    name: str,
    tree: Mapping[str, tuple[str, int]],
) -> HubFile:
    """Describe one file; what it should be is in the name of its blob, or in the commit's tree."""
    path = place.relative_to(snapshot).as_posix()
    digest, expected_bytes = tree.get(path, (None, None))
    if place.is_symlink():
        blob = place.readlink().name
        if is_sha256(blob) or is_commit(blob):
            digest = blob
    try:
        facts = place.stat()
    except OSError:
        facts = None
    inode = (facts.st_dev, facts.st_ino) if facts else (0, hash(place))
    size_bytes = facts.st_size if facts else None
    return HubFile(
        name,
        kind,
        snapshot.name,
        path,
        place,
        size_bytes,
        inode,
        digest,
        expected_bytes,
    )


def _read_tree(path: Path) -> dict[str, tuple[str, int]]:
    """Read what a commit holds: path -> digest and length; nothing where that is not known."""
    try:
        with path.open("rb") as stream:
            files = json.loads(stream.read(LARGEST_TREE_BYTES))["files"]
        entries = {
            name: (entry.get("lfs_sha256") or entry["blob_id"], entry["size"])
            for name, entry in files.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return {
        name: (digest, size_bytes)
        for name, (digest, size_bytes) in entries.items()
        if (is_sha256(digest) or is_commit(digest)) and type(size_bytes) is int
    }


def _fault(
    file: HubFile,
    advance: Callable[[int], None],
) -> str | None:
    """Read one file and say what is wrong with it."""
    if file.size_bytes is None:
        return "expected a file, got a link to nothing"
    if file.expected_bytes is not None and file.size_bytes != file.expected_bytes:
        return f"expected {file.expected_bytes} bytes, got {file.size_bytes}"
    if file.expected_digest is None:
        return None
    has_sha256 = is_sha256(file.expected_digest)
    digest = hashlib.sha256() if has_sha256 else git_blob(file.size_bytes)
    try:
        with file.place.open("rb") as stream:
            while block := stream.read(_READ_BYTES):
                digest.update(block)
                advance(len(block))
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    name = "sha256" if has_sha256 else "git hash"
    got = digest.hexdigest()
    if got == file.expected_digest:
        return None
    return f"expected {name} {file.expected_digest}, got {got}"


def _finding(
    file: HubFile,
    fault: str | None,
) -> HubFinding:
    """Judge one file, and say which command of huggingface_hub fixes it."""
    if fault is None and file.expected_digest is None:
        return HubFinding(file, Verdict.UNKNOWN)
    if fault is None:
        return HubFinding(file, Verdict.WHOLE)
    words = ["hf", "download", file.repository, file.path]
    if file.kind != "models":
        words += ["--repo-type", file.kind.removesuffix("s")]
    words += ["--revision", file.commit, "--force-download"]
    return HubFinding(file, Verdict.DAMAGED, fault, " ".join(words))
