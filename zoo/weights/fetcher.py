"""Bring files into the cache: look, decide, do.

:func:`look` reads the disk, :func:`plan` decides without touching anything, :func:`fetch` obeys. Only one process at a
time works on a file; where locks do not work every process works on a partial file of its own. So what gets the final
name has been written by one process alone, and hashed by it, whatever others do.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from zoo.errors import CacheError, FetchError
from zoo.weights import adoption, cache, disk, events, lockfile, locks, receipts, sources
from zoo.weights.cache import Kind
from zoo.weights.digests import Expected, expected_of, sha256_file
from zoo.weights.options import DEFAULTS, Config, FetchOptions, load_config
from zoo.weights.partial import Partial
from zoo.weights.transfer import HEAR_S, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.catalog.records import WeightsFile


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that is whole, verified, and lies where torch looks."""

    path: Path
    sha256: str
    size_bytes: int
    was_cached: bool
    source_url: str | None
    """Where the last of its bytes came from now; ``None`` if it was there."""


class State(Enum):
    """What stands under a final name."""

    MISSING = "missing"
    PARTIAL = "partial"
    WHOLE = "whole"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Found:
    """What :func:`look` has seen."""

    kind: Kind
    size_bytes: int = 0
    sha256: str | None = None
    """Digest of the file; ``None`` where there is none, or its length is wrong already."""
    kept_bytes: int = 0
    """What an earlier run has left in a partial file that can be gone on from."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the matter with a file, and so what :func:`fetch` does."""

    state: State
    reason: str

    @property
    def is_removed_first(self) -> bool:
        """Whether what stands under the final name is known to be bad."""
        return self.state is State.DAMAGED


def plan(found: Found, expected: Expected) -> Plan:
    """Decide what to do about one file. Pure: nothing is read or written."""
    if found.kind is Kind.OTHER:
        return Plan(State.FOREIGN, "expected a file, got a folder or a device")
    if found.kind is Kind.NOTHING:
        is_begun = found.kept_bytes > 0
        reason = f"{found.kept_bytes} bytes are there from an earlier run" if is_begun else "it is not there"
        return Plan(State.PARTIAL if is_begun else State.MISSING, reason)
    if fault := _fault(found, expected):
        return Plan(State.DAMAGED, fault)
    if expected.sha256 is None:
        return Plan(State.UNKNOWN, "nothing is known to check it against")
    return Plan(State.WHOLE, "it is there and right")


def _fault(found: Found, expected: Expected) -> str | None:
    """Say what is wrong with a file or link that is there."""
    if found.kind is Kind.BROKEN_LINK:
        return "it is a link to nothing"
    if not expected.allows_size(found.size_bytes) or not found.size_bytes:
        return f"expected {expected.size_words}, got {found.size_bytes}"
    if expected.sha256 is not None and (found.sha256 is None or not expected.allows_digest(found.sha256)):
        return f"expected sha256 {expected.sha256}, got {found.sha256}"
    return None


def look(target: Path, expected: Expected, *, may_trust_receipt: bool = True) -> Found:
    """See what is on the disk; a file is read unless its length is wrong or a receipt vouches for it.

    Raises:
        CacheError: The file cannot be read.
    """
    kind = cache.kind_of(target)
    if kind is not Kind.FILE:
        return Found(kind, kept_bytes=adoption.best_kept(target, expected).kept_bytes)
    with disk.translating(target.name):
        stamp = receipts.stamp(target)
        size_bytes = target.stat().st_size
        if size_bytes == 0 or not expected.allows_size(size_bytes):
            return Found(kind, size_bytes)
        sha256 = receipts.recall(target) if may_trust_receipt else None
        if sha256 is None:
            sha256 = sha256_file(target)
            receipts.remember(target, sha256, stamp)
    return Found(kind, size_bytes, sha256)


def fetch(
    file: WeightsFile,
    *,
    options: FetchOptions = DEFAULTS,
    listener: events.Listener | None = None,
) -> FetchedFile:
    """Return the verified file: from the cache if it is there and right, else from its first source that is.

    Args:
        file: The record.
        options: Mirrors, limits, timeouts; the environment and the config file count as well.
        listener: Called with progress and warnings.

    Raises:
        FetchError: No source gave the right bytes.
        CacheError: The cache cannot be used, or the disk is full.
        LockFileError: ``zoo.lock`` is malformed.
        ConfigError: A setting cannot be used.
        Interrupted: Ctrl-C; the text says that the next run goes on.
    """
    try:
        return _Fetch(file, options, listener or events.ignore).run()
    except events.Interrupted:
        raise
    except KeyboardInterrupt:  # while reading a file, or waiting for another process
        raise events.Interrupted("interrupted; run the same command to go on") from None


def fetch_all(
    files: Iterable[WeightsFile],
    *,
    options: FetchOptions = DEFAULTS,
    listener: events.Listener | None = None,
) -> list[FetchedFile]:
    """Fetch several files at once; the results come in the order of the files.

    All are tried; if some fail, the first failure is raised at the end. Errors and arguments are those of ``fetch``.
    """
    wanted = list(files)
    workers = max(1, min(options.files_at_once, len(set(wanted))))
    shared = replace(options, connections=max(1, options.connections // workers))
    tell = _in_turn(listener or events.ignore)
    fetches = {file: _Fetch(file, shared, tell) for file in dict.fromkeys(wanted)}
    futures = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
        try:
            for file, one in fetches.items():
                futures[file] = pool.submit(one.run)
            while wait(futures.values(), timeout=HEAR_S).not_done:
                pass
        except KeyboardInterrupt:
            for one in fetches.values():
                one.stop()
            raise events.Interrupted("interrupted; what has arrived is kept, run the same command to go on") from None
    return [futures[file].result() for file in wanted]


class _Fetch:
    """The fetching of one file; another thread may stop it."""

    def __init__(self, file: WeightsFile, options: FetchOptions, listener: events.Listener) -> None:
        self._file = file
        self._options = options
        self._tell = listener
        self._stopped = threading.Event()
        self._transfer: Transfer | None = None

    def stop(self) -> None:
        """End the fetch from another thread as Ctrl-C would."""
        self._stopped.set()
        if (transfer := self._transfer) is not None:
            transfer.stop(KeyboardInterrupt())

    def run(self) -> FetchedFile:
        """Look, plan and do."""
        file, options = self._file, self._options
        config = load_config()
        packaged = cache.packaged_path(file)
        target = packaged or cache.target_path(file, options.folder)
        lock_file = options.lock_file or config.lock_file or lockfile.default_path(target.parent)
        locked = lockfile.read(lock_file).get(file.file_name)
        expected = expected_of(file, locked.sha256 if locked else None)
        found = look(target, expected, may_trust_receipt=options.verify == "quick")
        decision = plan(found, expected)
        if decision.state is State.WHOLE:
            self._tidy(target)
            if locked is None and packaged is None:
                self._learn(lock_file, expected, found.sha256 or "", found.size_bytes)
            return self._finished(target, found.sha256 or "", found.size_bytes, None)
        if packaged is not None:
            fault = f"the file of the package is {decision.state.value}: {decision.reason}"
            raise CacheError(file.file_name, fault, "install torch-zoo again")
        fetched = self._fetch_to(target, expected, config)
        if locked is None and not fetched.was_cached:
            self._learn(lock_file, expected, fetched.sha256, fetched.size_bytes)
        return fetched

    def _fetch_to(self, target: Path, expected: Expected, config: Config) -> FetchedFile:
        """Take the lock, look again, and download what is still missing."""
        with disk.translating(target.name):
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting = events.Waiting(target.name)
            with locks.held(
                cache.lock_path(target), on_wait=lambda: self._tell(waiting), stopped=self._stopped
            ) as is_alone:
                found = look(target, expected)
                decision = plan(found, expected)
                if decision.state is State.WHOLE:  # another process was faster
                    return self._finished(target, found.sha256 or "", found.size_bytes, None)
                if decision.state is State.FOREIGN:
                    raise CacheError(target.name, f"{target}: {decision.reason}", "move it away, then try again")
                wanted = self._sources(config)
                if expected.size_bytes is not None:
                    least = expected.size_bytes - expected.size_tolerance_bytes - found.kept_bytes
                    disk.check_space(target.parent, least, target.name)
                if decision.is_removed_first:
                    message = f"{target} is damaged and was removed: {decision.reason}; fetching it again"
                    target.unlink()
                    self._tell(events.Warned(target.name, message))
                return self._download(target, expected, wanted, is_alone=is_alone)

    def _sources(self, config: Config) -> list[sources.Source]:
        """List where the file may come from, warning about addresses that cannot be used."""
        options, name = self._options, self._file.file_name
        usable, failures = sources.sources_of(
            self._file,
            options.mirrors + config.mirrors,
            upstream=options.upstream and config.upstream,
            allow_private=options.allow_private_addresses or config.allow_private_addresses,
        )
        if not usable:
            raise FetchError(name, failures)
        for failure in failures:
            self._tell(events.Warned(name, str(failure)))
        for source in usable:
            if source.had_credentials and source.credentials is None:
                fault = "user and password in the registry's address are not used; put them into ~/.netrc"
                self._tell(events.Warned(name, f"{source.shown}: {fault}"))
        return usable

    def _download(
        self, target: Path, expected: Expected, wanted: list[sources.Source], *, is_alone: bool
    ) -> FetchedFile:
        """Run one transfer and publish what it brings."""
        side = cache.side_files(target, is_private=not is_alone)
        adoption.adopt(target, side, expected)
        transfer = Transfer(
            lambda: Partial(side.partial, side.journal, expected),
            wanted,
            expected,
            self._options,
            self._tell,
            target.name,
        )
        self._transfer = transfer
        try:
            if self._stopped.is_set():
                raise KeyboardInterrupt  # the same way out as for a signal
            sha256 = transfer.run()
            size_bytes = transfer.ledger.partial.finished.total_bytes
            try:
                transfer.ledger.partial.publish(target)
            except FileNotFoundError:  # where locks do not work, another process has published and tidied first
                found = look(target, expected, may_trust_receipt=False)
                if plan(found, expected).state is not State.WHOLE:
                    raise
        except KeyboardInterrupt:
            kept = transfer.ledger.partial.finished.total_bytes
            advice = f"{kept} bytes are kept, run the same command to go on"
            raise events.Interrupted(f"interrupted while fetching {target.name}; {advice}") from None
        finally:
            transfer.ledger.partial.close()
            if not is_alone or not transfer.ledger.can_resume:
                side.partial.unlink(missing_ok=True)
                side.journal.unlink(missing_ok=True)
        receipts.remember(target, sha256, receipts.stamp(target))
        self._tidy(target)
        return self._finished(target, sha256, size_bytes, transfer.ledger.source.url)

    def _learn(self, lock_file: Path, expected: Expected, sha256: str, size_bytes: int) -> None:
        """Write a digest that the registry does not state into the lock file."""
        if expected.is_full:
            return
        try:
            lockfile.learn(lock_file, self._file.file_name, lockfile.LockedFile(sha256, size_bytes))
        except CacheError as error:
            if error.file_name == self._file.file_name:  # the lock file demands other bytes
                raise
            self._tell(events.Warned(self._file.file_name, f"its digest is not remembered: {error}"))

    def _tidy(self, target: Path) -> None:
        """Remove what crashes have left of a file that is whole now."""
        for path in cache.all_side_files(target):
            try:
                path.unlink(missing_ok=True)
            except OSError:  # a read-only cache
                return

    def _finished(self, path: Path, sha256: str, size_bytes: int, url: str | None) -> FetchedFile:
        """Tell that a file is there and describe it."""
        self._tell(events.Finished(path.name, size_bytes, was_cached=url is None))
        return FetchedFile(path, sha256, size_bytes, was_cached=url is None, source_url=url)


def _in_turn(listener: events.Listener) -> events.Listener:
    """Make a listener that several threads may call: one at a time gets through."""
    lock = threading.Lock()

    def tell(event: events.Event, /) -> None:
        with lock:
            listener(event)

    return tell
