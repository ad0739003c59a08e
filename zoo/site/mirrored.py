"""The site of a mirror: everything that zoo knows, and what of it the mirror holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.site.build import render_site
from zoo.site.data import Content, Held

if TYPE_CHECKING:
    from zoo.catalog.entries import Entry
    from zoo.mirror.index import Index

OWN_PAGE = ("This mirror", "mirror.html")
"""Where the mirror itself says what it holds and how to use it."""


def mirrored_site(index: Index) -> dict[str, bytes]:
    """Make the site with a column for what a mirror holds.

    Args:
        index: Of the mirror.
    """
    held = Held("on this mirror", _Held(index).has)
    return render_site(Content(held=held, links=(OWN_PAGE,)))


class _Held:
    """Finds the weights of entries among a mirror's items."""

    def __init__(self, index: Index) -> None:
        whole = [item for item in index.items if not item.is_partial]
        self.specs = {item.name for item in whole if item.kind == "weights"}
        self.repositories = {item.name for item in whole if item.kind == "huggingface"}

    def has(self, entry: Entry) -> bool:
        """Tell whether a mirror holds all files of some weights."""
        if f"{entry.name}:{entry.tag}" in self.specs:
            return True
        repositories = [file.repository for file in entry.files]
        return bool(repositories) and all(name in self.repositories for name in repositories)
