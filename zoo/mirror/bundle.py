"""An air-gap archive: what a mirror holds, laid out as torch.hub's and Hugging Face's own caches.

::

    bundle.json                                                     every file with its length and SHA-256
    torch/hub/checkpoints/resnet18-f37072fd.pth                     below $TORCH_HOME
    torch/hub/pytorch_vision_v0.20.0/hubconf.py ...                 a hub repository, unpacked, by each ref
    hf/hub/models--timm--resnet18.a1_in1k/refs/main                 below $HF_HOME: 40 letters, no newline
    hf/hub/models--timm--resnet18.a1_in1k/snapshots/<commit>/...
    hf/hub/models--timm--resnet18.a1_in1k/trees/<commit>.json       without Xet hashes, which would need the network

Applied to a machine, unmodified clients find all of it without a network, and on a read-only mount.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.mirror import answers, archives, layout
from zoo.mirror.upkeep import items_of
from zoo.mirror.wants import ModelWant, RepositoryWant
from zoo.weights import cache, disk, huggingface_cache
from zoo.weights.digests import is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo.mirror.catalogue import Item
    from zoo.mirror.store import Store
    from zoo.mirror.wants import Want

MANIFEST = "bundle.json"
SCHEMA_VERSION = 1
LARGEST_MANIFEST_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
TRUSTED_LIST = "trusted_list"
_EPOCH = (1980, 1, 1, 0, 0, 0)


def repository_folder(name: str, ref: str) -> str:
    """Name the folder in which torch.hub looks for a repository.

    >>> repository_folder("pytorch/vision", "release/0.20")
    'pytorch_vision_release_0.20'
    """
    return f"{name.replace('/', '_')}_{ref.replace('/', '_')}"


# -- create ----------------------------------------------------------------------------------------------------------


def create(store: Store, wanted: Iterable[Want], out: Path) -> dict[str, int]:
    """Write a bundle; return its files with their lengths. The archive appears whole or not at all.

    Raises:
        MirrorError: The mirror does not hold all of it, or a file of it is damaged.
    """
    catalogue = store.catalogue()
    held = [(want, items_of(catalogue, want)) for want in wanted]
    if missing := [str(want) for want, items in held if not items or any(item.is_partial for item in items)]:
        raise MirrorError(
            ", ".join(missing), "the mirror does not hold all of it", "run zoo mirror add and zoo mirror sync"
        )
    writer = _Writer()
    temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
    with disk.translating(out.name):
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as writer.archive:
                for want, items in held:
                    _add(writer, store, want, items)
                manifest = {"schema_version": SCHEMA_VERSION, "wanted": [str(want) for want, _ in held]}
                writer.finish({**manifest, "files": writer.files})
            temporary.replace(out)
        finally:
            temporary.unlink(missing_ok=True)
    return {path: int(facts["size_bytes"]) for path, facts in writer.files.items()}


@dataclass
class _Writer:
    """Writes entries and remembers their digests."""

    files: dict[str, dict[str, int | str]] = field(default_factory=dict)
    archive: zipfile.ZipFile | None = None

    def add(self, path: str, source: IO[bytes], sha256: str | None = None) -> None:
        """Add one file, once; with a digest it must have.

        Raises:
            MirrorError: The bytes have another digest.
        """
        if path in self.files or self.archive is None:
            return
        digest, size_bytes = hashlib.sha256(), 0
        with self.archive.open(zipfile.ZipInfo(path, _EPOCH), "w", force_zip64=True) as target:
            while block := source.read(BLOCK_BYTES):
                target.write(block)
                digest.update(block)
                size_bytes += len(block)
        if sha256 not in (None, digest.hexdigest()):
            fault = f"expected sha256 {sha256}, got {digest.hexdigest()}"
            raise MirrorError(path, fault, "run zoo mirror sync to fetch it again")
        self.files[path] = {"size_bytes": size_bytes, "sha256": digest.hexdigest()}

    def finish(self, manifest: dict[str, object]) -> None:
        """Write the list of all files."""
        if self.archive is not None:
            self.archive.writestr(zipfile.ZipInfo(MANIFEST, _EPOCH), json.dumps(manifest, indent=1))


def _add(writer: _Writer, store: Store, want: Want, items: list[Item]) -> None:
    """Add what a mirror holds of one want."""
    if isinstance(want, RepositoryWant):
        branch = next((item for item in items if f"heads/{want.ref}" in item.refs), items[0])
        _add_repository(writer, store, want, branch)
        return
    for item in items:
        for file in item.files:
            if isinstance(want, ModelWant):
                path = f"torch/hub/checkpoints/{file.path.rpartition('/')[2]}"
            else:
                model = f"hf/hub/models--{item.name.replace('/', '--')}"
                path = f"{model}/snapshots/{item.revision}/{_inner_path(item, file.path)}"
            with (store.root / file.path).open("rb") as stream:
                writer.add(path, stream, file.sha256)
        if not isinstance(want, ModelWant):
            _add_references(writer, item, want.revision)


def _inner_path(item: Item, path: str) -> str:
    return path.removeprefix(layout.huggingface_path(item.name, item.revision or "", ""))


def _add_references(writer: _Writer, item: Item, revision: str) -> None:
    """Add which commit a revision means, and what the commit holds."""
    model, commit = f"hf/hub/models--{item.name.replace('/', '--')}", item.revision or ""
    entries: dict[str, dict[str, object]] = {}
    for path, file in answers.model_paths(item).items():
        entries[path] = {"size": file.size_bytes, "blob_id": file.git_oid or (file.sha256 or "")[:40]}
        if file.git_oid is None:
            entries[path] |= {"lfs_sha256": file.sha256, "lfs_size": file.size_bytes}
    tree = json.dumps({"format_version": 1, "files": entries}).encode()
    writer.add(f"{model}/trees/{commit}.json", io.BytesIO(tree))
    if not layout.is_commit(revision):
        writer.add(f"{model}/refs/{revision}", io.BytesIO(commit.encode()))


def _add_repository(writer: _Writer, store: Store, want: RepositoryWant, item: Item) -> None:
    """Add a repository, unpacked, under every ref that torch.hub may look for."""
    branches = [ref.removeprefix("heads/") for ref in item.refs if ref.startswith("heads/")]
    refs = [want.ref] if want.ref else branches
    if want.ref is None and not {"main", "master"} & set(refs):
        refs = [*refs, "main"]  # torch.hub without a ref looks for main, then master
    path = store.root / item.files[0].path
    archives.check_archive(path, item.name, item.revision or "")
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        top = archive.infolist()[0].filename
        for ref in refs:
            for entry in entries:
                inner = entry.filename.removeprefix(top)
                with archive.open(entry) as stream:
                    writer.add(f"torch/hub/{repository_folder(item.name, ref)}/{inner}", stream)


# -- apply -----------------------------------------------------------------------------------------------------------


@dataclass
class Applied:
    """What applying a bundle has done."""

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def torch_home() -> Path:
    """Return the folder that ``$TORCH_HOME`` names or means."""
    return cache.checkpoints_folder().parents[1]


def apply(bundle: Path, torch: Path | None = None, hub_cache: Path | None = None) -> Applied:
    """Unpack a bundle into the caches. Every file is verified before it gets its name; what is there and right stays.

    Args:
        bundle: The archive.
        torch: Instead of ``$TORCH_HOME``.
        hub_cache: Instead of ``$HF_HUB_CACHE`` (``$HF_HOME/hub``).

    Raises:
        MirrorError: It is not a bundle, or not whole, or names a place outside of the caches.
        CacheError: The disk is full or failed.
    """
    roots = {"torch/hub": (torch or torch_home()) / "hub", "hf/hub": hub_cache or huggingface_cache.default_folder()}
    applied = Applied()
    try:
        with zipfile.ZipFile(bundle) as archive, disk.translating(bundle.name):
            files = _manifest(archive, bundle)
            for root in roots.values():
                root.mkdir(parents=True, exist_ok=True)
            disk.check_space(roots["torch/hub"], sum(int(facts["size_bytes"]) for facts in files.values()), bundle.name)
            for folder, paths in _groups(files):
                _place(archive, {path: files[path] for path in paths}, folder, roots, applied)
            (roots["torch/hub"] / TRUSTED_LIST).touch()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise MirrorError(str(bundle), f"expected a whole zip archive, got: {error}", "copy it again") from error
    return applied


def _manifest(archive: zipfile.ZipFile, bundle: Path) -> dict[str, dict[str, int | str]]:
    """Read the list of files and hold it against the archive's own."""
    advice = "make it again with zoo bundle create"
    try:
        info = archive.getinfo(MANIFEST)
        if info.file_size > LARGEST_MANIFEST_BYTES:
            raise ValueError("the list is too long")
        content = json.loads(archive.read(info))
        if content["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"expected schema version {SCHEMA_VERSION}, got {content['schema_version']!r:.40}")
        files: dict[str, dict[str, int | str]] = content["files"]
        sizes = {path: (facts["size_bytes"], is_sha256(facts["sha256"])) for path, facts in files.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise MirrorError(str(bundle), f"expected a bundle with its {MANIFEST}, got: {error}", advice) from error
    entries = {entry.filename: (entry.file_size, True) for entry in archive.infolist() if entry.filename != MANIFEST}
    if entries != sizes:
        odd = min(entries.items() ^ sizes.items())[0]
        raise MirrorError(str(bundle), f"its list and its entries differ at {odd!a:.200}", advice)
    for path in files:
        parts = path.split("/")
        fault = next((fault for part in parts if (fault := layout.component_fault(part))), None)
        if fault or "/".join(parts[:2]) not in ("torch/hub", "hf/hub") or len(parts) < 4:
            raise MirrorError(str(bundle), f"its entry {path!a:.200} lies outside of the caches", advice)
    return files


def _groups(files: Iterable[str]) -> Iterator[tuple[str | None, list[str]]]:
    """Group the files that must appear at once: a hub repository's folder. References come last."""
    folders: dict[str | None, list[str]] = {}
    for path in files:
        match = re.match(r"torch/hub/(?!checkpoints/)[^/]+", path)
        folders.setdefault(match[0] if match else None, []).append(path)
    for folder, paths in folders.items():
        yield folder, sorted(paths, key=lambda path: ("/refs/" in path, path))


def _place(
    archive: zipfile.ZipFile,
    files: dict[str, dict[str, int | str]],
    folder: str | None,
    roots: dict[str, Path],
    applied: Applied,
) -> None:
    """Write a group of files: one by one, or as one folder that appears at once."""
    targets = {path: _target(path, roots) for path in files}
    if all(_is_right(target, files[path]) for path, target in targets.items()):
        applied.kept += targets.values()
        return
    if folder is None:
        for path, target in targets.items():
            if _is_right(target, files[path]):
                applied.kept.append(target)
            else:
                _extract(archive, path, files[path], target)
                applied.written.append(target)
        return
    final = _target(folder, roots)
    with tempfile.TemporaryDirectory(prefix=".zoo-bundle-", dir=final.parent) as name:
        staged = Path(name, "new")
        for path, facts in files.items():
            _extract(archive, path, facts, staged / path.removeprefix(f"{folder}/"))
        if final.exists():
            final.rename(Path(name, "old"))
        staged.rename(final)
    applied.written += targets.values()


def _target(path: str, roots: dict[str, Path]) -> Path:
    root = "/".join(path.split("/")[:2])
    return roots[root] / path.removeprefix(f"{root}/")


def _is_right(target: Path, facts: dict[str, int | str]) -> bool:
    if not target.is_file() or target.stat().st_size != facts["size_bytes"]:
        return False
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == facts["sha256"]


def _extract(archive: zipfile.ZipFile, path: str, facts: dict[str, int | str], target: Path) -> None:
    """Write one file under a temporary name, verify it, then give it its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".zoo-bundle-", dir=target.parent)
    try:
        with archive.open(path) as source, os.fdopen(handle, "wb") as stream:
            shutil.copyfileobj(source, stream, BLOCK_BYTES)
            stream.flush()
            os.fsync(stream.fileno())
        if not _is_right(Path(temporary), facts):
            fault = f"expected {facts['size_bytes']} bytes with sha256 {facts['sha256']}, got others"
            raise MirrorError(path, f"the bundle is damaged: {fault}", "copy the bundle again")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)
