"""Bring files into the cache: look, decide, do.

:func:`look` reads the disk, :func:`plan` decides without touching anything, :func:`fetch` obeys.
Only one process at a time works on a file; where locks do not work every process works on a partial
file of its own. So what gets the final name has been written by one process alone, and hashed by
it, whatever others do. The file is long because the steps of one file, from the lock to the final
name, are read in one place.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.cache import disk, hub_files, liveness, lockfile, locks, paths, quarantine, verified
from zoo.cache.digests import Expected, expected_of
from zoo.cache.status import Found, State, look, plan
from zoo.config import Config, load_config
from zoo.download import events, hub, memory, recovery, sources
from zoo.download.options import DEFAULT_CONNECTIONS, DEFAULTS, FetchOptions
from zoo.download.partial import Partial
from zoo.download.several import Several
from zoo.download.transfer import Transfer
from zoo.errors import CacheError, FetchError
from zoo.hashes import is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zoo.catalog.records import HubFile, WeightsFile


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that is whole, verified, and lies where torch looks."""

    path: Path
    sha256: str
    size_bytes: int
    was_cached: bool
    source_url: str | None
    """Where the last of its bytes came from now; ``None`` if it was there."""


def fetch(
    file: WeightsFile,
    *,
    options: FetchOptions = DEFAULTS,
    listener: events.Listener | None = None,
) -> FetchedFile:
    """Return the verified file.

    From the cache if it is there and right, else from its first source that is.

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
        settled = _settled(options)
        return _Fetch(file, settled, listener or events.log).run()
    except events.Interrupted:
        raise
    except KeyboardInterrupt:  # while reading a file, or waiting for another process
        raise events.Interrupted("interrupted; run the same command to go on") from None
    except MemoryError as error:
        raise disk.out_of_means(error, file.file_name) from error


def fetch_all(
    files: Iterable[WeightsFile],
    *,
    options: FetchOptions = DEFAULTS,
    listener: events.Listener | None = None,
) -> list[FetchedFile]:
    """Fetch several files at once; the results come in the order of the files.

    All are tried, but for those that do not fit on the disk beside the ones before; if some fail,
    the first failure is raised at the end. Errors and arguments are those of ``fetch``.
    """
    wanted = list(files)
    if not wanted:
        return []
    settled = _settled(options)
    distinct = list(dict.fromkeys(wanted))
    workers = max(1, min(options.files_at_once, len(distinct)))
    connections = settled.connections or DEFAULT_CONNECTIONS
    shared = replace(settled, connections=max(1, connections // workers))
    tell = _in_turn(listener or events.log)
    fetches = {file: _Fetch(file, shared, tell) for file in distinct}

    failures = _without_room(fetches)
    several = Several((file, one.run) for file, one in fetches.items() if file not in failures)

    def stop_all() -> None:
        for one in fetches.values():
            one.stop()

    try:
        several.run(workers, stop_all)
    except KeyboardInterrupt:
        kept_bytes = sum(one.kept_bytes for one in fetches.values())
        kept = ""
        if kept_bytes:
            kept = f"{kept_bytes} bytes that have arrived are kept, "
        message = f"interrupted; {kept}run the same command to go on"
        raise events.Interrupted(message) from None
    except RuntimeError as error:  # not even one thread
        raise disk.out_of_means(error, distinct[0].file_name) from error

    failures |= several.failures
    for file in distinct:
        failure = failures.get(file)
        if isinstance(failure, MemoryError):
            raise disk.out_of_means(failure, file.file_name) from failure
        if failure is not None:
            raise failure
    return [several.results[file] for file in wanted]


def _settled(options: FetchOptions) -> FetchOptions:
    """Put what the settings say in the place of what the caller has left open."""
    if options.connections is not None:
        return options
    return replace(options, connections=load_config().connections or DEFAULT_CONNECTIONS)


def _without_room(fetches: Mapping[WeightsFile, _Fetch]) -> dict[WeightsFile, BaseException]:
    """Refuse, before anything is fetched, the files that do not fit beside those before them."""
    needs = {file: one.needed_bytes() for file, one in fetches.items()}
    failures: dict[WeightsFile, BaseException] = {}
    for folder in dict.fromkeys(one.folder for one in fetches.values()):
        inside = {file: needs[file] for file in needs if fetches[file].folder == folder}
        with contextlib.suppress(OSError):
            free = disk.free_bytes(folder)
            fitting = set(disk.that_fit(inside, free))
            taken = sum(needs[file] for file in fitting)
            for file in inside.keys() - fitting:
                left = free - taken
                failures[file] = disk.no_room(file.file_name, folder, needs[file], left)
    return failures


class _Fetch:
    """The fetching of one file; another thread may stop it."""

    def __init__(
        self,
        file: WeightsFile,
        options: FetchOptions,
        listener: events.Listener,
    ) -> None:
        self._file = file
        self._options = options
        self._tell = listener
        self._stopped = threading.Event()
        self._transfer: Transfer | None = None
        self._inner: _Fetch | None = None

    @property
    def folder(self) -> Path:
        """Where the file goes."""
        return self._options.folder or paths.checkpoints_folder()

    @property
    def kept_bytes(self) -> int:
        """What has arrived so far and need not be fetched again."""
        transfer = self._transfer
        if transfer is not None:
            return transfer.scheduler.kept_bytes
        return 0

    def needed_bytes(self) -> int:
        """Guess how much room the file needs beyond what lies there.

        Nothing is read of a file that has its length.
        """
        file = self._file
        if file.size_bytes is None or paths.packaged_path(file) is not None:
            return 0
        with contextlib.suppress(OSError, CacheError):
            target = paths.target_path(file, self._options.folder)
            expected = expected_of(file)
            is_there = target.is_file() and expected.allows_size(target.stat().st_size)
            least = file.size_bytes - file.size_tolerance_bytes
            kept = recovery.best_kept(target, expected).kept_bytes
            if is_there:
                return 0
            return max(0, least - kept)
        return 0

    def stop(self) -> None:
        """End the fetch from another thread as Ctrl-C would."""
        self._stopped.set()
        transfer = self._transfer
        if transfer is not None:
            transfer.stop(KeyboardInterrupt())
        inner = self._inner
        if inner is not None:
            inner.stop()

    def run(self) -> FetchedFile:
        """Look, plan and do."""
        if self._file.hub is not None:
            return self._run_on_hub(self._file.hub)
        file = self._file
        options = self._options
        config = load_config()
        packaged = paths.packaged_path(file)
        target = packaged or paths.target_path(file, options.folder)
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
            advice = "install torch-zoo again"
            raise CacheError(file.file_name, fault, advice)
        if decision.state is State.DAMAGED and not options.replaces:
            fault = f"{target} does not match: {decision.reason}; it was left as it is"
            advice = (
                f'to fetch it again and keep this one aside, run "zoo cache repair {target.name}"'
            )
            raise CacheError(target.name, fault, advice)
        if decision.state is State.UNKNOWN and not options.replaces:
            return self._unchecked(target, found)
        try:
            fetched = self._fetch_to(target, expected, config)
        except (FetchError, CacheError):
            if decision.state is not State.UNKNOWN:
                raise
            # Offline, or in a cache that cannot be written, what is there is better than nothing.
            return self._unchecked(target, found)
        if locked is None and not fetched.was_cached:
            self._learn(lock_file, expected, fetched.sha256, fetched.size_bytes)
        return fetched

    def _run_on_hub(self, where: HubFile) -> FetchedFile:
        """Look in huggingface_hub's cache, else fetch the file into it and link it."""
        file = self._file
        options = self._options
        config = load_config()
        checkpoints = paths.checkpoints_folder()
        lock_file = options.lock_file or config.lock_file or lockfile.default_path(checkpoints)
        locked = lockfile.read(lock_file).get(file.file_name)
        cached = self._on_disk(where, locked, lock_file)
        if cached is not None:
            return cached

        located = hub.locate(file, options.mirrors + config.mirrors, options)
        stated = located.blob.sha256
        if locked is not None and locked.sha256 != stated:
            fault = f"{lock_file} demands sha256 {locked.sha256}, the Hub has {stated} now"
            advice = "name the revision that the lock was made with, or remove its line"
            raise CacheError(file.file_name, fault, advice)

        self._inner = _Fetch(located.blob, hub.blob_options(located, options), self._tell_renamed)
        if self._stopped.is_set():
            raise KeyboardInterrupt
        fetched = self._inner.run()
        path = hub.place(located)
        self._learn_anew(lock_file, locked, fetched.sha256, fetched.size_bytes)
        return replace(fetched, path=path)

    def _on_disk(
        self,
        where: HubFile,
        locked: lockfile.LockedFile | None,
        lock_file: Path,
    ) -> FetchedFile | None:
        """Take what huggingface_hub's cache has, if it is what its digest says.

        ``None`` if it must be fetched.

        Raises:
            CacheError: It does not match, and may not be replaced.
        """
        path = hub_files.find_path(where.repository, where.path, where.revision)
        if path is None:
            return None
        blob = path.resolve()
        stated = blob.name if is_sha256(blob.name) else None
        demanded = locked.sha256 if locked else stated
        expected = Expected(size_bytes=locked.size_bytes if locked else None, sha256=demanded)
        found = look(blob, expected, may_trust_receipt=self._options.verify == "quick")
        decision = plan(found, expected)
        if decision.state in {State.WHOLE, State.UNKNOWN}:
            self._learn_anew(lock_file, locked, found.sha256 or "", found.size_bytes)
            return self._finished(path, found.sha256 or "", found.size_bytes, None)
        if not self._options.replaces:
            fault = f"{path} does not match: {decision.reason}; it was left as it is"
            advice = f'"zoo download" fetches it again: {where.repository}'
            raise CacheError(self._file.file_name, fault, advice)
        return None

    def _learn_anew(
        self,
        lock_file: Path,
        locked: lockfile.LockedFile | None,
        sha256: str,
        size_bytes: int,
    ) -> None:
        """Write the digest of a file of the Hub into the lock file when it is first seen."""
        if locked is not None:
            return
        with contextlib.suppress(OSError):  # what cannot be remembered is said by the next line
            lock_file.parent.mkdir(parents=True, exist_ok=True)
        self._learn(lock_file, Expected(None), sha256, size_bytes)

    def _tell_renamed(self, event: events.Event, /) -> None:
        """Pass on what is told of a blob under the name of its file."""
        self._tell(replace(event, file_name=self._file.file_name))

    def _unchecked(
        self,
        target: Path,
        found: Found,
    ) -> FetchedFile:
        """Take a file that nothing is known of as it is, and say so."""
        message = f"{target} is taken as it is: no digest is known to check it against"
        self._tell(events.Warned(target.name, message))
        return self._finished(target, found.sha256 or "", found.size_bytes, None)

    def _fetch_to(
        self,
        target: Path,
        expected: Expected,
        config: Config,
    ) -> FetchedFile:
        """Take the lock, look again, and download what is still missing."""
        with disk.translating(target.name):
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting = events.Waiting(target.name, self._options.lock_patience_s)
            with locks.held(
                paths.lock_path(target),
                on_wait=lambda: self._tell(waiting),
                stopped=self._stopped,
                progress=lambda: _sizes_beside(target),
                patience_s=self._options.lock_patience_s,
            ) as is_alone:
                found = _look_further(target, expected)
                decision = plan(found, expected)
                if decision.state is State.WHOLE:  # another process was faster
                    return self._finished(target, found.sha256 or "", found.size_bytes, None)
                if decision.state is State.FOREIGN:
                    fault = f"{target}: {decision.reason}"
                    advice = "move it away, then try again"
                    raise CacheError(target.name, fault, advice)
                wanted = self._sources(config)
                if expected.size_bytes is not None:
                    least = expected.size_bytes - expected.size_tolerance_bytes - found.kept_bytes
                    disk.check_space(target.parent, least, target.name)
                if decision.is_known_bad:
                    fault = f"{target} does not match: {decision.reason}"
                    message = f"{fault}; fetching it again, it stays until that is whole"
                    self._tell(events.Warned(target.name, message))
                return self._download(target, expected, wanted, is_alone=is_alone)

    def _sources(self, config: Config) -> list[sources.Source]:
        """List where the file may come from, warning about addresses that cannot be used."""
        options = self._options
        name = self._file.file_name
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
                fault = (
                    "user and password in the registry's address are not used; "
                    "put them into ~/.netrc"
                )
                self._tell(events.Warned(name, f"{source.shown}: {fault}"))
        ordered = memory.in_good_order(usable)
        if ordered != usable:
            first = ordered[0].shown
            self._tell(
                events.Warned(name, f"asking {first} first: servers before it were silent lately")
            )
        return ordered

    def _download(
        self,
        target: Path,
        expected: Expected,
        wanted: list[sources.Source],
        *,
        is_alone: bool,
    ) -> FetchedFile:
        """Run one transfer and publish what it brings."""
        side = paths.side_files(target, is_private=not is_alone)
        if not _is_ours_to_write(side.partial):  # another user's, in a shared cache
            is_alone = False
            side = paths.side_files(target, is_private=True)
        recovery.copy_kept(target, side, expected)
        transfer = Transfer(
            lambda: Partial(side.partial, side.journal, expected),
            wanted,
            expected,
            self._options,
            self._tell,
            target.name,
        )
        self._transfer = transfer
        is_done = False
        try:
            if self._stopped.is_set():
                raise KeyboardInterrupt  # the same way out as for a signal
            sha256 = transfer.run()
            is_done = True
            size_bytes = transfer.scheduler.partial.finished.total_bytes
            kept = _publish(transfer.scheduler.partial, target, expected, sha256)
        except KeyboardInterrupt:
            kept_bytes = 0
            if is_alone:
                kept_bytes = transfer.scheduler.kept_bytes
            said = ""
            if kept_bytes:
                said = f"{kept_bytes} bytes are kept, "
            advice = f"{said}run the same command to go on"
            message = f"interrupted while fetching {target.name}; {advice}"
            raise events.Interrupted(message) from None
        finally:
            good_url = transfer.scheduler.source.url if is_done else None
            memory.learn(transfer.scheduler.order.silent, good_url)
            transfer.scheduler.partial.close()
            if not is_alone or not transfer.scheduler.can_resume:
                side.partial.unlink(missing_ok=True)
                side.journal.unlink(missing_ok=True)
        verified.remember(target, sha256, verified.stamp(target))
        self._tidy(target)
        if kept is not None:
            message = f"the file that was there before is kept as {kept}"
            self._tell(events.Warned(target.name, message))
        return self._finished(
            target,
            sha256,
            size_bytes,
            transfer.scheduler.source.url,
            is_checked=expected.sha256 is not None,
        )

    def _learn(
        self,
        lock_file: Path,
        expected: Expected,
        sha256: str,
        size_bytes: int,
    ) -> None:
        """Write a digest that the registry does not state into the lock file."""
        if expected.is_full:
            return
        try:
            lockfile.learn(lock_file, self._file.file_name, lockfile.LockedFile(sha256, size_bytes))
        except CacheError as error:
            if error.subject == self._file.file_name:  # the lock file demands other bytes
                raise
            self._tell(
                events.Warned(self._file.file_name, f"its digest is not remembered: {error}")
            )

    def _tidy(self, target: Path) -> None:
        """Remove what crashes have left of a file that is whole now."""
        kernel = paths.kernel()
        for path in paths.all_side_files(target):
            if liveness.is_anothers(path, kernel):
                continue
            try:
                path.unlink(missing_ok=True)
            except OSError:  # a read-only cache
                return

    def _finished(
        self,
        path: Path,
        sha256: str,
        size_bytes: int,
        url: str | None,
        *,
        is_checked: bool = True,
    ) -> FetchedFile:
        """Tell that a file is there and describe it."""
        was_cached = url is None
        self._tell(events.Finished(path.name, size_bytes, was_cached, is_checked))
        return FetchedFile(
            path,
            sha256,
            size_bytes,
            was_cached=url is None,
            source_url=url,
        )


def _publish(
    partial: Partial,
    target: Path,
    expected: Expected,
    sha256: str,
) -> Path | None:
    """Give a verified file its final name, and say where the one before it is kept.

    Where that fails, the one before stands where it stood.
    """
    kept = None
    if verified.recall(target) != sha256:  # the very same bytes need not be kept twice
        kept = quarantine.keep_copy(target)
    try:
        partial.publish(target)
    except BaseException as error:
        if kept is not None:
            quarantine.put_back(kept, target)
        if not isinstance(error, FileNotFoundError):
            raise
        # Where locks do not work, another process has published and tidied first.
        found = look(target, expected, may_trust_receipt=False)
        if plan(found, expected).state is not State.WHOLE:
            raise
    return kept


def _in_turn(listener: events.Listener) -> events.Listener:
    """Make a listener that several threads may call: one at a time gets through."""
    lock = threading.Lock()

    def tell(event: events.Event, /) -> None:
        with lock:
            listener(event)

    return tell


def _sizes_beside(target: Path) -> tuple[int, ...]:
    """Return what grows while another process fetches a file."""
    sizes = []
    for path in paths.all_side_files(target):
        with contextlib.suppress(OSError):
            facts = path.stat()
            sizes += [facts.st_blocks, facts.st_mtime_ns]
    return tuple(sizes)


def _is_ours_to_write(partial: Path) -> bool:
    """Tell whether an unfinished file is absent, or may be gone on with."""
    return not partial.exists() or os.access(partial, os.W_OK)


def _look_further(
    target: Path,
    expected: Expected,
) -> Found:
    """See what is on the disk, and what an earlier run has left to go on from."""
    kept = recovery.best_kept(target, expected)
    return look(target, expected, kept_bytes=kept.kept_bytes)
