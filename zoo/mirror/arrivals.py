"""Files of a sync as they arrive; an item is entered when it has all of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.mirror.entries import entry_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.mirror.index import Item, StoredFile, Versions
    from zoo.mirror.planning import Plan
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.store import Store

ITEMS_A_FOLD = 256


class Arrivals:
    """What each item still waits for.

    Args:
        store: The mirror.
        items: What should be here.
        decided: What is fetched of it.
    """

    def __init__(
        self,
        store: Store,
        items: Sequence[RemoteItem],
        decided: Plan,
    ) -> None:
        self._store = store
        self._index = store.index()
        self._count = 0
        self._items = items
        self._files: dict[str, StoredFile] = {}
        self._missing: list[set[str]] = []
        self._waiting: dict[str, list[int]] = {}

        fetched = {step.file.path for step in decided.steps}
        for number, item in enumerate(items):
            paths = {file.path for file in item.files}
            missing = paths & fetched
            self._missing.append(missing)

            for path in missing:
                waiting = self._waiting.setdefault(path, [])
                waiting.append(number)
            for path in paths - missing:
                self._files[path] = self._index.files[path]

    def enter_whole(self) -> None:
        """Enter the items that wait for nothing: their refs or license may be new."""
        for item, missing in zip(self._items, self._missing, strict=True):
            if not missing:
                self._enter(item)

    def add(self, stored: StoredFile) -> None:
        """Take note of a file; enter the items that have waited for it last."""
        self._files[stored.path] = stored
        for number in self._waiting.pop(stored.path, []):
            missing = self._missing[number]
            missing.discard(stored.path)
            if not missing:
                self._enter(self._items[number])

    def _enter(self, item: RemoteItem) -> None:
        """Enter an item that is whole, unless it stands in the index as it is."""
        files = [self._files[file.path] for file in item.files]
        entry = entry_of(item, files)
        if entry in self._index.versions(entry.kind, entry.name):
            return

        if item.is_held:
            self._store.change(entry.place, lambda versions: _renewed(versions, entry))
        else:
            self._store.enter(entry)
            self._store.retire(entry.kind, item.aliases)

        self._count += 1
        if self._count % ITEMS_A_FOLD == 0:
            self._store.fold_if_worthwhile()


def _renewed(
    versions: Versions,
    entry: Item,
) -> Versions:
    """Replace an item by what was repaired of it, unless it has been removed meanwhile."""
    renewed = [entry if item.key == entry.key else item for item in versions]
    return tuple(renewed)
