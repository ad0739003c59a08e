"""Fill a mirror: resolve what is wanted, decide (:mod:`zoo.mirror.planning`), fetch.

An item enters the index when all its files are in
place, so a sync that is cut off leaves a valid mirror, and the next one goes on from there.

The file is long because a sync is one state that its threads share.
"""

from __future__ import annotations

import functools
import secrets
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

from zoo.catalog.records import WeightsFile
from zoo.download import events, fetcher
from zoo.download.options import DEFAULT_CONNECTIONS, FetchOptions
from zoo.errors import CacheError, MirrorError, PolicyError, ZooError
from zoo.mirror import check, refusals
from zoo.mirror.arrivals import Arrivals
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.entries import remote_of, shown_name, staging_name, stored_file
from zoo.mirror.index import Index
from zoo.mirror.pacing import Pacer
from zoo.mirror.planning import plan
from zoo.mirror.upstream import Client

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from zoo.mirror import specs
    from zoo.mirror.index import StoredFile
    from zoo.mirror.planning import Plan, Step
    from zoo.mirror.published import RemoteFile, RemoteItem
    from zoo.mirror.store import Store

RESOLVERS = 4
BUCKET_WORKERS = 16
"""How many requests to a bucket are on their way at once."""
_KEPT = "interrupted; what has arrived is kept, run the same command to go on"


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
        settings = store.settings()
        self.upstreams = settings.upstreams
        self.policy = settings.policy
        self.options = options or FetchOptions()
        self._tokens = ecosystems.bearer_tokens(self.upstreams)
        self.client = Client(
            self.upstreams,
            self._tokens,
            self.options.timeouts,
            self.options.sleep,
        )
        self.pacer = Pacer(limit_bytes_per_s)
        self.listener = listener or events.ignore
        self._turn = threading.Lock()
        self._failures: list[tuple[str, ZooError]] = []
        self._refused: dict[str, str] = {}
        self._index = Index()
        self._by_digest: dict[str, StoredFile] = {}

    def __enter__(self) -> Self:
        """Return the run itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close idle connections."""
        self.client.close()

    # -- what should be here

    def resolve(self, wanted: Iterable[specs.ItemSpec]) -> list[RemoteItem]:
        """Ask the upstreams what the specs mean today.

        Those that cannot be resolved become failures.
        """
        items: list[RemoteItem] = []
        with ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve") as pool:
            asked = []
            for spec in wanted:
                future = pool.submit(self._resolve, spec)
                asked.append((spec, future))

            for spec, future in asked:
                try:
                    found = future.result()
                    items += map(self._allowed, found)
                except ZooError as error:
                    failure = (str(spec), error)
                    self._failures.append(failure)
                    if isinstance(error, PolicyError):
                        self._refused[str(spec)] = error.reason

        return _merged(items)

    def _allowed(self, item: RemoteItem) -> RemoteItem:
        """Leave out of an item what the policy does not allow."""
        return ecosystems.allowed(self.policy, item)

    def _resolve(self, spec: specs.ItemSpec) -> list[RemoteItem]:
        """Ask the upstream of a spec what it means today."""
        ecosystem = ecosystems.of(spec.kind)
        return ecosystem.resolve(spec, self.client)

    def held_beyond(self, items: Iterable[RemoteItem]) -> list[RemoteItem]:
        """Describe what the mirror holds besides.

        Pulled through, carried in by hand, or wanted but not resolved: such files are asked for
        again where they are damaged or lost.
        """
        named: dict[tuple[str, str], set[str | None]] = {}
        for item in items:
            place = (item.kind, item.name)
            names = named.setdefault(place, set())
            names.update(item.refs, [item.revision])

        beyond: list[RemoteItem] = []
        for held in self.store.index().items:
            names_of_held = {*held.refs, held.revision}
            resolved = named.get(held.place, set())
            if names_of_held.isdisjoint(resolved):
                beyond.append(remote_of(held))
        return beyond

    def plan(self, items: Sequence[RemoteItem]) -> Plan:
        """Look at the disk and decide."""
        index = self.store.index()
        wanted = {file.path for item in items for file in item.files}
        paths = sorted(wanted & index.files.keys())
        held = [index.files[path] for path in paths]

        # A disk is read by one at a time; a bucket answers many at once, each after a while.
        workers = 1 if self.store.is_local else BUCKET_WORKERS
        with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
            found = list(pool.map(self._digest, held))

        digests = dict(zip(paths, found, strict=True))
        return plan(items, index, digests)

    def _digest(self, stored: StoredFile) -> str | None:
        """Return the digest of what lies under a path; ``None`` also where it cannot be read."""
        try:
            return self.store.digest(stored)
        except ZooError:
            return None

    def nothing(self, decided: Plan) -> Summary:
        """Sum up a run that fetches nothing."""
        return Summary(kept=decided.kept, failures=self._failures)

    # -- bringing it

    def run(self, items: Sequence[RemoteItem]) -> Summary:
        """Fetch what is missing or wrong and enter it into the index, item by item.

        Raises:
            Interrupted: Ctrl-C; what has arrived is kept.
        """
        with self.store.working():
            return self._run(items)

    def _run(self, items: Sequence[RemoteItem]) -> Summary:
        """Run, while nobody prunes the mirror."""
        decided = self.plan(items)
        index = self.store.index()
        self._index = index
        self._by_digest = {stored.sha256: stored for stored in index.files.values()}

        summary = Summary(kept=decided.kept, failures=self._failures)
        arrivals = Arrivals(self.store, items, decided)
        owners = {file.path: item for item in items for file in item.files}
        fetched = {step.file.path for step in decided.steps}
        kept = [stored for path, stored in index.files.items() if path not in fetched]
        with ThreadPoolExecutor(self.options.files_at_once, thread_name_prefix="sync") as pool:
            described = pool.map(self._describe, kept)
            futures: dict[Future[StoredFile], Step] = {}
            for step in decided.steps:
                owner = owners[step.file.path]
                future = pool.submit(self._bring, owner, step.file)
                futures[future] = step

            try:
                summary.failures += filter(None, described)
                arrivals.enter_whole()
                for future in as_completed(futures):
                    self._note(futures[future], future, summary, arrivals)
            except KeyboardInterrupt:
                self.pacer.stop()
                self.client.abort()
                pool.shutdown(cancel_futures=True)
                raise events.Interrupted(_KEPT) from None

        refusals.write(self.store, self.policy, self._refused)
        self.store.fold()
        return summary

    def _note(
        self,
        step: Step,
        future: Future[StoredFile],
        summary: Summary,
        arrivals: Arrivals,
    ) -> None:
        """Take note of how a step has ended."""
        try:
            stored = future.result()
        except ZooError as error:
            summary.failures.append((step.file.path, error))
            return

        summary.fetched.append(stored)
        arrivals.add(stored)

    # -- one file, in a worker thread

    def _bring(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> StoredFile:
        """Get one file into its place, from wherever it is cheapest."""
        there = self._there(item, file)
        if there is not None:
            return there

        twin = self._same_bytes(file)
        if twin is not None:
            self.store.copy(twin, file.path)
            shown = shown_name(item, file)
            self._tell(events.Finished(shown, twin.size_bytes, was_cached=True))
            return stored_file(file, twin.size_bytes, twin.sha256)

        try:
            staged, sha256 = self._fetched(item, file)
        except CacheError:
            # Another sync may have put it there under our hands.
            there = self._there(item, file)
            if there is not None:
                return there
            raise

        size_bytes = self.store.adopt(staged, file.path, sha256)
        has_digest = file.sha256 is not None
        is_checked = has_digest or file.git_oid is not None
        shown = shown_name(item, file)
        finished = events.Finished(shown, size_bytes, was_cached=False, is_checked=is_checked)
        self._tell(finished)
        return stored_file(file, size_bytes, sha256)

    def _there(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> StoredFile | None:
        """Look whether a file is in its place, with the right bytes."""
        objects = self.store.objects
        key = self.store.key(file.path)
        size_bytes = objects.size_bytes(key)
        if size_bytes is None or not check.has_allowed_size(file, size_bytes):
            return None

        place = objects.local(file.path)
        if place is not None:
            found = check.checked_digest(place, item, file)
        else:
            found = self._stated_digest(file)
        if found is None:
            return None

        objects.remember(file.path, found)
        self.store.describe_blocks(file.path, found)
        return stored_file(file, size_bytes, found)

    def _stated_digest(self, file: RemoteFile) -> str | None:
        """Return the digest that a bucket states of a file, if it is the published one."""
        stated = self.store.objects.recall(file.path)
        if stated is None or file.sha256 is None:
            return None

        is_published = stated.startswith(file.sha256)
        if is_published:
            return stated
        return None

    def _same_bytes(self, file: RemoteFile) -> StoredFile | None:
        """Find a file of the mirror with the same bytes: another commit's, most often."""
        if not check.has_full_digest(file):
            return None
        stored = self._by_digest.get(file.sha256 or "")
        if stored is None or stored.path == file.path:
            return None

        is_right = self._digest(stored) == stored.sha256
        if is_right:
            return stored
        return None

    def _fetched(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> tuple[Path, str]:
        """Fetch a file into the staging folder and verify it.

        Return where it lies, and its digest.
        """
        name = staging_name(file)
        ecosystem = ecosystems.of(item.kind)
        if file.sha256 is not None or ecosystem.is_fetched_in_parts:
            # One name for all who want the file, so that partial files are gone on with.
            staged = self.store.staged(name)
            sha256 = self._fetch(item, file, staged)
            return staged, sha256

        own = secrets.token_hex(4)
        staged = self.store.staged(f"{name}.{own}")
        sha256 = self._download(item, file, staged, ecosystem.largest_plain_bytes)
        return staged, sha256

    def _describe(self, stored: StoredFile) -> tuple[str, ZooError] | None:
        """Make the digests of a file's blocks where they are missing or wrong.

        Return what went wrong.
        """
        try:
            self.store.describe_blocks(stored.path, stored.sha256)
        except ZooError as error:
            return stored.path, error
        return None

    def _fetch(
        self,
        item: RemoteItem,
        file: RemoteFile,
        staged: Path,
    ) -> str:
        """Fetch by the same means as ``zoo download``: in parts, resumable, verified."""
        pinned = self._pinned(file)
        is_full = check.has_full_digest(pinned)
        record = WeightsFile(
            staged.name,
            self.upstreams.rewritten(file.origin),
            file.size_bytes,
            file.size_tolerance_bytes,
            sha256=pinned.sha256 if is_full else None,
            sha256_prefix=None if is_full else pinned.sha256,
        )

        connections = self.options.connections or DEFAULT_CONNECTIONS
        connections_a_file = connections // self.options.files_at_once
        options = replace(
            self.options,
            folder=staged.parent,
            lock_file=self.store.lock_file(staged.name),
            verify="full",
            allow_private_addresses=self.upstreams.is_changed,
            connections=max(1, connections_a_file),
            pace=self.pacer,
            bearer_tokens=self._tokens,
        )
        listener = functools.partial(self._tell_on_the_way, shown_name(item, file))
        fetched = fetcher.fetch(record, options=options, listener=listener)
        return fetched.sha256

    def _pinned(self, file: RemoteFile) -> RemoteFile:
        """Demand the digest that the index has of a file, where no other is published."""
        stored = self._index.files.get(file.path)
        published = file.sha256 or ""
        if stored is None or not stored.sha256.startswith(published):
            return file
        return replace(file, sha256=stored.sha256)

    def _download(
        self,
        item: RemoteItem,
        file: RemoteFile,
        staged: Path,
        most_bytes: int,
    ) -> str:
        """Fetch a file without a published digest in one piece, and check what can be checked."""
        url = self.upstreams.rewritten(file.origin)
        shown = shown_name(item, file)
        self._tell(events.Started(shown, file.size_bytes, 0, url))
        try:
            sha256 = self.client.download(url, staged, most_bytes, self.pacer)
            check.check_bytes(staged, item, file)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return sha256

    def _tell_on_the_way(
        self,
        shown: str,
        event: events.Event,
        /,
    ) -> None:
        """Report an event of the fetcher; a file is finished only when it has its place."""
        if not isinstance(event, events.Finished):
            named = replace(event, file_name=shown)
            self._tell(named)

    def _tell(self, event: events.Event, /) -> None:
        """Report an event, one at a time."""
        with self._turn:
            self.listener(event)


def _merged(items: Iterable[RemoteItem]) -> list[RemoteItem]:
    """Make one item of two specs that mean the same commit."""
    merged: dict[tuple[str, str, str | None], RemoteItem] = {}
    for item in items:
        key = (item.kind, item.name, item.revision)
        known = merged.get(key, item)
        refs = dict.fromkeys([*known.refs, *item.refs])
        aliases = dict.fromkeys([*known.aliases, *item.aliases])
        merged[key] = replace(
            known,
            refs=tuple(refs),
            aliases=tuple(aliases),
        )
    return list(merged.values())


def wanted_of(store: Store) -> list[specs.ItemSpec]:
    """Read what a mirror is asked to hold.

    Raises:
        MirrorError: ``mirror.json`` names something that cannot be.
    """
    try:
        return ecosystems.parse_all(store.settings().wanted)
    except ZooError as error:
        fault = f"mirror.json asks for what cannot be: {error}"
        advice = 'remove it with "zoo mirror remove"'
        raise MirrorError(store.address, fault, advice) from error
