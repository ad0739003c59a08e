"""Mend a damaged file of the cache: fetch the blocks that differ where a mirror says which, else the whole file."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import CacheError, SourceError
from zoo.weights import block_hashes, cache, disk, events, fetcher, locks, sources
from zoo.weights.options import DEFAULTS, FetchOptions, load_config
from zoo.weights.partial import Partial
from zoo.weights.transport import Transport

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import WeightsFile
    from zoo.weights.block_hashes import BlockHashes
    from zoo.weights.digests import Expected
    from zoo.weights.fetcher import FetchedFile
    from zoo.weights.inventory import CachedFile


@dataclass(frozen=True, slots=True)
class Repaired:
    """A file that is whole again."""

    fetched: FetchedFile
    reused_bytes: int
    """What of the damaged file was right and not fetched again."""


def repair(
    file: CachedFile, *, options: FetchOptions = DEFAULTS, listener: events.Listener = events.ignore
) -> Repaired:
    """Replace a damaged file by a whole one.

    Args:
        file: From an inventory; whole files are left alone.
        options: As for a fetch; the mirrors among the sources are asked for digests of blocks.
        listener: Called with progress and warnings.

    Raises:
        CacheError: Nobody publishes this file, or the cache cannot be written.
        FetchError: No source gave the right bytes; the damaged file may be gone by then, its good blocks are kept.
    """
    if file.record is None:
        fault = "the registry does not know it, so it cannot be fetched again"
        raise CacheError(file.name, fault, f'remove it with "zoo cache rm {file.name}"')
    spans: list[tuple[int, int]] = []
    state = fetcher.plan(fetcher.look(file.path, file.expected), file.expected).state
    if state is fetcher.State.DAMAGED and cache.kind_of(file.path) is cache.Kind.FILE:
        hashes = find_block_hashes(file.record, file.expected, options)
        if hashes is not None:
            spans = _keep_equal_blocks(file.path, file.expected, hashes)
    fetched = fetcher.fetch(file.record, options=options, listener=listener)
    return Repaired(fetched, sum(end - start for start, end in spans))


def find_block_hashes(file: WeightsFile, expected: Expected, options: FetchOptions) -> BlockHashes | None:
    """Ask the mirrors for the digests of a file's blocks; ``None`` if none has any that fit.

    What is wrong with a mirror is not said here: the fetch that follows asks it again and says so.
    """
    mirrors = options.mirrors + load_config().mirrors
    usable, _ = sources.sources_of(file, mirrors, upstream=False, allow_private=True)
    transport = Transport(options.timeouts, bearer_tokens=options.bearer_tokens)
    try:
        for source in usable:
            hashes = block_hashes.parse(_read(transport, source))
            if hashes and expected.allows_size(hashes.size_bytes) and expected.allows_digest(hashes.sha256):
                return hashes
    finally:
        transport.close()
    return None


def _read(transport: Transport, source: sources.Source) -> bytes:
    """Fetch the block digests beside a file; nothing if there are none."""
    beside = sources.Source(source.url + block_hashes.SUFFIX, source.may_be_private, source.credentials)
    data = bytearray()
    try:
        with transport.open(beside) as answer:
            for block in answer.blocks():
                data += block
                if len(data) > block_hashes.LARGEST_SIDECAR_BYTES:
                    return b""
    except SourceError:
        return b""
    return bytes(data)


def _keep_equal_blocks(path: Path, expected: Expected, hashes: BlockHashes) -> list[tuple[int, int]]:
    """Copy the good blocks of a damaged file to where a fetch goes on from."""
    lock, side = cache.lock_path(path), cache.side_files(path)
    with disk.translating(path.name), locks.held(lock, on_wait=lambda: None, stopped=threading.Event()) as is_alone:
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
