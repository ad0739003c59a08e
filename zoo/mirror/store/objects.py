"""What a place must be able to do to hold a mirror.

The protocol that the folder and the bucket obey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

LARGEST_DOCUMENT_BYTES = 256 << 20
"""Of the index: about a million files."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object, as a listing shows it."""

    key: str
    """Its path below the mirror, with slashes."""
    size_bytes: int
    modified_s: float
    """Since 1970."""


@dataclass(frozen=True, slots=True)
class Document:
    """A small object, read whole."""

    data: bytes
    version: object
    """Changes whenever the object does."""


class Objects(Protocol):
    """Objects under keys. A new object appears whole or not at all. Threads may share it.

    Everything raises a :class:`~zoo.errors.ZooError` where the place fails.
    """

    @property
    def address(self) -> str:
        """What messages call the place; it holds no secret."""

    @property
    def staging(self) -> Path:
        """A folder of this machine for what is not whole yet."""

    @property
    def home(self) -> Path:
        """A folder of this machine for what the mirror keeps to itself.

        Digests learnt, the CA's key.
        """

    # -- documents

    def read(
        self,
        key: str,
        largest_bytes: int = LARGEST_DOCUMENT_BYTES,
    ) -> Document | None:
        """Read an object whole; ``None`` if there is none."""

    def version(self, key: str) -> object | None:
        """Return what changes whenever an object does; ``None`` if there is none."""

    def update(
        self,
        key: str,
        change: Callable[[bytes | None], bytes],
    ) -> None:
        """Change a document in one step: nothing that others change at the same time is lost.

        ``change`` may be called again, with what another writer has put there meanwhile.
        """

    def touch(self, key: str) -> None:
        """Make an empty object."""

    # -- listings

    def names(self, prefix: str) -> frozenset[str]:
        """Return the keys that begin with a prefix, which ends with a slash.

        Cheap where nothing has changed.
        """

    def listed(self, prefix: str = "") -> Iterator[StoredObject]:
        """List what begins with a prefix, in no order; what cannot be looked at is left out."""

    # -- files

    def size_bytes(self, key: str) -> int | None:
        """Return the length of an object.

        ``None`` if there is none, or if it is no plain file of the mirror's own.
        """

    def take(
        self,
        staged: Path,
        key: str,
        sha256: str,
    ) -> None:
        """Give a whole, verified file of the staging folder its place, and remember its digest.

        It is gone from the staging folder afterwards.
        """

    def copy(
        self,
        source: str,
        key: str,
    ) -> None:
        """Give an object a second place."""

    def open(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """Open an object for reading.

        Raises:
            OSError: It cannot be read.
        """

    def stream(
        self,
        key: str,
        start: int,
        end: int,
        size_bytes: int,
    ) -> AsyncIterator[bytes]:
        """Yield a part of an object to a server that has no file to send.

        Raises:
            FileNotFoundError: It is not there, or has another length than it should have.
            OSError: It cannot be read.
        """

    def signed_url(
        self,
        key: str,
        valid_s: float,
    ) -> str | None:
        """Make an address that lets its bearer read one object for a while.

        ``None`` where there is no such thing.
        """

    def local(self, key: str) -> Path | None:
        """Return where an object lies on this machine, if it does.

        Links are resolved and never leave the mirror.
        """

    def remove(self, key: str) -> None:
        """Remove an object that may be gone already."""

    def move(
        self,
        key: str,
        target: str,
    ) -> None:
        """Give an object another place."""

    # -- what is known of the bytes

    def remember(
        self,
        key: str,
        sha256: str,
    ) -> None:
        """Remember the digest of what lies under a key now."""

    def recall(self, key: str) -> str | None:
        """Return the digest that was remembered, if nothing has touched the object since."""

    # -- who works here

    def working(self) -> AbstractContextManager[None]:
        """Keep :meth:`alone` away while files are brought that the index does not name yet.

        Many may work at once.

        Raises:
            MirrorError: Somebody has been alone for too long.
        """

    def alone(self) -> AbstractContextManager[None]:
        """Wait until nobody works here, and let nobody begin.

        Raises:
            MirrorError: Somebody works here and goes on.
        """
