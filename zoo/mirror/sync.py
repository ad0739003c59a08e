"""Fill a mirror: resolve what is wanted, decide, fetch.

:func:`plan` decides without touching anything. An item enters the catalogue when all its files are in place, so a sync
that is cut off leaves a valid mirror, and the next one goes on from there.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from zoo.catalog.records import WeightsFile
from zoo.errors import CacheError, MirrorError, SourceError, ZooError
from zoo.mirror import archives, remotes, wants
from zoo.mirror.catalogue import Item, StoredFile
from zoo.mirror.pacing import Pacer
from zoo.mirror.store import now
from zoo.mirror.upstream import Client, bearer_tokens
from zoo.weights import events, fetcher
from zoo.weights.digests import sha256_file
from zoo.weights.options import FetchOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zoo.mirror.catalogue import Catalogue
    from zoo.mirror.remotes import RemoteFile, RemoteItem
    from zoo.mirror.store import Store

RESOLVERS = 4
LARGEST_PLAIN_BYTES = 256 << 20
"""The most that a file may have that is fetched in one piece because no digest of its bytes is published."""
_ODD = re.compile(r"[^A-Za-z0-9._+-]")


@dataclass(frozen=True, slots=True)
class Step:
    """One file to fetch."""

    file: RemoteFile
    reason: str
    """``"missing"``, ``"damaged"`` or ``"changed"``."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync has to do."""

    steps: tuple[Step, ...]
    kept: int
    """How many files are there and right."""

    @property
    def size_bytes(self) -> int:
        """How much is to fetch, as far as it is known."""
        return sum(step.file.size_bytes or 0 for step in self.steps)


def plan(items: Iterable[RemoteItem], catalogue: Catalogue, digests: Mapping[str, str | None]) -> Plan:
    """Decide which files to fetch. Pure: nothing is read or written.

    Args:
        items: What should be here.
        catalogue: What is said to be here.
        digests: The digest of what lies under each path of the catalogue; ``None`` where nothing of that length does.
    """
    files = {file.path: file for item in items for file in item.files}
    steps = []
    for path, file in files.items():
        stored = catalogue.files.get(path)
        digest = digests.get(path)
        if stored is None or digest is None:
            steps.append(Step(file, "missing"))
        elif digest != stored.sha256:
            steps.append(Step(file, "damaged"))
        elif file.sha256 is not None and not digest.startswith(file.sha256):
            steps.append(Step(file, "changed"))
    return Plan(tuple(steps), len(files) - len(steps))


@dataclass(slots=True)
class Summary:
    """What a sync has done."""

    fetched: list[StoredFile] = field(default_factory=list)
    kept: int = 0
    failures: list[tuple[str, ZooError]] = field(default_factory=list)
    """What could not be resolved or fetched, and why."""

    @property
    def fetched_bytes(self) -> int:
        """Length of all fetched files."""
        return sum(file.size_bytes for file in self.fetched)


class Sync:
    """One run. Use it as a context manager: it closes connections at the end."""

    def __init__(
        self,
        store: Store,
        *,
        options: FetchOptions | None = None,
        limit_bytes_per_s: float | None = None,
        listener: events.Listener | None = None,
    ) -> None:
        self.store = store
        self.upstreams = store.settings().upstreams
        self.client = Client(self.upstreams)
        self.options = options or FetchOptions()
        self.pacer = Pacer(limit_bytes_per_s)
        self.listener = listener or events.ignore
        self._turn = threading.Lock()
        self._failures: list[tuple[str, ZooError]] = []

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close idle connections."""
        self.client.close()

    def resolve(self, wanted: Iterable[wants.Want]) -> list[RemoteItem]:
        """Ask the upstreams what the wants mean today; those that cannot be resolved become failures."""
        asked = list(wanted)
        items: list[RemoteItem] = []
        with ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve") as pool:
            for want, future in [(want, pool.submit(remotes.resolve, want, self.client)) for want in asked]:
                try:
                    items += future.result()
                except ZooError as error:
                    self._failures.append((str(want), error))
        return _merged(items)

    def plan(self, items: Iterable[RemoteItem]) -> Plan:
        """Look at the disk and decide."""
        catalogue = self.store.catalogue()
        paths = {file.path for item in items for file in item.files} & catalogue.files.keys()
        return plan(items, catalogue, {path: self.store.digest(catalogue.files[path]) for path in paths})

    def nothing(self, decided: Plan) -> Summary:
        """Sum up a run that fetches nothing."""
        return Summary(kept=decided.kept, failures=self._failures)

    def run(self, items: list[RemoteItem]) -> Summary:
        """Fetch what is missing or wrong and enter it into the catalogue, item by item.

        Raises:
            Interrupted: Ctrl-C; what has arrived is kept.
        """
        decided = self.plan(items)
        steps = {step.file.path: step for step in decided.steps}
        summary = Summary(kept=decided.kept, failures=self._failures)
        done: dict[str, StoredFile] = {
            path: stored for path, stored in self.store.catalogue().files.items() if path not in steps
        }
        waiting = list(items)
        with ThreadPoolExecutor(self.options.files_at_once, thread_name_prefix="sync") as pool:
            described = pool.map(self._describe, list(done.values()))
            futures = {pool.submit(self._bring, _owner(items, step.file), step.file): step for step in steps.values()}
            try:
                summary.failures += [fault for fault in described if fault is not None]
                waiting = self._enter_whole(waiting, done)
                for future in as_completed(futures):
                    step = futures[future]
                    try:
                        stored = done[step.file.path] = future.result()
                    except ZooError as error:
                        summary.failures.append((step.file.path, error))
                        continue
                    summary.fetched.append(stored)
                    waiting = self._enter_whole(waiting, done)
            except KeyboardInterrupt:
                self.pacer.stop()
                pool.shutdown(cancel_futures=True)
                raise events.Interrupted(
                    "interrupted; what has arrived is kept, run the same command to go on"
                ) from None
        return summary

    def _enter_whole(self, waiting: list[RemoteItem], done: Mapping[str, StoredFile]) -> list[RemoteItem]:
        """Enter the items whose files are all there; return the others."""
        whole = [item for item in waiting if all(file.path in done for file in item.files)]
        entries = [entry_of(item, [done[file.path] for file in item.files]) for item in whole]
        known = {item.key: item for item in self.store.catalogue().items}
        if any(known.get(entry.key) != entry for entry in entries):

            def enter(catalogue: Catalogue) -> Catalogue:
                for entry in entries:
                    catalogue = catalogue.with_item(entry)
                return catalogue

            self.store.update(enter)
        return [item for item in waiting if item not in whole]

    # -- one file, in a worker thread --------------------------------------------------------------------------------

    def _bring(self, item: RemoteItem, file: RemoteFile) -> StoredFile:
        """Get one file into its place, from wherever it is cheapest."""
        staged = self.store.staged(f"{staging_name(file)}.{secrets.token_hex(4)}")
        copy = self._copy_of(file)
        if (there := self._there(item, file)) is not None:
            return there
        if copy is not None:
            os.link(copy, staged)
            sha256 = file.sha256 or sha256_file(staged)
        elif file.sha256 is not None or item.kind == "weights":
            staged = self.store.staged(staging_name(file))  # the same for all: partial files are gone on with
            try:
                sha256 = self._fetch(file, staged.name)
            except CacheError:
                if (there := self._there(item, file)) is not None:  # another sync put it there under our hands
                    return there
                raise
        else:
            most = archives.LARGEST_BYTES if item.kind == "repository" else LARGEST_PLAIN_BYTES
            sha256 = self._download(item, file, staged, most)
        size_bytes = self.store.adopt(staged, file.path, sha256).stat().st_size
        self._tell(events.Finished(staged.name, size_bytes, was_cached=False))
        return stored_file(file, size_bytes, sha256)

    def _there(self, item: RemoteItem, file: RemoteFile) -> StoredFile | None:
        """Look whether a file is in its place, with the right bytes."""
        target = self.store.path(file.path)
        if not target.is_file() or (found := checked_digest(target, item, file)) is None:
            return None
        self.store.describe_blocks(file.path, found)
        return stored_file(file, target.stat().st_size, found)

    def _describe(self, stored: StoredFile) -> tuple[str, ZooError] | None:
        """Make the digests of a file's blocks where they are missing or wrong; return what went wrong."""
        try:
            self.store.describe_blocks(stored.path, stored.sha256)
        except ZooError as error:
            return stored.path, error
        return None

    def _copy_of(self, file: RemoteFile) -> Path | None:
        """Find a file of the mirror with the same bytes: another commit's, most often."""
        if file.sha256 is None or len(file.sha256) != 64:
            return None
        for stored in self.store.catalogue().files.values():
            if stored.sha256 == file.sha256 and stored.path != file.path:
                return self.store.whole(stored) if self.store.digest(stored) == stored.sha256 else None
        return None

    def _fetch(self, file: RemoteFile, name: str) -> str:
        """Fetch by the same means as ``zoo download``: in parts, resumable, verified."""
        is_full = file.sha256 is not None and len(file.sha256) == 64
        record = WeightsFile(
            name,
            self.upstreams.rewritten(file.origin),
            file.size_bytes,
            file.size_tolerance_bytes,
            sha256=file.sha256 if is_full else None,
            sha256_prefix=None if is_full else file.sha256,
        )
        return fetcher.fetch(record, options=self._fetch_options(), listener=self._tell).sha256

    def _fetch_options(self) -> FetchOptions:
        from dataclasses import replace

        return replace(
            self.options,
            folder=self.store.staged("x").parent,
            lock_file=self.store.lock_file,
            verify="full",
            allow_private_addresses=self.upstreams.is_changed,
            connections=max(1, self.options.connections // self.options.files_at_once),
            pace=self.pacer,
            bearer_tokens=bearer_tokens(self.upstreams),
        )

    def _download(self, item: RemoteItem, file: RemoteFile, staged: Path, most_bytes: int) -> str:
        """Fetch a file of which no digest of the bytes is published, in one piece, and check what can be checked."""
        url = self.upstreams.rewritten(file.origin)
        self._tell(events.Started(staged.name, file.size_bytes, 0, url))
        try:
            sha256 = self.client.download(url, staged, most_bytes, self.pacer)
            check_bytes(staged, item, file)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return sha256

    def _tell(self, event: events.Event, /) -> None:
        with self._turn:
            self.listener(event)


def check_bytes(path: Path, item: RemoteItem, file: RemoteFile) -> None:
    """Check a file against everything but its SHA-256.

    Raises:
        SourceError: Length or git's digest are wrong.
        MirrorError: It is no sound archive of a hub repository.
    """
    size_bytes = path.stat().st_size
    if file.size_bytes is not None and abs(size_bytes - file.size_bytes) > file.size_tolerance_bytes:
        raise SourceError(file.origin, f"expected {file.size_bytes} bytes, got {size_bytes}", is_retryable=True)
    if file.git_oid is not None and (oid := git_oid(path)) != file.git_oid:
        raise SourceError(file.origin, f"expected the git digest {file.git_oid}, got {oid}", is_retryable=True)
    if item.kind == "repository" and item.revision is not None:
        archives.check_archive(path, item.name, item.revision)


def checked_digest(path: Path, item: RemoteItem, file: RemoteFile) -> str | None:
    """Return the digest of a file that is exactly what its publisher describes, else ``None``."""
    if file.sha256 is None and file.git_oid is None:
        return None
    try:
        check_bytes(path, item, file)
    except ZooError:
        return None
    sha256 = sha256_file(path)
    return sha256 if sha256.startswith(file.sha256 or "") else None


def git_oid(path: Path) -> str:
    """Compute git's digest of a file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def stored_file(file: RemoteFile, size_bytes: int, sha256: str) -> StoredFile:
    """Make the entry of a file that has just been checked."""
    return StoredFile(file.path, file.origin, size_bytes, sha256, now(), file.git_oid)


def entry_of(item: RemoteItem, files: Iterable[StoredFile]) -> Item:
    """Make the entry of an item."""
    return Item(item.kind, item.name, tuple(files), item.revision, item.refs, item.licence)


def staging_name(file: RemoteFile) -> str:
    """Name the unfinished download of a file: unlike any other's, and readable in a progress bar."""
    readable = _ODD.sub("_", file.path.rpartition("/")[2])[-80:]
    return f"{hashlib.sha256(file.origin.encode()).hexdigest()[:12]}-{readable}"


def _owner(items: Iterable[RemoteItem], file: RemoteFile) -> RemoteItem:
    return next(item for item in items if file in item.files)


def _merged(items: Iterable[RemoteItem]) -> list[RemoteItem]:
    """Make one item of two wants that mean the same commit."""
    from dataclasses import replace

    merged: dict[tuple[str, str, str | None], RemoteItem] = {}
    for item in items:
        key = (item.kind, item.name, item.revision)
        known = merged.get(key)
        merged[key] = replace(item, refs=tuple(dict.fromkeys([*known.refs, *item.refs]))) if known else item
    return list(merged.values())


def wanted_of(store: Store) -> list[wants.Want]:
    """Read what a mirror is asked to hold.

    Raises:
        MirrorError: ``mirror.json`` names something that cannot be.
    """
    try:
        return wants.parse_all(store.settings().wanted)
    except ZooError as error:
        raise MirrorError(
            str(store.root), f"mirror.json asks for what cannot be: {error}", "zoo mirror remove it"
        ) from error
