"""What a mirror or a bundle holds, as an audit asks it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.catalog.registry import load_registry
from zoo.documents import read_regular_file
from zoo.errors import MirrorError
from zoo.mirror import bundle, index, layout
from zoo.mirror.ecosystems.github import repository_folder

if TYPE_CHECKING:
    from zoo.auditor.findings import Use

LARGEST_INDEX_BYTES = 1 << 30
ADVICE = "name a mirror's folder or address with --mirror, a bundle with --bundle"


@dataclass(frozen=True)
class MirrorHoldings:
    """A mirror, by its index."""

    held: index.Index

    def has(self, use: Use) -> bool:
        """Tell whether the mirror holds what a program would fetch."""
        subject = use.subject or ""
        if use.ecosystem == "github":
            return bool(self._commits("repository", subject, use.revision))
        if use.ecosystem == "huggingface":
            return bool(self._commits("huggingface", subject, use.revision or "main"))
        if use.ecosystem == "timm":
            wanted = f"timm/{subject}.{use.revision or ''}"
            names = (item.name for item in self.held.items if item.kind == "huggingface")
            return any(name.startswith(wanted) for name in names)
        if use.ecosystem == "url":
            return any(file.origin == subject for file in self.held.files.values())
        files = _files_of(use)
        held = set()
        for path in self.held.files:
            _, _, name = path.rpartition("/")
            held.add(name)
        return files <= held

    def _commits(
        self,
        kind: index.Kind,
        name: str,
        ref: str | None,
    ) -> list[index.Item]:
        found = self.held.versions(kind, name)
        if ref is None:
            return found
        names = {ref, f"heads/{ref}", f"tags/{ref}"}
        meant = []
        for item in found:
            is_named = not names.isdisjoint(item.refs)
            if item.revision == ref or is_named:
                meant.append(item)
        return meant


@dataclass(frozen=True)
class BundleHoldings:
    """A bundle, by the paths of its files."""

    paths: frozenset[str]

    def has(self, use: Use) -> bool:
        """Tell whether the bundle holds what a program would fetch."""
        subject = use.subject or ""
        if use.ecosystem == "github":
            refs = [use.revision] if use.revision else ["main", "master"]
            folders = [repository_folder(subject, ref) for ref in refs]
            return any(self._has_below(f"torch/hub/{folder}/") for folder in folders)
        if use.ecosystem == "huggingface":
            folder = f"hf/hub/models--{subject.replace('/', '--')}"
            revision = use.revision or "main"
            is_named = f"{folder}/refs/{revision}" in self.paths
            return is_named or self._has_below(f"{folder}/snapshots/{revision}/")
        if use.ecosystem == "timm":
            return self._has_below(f"hf/hub/models--timm--{subject}.{use.revision or ''}")
        names = _files_of(use)
        if use.ecosystem == "url":
            names = {urlsplit(subject).path.rpartition("/")[2]}
        return all(f"torch/hub/checkpoints/{name}" in self.paths for name in names)

    def _has_below(self, start: str) -> bool:
        return any(path.startswith(start) for path in self.paths)


def read_mirror(place: str) -> MirrorHoldings:
    """Read the index of a mirror, a folder or an address.

    Raises:
        MirrorError: There is none, or it is malformed.
    """
    if place.startswith(("http://", "https://")):
        text = _download(f"{place.rstrip('/')}/{layout.INDEX}")
    else:
        path = Path(place) / layout.INDEX
        try:
            text = read_regular_file(path, LARGEST_INDEX_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise MirrorError(place, f"{layout.INDEX} cannot be read ({error})", ADVICE) from error
    return MirrorHoldings(index.parse(text, place))


def read_bundle(path: Path) -> BundleHoldings:
    """Read what a bundle holds.

    Raises:
        MirrorError: It is no bundle.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(bundle.MANIFEST) as stream:
            content = json.loads(stream.read(bundle.LARGEST_MANIFEST_BYTES))
        paths = frozenset(content["files"])
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise MirrorError(str(path), f"expected a bundle, got: {error}", ADVICE) from error
    return BundleHoldings(paths)


def _files_of(use: Use) -> set[str]:
    """Name the files of weights of the registry."""
    architecture = load_registry().architectures.get(use.subject or "")
    if architecture is None:
        return set()
    tag = use.revision or "default"
    is_default = tag in ("default", "pretrained")
    weights = architecture.default if is_default else architecture.weights.get(tag)
    if weights is None:
        return set()
    published = [file for file in weights.files if file.url is not None]
    return {file.file_name for file in published}


def _download(address: str) -> str:
    """Fetch the index of a mirror that is served."""
    import requests

    try:
        answer = requests.get(address, timeout=30)
    except requests.RequestException as error:
        fault = f"expected a running mirror, got {type(error).__name__}"
        raise MirrorError(address, fault, "start it, or check the address") from error
    if answer.status_code != 200:
        fault = f"expected a mirror's index, got HTTP status {answer.status_code}"
        raise MirrorError(address, fault, ADVICE)
    return answer.text
