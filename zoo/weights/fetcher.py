"""Bring a file into the cache: decide, then do."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import CacheError, FetchError, SourceError
from zoo.weights import cache, events, lockfile, sources
from zoo.weights.digests import Expected, expected_of, sha256_file
from zoo.weights.options import DEFAULTS, FetchOptions, load_config

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
    """Where it came from now; ``None`` if it was there."""


def fetch(
    file: WeightsFile, *, options: FetchOptions = DEFAULTS, listener: events.Listener | None = None
) -> FetchedFile:
    """Return the verified file, from the cache if it is there, else from its first source that is right."""
    tell = listener or events.ignore
    packaged = cache.packaged_path(file)
    target = packaged or cache.target_path(file, options.folder)
    config = load_config()
    lock_path = options.lock_file or config.lock_file or lockfile.default_path(target.parent)
    locked = lockfile.read(lock_path).get(file.file_name)
    expected = expected_of(file, locked.sha256 if locked else None)
    if cache.kind_of(target) is cache.Kind.FILE:
        sha256, size_bytes = sha256_file(target), target.stat().st_size
        if expected.allows_size(size_bytes) and expected.allows_digest(sha256):
            tell(events.Finished(file.file_name, size_bytes, was_cached=True))
            return FetchedFile(target, sha256, size_bytes, was_cached=True, source_url=None)
        tell(events.Warned(file.file_name, "the file in the cache is damaged and is fetched again"))
    if packaged is not None:
        raise CacheError(file.file_name, "the file of the package is missing or damaged", "install torch-zoo again")
    wanted = sources.sources_of(
        file,
        options.mirrors + config.mirrors,
        upstream=options.upstream and config.upstream,
        allow_private=options.allow_private_addresses or config.allow_private_addresses,
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    failures: list[SourceError] = []
    for source in wanted:
        try:
            sha256, size_bytes = _download(source, target, expected, tell)
        except SourceError as error:
            failures.append(error)
            continue
        if not expected.is_full:
            lockfile.learn(lock_path, file.file_name, lockfile.LockedFile(sha256, size_bytes))
        tell(events.Finished(file.file_name, size_bytes, was_cached=False))
        return FetchedFile(target, sha256, size_bytes, was_cached=False, source_url=source.url)
    raise FetchError(file.file_name, failures)


def fetch_all(
    files: Iterable[WeightsFile], *, options: FetchOptions = DEFAULTS, listener: events.Listener | None = None
) -> list[FetchedFile]:
    """Fetch several files; the results come in the order of the files."""
    return [fetch(file, options=options, listener=listener) for file in files]


def _download(source: sources.Source, target: Path, expected: Expected, tell: events.Listener) -> tuple[str, int]:
    """Stream one source to the final name."""
    import requests

    partial = target.with_name(target.name + cache.PARTIAL_SUFFIX)
    digest, done = hashlib.sha256(), 0
    tell(events.Started(target.name, expected.size_bytes, 0, source.shown))
    try:
        with (
            requests.get(
                source.url, stream=True, timeout=30, auth=source.credentials, headers={"Accept-Encoding": "identity"}
            ) as answer,
            partial.open("wb") as stream,
        ):
            answer.raise_for_status()
            for block in answer.iter_content(1 << 20):
                stream.write(block)
                digest.update(block)
                done += len(block)
                tell(events.Advanced(target.name, done, expected.size_bytes))
            stream.flush()
            os.fsync(stream.fileno())
        if not expected.allows_size(done) or not expected.allows_digest(digest.hexdigest()):
            raise SourceError(source.shown, f"expected sha256 {expected.sha256}, got {digest.hexdigest()}")
    except requests.RequestException as error:
        raise SourceError(source.shown, str(error), is_retryable=True) from error
    partial.replace(target)
    return digest.hexdigest(), done
