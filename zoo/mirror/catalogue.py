"""The catalogue: everything a mirror holds, so that any file can be found, served and verified from it alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from zoo.catalog.decoding import decode
from zoo.errors import MirrorError, RegistryError
from zoo.mirror import layout
from zoo.weights.digests import is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_VERSION = 1
Kind = Literal["weights", "repository", "huggingface"]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file that is here, whole."""

    path: str
    """Below the mirror's folder, with slashes."""
    origin: str
    """The public address that it has upstream, wherever it was fetched from."""
    size_bytes: int
    sha256: str
    fetched_at: str
    """UTC: ``2026-11-25T09:30:00Z``."""
    git_oid: str | None = None
    """Git's own digest, for a file of Hugging Face that is not in large file storage: it is the ETag there."""


@dataclass(frozen=True, slots=True)
class Item:
    """Weights, a hub repository at one commit, or a Hugging Face model at one commit."""

    kind: Kind
    name: str
    """``resnet18:imagenet1k_v1``, ``pytorch/vision``, ``timm/resnet18.a1_in1k``; else the address of weights."""
    files: tuple[StoredFile, ...]
    revision: str | None = None
    """The commit; weights have none."""
    refs: tuple[str, ...] = ()
    """What names this commit: ``HEAD``, ``heads/main``, ``tags/v1``; for Hugging Face ``main``; the commit itself if it
    was asked for by that."""
    licence: str | None = None
    is_partial: bool = False
    """Whether only those files are here that clients have asked for so far; a sync completes it."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What is unique about it."""
        return self.kind, self.name, self.revision

    @property
    def size_bytes(self) -> int:
        """Length of all files together."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True)
class Catalogue:
    """All items, sorted."""

    items: tuple[Item, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @cached_property
    def files(self) -> dict[str, StoredFile]:
        """Every file by its path."""
        return {file.path: file for item in self.items for file in item.files}

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], list[Item]]:
        by_name: dict[tuple[str, str], list[Item]] = {}
        for item in self.items:
            by_name.setdefault((item.kind, item.name), []).append(item)
        return by_name

    def versions(self, kind: Kind, name: str) -> list[Item]:
        """List the commits of a repository or model that are here."""
        return self._by_name.get((kind, name), [])

    def by_ref(self, kind: Kind, name: str, ref: str) -> Item | None:
        """Find what a ref or a whole commit names."""
        return next((item for item in self.versions(kind, name) if ref in item.refs or ref == item.revision), None)

    def with_item(self, item: Item) -> Catalogue:
        """Add an item, or replace the one with its key; its refs are taken from other commits.

        A commit that nothing names any more leaves the catalogue; its files stay until ``gc``.
        """
        others = [_without_refs(other, item) for other in self.items if other.key != item.key]
        kept = [other for other in others if other.kind == "weights" or other.refs]
        return Catalogue(tuple(sorted([*kept, item], key=lambda one: (one.kind, one.name, one.revision or ""))))

    def without(self, keys: set[tuple[str, str, str | None]]) -> Catalogue:
        """Remove items."""
        return Catalogue(tuple(item for item in self.items if item.key not in keys))


def _without_refs(other: Item, item: Item) -> Item:
    if (other.kind, other.name) != (item.kind, item.name):
        return other
    return replace(other, refs=tuple(ref for ref in other.refs if ref not in item.refs))


def to_json(catalogue: Catalogue) -> str:
    """Write a catalogue as text; what is not known or does not apply is left out."""
    content = {"schema_version": catalogue.schema_version, "items": [asdict(item) for item in catalogue.items]}
    return json.dumps(_without_nothing(content), indent=1, ensure_ascii=False) + "\n"


def _without_nothing(value: object) -> object:
    if isinstance(value, dict):
        known = {
            key: entry
            for key, entry in value.items()
            if entry is not None and entry is not False and (key, entry) != ("refs", ())
        }
        return {key: _without_nothing(entry) for key, entry in known.items()}
    return [_without_nothing(entry) for entry in value] if isinstance(value, list | tuple) else value


def parse(text: str, file: str = layout.CATALOGUE) -> Catalogue:
    """Read and check the text of a catalogue.

    Raises:
        MirrorError: It is not what :func:`to_json` writes, or a path in it could leave the mirror.
    """
    try:
        content = json.loads(text)
        if isinstance(content, dict) and content.get("schema_version") != SCHEMA_VERSION:
            got = f"{content.get('schema_version')!r:.40}"
            raise RegistryError("$.schema_version", f"expected {SCHEMA_VERSION}, got {got}")
        catalogue = decode(Catalogue, content)
        for path, fault in _faults(catalogue):
            raise RegistryError(path, fault)
    except RegistryError as error:
        advice = 'restore it, or make it again with "zoo mirror sync" after removing it'
        raise MirrorError(file, f"malformed at {error.json_path}: {error.fault}", advice) from error
    except (ValueError, RecursionError) as error:
        raise MirrorError(file, f"expected JSON, got: {error}", 'remove it and run "zoo mirror sync"') from error
    return catalogue


def _faults(catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Find what types cannot say."""
    for number, item in enumerate(catalogue.items):
        place = f"$.items[{number}]"
        if item.kind != "weights" and not layout.is_commit(item.revision):
            yield f"{place}.revision", f"expected a commit of 40 hex digits, got {item.revision!r:.60}"
        for index, file in enumerate(item.files):
            if fault := layout.path_fault(file.path):
                yield f"{place}.files[{index}].path", fault
            if not is_sha256(file.sha256):
                yield f"{place}.files[{index}].sha256", f"expected 64 lower-case hex digits, got {file.sha256!r:.80}"
