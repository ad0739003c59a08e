"""What the rest of the mirror asks of an ecosystem. Nowhere else does it ask what kind a thing is.

What only some ecosystems have is answered here for the others, so that a new one says only what it
is about.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo.mirror.index import Index, Item, Kind, StoredFile
    from zoo.mirror.published import RemoteItem
    from zoo.mirror.requests import Request
    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.site import Handler, Site
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store
    from zoo.mirror.upstream import Client

LARGEST_PLAIN_BYTES = 256 << 20
"""The most that a file may have that is fetched in one piece.

That is done where no digest of its bytes is published.
"""


@dataclass(frozen=True, slots=True)
class LookUp:
    """One thing that a client looks for without a network."""

    spec: str
    client: str
    """``torchvision``, ``torch.hub`` or ``huggingface_hub``."""
    path: str
    fault: str | None = None
    """What is wrong with it; ``None`` if it is there and right."""


class Bundle(Protocol):
    """What a bundle is written through."""

    @property
    def store(self) -> Store:
        """Where the files come from."""

    def add(
        self,
        path: str,
        source: IO[bytes],
        sha256: str | None = None,
    ) -> None:
        """Add one file under a name."""

    def add_file(
        self,
        path: str,
        file: StoredFile,
    ) -> None:
        """Add one file of the mirror under a name."""


@dataclass(frozen=True, slots=True)
class Cache:
    """Where clients look for files, which a bundle seeds."""

    place: str
    """What its paths in a bundle begin with, two steps: ``torch/hub``."""
    folder: Path
    """Where it lies here."""
    whole_folders: re.Pattern[str] = re.compile(r"(?!)")
    """Folders below it whose files must appear all at once."""
    empty_files: tuple[str, ...] = ()
    """What clients look for as well, and what may hold nothing."""


class Ecosystem(ABC):
    """One kind of upstream with its clients.

    A spec (:mod:`zoo.mirror.specs`) that is handed to an ecosystem is always one of its own.
    """

    kind: ClassVar[Kind]
    """What the index calls it."""
    folder: ClassVar[str]
    """Where its files lie in the layout."""
    prefix: ClassVar[str] = ""
    """What stands before a name in a spec."""
    hosts: ClassVar[tuple[str, ...]] = ()
    """The intercepted hosts."""
    upstreams: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What its upstreams are called in ``--upstream``, and their public addresses."""
    endpoint_variable: ClassVar[str | None] = None
    """The environment variable that points its clients at a mirror."""
    is_fetched_in_parts: ClassVar[bool] = False
    """Whether its files are worth it although no digest of them is published."""
    learns_digests: ClassVar[bool] = False
    """Whether a digest that nobody publishes is written down when it is first seen."""
    largest_plain_bytes: ClassVar[int] = LARGEST_PLAIN_BYTES
    """The most that a file may have that is fetched in one piece."""

    # -- specs

    @abstractmethod
    def parse(self, text: str) -> Sequence[ItemSpec] | None:
        """Read a spec of the command line; ``None`` if it is not one of this ecosystem."""

    @abstractmethod
    def held(
        self,
        index: Index,
        spec: Any,
    ) -> list[Item]:
        """List what a mirror holds for a spec."""

    # -- upstream

    @abstractmethod
    def resolve(
        self,
        spec: Any,
        client: Client,
    ) -> list[RemoteItem]:
        """Ask the upstream what a spec means today."""

    def known(self, spec: Any) -> RemoteItem | None:  # noqa: ARG002
        """Describe a spec; ``None`` if only the upstream can do that."""
        return None

    def credentials(self) -> Iterable[tuple[str, str]]:
        """List the user's tokens, each with a public address whose it is."""
        return ()

    def check(  # noqa: B027 - most files are looked at by who loads them
        self,
        path: Path,
        item: RemoteItem,
    ) -> None:
        """Refuse a file whose content could harm a client."""

    # -- what was carried in by hand, or lies in the mirror without a manifest

    @abstractmethod
    def describe(
        self,
        path: Path,
        spec: Any,
    ) -> tuple[RemoteItem, dict[str, Path]]:
        """Find out what was carried in by hand: the item, and where each of its files lies now."""

    def describe_by_name(self, path: Path) -> tuple[RemoteItem, dict[str, Path]] | None:  # noqa: ARG002
        """Find out what was carried in from the name alone; ``None`` if that says nothing."""
        return None

    def describe_by_place(self, steps: Sequence[str]) -> RemoteItem | None:  # noqa: ARG002
        """Find out what a file below the ecosystem's folder must be, if its place says so."""
        return None

    # -- clients

    @abstractmethod
    def route(self, request: Request) -> Handler | None:
        """Return what answers a request; ``None`` if it is not one of this ecosystem."""

    def takes_form(self, request: Request) -> bool:  # noqa: ARG002
        """Tell whether a POST only asks."""
        return False

    async def fetch(
        self,
        site: Site,  # noqa: ARG002
        path: str,  # noqa: ARG002
    ) -> AnyResponse | None:
        """Fetch what is missing in the static layout.

        ``None`` if its path does not say what it is.
        """
        return None

    def caches(self) -> tuple[Cache, ...]:
        """List where its clients look without a network."""
        return ()

    @abstractmethod
    def bundle(
        self,
        spec: Any,
        items: Sequence[Item],
        bundle: Bundle,
    ) -> None:
        """Add what a client looks for without a network."""

    @abstractmethod
    def look_up(self, spec: Any) -> Iterable[LookUp]:
        """Look for everything that a client looks for without a network."""
