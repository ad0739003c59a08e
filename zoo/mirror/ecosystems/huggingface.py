"""Models of the Hugging Face Hub: huggingface_hub, timm, transformers."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo.cache import hub_files
from zoo.cache import huggingface as cache
from zoo.download import tokens
from zoo.errors import MirrorError, UsageError
from zoo.hashes import is_commit
from zoo.mirror import git_objects, hub_documents, layout, remotes, specs
from zoo.mirror.ecosystems.protocol import Cache, Ecosystem, LookUp
from zoo.mirror.handlers import huggingface as handlers
from zoo.mirror.published import RemoteFile, RemoteItem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.mirror.ecosystems.protocol import Bundle
    from zoo.mirror.index import Index, Item
    from zoo.mirror.requests import Request
    from zoo.mirror.site import Handler
    from zoo.mirror.specs import HuggingFaceSpec, ItemSpec
    from zoo.mirror.upstream import Client

CLIENT = "huggingface_hub"
CACHE_PLACE = "hf/hub"
TREE_MARK = b'"xet_hash"'
LARGEST_GIT_FILE_BYTES = 10 << 20
"""Larger files are in large file storage, where git's digest says nothing."""


class HuggingFace(Ecosystem):
    """Models of the Hub."""

    kind = specs.HUGGINGFACE
    folder = "huggingface"
    prefix = specs.HUGGINGFACE_PREFIX
    hosts = handlers.HOSTS
    upstreams = MappingProxyType({"huggingface": remotes.HUGGINGFACE})
    endpoint_variable = "HF_ENDPOINT"

    def parse(self, text: str) -> Sequence[ItemSpec] | None:
        """Read ``hf:organisation/model`` or ``hf:organisation/model@revision``."""
        if not text.startswith(self.prefix):
            return None
        name, _, revision = text.removeprefix(self.prefix).partition("@")
        return [specs.check_huggingface(name, revision or "main")]

    def resolve(
        self,
        spec: HuggingFaceSpec,
        client: Client,
    ) -> list[RemoteItem]:
        """Ask the Hub for the commit and its files."""
        return [remotes.huggingface_model(spec, client)]

    def held(
        self,
        index: Index,
        spec: HuggingFaceSpec,
    ) -> list[Item]:
        """List what a mirror holds for a spec."""
        item = index.by_ref(self.kind, spec.name, spec.revision)
        if item is None:
            return []
        return [item]

    def credentials(self) -> Iterator[tuple[str, str]]:
        """Name the Hub's token."""
        token = tokens.huggingface_token()
        if token:
            yield remotes.HUGGINGFACE, token

    def describe(
        self,
        path: Path,
        spec: HuggingFaceSpec,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Describe a folder that holds the files of one commit."""
        if not is_commit(spec.revision) or not path.is_dir():
            form = "hf:organisation/model@COMMIT (40 digits)"
            raise UsageError(f"a Hugging Face model is imported as a folder, with --as {form}")

        found = dict(_walk(path, spec))
        files = [_described(path, spec, place, source) for place, source in found.items()]
        item = RemoteItem(
            kind=self.kind,
            name=spec.name,
            files=tuple(files),
            revision=spec.revision,
            refs=(spec.revision, "main"),
        )
        return item, found

    def route(self, request: Request) -> Handler | None:
        """Recognise the Hub's API and files."""
        return handlers.route(request)

    def takes_form(self, request: Request) -> bool:
        """Tell whether a POST only asks: huggingface_hub names paths in one."""
        return "paths-info" in request.steps

    def caches(self) -> tuple[Cache, ...]:
        """Name huggingface_hub's cache."""
        return (Cache(CACHE_PLACE, hub_files.default_folder()),)

    def bundle(
        self,
        spec: HuggingFaceSpec,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add a model as huggingface_hub's cache has it."""
        folder = hub_files.folder_name(spec.name)
        model = f"{CACHE_PLACE}/{folder}"
        for item in items:
            commit = item.revision or ""
            files = hub_documents.stored_paths(item)
            for inner, file in files.items():
                bundle.add_file(f"{model}/snapshots/{commit}/{inner}", file)

            tree = hub_documents.cached_tree(item)
            text = json.dumps(tree)
            bundle.add(f"{model}/trees/{commit}.json", io.BytesIO(text.encode()))
            if not is_commit(spec.revision):
                reference = f"{model}/refs/{spec.revision}"
                bundle.add(reference, io.BytesIO(commit.encode()))

    def look_up(self, spec: HuggingFaceSpec) -> Iterator[LookUp]:
        """Look for the commit, its snapshot, every file of it, and the file list."""
        root = hub_files.model_folder(spec.name)
        commit: str | None = spec.revision
        if not is_commit(spec.revision):
            reference = root / "refs" / spec.revision
            commit = _commit_in(reference)
            fault = None
            if not reference.is_file():
                fault = "missing"
            elif not is_commit(commit):
                fault = "expected exactly 40 hex digits and no newline"
            yield _looked_up(spec, reference, fault)

        snapshot = _snapshot_of(spec.name, commit)
        place = root / "snapshots" / (commit or "")
        is_there = snapshot is not None and bool(snapshot.files)
        fault = None if is_there else "missing: expected the commit's files"
        yield _looked_up(spec, place, fault)
        if snapshot is None:
            return

        for finding in cache.verify([snapshot]):
            yield _looked_up(spec, finding.file.place, finding.fault)

        tree = root / "trees" / f"{commit}.json"
        if tree.is_file():
            present = {file.path for file in snapshot.files}
            yield from _look_up_tree(spec, tree, present, place)


ECOSYSTEM: Ecosystem = HuggingFace()


def _looked_up(
    spec: HuggingFaceSpec,
    place: Path,
    fault: str | None,
) -> LookUp:
    """Say what huggingface_hub finds at a place."""
    return LookUp(str(spec), CLIENT, str(place), fault)


def _snapshot_of(
    name: str,
    commit: str | None,
) -> cache.HubSnapshot | None:
    """Find a model at a commit in huggingface_hub's cache."""
    for snapshot in cache.list_snapshots():
        is_model = snapshot.kind == "models" and snapshot.repository == name
        if is_model and snapshot.commit == commit:
            return snapshot
    return None


def _commit_in(reference: Path) -> str | None:
    """Read which commit a ref of the cache names."""
    try:
        content = reference.read_bytes()
        return content[:200].decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _look_up_tree(
    spec: HuggingFaceSpec,
    tree: Path,
    present: set[str],
    place: Path,
) -> Iterator[LookUp]:
    """Compare the files that the commit has with those that are here."""
    for path in sorted(_listed(tree) - present):
        yield _looked_up(spec, place / path, "missing: the commit holds it")

    if TREE_MARK in tree.read_bytes():
        fault = "it holds Xet hashes, which make clients ask the network"
        yield _looked_up(spec, tree, fault)


def _listed(tree: Path) -> set[str]:
    """Read which files a commit holds; none where that cannot be read."""
    try:
        content = json.loads(tree.read_bytes())
        return set(content["files"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _described(
    folder: Path,
    spec: HuggingFaceSpec,
    place: str,
    source: Path,
) -> RemoteFile:
    """Describe one file; which digest the Hub states of it, its length tells."""
    inner = source.relative_to(folder).as_posix()
    url = remotes.file_url(spec.name, spec.revision, inner)
    size_bytes = source.stat().st_size
    git_oid = None
    if size_bytes < LARGEST_GIT_FILE_BYTES:
        git_oid = git_objects.git_oid(source)
    return RemoteFile(place, url, size_bytes, git_oid=git_oid)


def _walk(
    path: Path,
    spec: HuggingFaceSpec,
) -> Iterator[tuple[str, Path]]:
    for folder, _, names in os.walk(path):
        for name in names:
            source = Path(folder, name)
            inner = source.relative_to(path).as_posix()
            place = layout.huggingface_path(spec.name, spec.revision, inner)
            fault = layout.path_fault(place)
            if fault is not None:
                raise MirrorError(str(source), f"it cannot be mirrored: {fault}", "leave it out")
            yield place, source
