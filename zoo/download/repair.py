"""Repair a damaged file of the cache.

Fetch the blocks that differ where a mirror says which, else the whole file.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from zoo.cache import block_hashes, disk, locks, paths, status
from zoo.config import load_config
from zoo.download import events, fetcher, sources
from zoo.download.options import DEFAULTS, FetchOptions
from zoo.download.partial import Partial
from zoo.download.policy import Tries
from zoo.download.transport import Transport
from zoo.errors import CacheError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.cache.block_hashes import BlockHashes
    from zoo.cache.digests import Expected
    from zoo.cache.inventory import CachedFile
    from zoo.catalog.records import WeightsFile
    from zoo.download.fetcher import FetchedFile
    from zoo.download.sources import Source

ONE_TRY = Tries(most=1)
"""For what only saves time."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """A file that is whole again."""

    fetched: FetchedFile
    reused_bytes: int
    """What of the damaged file was right and not fetched again."""


def repair(
    file: CachedFile,
    *,
    options: FetchOptions = DEFAULTS,
    listener: events.Listener = events.ignore,
) -> Repaired:
    """Replace a damaged file by a whole one.

    Args:
        file: From an inventory; whole files are left alone.
        options: As for a fetch; the mirrors among the sources are asked for digests of blocks.
        listener: Called with progress and warnings.

    Raises:
        CacheError: Nobody publishes this file, or the cache cannot be written.
        FetchError: No source gave the right bytes; the damaged file stays, and its good
            blocks are kept for the next try.
    """
    if file.record is None:
        fault = "the registry does not know it, so it cannot be fetched again"
        advice = f'remove it with "zoo cache remove {file.name}"'
        raise CacheError(file.name, fault, advice)
    spans: list[tuple[int, int]] = []
    state = status.plan(status.look(file.path, file.expected), file.expected).state
    if state is status.State.DAMAGED and paths.kind_of(file.path) is paths.Kind.FILE:
        hashes = find_block_hashes(file.record, file.expected, options)
        if hashes is not None:
            spans = _keep_equal_blocks(file.path, file.expected, hashes)
    fetched = fetcher.fetch(file.record, options=options, listener=listener)
    return Repaired(fetched, sum(end - start for start, end in spans))


def find_block_hashes(
    file: WeightsFile,
    expected: Expected,
    options: FetchOptions,
) -> BlockHashes | None:
    """Ask the mirrors for the digests of a file's blocks; ``None`` if none has any that fit.

    What is wrong with a mirror is not said here: the fetch that follows asks it again and says so.
    """
    mirrors = options.mirrors + load_config().mirrors
    usable, _ = sources.sources_of(
        file,
        mirrors,
        upstream=False,
        allow_private=True,
    )
    transport = Transport(options.timeouts, bearer_tokens=options.bearer_tokens, tries=ONE_TRY)
    try:
        for source in usable:
            hashes = _read(transport, source)
            if hashes is None or not expected.allows_size(hashes.size_bytes):
                continue
            if expected.allows_digest(hashes.sha256):
                return hashes
    finally:
        transport.close()
    return None


def _read(
    transport: Transport,
    source: Source,
) -> BlockHashes | None:
    """Fetch the block digests beside a file; ``None`` if there are none."""
    beside = replace(source, url=source.url + block_hashes.SUFFIX)
    try:
        document = transport.read(beside, block_hashes.LARGEST_SIDECAR_BYTES)
    except SourceError:
        return None
    return block_hashes.parse(document.data)


def _keep_equal_blocks(
    path: Path,
    expected: Expected,
    hashes: BlockHashes,
) -> list[tuple[int, int]]:
    """Copy the good blocks of a damaged file to where a fetch goes on from."""
    lock = paths.lock_path(path)
    side = paths.side_files(path)
    with (
        disk.translating(path.name),
        locks.held(lock, on_wait=lambda: None, stopped=threading.Event()) as is_alone,
    ):
        if not is_alone:  # then every fetch writes a file of its own, and would not look here
            return []
        spans = block_hashes.equal_spans(path, hashes)
        side.partial.unlink(missing_ok=True)
        partial = Partial(side.partial, side.journal, expected)
        try:
            partial.set_length(hashes.size_bytes)
            with path.open("rb") as stream:
                for start, end in spans:
                    stream.seek(start)
                    partial.write(start, stream.read(end - start))
                    partial.record(start, end)
        finally:
            partial.close()
    return spans
