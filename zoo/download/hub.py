"""Weights on the Hugging Face Hub: asked for by commit, kept where huggingface_hub keeps them.

What is fetched here, timm finds, and what timm has fetched is found here: bytes lie in ``blobs/``
under their digest, and a snapshot of the commit links to them (:mod:`zoo.cache.hub_files`). The
Hub states the SHA-256 of every large file, so that a first download is checked as well; later
ones against ``zoo.lock``.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.cache import disk, hub_files
from zoo.catalog.records import WeightsFile
from zoo.download import sources, tokens
from zoo.download.transport import Transport
from zoo.errors import FetchError, SourceError
from zoo.hashes import is_commit, is_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.catalog.records import HubFile
    from zoo.download.options import FetchOptions

PUBLIC_ENDPOINT = "https://huggingface.co"
_MOST_PAGES = 100


@dataclass(frozen=True, slots=True)
class Located:
    """A file of the Hub at one commit, and the plain file that its bytes are."""

    hub: HubFile
    commit: str
    blob: WeightsFile
    """Under its digest, to be fetched into ``blobs``."""

    @property
    def blobs(self) -> Path:
        """The folder of the cache that holds the bytes."""
        return hub_files.model_folder(self.hub.repository) / "blobs"


def endpoints(
    mirrors: Sequence[str],
    *,
    upstream: bool,
) -> list[str]:
    """List where the Hub's requests go.

    Mirrors, then the user's endpoint or the public one.
    """
    public = os.environ.get("HF_ENDPOINT") or PUBLIC_ENDPOINT
    every = [*mirrors, public] if upstream else [*mirrors]
    return list(dict.fromkeys(address.rstrip("/") for address in every))


def locate(
    file: WeightsFile,
    mirrors: Sequence[str],
    options: FetchOptions,
) -> Located:
    """Ask where a file is: which commit its revision means, and which digest it has there.

    Raises:
        FetchError: No endpoint could say.
    """
    assert file.hub is not None  # noqa: S101 - the caller looked
    failures = []
    known = [*options.bearer_tokens, *tokens.from_environment()]
    transport = Transport(options.timeouts, bearer_tokens=known)
    try:
        for endpoint in endpoints(mirrors, upstream=options.upstream):
            try:
                return _locate_at(endpoint, file.hub, transport)
            except SourceError as failure:
                failures.append(failure)
    finally:
        transport.close()
    raise FetchError(file.file_name, failures)


def _locate_at(
    endpoint: str,
    hub: HubFile,
    transport: Transport,
) -> Located:
    api = f"{endpoint}/api/models/{hub.repository}"
    commit = hub.revision or ""
    if not is_commit(commit):
        address = f"{api}/revision/{hub.revision or 'main'}"
        content = transport.json(sources.trusted(address)).content
        commit = ""
        if isinstance(content, dict):
            commit = content.get("sha", "")
        if not is_commit(commit):
            raise SourceError(sources.shown(address), "expected a commit in the answer")

    entry = _find_entry(f"{api}/tree/{commit}", hub.path, transport)
    digest, size_bytes = _digest_and_size(entry)
    if digest is None or size_bytes is None:
        fault = f"it names no SHA-256 of {hub.path}, so its bytes could not be checked"
        raise SourceError(sources.shown(api), fault)
    url = f"{endpoint}/{hub.repository}/resolve/{commit}/{hub.path}"
    blob = WeightsFile(
        digest,
        url,
        size_bytes,
        sha256=digest,
    )
    return Located(hub, commit, blob)


def _find_entry(
    address: str,
    path: str,
    transport: Transport,
) -> dict[str, Any]:
    """Find a file in the list of a commit, which comes in pages."""
    page: str | None = address
    for _ in range(_MOST_PAGES):
        if page is None:
            break
        response = transport.json(sources.trusted(page))
        entries = response.content if isinstance(response.content, list) else []
        for entry in entries:
            if isinstance(entry, dict) and entry.get("path") == path:
                return entry
        page = response.next_url
    fault = f"the commit has no file {path}"
    raise SourceError(sources.shown(address), fault)


def _digest_and_size(entry: dict[str, Any]) -> tuple[str | None, int | None]:
    """Read what the Hub states of a file in large file storage."""
    facts = entry.get("lfs")
    if not isinstance(facts, dict):
        return None, None
    digest = facts.get("oid")
    size_bytes = facts.get("size")
    is_digest = is_sha256(digest)
    is_size = type(size_bytes) is int and size_bytes > 0
    if is_digest and is_size:
        return (digest, size_bytes)
    return (None, None)


def place(located: Located) -> Path:
    """Link the fetched bytes into the snapshot of their commit, and say what ``main`` means now.

    Returns:
        Where huggingface_hub looks for the file.

    Raises:
        CacheError: The cache cannot be written.
    """
    hub = located.hub
    path = hub_files.snapshot_path(hub.repository, located.commit, hub.path)
    with disk.translating(path.name):
        path.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(located.blobs / located.blob.file_name, path.parent)
        _link(path, target)
        if not is_commit(hub.revision):
            ref = hub_files.model_folder(hub.repository) / "refs" / (hub.revision or "main")
            ref.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(ref, located.commit)
    return path


def _link(path: Path, target: str) -> None:
    """Make a link under a temporary name, then give it its own: what was there stays until then."""
    temporary = path.with_name(f".{secrets.token_hex(8)}")
    temporary.symlink_to(target)
    temporary.replace(path)


def blob_options(
    located: Located,
    options: FetchOptions,
) -> FetchOptions:
    """Fetch the bytes of a located file into the cache, from the endpoint that knew it."""
    own = tuple(tokens.from_environment())
    return replace(
        options,
        folder=located.blobs,
        mirrors=(),
        upstream=True,
        allow_private_addresses=True,
        bearer_tokens=(*options.bearer_tokens, *own),
    )
