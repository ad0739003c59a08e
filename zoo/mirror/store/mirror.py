"""One mirror: its documents, its index and its files, wherever they lie.

A file that the index names is whole: it was written elsewhere, verified and given its place, and
its manifest was written after it (:mod:`zoo.mirror.manifests`). Whatever dies in between leaves a
valid mirror with a few files too many. The file is long because it is the one door to a mirror:
what follows the order of those writes is nowhere else.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import secrets
import shutil
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from zoo.errors import CacheError, MirrorError
from zoo.mirror import index, layout, manifests, settings
from zoo.mirror.store import blocks, places
from zoo.mirror.store.folder import Folder, translating
from zoo.mirror.store.listing import Listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import IO

    from zoo.mirror.index import Index, StoredFile
    from zoo.mirror.settings import Settings
    from zoo.mirror.store.objects import Objects, StoredObject

BLOCK_BYTES = 1 << 20
LOST_S = 60.0
"""How long a bucket is not asked again for a file that it did not have."""


def now() -> str:
    """Return the time as indexes write it."""
    time_now = datetime.now(UTC)
    return time_now.strftime("%Y-%m-%dT%H:%M:%SZ")


class Store(Listing):
    """One mirror. Threads may share it."""

    def __init__(
        self,
        place: Path | str,
        *,
        objects: Objects | None = None,
    ) -> None:
        """Open a mirror.

        Args:
            place: A folder, or the address of a bucket.
            objects: What holds it, where that is known already.

        Raises:
            MirrorError: There is no mirror.
        """
        super().__init__(objects or places.find(place))
        self._lost_s: dict[StoredFile, float] = {}
        if self.objects.version(layout.SETTINGS) is None:
            address = self.objects.address
            fault = f"expected a mirror, which holds {layout.SETTINGS}, got none"
            advice = f'run "zoo mirror init {address}"'
            raise MirrorError(address, fault, advice)

    @classmethod
    def create(
        cls,
        place: Path | str,
        initial: Settings,
        endpoint: str | None = None,
    ) -> Store:
        """Make an empty mirror in a new or empty place.

        Args:
            place: A folder, or the address of a bucket.
            initial: What it is asked to hold, and where it fetches from.
            endpoint: The address of a bucket's server that is not the provider's own.

        Raises:
            MirrorError: Something is there already, or it cannot be written.
        """
        objects = places.find(place, endpoint)
        for _ in objects.listed():
            fault = "expected an empty folder, got one with files"
            raise MirrorError(objects.address, fault, "choose another")

        empty_index = index.to_json(index.Index())
        first_settings = settings.to_json(initial)
        try:
            objects.update(layout.INDEX, lambda _: empty_index.encode())
            objects.update(layout.SETTINGS, lambda _: first_settings.encode())
        except CacheError as error:
            fault = f"the mirror cannot be made: {error.fault}"
            raise MirrorError(str(place), fault, "choose another folder") from error
        return cls(place, objects=objects)

    @property
    def root(self) -> Path:
        """The mirror's folder.

        Raises:
            MirrorError: It lies in a bucket.
        """
        if not isinstance(self.objects, Folder):
            fault = "this needs a mirror in a folder"
            raise MirrorError(self.address, fault, "use a folder")
        return self.objects.root

    @property
    def is_local(self) -> bool:
        """Whether its files lie on this machine, or look as if they did."""
        return isinstance(self.objects, Folder)

    @property
    def address(self) -> str:
        """What messages call the mirror."""
        return self.objects.address

    def lock_file(self, name: str) -> Path:
        """Return where the digest of a file is remembered that no publisher states.

        One small zoo.lock a file.

        Args:
            name: The file's name in the staging folder, which begins with hex digits.
        """
        folder = self.objects.home / "digests" / name[:2]
        with translating(self.address):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.lock"

    # -- settings

    def settings(self) -> Settings:
        """Return what ``mirror.json`` says.

        Raises:
            MirrorError: It is missing or malformed.
        """
        document = self.objects.read(layout.SETTINGS)
        if document is None:
            return self._parsed(None)
        return self._parsed(document.data)

    def change_settings(self, change: Callable[[Settings], Settings]) -> Settings:
        """Change ``mirror.json`` in one step."""
        changed: list[Settings] = []

        def rewrite(data: bytes | None) -> bytes:
            before = self._parsed(data)
            after = change(before)
            changed.append(after)
            return settings.to_json(after).encode()

        self.objects.update(layout.SETTINGS, rewrite)
        return changed[-1]

    def _parsed(self, data: bytes | None) -> Settings:
        place = f"{self.address}/{layout.SETTINGS}"
        if data is None:
            raise MirrorError(place, "it is missing", "restore the file")
        return settings.parse(data, place)

    # -- files

    def key(self, path: str) -> str:
        """Return a path of the layout, checked.

        Raises:
            MirrorError: The path could leave the mirror.
        """
        fault_of_path = layout.path_fault(path)
        if fault_of_path is None:
            return path

        subject = f"{path!r:.120}"
        fault = f"this path is not used in a mirror: {fault_of_path}"
        raise MirrorError(subject, fault, "leave it out")

    def is_whole(self, file: StoredFile) -> bool:
        """Tell whether a file is there with the right length."""
        return self.objects.size_bytes(file.path) == file.size_bytes

    def can_serve(self, file: StoredFile) -> bool:
        """Tell whether a file can be served.

        In a folder it is looked at. A bucket is believed, unless a file was just found lost there.
        """
        if self.is_local:
            return self.whole(file) is not None

        lost_s = self._lost_s.get(file, -math.inf)
        return time.monotonic() - lost_s > LOST_S

    def note_lost(self, file: StoredFile) -> None:
        """Take note that a file was not in the bucket, or not as the index says."""
        self._lost_s[file] = time.monotonic()

    def whole(self, file: StoredFile) -> Path | None:
        """Return where a file lies on this machine, if it is there with the right length."""
        path = self.objects.local(file.path)
        if path is None:
            return None

        with contextlib.suppress(OSError):
            facts = path.stat()
            if facts.st_size == file.size_bytes:
                return path
        return None

    def open(self, file: StoredFile) -> AbstractContextManager[IO[bytes]]:
        """Open a file for reading.

        Raises:
            OSError: It cannot be read.
        """
        return self.objects.open(file.path)

    @contextlib.contextmanager
    def local_copy(self, file: StoredFile) -> Iterator[Path]:
        """Give a path on this machine to read a file from, for as long as the block lasts.

        Raises:
            MirrorError: The file is not there.
        """
        if not self.is_whole(file):
            advice = 'to fetch it again, run "zoo mirror sync"'
            raise MirrorError(file.path, "it is not there", advice)

        with self.read_locally(file.path) as path:
            yield path

    @contextlib.contextmanager
    def read_locally(self, path: str) -> Iterator[Path]:
        """Give a path on this machine to read whatever lies under a path of the mirror."""
        place = self.objects.local(path)
        if place is not None:
            yield place
            return

        own = secrets.token_hex(8)
        copy = self.staged(f"copy-{own}")
        try:
            with translating(path), self.objects.open(path) as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK_BYTES)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def signed_url(
        self,
        file: StoredFile,
        valid_s: float,
    ) -> str | None:
        """Make an address under which a client may read a file from its bucket for a while.

        ``None`` in a folder.
        """
        return self.objects.signed_url(file.path, valid_s)

    def stream(
        self,
        file: StoredFile,
        start: int,
        end: int,
    ) -> AsyncIterator[bytes]:
        """Yield a part of a file, for a server whose mirror lies in a bucket."""
        return self.objects.stream(file.path, start, end, file.size_bytes)

    def digest(
        self,
        file: StoredFile,
        *,
        may_trust_receipt: bool = True,
    ) -> str | None:
        """Return the digest of what lies under a file's path.

        It is read unless a receipt vouches for it.

        Raises:
            CacheError: It cannot be read.
        """
        if not self.is_whole(file):
            return None

        sha256 = None
        if may_trust_receipt:
            sha256 = self.objects.recall(file.path)
        if sha256 is None:
            sha256 = self.read_digest(file.path)
            self.objects.remember(file.path, sha256)
        return sha256

    def read_digest(self, path: str) -> str:
        """Read a file and return its digest.

        Raises:
            CacheError: It cannot be read.
        """
        digest = hashlib.sha256()
        with translating(path), self.objects.open(path) as stream:
            while block := stream.read(BLOCK_BYTES):
                digest.update(block)
        return digest.hexdigest()

    def staged(self, name: str) -> Path:
        """Return a place on this machine for an unfinished download; it is never served."""
        folder = self.objects.staging
        with translating(str(folder)):
            folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def adopt(
        self,
        staged: Path,
        path: str,
        sha256: str,
    ) -> int:
        """Give a verified file its place, and weights the digests of their blocks beside them.

        Return its length.

        Raises:
            CacheError: The disk is full or failed.
            MirrorError: The path could leave the mirror.
        """
        key = self.key(path)
        try:
            with translating(path):
                size_bytes = staged.stat().st_size
                hashes = blocks.of_staged(staged, path)
        except CacheError as error:
            return self._adopted_by_another(error, path, sha256)

        if hashes is not None and hashes.sha256 != sha256:
            fault = f"expected sha256 {sha256}, got {hashes.sha256}"
            raise MirrorError(path, fault, "try again")

        self._make_way(path, sha256)
        try:
            self.objects.take(staged, key, sha256)
        except CacheError as error:
            return self._adopted_by_another(error, path, sha256)

        if hashes is not None:
            blocks.write(self.objects, path, hashes.to_text())
        return size_bytes

    def _make_way(
        self,
        path: str,
        sha256: str,
    ) -> None:
        """Take items out of the index whose file is about to get other bytes than they say."""
        if self.objects.size_bytes(path) is None:
            return

        index = self.index()
        stored = index.files.get(path)
        if stored is None or stored.sha256 == sha256:
            return

        holders = [item for item in index.items if stored in item.files]
        self.forget(holders)

    def _adopted_by_another(
        self,
        error: CacheError,
        path: str,
        sha256: str,
    ) -> int:
        """Accept that another process has fetched the same file and was faster, if it is so."""
        size_bytes = self.objects.size_bytes(path)
        is_gone = isinstance(error.__cause__, FileNotFoundError)
        if not is_gone or size_bytes is None:
            raise error

        if self.read_digest(path) != sha256:
            raise error
        return size_bytes

    def copy(
        self,
        source: StoredFile,
        path: str,
    ) -> None:
        """Give the bytes of a file, which are right, a second place."""
        key = self.key(path)
        self.objects.copy(source.path, key)
        self.objects.remember(path, source.sha256)
        self.describe_blocks(path, source.sha256)

    def strays(self, min_age_s: float = 0.0) -> list[StoredObject]:
        """List what the index does not name: left by removals, older commits and crashes.

        Args:
            min_age_s: Leave out younger files.
        """
        newest_s = time.time() - min_age_s
        held = self.index()
        found: list[StoredObject] = []
        for entry in self.objects.listed():
            is_old = entry.modified_s <= newest_s
            if is_old and _is_stray(entry, held):
                found.append(entry)
        return sorted(found, key=lambda entry: entry.key)

    def remove(self, path: str) -> None:
        """Remove a file with the digests of its blocks."""
        beside = layout.blocks_path(path)
        if beside is not None:
            self.objects.remove(beside)
        self.objects.remove(path)

    # -- digests of blocks, beside weights files

    def read_blocks(self, path: str) -> bytes | None:
        """Return the digests of a weights file's blocks as they are served.

        ``None`` if there are none.
        """
        return blocks.read(self.objects, path)

    def describe_blocks(
        self,
        path: str,
        sha256: str,
    ) -> None:
        """Write the digests of a weights file's blocks beside it, unless they are there and right.

        Raises:
            CacheError: The disk is full or failed.
        """
        blocks.describe(self.objects, path, sha256)

    def has_wrong_blocks(self, file: StoredFile) -> bool:
        """Tell whether there are digests of a file's blocks that do not fit it.

        The file is read.
        """
        if not self.is_whole(file):
            return False
        return blocks.are_wrong(self.objects, file.path, file.size_bytes)


def _is_stray(
    entry: StoredObject,
    held: Index,
) -> bool:
    """Tell whether nothing needs an object."""
    key = entry.key
    folder, _, _ = key.rpartition("/")
    if folder.startswith(layout.PRIVATE):
        quarantine = layout.QUARANTINE.rstrip("/")
        return folder in {layout.INCOMING, quarantine}

    if key in layout.RESERVED:
        return False
    if key.startswith(layout.MANIFESTS):
        return manifests.id_in_key(key) is None

    described = layout.described_by(key)
    file = held.files.get(described or key)
    if file is None:
        return True
    if described is None:
        return False
    return not blocks.are_worthwhile(file.size_bytes)
