"""A mirror in a bucket of S3, Google Cloud Storage or Azure, through obstore.

A new object appears whole or not at all, so a file is put under its final name once it is verified.
Documents are changed by conditional puts: whoever was faster is read again. In place of locks there
are leases (:mod:`zoo.mirror.store.leases`).

Objects keep the paths of the static layout, so that a bucket that is public, or a CDN before it,
is a mirror as it stands. The file is as long as the protocol that it obeys
(:mod:`zoo.mirror.store.objects`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import random
import threading
import time
from datetime import timedelta
from typing import IO, TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote

from zoo import atomic
from zoo.cache import verified
from zoo.config import own_folder
from zoo.documents import read_regular_file
from zoo.errors import CacheError, MirrorError, MissingPackageError, WriteError
from zoo.hashes import is_sha256
from zoo.mirror.store import addresses
from zoo.mirror.store.folder import translating
from zoo.mirror.store.leases import ALONE_TIMEOUT_S, LEASE_S, Leases
from zoo.mirror.store.objects import LARGEST_DOCUMENT_BYTES, Document, StoredObject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from zoo.mirror.store.addresses import Address

T = TypeVar("T")
FRESH_S = 1.0
"""How long a listing is believed, and the version of the index, that only others may change."""
MOST_TRIES = 50
BLOCK_BYTES = 1 << 20
PART_BYTES = 8 << 20
LARGEST_COPY_BYTES = 5 << 30
"""S3 copies no more in one request."""
_RECEIPT_BYTES = 4096
_DIGEST = "sha256"


class Bucket:
    """The objects of a mirror under one prefix of a bucket. Threads may share it."""

    def __init__(
        self,
        address: Address,
        *,
        fresh_s: float = FRESH_S,
        lease_s: float = LEASE_S,
        alone_timeout_s: float = ALONE_TIMEOUT_S,
    ) -> None:
        self._obs, self._exceptions = _obstore()
        # What Python has classes for comes as one of those.
        self._absent = (FileNotFoundError, self._exceptions.NotFoundError)
        self._failures = (OSError, self._exceptions.BaseError)
        self._refusals = (
            PermissionError,
            self._exceptions.PermissionDeniedError,
            self._exceptions.UnauthenticatedError,
        )
        self._place = address
        self._fresh_s = fresh_s
        self._leases = Leases(self, lease_s, alone_timeout_s)
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}
        with self._translating("the bucket"):
            self._store = addresses.connect(address)

    @property
    def address(self) -> str:
        """The bucket's address."""
        return self._place.shown

    @property
    def staging(self) -> Path:
        """A folder of the user's cache."""
        return own_folder("cache") / "mirrors" / self._place.id

    @property
    def home(self) -> Path:
        """A folder of the user's data."""
        return own_folder("data") / "mirrors" / self._place.id

    # -- documents

    def read(
        self,
        key: str,
        largest_bytes: int = LARGEST_DOCUMENT_BYTES,
    ) -> Document | None:
        """Read an object whole; ``None`` if there is none."""
        found = self._read(key, largest_bytes)
        if found is None:
            return None

        data, meta = found
        return Document(data, meta["e_tag"])

    def _read(
        self,
        key: str,
        largest_bytes: int = LARGEST_DOCUMENT_BYTES,
    ) -> tuple[bytes, dict[str, Any]] | None:
        """Read an object whole, and what the bucket says of it; ``None`` if there is none."""
        with self._translating(key):
            try:
                result = self._obs.get(self._store, key)
                size_bytes = result.meta["size"]
                if size_bytes > largest_bytes:
                    fault = f"expected at most {largest_bytes} bytes, it has {size_bytes}"
                    raise MirrorError(f"{self.address}/{key}", fault, "remove it")
                data = bytes(result.bytes())
            except self._absent:
                return None
        return data, dict(result.meta)

    def version(self, key: str) -> object | None:
        """Return an object's entity tag."""
        return self._remembered(f"version:{key}", lambda: self._version(key))

    def _version(self, key: str) -> object | None:
        """Ask for an object's entity tag."""
        meta = self._head(key)
        if meta is None:
            return None

        tag: object = meta["e_tag"]
        return tag

    def _head(self, key: str) -> dict[str, Any] | None:
        """Ask what the bucket says of an object; ``None`` if there is none."""
        with self._translating(key):
            try:
                return dict(self._obs.head(self._store, key))
            except self._absent:
                return None

    def update(
        self,
        key: str,
        change: Callable[[bytes | None], bytes],
    ) -> None:
        """Change an object by a conditional put, again and again until nobody was faster."""
        for tries in range(MOST_TRIES):
            if self._has_updated(key, change):
                return

            longest_s = min(1.0, 0.01 * 2**tries)
            time.sleep(longest_s * random.random())  # noqa: S311 - no secret

        fault = f"{MOST_TRIES} times somebody else was faster in changing {key}"
        raise MirrorError(self.address, fault, "try again")

    def _has_updated(
        self,
        key: str,
        change: Callable[[bytes | None], bytes],
    ) -> bool:
        """Change an object once; tell whether nobody was faster."""
        found = self._read(key)
        before, meta = found or (None, None)
        data = change(before)
        return self._put_if_unchanged(key, data, meta)

    def _put_if_unchanged(
        self,
        key: str,
        data: bytes,
        before: dict[str, Any] | None,
    ) -> bool:
        """Put an object if it is still the one that was read, or still not there."""
        mode: Any = "create"
        if before is not None:
            named = {"e_tag": before["e_tag"], "version": before.get("version")}
            mode = {name: value for name, value in named.items() if value is not None}

        with self._translating(key):
            try:
                self._obs.put(self._store, key, data, mode=mode, use_multipart=False)
            except (self._exceptions.PreconditionError, self._exceptions.AlreadyExistsError):
                return False
        self._forget()
        return True

    def touch(self, key: str) -> None:
        """Make an empty object."""
        self._put(key, b"")

    def _put(
        self,
        key: str,
        data: bytes,
    ) -> None:
        with self._translating(key):
            self._obs.put(self._store, key, data, use_multipart=False)
        self._forget()

    # -- listings

    def names(self, prefix: str) -> frozenset[str]:
        """Return the keys under a prefix.

        They are listed again only after a moment, or after a change of our own.
        """

        def ask() -> frozenset[str]:
            return frozenset(entry.key for entry in self.listed(prefix))

        return self._remembered(f"names:{prefix}", ask)

    def listed(self, prefix: str = "") -> Iterator[StoredObject]:
        """List what begins with a prefix."""
        folder = prefix.rstrip("/") or None
        with self._translating(prefix or "its objects"):
            for chunk in self._obs.list(self._store, folder):
                for meta in chunk:
                    modified = meta["last_modified"]
                    yield StoredObject(
                        key=meta["path"],
                        size_bytes=meta["size"],
                        modified_s=modified.timestamp(),
                    )

    def _remembered(
        self,
        key: str,
        ask: Callable[[], T],
    ) -> T:
        """Ask, or return what was answered a moment ago."""
        now_s = time.monotonic()
        never = (-math.inf, None)
        with self._lock:
            asked_s, known = self._known.get(key, never)

        age_s = now_s - asked_s
        if age_s < self._fresh_s:
            return cast("T", known)

        found = ask()
        with self._lock:
            self._known[key] = (now_s, found)
        return found

    def _forget(self) -> None:
        """Believe no earlier response: something has changed."""
        with self._lock:
            self._known.clear()

    # -- files

    def size_bytes(self, key: str) -> int | None:
        """Return the length of an object."""
        meta = self._head(key)
        if meta is None:
            return None
        return int(meta["size"])

    def local(self, key: str) -> Path | None:  # noqa: ARG002 - see the protocol
        """No object lies on this machine."""
        return None

    def take(
        self,
        staged: Path,
        key: str,
        sha256: str,
    ) -> None:
        """Put a file, with its digest beside it; the bucket shows it when it is whole."""
        attributes = {
            "Content-Type": addresses.content_type(key),
            _DIGEST: sha256,
        }
        with self._translating(key), translating(str(staged)):
            self._obs.put(
                self._store,
                key,
                staged,
                attributes=attributes,
                chunk_size=PART_BYTES,
            )
            staged.unlink()
        self._forget()

    def copy(
        self,
        source: str,
        key: str,
    ) -> None:
        """Copy an object within the bucket."""
        size_bytes = self.size_bytes(source)
        if size_bytes is None:
            raise MirrorError(source, "it has just gone", "try again")

        with self._translating(key):
            if size_bytes <= LARGEST_COPY_BYTES:
                self._obs.copy(self._store, source, key)
            else:
                self._copy_by_hand(source, key)
        self._forget()

    def _copy_by_hand(
        self,
        source: str,
        key: str,
    ) -> None:
        """Copy an object through this machine."""
        result = self._obs.get(self._store, source)
        parts = result.stream(PART_BYTES)
        self._obs.put(self._store, key, parts, attributes=result.attributes)

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[IO[bytes]]:
        """Open an object; it is read from its start.

        Raises:
            OSError: It cannot be read.
        """
        try:
            result = self._obs.get(self._store, key)
            blocks = iter(result.stream(BLOCK_BYTES))
        except self._failures as error:
            raise OSError(None, self._words(error), key) from error

        body = _Body(blocks, self._as_os_error)
        with io.BufferedReader(body, BLOCK_BYTES) as stream:
            yield stream

    async def stream(
        self,
        key: str,
        start: int,
        end: int,
        size_bytes: int,
    ) -> AsyncIterator[bytes]:
        """Yield a part of an object, whose length comes with its first byte."""
        try:
            options = {"range": (start, end)}
            result = await self._obs.get_async(self._store, key, options=options)
            if result.meta["size"] != size_bytes:
                raise FileNotFoundError
            async for block in result.stream(256 << 10):
                yield bytes(block)
        except self._absent as error:
            words = os.strerror(errno.ENOENT)
            raise FileNotFoundError(errno.ENOENT, words, key) from error
        except self._failures as error:
            raise self._as_os_error(error) from error

    def signed_url(
        self,
        key: str,
        valid_s: float,
    ) -> str | None:
        """Make an address under which whoever has it may read one object for a while.

        Raises:
            MirrorError: This bucket knows no such addresses.
        """
        # obstore signs the name as it stands in the address; Azure wants it as it is.
        is_refused = self._place.scheme == "az" and quote(key) != key
        if is_refused:
            return None

        valid = timedelta(seconds=valid_s)
        with self._translating(key):
            url: str = self._obs.sign(self._store, "GET", key, valid)
        return url

    def remove(self, key: str) -> None:
        """Remove an object that may be gone already."""
        with self._translating(key), contextlib.suppress(*self._absent):
            self._obs.delete(self._store, key)
        self._forget()

    def move(
        self,
        key: str,
        target: str,
    ) -> None:
        """Copy an object, then remove it: a bucket cannot rename."""
        self.copy(key, target)
        self.remove(key)

    # -- what is known of the bytes

    def remember(
        self,
        key: str,
        sha256: str,
    ) -> None:
        """Write a receipt on this machine.

        This object, as long as its entity tag stays, has this digest.
        """
        with contextlib.suppress(OSError, WriteError, CacheError, MirrorError):
            version = self._version(key)
            place = self._receipt(key)
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            receipt = {"key": key, "version": version, "sha256": sha256}
            atomic.write_text(place, json.dumps(receipt))

    def recall(self, key: str) -> str | None:
        """Read the receipt; without one, take the digest that was put beside the object."""
        with self._translating(key):
            try:
                result = self._obs.get(self._store, key)
            except self._absent:
                return None

        stated: str | None = result.attributes.get(_DIGEST)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            place = self._receipt(key)
            receipt = json.loads(read_regular_file(place, _RECEIPT_BYTES))
            is_same = receipt["version"] == result.meta["e_tag"]
            if is_same and receipt["key"] == key:
                stated = receipt["sha256"]

        if not is_sha256(stated):
            return None
        return stated

    def _receipt(self, key: str) -> Path:
        """Say where the receipt of an object lies on this machine."""
        text = f"{self._place.id}\0{key}"
        digest = hashlib.sha256(text.encode())
        name = digest.hexdigest()[:32]
        return verified.folder() / name[:2] / f"{name[2:]}.bucket.json"

    # -- who works here

    def working(self) -> AbstractContextManager[None]:
        """Hold a lease; everybody of this process shares one."""
        return self._leases.working()

    def alone(self) -> AbstractContextManager[None]:
        """Leave a lease that keeps others from beginning, then wait until nobody works."""
        return self._leases.alone()

    # -- errors

    @contextlib.contextmanager
    def _translating(self, subject: str) -> Iterator[None]:
        """Say in our words what the bucket says; no credential is ever in them."""
        try:
            yield
        except self._failures as error:
            place = f"{self.address}: {subject}"
            advice = "check its address and your connection, then try again"
            if isinstance(error, self._refusals):
                advice = "check the bucket's credentials and what they may do"
            raise MirrorError(place, self._words(error), advice) from None

    def _as_os_error(self, error: Exception) -> OSError:
        """Say what the bucket says as an error of reading."""
        return OSError(None, self._words(error))

    def _words(self, error: Exception) -> str:
        """Say what the bucket says, without secrets."""
        said = addresses.without_secrets(str(error))
        return f"the bucket answered with an error: {said}"


class _Body(io.RawIOBase):
    """The blocks of a response as a stream."""

    def __init__(
        self,
        blocks: Iterator[Any],
        translate: Callable[[Exception], OSError],
    ) -> None:
        self._blocks = blocks
        self._translate = translate
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what comes next."""
        while not self._rest:
            try:
                block = next(self._blocks, None)
            except Exception as error:  # obstore raises classes of its own for whatever goes wrong
                raise self._translate(error) from error

            if block is None:
                return 0
            self._rest = memoryview(bytes(block))

        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _obstore() -> tuple[Any, Any]:
    """Import obstore.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import obstore
        from obstore import exceptions
    except ImportError as error:
        raise MissingPackageError("obstore", "a mirror in a bucket", "bucket") from error
    return obstore, exceptions
