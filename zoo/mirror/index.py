"""The index: everything a mirror holds, to find, serve and verify any file from it alone.

The file is long because the records, their document and the faults it may have change together.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from zoo.documents import parse_document
from zoo.errors import DocumentError, MirrorError
from zoo.hashes import is_commit, is_sha256
from zoo.mirror import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA_VERSION = 1
ADVICE = 'to make it again from what the mirror holds, run "zoo mirror reindex"'
Kind = str
"""Whose an item is (:mod:`zoo.mirror.ecosystems`); one of a newer zoo may be unknown here."""
_KIND = re.compile(r"[a-z][a-z0-9-]{0,30}")


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
    """Git's own digest, for a file of Hugging Face that is not in large file storage.

    It is the ETag there.
    """

    @property
    def fetched_s(self) -> float:
        """When it was fetched, in seconds since 1970; 0 where that cannot be read."""
        try:
            fetched = datetime.fromisoformat(self.fetched_at)
        except ValueError:
            return 0.0
        return fetched.timestamp()


@dataclass(frozen=True, slots=True)
class Item:
    """Weights, a hub repository at one commit, or a Hugging Face model at one commit."""

    kind: Kind
    name: str
    """``resnet18:imagenet1k_v1``, ``pytorch/vision``, ``timm/resnet18.a1_in1k``; or an address."""
    files: tuple[StoredFile, ...]
    revision: str | None = None
    """The commit; weights have none."""
    refs: tuple[str, ...] = ()
    """What names this commit: ``HEAD``, ``heads/main``, ``tags/v1``; for Hugging Face ``main``.

    The commit itself if it was asked for by that.
    """
    license: str | None = None
    is_partial: bool = False
    """Whether only those files are here that clients have asked for so far; a sync completes it."""
    is_gated: bool = False
    """Whether its publisher gives it only to those who were let in."""
    aliases: tuple[str, ...] = ()
    """Names that it had before: clients that ask by one get it all the same."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What is unique about it."""
        return self.kind, self.name, self.revision

    @property
    def place(self) -> Place:
        """What it shares with its other commits."""
        return self.kind, self.name

    @property
    def size_bytes(self) -> int:
        """Length of all files together."""
        lengths = [file.size_bytes for file in self.files]
        return sum(lengths)


Place = tuple[Kind, str]
"""Kind and name: what has a manifest of its own."""
Versions = tuple[Item, ...]
"""The commits of one name that are here, sorted; weights have one."""


class Index:
    """All items, sorted. It never changes.

    What is added makes another one, which shares the rest.
    """

    __slots__ = ("_aliases", "_files", "_holders", "_items", "_names")

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._names: dict[Place, Versions] = {}
        self._aliases: dict[Place, str] = {}
        self._files: dict[str, StoredFile] = {}
        self._holders: dict[str, tuple[Place, ...]] = {}
        self._items: Versions | None = None

        by_name: dict[Place, list[Item]] = {}
        for item in items:
            alike = by_name.setdefault(item.place, [])
            alike.append(item)
        for place, versions in by_name.items():
            self._put(place, _sorted(versions))

    @property
    def items(self) -> Versions:
        """Every item, by kind, name and commit."""
        if self._items is None:
            items: list[Item] = []
            for place in sorted(self._names):
                items += self._names[place]
            self._items = tuple(items)
        return self._items

    @property
    def files(self) -> Mapping[str, StoredFile]:
        """Every file by its path."""
        return self._files

    def __len__(self) -> int:
        """Count the names."""
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        """Compare the items."""
        if not isinstance(other, Index):
            return False
        return self.items == other.items

    def __hash__(self) -> int:
        """Hash the items."""
        return hash(self.items)

    def versions(
        self,
        kind: Kind,
        name: str,
    ) -> list[Item]:
        """List the commits of a repository or model that are here.

        Those that are held under a name that it had before come after what the name means now.
        """
        own = self._names.get((kind, name), ())
        current = self._aliases.get((kind, name.lower()))
        if current is None or current == name:
            return list(own)

        moved = self._names.get((kind, current), ())
        return [*own, *moved]

    def holders(self, path: str) -> list[Item]:
        """List the items that have a file."""
        found: list[Item] = []
        for place in self._holders.get(path, ()):
            for item in self._names[place]:
                paths = {file.path for file in item.files}
                if path in paths:
                    found.append(item)
        return found

    def by_ref(
        self,
        kind: Kind,
        name: str,
        ref: str,
    ) -> Item | None:
        """Find what a ref or a whole commit names."""
        for item in self.versions(kind, name):
            if ref in item.refs or ref == item.revision:
                return item
        return None

    def replacing(self, changes: Mapping[Place, Versions]) -> Index:
        """Hold other commits of some names.

        A name without any leaves. Costs what copying two tables does.
        """
        changed = Index()
        changed._names = self._names.copy()
        changed._aliases = self._aliases.copy()
        changed._files = self._files.copy()
        changed._holders = self._holders.copy()
        for place, versions in changes.items():
            changed._put(place, versions)
        return changed

    def without(self, keys: set[tuple[str, str, str | None]]) -> Index:
        """Remove items."""
        changes: dict[Place, Versions] = {}
        for place, versions in self._names.items():
            kept = [item for item in versions if item.key not in keys]
            is_changed = len(kept) != len(versions)
            if is_changed:
                changes[place] = tuple(kept)
        return self.replacing(changes)

    def _put(
        self,
        place: Place,
        versions: Versions,
    ) -> None:
        """Set what is held of a name, and keep the table of files right.

        One file may belong to two names.
        """
        self._take_out(place)
        if not versions:
            return

        self._names[place] = versions
        kind, name = place
        for item in versions:
            for alias in item.aliases:
                self._aliases[(kind, alias.lower())] = name

            for file in item.files:
                self._files[file.path] = file
                holders = self._holders.get(file.path, ())
                if place not in holders:
                    self._holders[file.path] = (*holders, place)

    def _take_out(self, place: Place) -> None:
        """Forget a name, its aliases, and the files that no other name has."""
        before = self._names.pop(place, ())
        kind, name = place
        aliases = {alias for item in before for alias in item.aliases}
        for alias in aliases:
            key = (kind, alias.lower())
            if self._aliases.get(key) == name:
                del self._aliases[key]

        paths = {file.path for item in before for file in item.files}
        for path in paths:
            holders = self._holders.pop(path)
            others = [other for other in holders if other != place]
            if others:
                self._holders[path] = tuple(others)
            else:
                del self._files[path]


# -- the commits of one name


def entered(
    versions: Versions,
    item: Item,
) -> Versions:
    """Add an item to the commits of its name, or replace the one with its key.

    Its refs are taken from the others, and it keeps the names that they had before.

    A commit that nothing names any more leaves; its files stay until ``prune``.
    """
    aliases = list(item.aliases)
    for other in versions:
        aliases += other.aliases
    distinct = dict.fromkeys(aliases)
    item = replace(item, aliases=tuple(distinct))

    kept = [item]
    for other in versions:
        refs = [ref for ref in other.refs if ref not in item.refs]
        is_named = bool(refs) or other.revision is None
        if is_named and other.key != item.key:
            kept.append(replace(other, refs=tuple(refs)))
    return _sorted(kept)


def superseded(versions: Versions) -> Versions:
    """Let the commits of a name that has moved be found by themselves only.

    What ``main`` means is the new name's to say.
    """
    found: list[Item] = []
    for item in versions:
        if item.revision is None:
            found.append(item)
        else:
            found.append(replace(item, refs=(item.revision,)))
    return tuple(found)


def _sorted(versions: Iterable[Item]) -> Versions:
    """Sort items by their commit."""
    by_commit = sorted(versions, key=lambda item: item.revision or "")
    return tuple(by_commit)


# -- as text


def to_json(index: Index) -> str:
    """Write an index as text; what is not known or does not apply is left out."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "items": [record_of(item) for item in index.items],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    return f"{text}\n"


def record_of(item: Item) -> dict[str, Any]:
    """Write an item as JSON has it; what is not known or does not apply is left out."""
    record: dict[str, Any] = {
        "kind": item.kind,
        "name": item.name,
        "files": [_without_nothing(asdict(file)) for file in item.files],
        "revision": item.revision,
        "refs": list(item.refs) or None,
        "license": item.license,
        "is_partial": item.is_partial or None,
        "is_gated": item.is_gated or None,
        "aliases": list(item.aliases) or None,
    }
    return _without_nothing(record)


def _without_nothing(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Document:
    """What the text of an index holds."""

    items: tuple[Item, ...] = ()
    schema_version: int = SCHEMA_VERSION


def parse(
    text: str | bytes,
    file: str = layout.INDEX,
) -> Index:
    """Read and check the text of an index.

    Raises:
        MirrorError: It is not what :func:`to_json` writes, or a path in it could leave the mirror.
    """
    document = read_document(_Document, text, file, ADVICE)
    return Index(document.items)


class _HoldsItems(Protocol):
    """A record that holds items."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The items."""


D = TypeVar("D", bound=_HoldsItems)


def read_document(
    cls: type[D],
    text: str | bytes,
    file: str,
    advice: str,
) -> D:
    """Read and check a document that holds items.

    Args:
        cls: What it is read as.
        text: JSON.
        file: What to call it in messages.
        advice: What to do about a fault.

    Raises:
        MirrorError: It is malformed, or a path in it could leave the mirror.
    """
    try:
        document = parse_document(text, cls, SCHEMA_VERSION)
        for path, fault in _faults(document.items):
            raise DocumentError(path, fault)
    except DocumentError as error:
        raise MirrorError(file, str(error), advice) from error
    return document


def _faults(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """Find what types cannot say."""
    for number, item in enumerate(items):
        place = f"$.items[{number}]"
        if _KIND.fullmatch(item.kind) is None:
            got = f"{item.kind!r:.60}"
            yield f"{place}.kind", f"expected the name of an ecosystem, got {got}"

        revision = item.revision
        if revision is not None and not is_commit(revision):
            got = f"{revision!r:.60}"
            yield f"{place}.revision", f"expected a commit of 40 hex digits, got {got}"

        for position, file in enumerate(item.files):
            place_of_file = f"{place}.files[{position}]"
            fault = layout.path_fault(file.path)
            if fault is not None:
                yield f"{place_of_file}.path", fault

            if not is_sha256(file.sha256):
                got = f"{file.sha256!r:.80}"
                yield f"{place_of_file}.sha256", f"expected 64 lower-case hex digits, got {got}"
