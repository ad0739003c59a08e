"""What a mirror holds: the index, and the manifests over it (:mod:`zoo.mirror.manifests`)."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import MirrorError, ZooError
from zoo.mirror import index, layout, manifests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from zoo.mirror.index import Index, Item, Kind, Place, Versions
    from zoo.mirror.store.objects import Objects

FEW_MARKS = 256
"""So many marked manifests are read one by one before they are worth a new index."""
_MARKS_A_FOLD = 4
"""Marks are folded when they are this part of the index: a quarter."""


@dataclass(frozen=True, slots=True)
class _View:
    """What was read last: an index, and the marked manifests over it."""

    version: object
    marks: frozenset[str]
    index: Index

    def goes_on(
        self,
        version: object,
        marks: frozenset[str],
    ) -> bool:
        """Tell whether nothing but marks have been added since."""
        return self.version == version and self.marks <= marks


class Listing:
    """The items of one mirror. Threads may share it."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self._lock = threading.RLock()
        self._base: tuple[object, Index] | None = None
        self._view: _View | None = None
        self._is_refreshed_elsewhere = False
        self._fault: ZooError | None = None

    # -- who works here

    def working(self) -> AbstractContextManager[None]:
        """Keep ``prune`` away while files are brought that the index does not name yet."""
        return self.objects.working()

    def alone(self) -> AbstractContextManager[None]:
        """Wait until nobody brings files, and let nobody begin."""
        return self.objects.alone()

    # -- reading

    def index(self) -> Index:
        """Return what the mirror holds now; only what has changed is read again.

        Raises:
            MirrorError: The index or a manifest is malformed, or the index is missing.
        """
        view = self._view
        if self._is_refreshed_elsewhere and view is not None:
            return view.index
        return self.refresh()

    def refresh_elsewhere(self) -> None:
        """From now on let :meth:`index` return what :meth:`refresh` has seen last.

        For a server, which calls :meth:`refresh` in a thread and never waits for a bucket.
        """
        self._is_refreshed_elsewhere = True

    def refresh(self) -> Index:
        """Look what has changed and return the index.

        Raises:
            MirrorError: See :meth:`index`.
        """
        try:
            found = self._refreshed()
        except ZooError as error:
            self._fault = error
            raise
        self._fault = None
        return found

    def readable(self) -> Index:
        """Return what the mirror holds, if it could be read when it was last looked at.

        Raises:
            ZooError: It could not; :meth:`index` may still return what was seen before.
        """
        if self._is_refreshed_elsewhere and self._fault is not None:
            raise self._fault
        return self.index()

    def _refreshed(self) -> Index:
        with self._lock:
            # The marks first: whoever folds them writes the index before he removes them.
            marks = self.objects.names(layout.PENDING)
            version, base = self._read_base()
            view = self._view
            if view is None or not view.goes_on(version, marks):
                view = _View(version, frozenset(), base)

            new_marks = marks - view.marks
            if new_marks:
                changes = self._read_marked(new_marks)
                changed = view.index.replacing(changes)
                view = _View(version, marks, changed)

            self._view = view
            return view.index

    def held(self, place: Place) -> Versions:
        """Return what the mirror holds of one name, as its manifest says now."""
        manifest_id = manifests.id_of(place)
        key = manifests.key_of(manifest_id)
        _, versions = self._manifest(key)
        return versions

    def _index_place(self) -> str:
        """Say where the index lies, for messages."""
        return f"{self.objects.address}/{layout.INDEX}"

    def _read_base(self) -> tuple[object, Index]:
        """Return the index as it was written last, and which version of it this is."""
        version = self.objects.version(layout.INDEX)
        if self._base is not None and version is not None:
            known_version, _ = self._base
            if known_version == version:
                return self._base

        document = self.objects.read(layout.INDEX)
        if document is None:
            raise MirrorError(self._index_place(), "it is missing", index.ADVICE)

        parsed = index.parse(document.data, self._index_place())
        self._base = (document.version, parsed)
        return self._base

    def _read_marked(self, marks: Iterable[str]) -> dict[Place, Versions]:
        """Read the manifests that marks are about."""
        named = {manifests.id_in_mark(mark) for mark in marks}
        changes: dict[Place, Versions] = {}
        for manifest_id in named:
            if manifest_id is None:
                continue

            key = manifests.key_of(manifest_id)
            place, versions = self._manifest(key)
            if place is not None:
                changes[place] = versions
        return changes

    def _manifest(self, key: str) -> tuple[Place | None, Versions]:
        """Read one manifest: of which name it is, and what is held of it."""
        document = self.objects.read(key)
        if document is None:
            return None, ()
        return manifests.parse(document.data, key)

    # -- changing

    def change(
        self,
        place: Place,
        change: Callable[[Versions], Versions],
    ) -> Versions:
        """Change what the mirror holds of one name in one step; what others add meanwhile stays."""
        with self.working():
            return self._change(place, change)

    def _change(
        self,
        place: Place,
        change: Callable[[Versions], Versions],
    ) -> Versions:
        manifest_id = manifests.id_of(place)
        key = manifests.key_of(manifest_id)
        changed: Versions = ()

        def rewrite(data: bytes | None) -> bytes:
            nonlocal changed
            before: Versions = ()
            if data is not None:
                _, before = manifests.parse(data, key)
            changed = change(before)
            return manifests.to_json(place, changed)

        self.objects.update(key, rewrite)
        mark = manifests.new_mark(manifest_id)
        self.objects.touch(mark)
        if self._is_refreshed_elsewhere:
            self.refresh()
        return changed

    def enter(self, item: Item) -> None:
        """Add an item whose files are all in their places, or replace the one with its key."""
        self.change(item.place, lambda versions: index.entered(versions, item))

    def enter_alone(self, item: Item) -> None:
        """Add an item while nobody else works here: see :meth:`alone`."""
        self._change(item.place, lambda versions: index.entered(versions, item))

    def retire(
        self,
        kind: Kind,
        names: Iterable[str],
    ) -> None:
        """Let names that a repository or model had before mean nothing of their own any more."""
        held = self.index()
        for name in names:
            found = [item.name for item in held.versions(kind, name)]
            if name in found:
                self.change((kind, name), index.superseded)

    def forget(self, items: Iterable[Item]) -> None:
        """Take items out of the index; their files stay."""
        by_place: dict[Place, set[str | None]] = {}
        for item in items:
            revisions = by_place.setdefault(item.place, set())
            revisions.add(item.revision)

        for place, revisions in by_place.items():
            forget = functools.partial(_without, revisions=revisions)
            self.change(place, forget)

    # -- folding

    def fold(self, most_marks: int = 0) -> None:
        """Write the marked manifests into the index, if there are more than may be read singly."""
        with self.working():
            self._fold(most_marks)

    def fold_alone(self) -> None:
        """Fold while nobody else works here: see :meth:`alone`."""
        self._fold(0)

    def fold_if_worthwhile(self) -> None:
        """Fold where reading the marked manifests costs more than a new index.

        Each item is then copied a few times at most, however many are added.
        """
        part = len(self.index()) // _MARKS_A_FOLD
        self.fold(max(FEW_MARKS, part))

    def _fold(self, most_marks: int) -> None:
        marks = self.objects.names(layout.PENDING)
        if len(marks) <= most_marks:
            return

        def rewrite(data: bytes | None) -> bytes:
            if data is None:
                raise MirrorError(self._index_place(), "it is missing", index.ADVICE)
            changes = self._read_marked(marks)
            before = index.parse(data, self._index_place())
            after = before.replacing(changes)
            return index.to_json(after).encode()

        self.objects.update(layout.INDEX, rewrite)
        for mark in marks:
            self.objects.remove(mark)

    # -- making the index again

    def reindex(self) -> list[MirrorError]:
        """Make the index again from the manifests.

        Return what is wrong with those that cannot be read.

        Where the index that was there can be read, it stands in for manifests that are lost or
        broken. Nobody else may work here meanwhile: see :meth:`alone`.
        """
        marks = self.objects.names(layout.PENDING)
        known = self._known_places(marks)
        found, faults = self._read_manifests(known)
        lost = known.keys() - found.keys()
        for place in lost:
            instead = functools.partial(_instead, known[place])
            found[place] = self._change(place, instead)

        made = index.Index().replacing(found)
        text = index.to_json(made)
        self.objects.update(layout.INDEX, lambda _: text.encode())
        for mark in marks:
            self.objects.remove(mark)
        return faults

    def _read_manifests(
        self,
        known: dict[Place, Versions],
    ) -> tuple[dict[Place, Versions], list[MirrorError]]:
        """Read every manifest; move those aside that cannot be read.

        A manifest that says that nothing is held is removed, and its name is taken out of
        ``known``: an index says that by not naming it.
        """
        found: dict[Place, Versions] = {}
        faults: list[MirrorError] = []
        keys = {entry.key for entry in self.objects.listed(layout.MANIFESTS)}
        for key in sorted(keys):
            if manifests.id_in_key(key) is None:
                continue

            try:
                place, versions = self._manifest(key)
            except MirrorError as error:
                faults.append(error)
                self.quarantine(key)
                continue

            if place is None:
                continue
            if versions:
                found[place] = versions
            else:
                known.pop(place, None)
                self.objects.remove(key)
        return found, faults

    def _known_places(self, marks: Iterable[str]) -> dict[Place, Versions]:
        """Return what the index says of names that have not been changed since.

        Nothing where it cannot be read.
        """
        try:
            _, base = self._read_base()
        except MirrorError:
            return {}

        changed = set(map(manifests.id_in_mark, marks))
        known: dict[Place, Versions] = {}
        for item in base.items:
            place = item.place
            is_current = manifests.id_of(place) not in changed
            if is_current:
                before = known.get(place, ())
                known[place] = (*before, item)
        return known

    def quarantine(self, path: str) -> str:
        """Move a damaged file to where nobody is served from; return where."""
        target = layout.quarantine_path(path)
        self.objects.move(path, target)
        return target


def _without(
    versions: Versions,
    revisions: set[str | None],
) -> Versions:
    """Take some commits out."""
    kept = [item for item in versions if item.revision not in revisions]
    return tuple(kept)


def _instead(
    versions: Versions,
    _: Versions,
) -> Versions:
    return versions
