"""What a mirror or a bundle holds, as an audit asks it."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from zoo.auditor.knowledge import files_of
from zoo.cache.hub_files import folder_name
from zoo.documents import read_regular_file
from zoo.download import sources
from zoo.download.options import Timeouts
from zoo.download.transport import Transport
from zoo.errors import MirrorError, SourceError
from zoo.mirror import bundle, index, layout
from zoo.mirror.ecosystems.github import repository_folder

if TYPE_CHECKING:
    from zoo.auditor.findings import Use

LARGEST_INDEX_BYTES = 1 << 30
_HUB_CACHE = "hf/hub"
"""Where a bundle puts the cache of huggingface_hub."""
ADVICE = "name a mirror's folder or address with --mirror, a bundle with --bundle"


@dataclass(frozen=True)
class MirrorHoldings:
    """A mirror, by its index."""

    held: index.Index

    def has(self, use: Use) -> bool:
        """Tell whether the mirror holds what a program would fetch."""
        subject = use.subject or ""

        if use.ecosystem == "github":
            return self._has_commit("repository", subject, use.revision)

        if use.ecosystem == "huggingface":
            return self._has_commit("huggingface", subject, use.revision or "main")

        if use.ecosystem == "timm":
            wanted = _timm_name(use)
            for item in self.held.items:
                if item.kind == "huggingface" and item.name.startswith(wanted):
                    return True
            return False

        if use.ecosystem == "url":
            origins = {file.origin for file in self.held.files.values()}
            return subject in origins

        held = {_file_name(path) for path in self.held.files}
        return held.issuperset(_fetched_names(use))

    def _has_commit(self, kind: index.Kind, name: str, ref: str | None) -> bool:
        """Tell whether a ref, or for ``None`` any commit, of a repository is held."""
        found = self.held.versions(kind, name)
        if ref is None:
            return bool(found)

        spellings = {ref, f"heads/{ref}", f"tags/{ref}"}
        for item in found:
            is_named = not spellings.isdisjoint(item.refs)
            if is_named or item.revision == ref:
                return True
        return False


@dataclass(frozen=True)
class BundleHoldings:
    """A bundle, by the paths of its files."""

    paths: frozenset[str]

    def has(self, use: Use) -> bool:
        """Tell whether the bundle holds what a program would fetch."""
        subject = use.subject or ""

        if use.ecosystem == "github":
            refs = [use.revision] if use.revision else ["main", "master"]
            for ref in refs:
                folder = repository_folder(subject, ref)
                if self._has_below(f"torch/hub/{folder}/"):
                    return True
            return False

        if use.ecosystem == "huggingface":
            folder = f"{_HUB_CACHE}/{folder_name(subject)}"
            revision = use.revision or "main"
            is_named = f"{folder}/refs/{revision}" in self.paths
            return is_named or self._has_below(f"{folder}/snapshots/{revision}/")

        if use.ecosystem == "timm":
            folder = folder_name(_timm_name(use))
            return self._has_below(f"{_HUB_CACHE}/{folder}")

        if use.ecosystem == "url":
            address = urlsplit(subject)
            names = {_file_name(address.path)}
        else:
            names = _fetched_names(use)

        needed = {f"torch/hub/checkpoints/{name}" for name in names}
        return self.paths.issuperset(needed)

    def _has_below(self, start: str) -> bool:
        return any(path.startswith(start) for path in self.paths)


def read_mirror(place: str) -> MirrorHoldings:
    """Read the index of a mirror, a folder or an address.

    Raises:
        MirrorError: There is none, or it is malformed.
    """
    is_served = place.startswith(("http://", "https://"))
    if is_served:
        base = place.rstrip("/")
        text: str | bytes = _download(f"{base}/{layout.INDEX}")
    else:
        text = _read_index(place)

    held = index.parse(text, place)
    return MirrorHoldings(held)


def _read_index(folder: str) -> str:
    """Read the index of a mirror in a folder."""
    path = Path(folder) / layout.INDEX
    try:
        content = read_regular_file(path, LARGEST_INDEX_BYTES)
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        fault = f"{layout.INDEX} cannot be read ({error})"
        raise MirrorError(folder, fault, ADVICE) from error


def read_bundle(path: Path) -> BundleHoldings:
    """Read what a bundle holds.

    Raises:
        MirrorError: It is no bundle.
    """
    try:
        with zipfile.ZipFile(path) as archive, archive.open(bundle.MANIFEST) as stream:
            text = stream.read(bundle.LARGEST_MANIFEST_BYTES)
        content = json.loads(text)
        paths = frozenset(content["files"])
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise MirrorError(str(path), f"expected a bundle, got: {error}", ADVICE) from error
    return BundleHoldings(paths)


def _fetched_names(use: Use) -> set[str]:
    """Name the files of weights of the registry; what ships inside the package is not fetched."""
    published = [file for file in files_of(use) if file.url is not None]
    return {file.file_name for file in published}


def _timm_name(use: Use) -> str:
    """Name what the model of Hugging Face begins with that timm would ask for."""
    tag = use.revision or ""
    return f"timm/{use.subject}.{tag}"


def _file_name(path: str) -> str:
    """Take what stands behind the last slash."""
    _, _, name = path.rpartition("/")
    return name


def _download(address: str) -> bytes:
    """Fetch the index of a mirror that is served."""
    with contextlib.closing(Transport(Timeouts())) as transport:
        try:
            source = sources.trusted(address)
            return transport.read(source, LARGEST_INDEX_BYTES).data
        except SourceError as error:
            fault = f"expected a mirror's index: {error.fault}"
            raise MirrorError(address, fault, ADVICE) from error
