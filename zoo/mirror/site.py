"""What a handler works with: the mirror's files, and the way to the upstreams if there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from zoo.mirror.catalog import Catalog
    from zoo.mirror.downloads import Download
    from zoo.mirror.index import Index, Item, Kind, StoredFile
    from zoo.mirror.published import RemoteFile, RemoteItem
    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store
    from zoo.mirror.upstream import Client

T = TypeVar("T")
HELD_S = 2.0
"""How long an upstream may keep those waiting who ask for what is here."""


class Upstream(Protocol):
    """Fetches what is missing. Every failure is a :class:`~zoo.errors.ZooError`."""

    async def ask(
        self,
        key: object,
        lookup: Callable[[Client], T],
        *,
        limit_s: float | None = ...,
    ) -> T:
        """Look something up once for all who want to know."""

    def allowed(self, item: RemoteItem) -> RemoteItem:
        """Leave out what the mirror's policy keeps out; all of it is a PolicyError."""

    async def bring(self, spec: ItemSpec) -> None:
        """Bring what a spec names into the mirror, as it is now."""

    async def join(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> Download:
        """Begin to fetch one file, or join those who have."""


@dataclass
class Site:
    """One mirror and its upstreams.

    Args:
        store: The mirror.
        upstream: How to fetch what is missing; ``None`` to serve only what is here.
        proxy_port: Where the HTTPS proxy listens, if not on the port that was asked.
        catalog: The web site at ``/``, if there is one.
        certificate: Of the proxy's own CA, if there is one.
    """

    store: Store
    upstream: Upstream | None = None
    proxy_port: int | None = None
    catalog: Catalog | None = None
    certificate: bytes | None = None
    _names: tuple[Index | None, dict[tuple[Kind, str], str]] = field(
        default=(None, {}), init=False, repr=False
    )
    _meanings: dict[tuple[Kind, str], dict[str, str | None]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def index(self) -> Index:
        """What the mirror holds now."""
        return self.store.index()

    def whole(self, path: str) -> StoredFile | None:
        """Return a file of the index if all its bytes are here."""
        file = self.index.files.get(path)
        if file is not None and self.store.can_serve(file):
            return file
        return None

    def is_complete(self, item: Item) -> bool:
        """Tell whether every file of an item is known and here."""
        return not item.is_partial and all(map(self.store.can_serve, item.files))

    def held_name(
        self,
        kind: Kind,
        name: str,
    ) -> str:
        """Return the name under which something is held.

        GitHub and the Hub do not look at the case of letters, and know the names that it had
        before.
        """
        index = self.index
        if index.versions(kind, name):
            return name
        if self._names[0] is not index:
            names = {
                (item.kind, alias.lower()): item.name
                for item in index.items
                for alias in (*item.aliases, item.name)
            }
            self._names = (index, names)
        return self._names[1].get((kind, name.lower()), name)

    def names_of(
        self,
        place: tuple[Kind, str],
        ref: str,
        commit: str | None,
    ) -> tuple[str, ...]:
        """Remember what names a commit, and list all that does.

        Clients learn the commit by its branch, then ask by the commit alone; what comes for them is
        kept under both.
        """
        meanings = self._meanings.setdefault(place, {})
        meanings[ref] = commit
        return tuple(name for name, meant in meanings.items() if meant == commit)


Handler = Callable[[Site], Awaitable["AnyResponse"]]
