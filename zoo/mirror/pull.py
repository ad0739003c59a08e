"""Fetch what is missing while it is asked for: once, however many ask, and kept only if it is right.

Clients read what has arrived so far; the end of a file is held back until its digest was found right, so that no client
ever has a whole file that is wrong. A download goes on when its clients have gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from zoo.catalog.registry import load_registry
from zoo.errors import SourceError
from zoo.mirror import authority, dialects, layout, remotes
from zoo.mirror.sync import Sync, check_bytes, entry_of, staging_name, stored_file
from zoo.mirror.upstream import Client, bearer_tokens
from zoo.mirror.wants import HuggingFaceWant, ModelWant, RepositoryWant
from zoo.weights import lockfile, ranges, sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    import aiohttp

    from zoo.mirror.catalogue import Catalogue, StoredFile
    from zoo.mirror.remotes import RemoteFile, RemoteItem
    from zoo.mirror.store import Store

LOG = logging.getLogger("zoo.mirror")
T = TypeVar("T")
FRESH_S = 60.0
"""How long the upstream's answer what a ref means is believed."""
METADATA_S = 8.0
"""Clients of Hugging Face wait 10 seconds for a first byte; then what is known must do."""
MOST_ANSWERS = 10_000
"""Answers remembered before old ones are forgotten."""
HELD_BACK_BYTES = 1024
BLOCK_BYTES = 256 << 10
TRIES = 4
NOT_THERE = (401, 403, 404, 410, 422)


class Download:
    """One file on its way into the mirror, which any number of clients read."""

    def __init__(self, file: RemoteFile, size_bytes: int | None, staged: Path) -> None:
        self.file = file
        self.size_bytes = size_bytes
        self.staged = staged
        self.done_bytes = 0
        self._handle = os.open(staged, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        weakref.finalize(self, os.close, self._handle)
        self._is_right = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    def write(self, block: bytes) -> None:
        """Add bytes at the end."""
        view = memoryview(block)
        while view:
            count = os.pwrite(self._handle, view, self.done_bytes)
            view, self.done_bytes = view[count:], self.done_bytes + count
        self._tell()

    def finish(self, error: BaseException | None = None) -> None:
        """Let the clients have the end, or tell them that there is none."""
        self._is_right, self._error = error is None, error
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the file from its start, as fast as it arrives.

        Raises:
            SourceError: It never became right.
        """
        position = 0
        while True:
            news = self._news
            end = self.done_bytes if self._is_right else self.done_bytes - HELD_BACK_BYTES
            if position < end:  # the handle reads on when the file is moved into its place
                block = os.pread(self._handle, min(BLOCK_BYTES, end - position), position)
                position += len(block)
                yield block
            elif self._is_right:
                return
            elif self._error is not None:
                raise SourceError(self.file.origin, "the download failed") from self._error
            else:
                await news.wait()


class Pull:
    """Fetch for the clients of one server. All methods belong to its event loop."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.upstreams = store.settings().upstreams
        self._client = Client(self.upstreams)
        self._tokens = {sources.origin(base): token for base, token in bearer_tokens(self.upstreams)}
        self._session: aiohttp.ClientSession | None = None
        self._downloads: dict[str, asyncio.Task[Download]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._names: dict[str, dict[str, str | None]] = {}
        self._asked: dict[object, tuple[float, asyncio.Task[Any]]] = {}

    async def close(self) -> None:
        """Break off what is on its way."""
        tasks = [*self._running, *self._downloads.values(), *(task for _, task in self._asked.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
        self._client.close()

    # -- questions to the upstream, each asked once in a while -------------------------------------------------------

    async def model(self, name: str, revision: str) -> RemoteItem | None:
        """Find out what a Hugging Face model is now; ``None`` if there is none or nobody answers, with a log line."""
        held = self.store.catalogue().by_ref("huggingface", name, revision)
        want = HuggingFaceWant(name, revision)
        found = await self._ask(want, lambda: remotes.resolve(want, self._client), is_dispensable=held is not None)
        if not found:
            return None
        return replace(found[0], refs=self._names_of(name, revision, found[0].revision))

    def _names_of(self, name: str, revision: str, commit: str | None) -> tuple[str, ...]:
        """Remember what names a commit: clients learn the commit by its branch, then ask by the commit alone."""
        known = self._names.setdefault(name, {})
        known[revision] = commit
        return tuple(ref for ref, meant in known.items() if meant == commit)

    async def repository(self, name: str, ref: str | None) -> None:
        """Bring a hub repository into the mirror as it is now."""
        plain = ref.removeprefix("refs/").removeprefix("heads/").removeprefix("tags/") if ref else None
        if plain == "HEAD":
            plain = None
        held = self.store.catalogue().versions("repository", name)
        if layout.is_commit(plain) and any(item.revision == plain for item in held):
            return
        want = RepositoryWant(name, plain)

        def bring() -> None:
            with Sync(self.store) as sync:
                summary = sync.run(sync.resolve([want]))
            for failed, error in summary.failures:
                LOG.warning("refused: %s: %s", failed, error)
                raise error

        await self._ask(want, bring, is_dispensable=bool(held), limit_s=None)

    async def ref_list(self, question: dialects.Refs, held: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """List one page of the branches or tags that a repository has now."""
        kind = "branches" if question.kind == "heads" else "tags"
        base = f"{self.upstreams.github_api}/repos/{question.name}/{kind}?per_page=100&page={question.page}"
        answer = await self._ask(base, lambda: self._client.json(base).content, is_dispensable=True)
        if not isinstance(answer, list):
            return held
        listed = [
            {"name": entry["name"], "commit": {"sha": entry["commit"]["sha"]}}
            for entry in answer
            if isinstance(entry, dict) and isinstance(entry.get("commit"), dict) and {"name"} <= entry.keys()
        ]
        return listed + [entry for entry in held if entry not in listed]

    async def has_branch(self, name: str, branch: str) -> bool:
        """Tell whether a repository has a branch now."""
        url = f"{self.upstreams.github}/{name}/tree/{branch}/"
        return bool(await self._ask(url, lambda: self._client.is_there(url), is_dispensable=False))

    async def _ask(
        self, key: object, question: Callable[[], T], *, is_dispensable: bool, limit_s: float | None = METADATA_S
    ) -> T | None:
        """Ask once for all who want to know, in a thread; ``None`` if there is no such thing.

        Raises:
            SourceError: The upstream does not answer, and nothing that is here can stand for it.
        """
        now = time.monotonic()
        asked_at, task = self._asked.get(key, (0.0, None))
        if task is None or (task.done() and (now - asked_at > FRESH_S or _should_ask_again(task))):
            if len(self._asked) > MOST_ANSWERS:
                self._asked = {k: (at, t) for k, (at, t) in self._asked.items() if not t.done()}
            task = asyncio.ensure_future(asyncio.to_thread(question))
            self._asked[key] = (now, task)
        try:
            found: T = await asyncio.wait_for(asyncio.shield(task), limit_s)
        except SourceError as error:
            if error.status in NOT_THERE or is_dispensable:
                LOG.warning("%s", error)
                return None
            raise
        except TimeoutError as error:
            if is_dispensable:
                return None
            raise SourceError("the upstream", "it took too long to answer", is_retryable=True) from error
        return found

    # -- files -------------------------------------------------------------------------------------------------------

    def address_of(self, path: str) -> str | None:
        """Return the public address of a weights file by its path in the layout, if it is one that may be fetched."""
        host, _, rest = path.removeprefix("weights/").partition("/")
        is_allowed = path.startswith("weights/") and host in authority.HOSTS and rest
        return f"https://{host}/{rest}" if is_allowed else None

    async def weights(self, url: str) -> Download:
        """Begin to fetch weights, or join those who have."""
        if sources.split(url).hostname not in authority.HOSTS:
            raise SourceError(sources.shown(url), "this host is not one that the mirror stands for", status=404)
        item = await asyncio.to_thread(_weights_at, url)
        return await self._join(item, next(file for file in item.files if file.origin == url))

    async def model_file(self, item: Any, file: RemoteFile) -> Download:
        """Begin to fetch one file of a model, or join those who have."""
        return await self._join(item, file)

    async def _join(self, item: RemoteItem, file: RemoteFile) -> Download:
        task = self._downloads.get(file.path)
        if task is None:
            task = self._downloads[file.path] = asyncio.ensure_future(self._begin(item, file))
            task.add_done_callback(lambda done: self._forget(file.path) if _has_failed(done) else None)
        return await asyncio.shield(task)

    def _forget(self, path: str) -> None:
        self._downloads.pop(path, None)

    async def _begin(self, item: RemoteItem, file: RemoteFile) -> Download:
        """Wait for the first answer, then go on in the background."""
        response = await self._request(file, 0, None)
        try:
            size_bytes = _promised_bytes(file, response)
        except BaseException:
            response.close()
            raise
        download = Download(file, size_bytes, self.store.staged(f"pull-{staging_name(file)}"))
        running = asyncio.ensure_future(self._run(item, download, response))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return download

    async def _run(self, item: RemoteItem, download: Download, response: aiohttp.ClientResponse) -> None:
        """Receive, verify and keep one file; whatever happens, tell its clients."""
        file, error = download.file, None
        try:
            sha256 = await self._receive(download, response)
            await asyncio.to_thread(self._keep, item, download, sha256)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the clients must hear of it
            error = fault
            LOG.warning("refused: %s: %s", sources.shown(file.origin), fault)
            download.staged.unlink(missing_ok=True)
        except asyncio.CancelledError:
            download.finish(SourceError(file.origin, "the server stops"))
            download.staged.unlink(missing_ok=True)
            raise
        finally:
            self._forget(file.path)
            response.close()
        download.finish(error)

    async def _receive(self, download: Download, response: aiohttp.ClientResponse) -> str:
        """Write the body to the staged file, going on after a break where the server can; return its SHA-256."""
        import aiohttp

        digest, etag = hashlib.sha256(), response.headers.get("ETag", "")
        for tries_left in reversed(range(TRIES)):
            try:
                async for block in response.content.iter_chunked(BLOCK_BYTES):
                    if download.size_bytes is not None and download.done_bytes + len(block) > download.size_bytes:
                        raise SourceError(download.file.origin, f"expected {download.size_bytes} bytes, got more")
                    download.write(block)
                    digest.update(block)
                if download.size_bytes in (None, download.done_bytes):
                    return digest.hexdigest()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if isinstance(error, OSError) and error.errno == 28:  # the disk is full
                    raise
            response.close()
            if not tries_left or not etag.startswith('"'):
                break
            response = await self._request(download.file, download.done_bytes, etag)
        fault = f"expected {download.size_bytes} bytes, the connection broke at {download.done_bytes}"
        raise SourceError(download.file.origin, fault, is_retryable=True)

    async def _request(self, file: RemoteFile, start: int, etag: str | None) -> aiohttp.ClientResponse:
        """Ask for a file, or for the rest of it.

        Raises:
            SourceError: The answer is not the file, or not the rest of the same file.
        """
        import aiohttp

        url, shown = self.upstreams.rewritten(file.origin), sources.shown(file.origin)
        headers = {"Accept-Encoding": "identity", "User-Agent": "zoo-mirror"}
        if token := self._tokens.get(sources.origin(url)):
            headers["Authorization"] = f"Bearer {token}"
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": etag or ""}
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=30)
            self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False, trust_env=True)
        try:
            response = await asyncio.wait_for(self._session.get(url, headers=headers), 30)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = f"expected an answer, got {type(error).__name__}"
            raise SourceError(shown, fault, is_retryable=True) from error
        if (reason := _fault_of(response, url, start)) is not None:
            response.close()
            raise SourceError(shown, reason, status=response.status, is_retryable=response.status >= 500)
        return response

    def _keep(self, item: RemoteItem, download: Download, sha256: str) -> None:
        """Check a file that has arrived and give it its place. In a worker thread."""
        file, size_bytes = download.file, download.done_bytes
        if file.sha256 is not None and not sha256.startswith(file.sha256):
            raise SourceError(file.origin, f"expected sha256 {file.sha256}, got {sha256}")
        check_bytes(download.staged, item, file)
        if item.kind == "weights" and len(file.sha256 or "") < 64:
            entry = lockfile.LockedFile(sha256, size_bytes)
            lockfile.learn(self.store.lock_file, staging_name(file), entry)
        self.store.adopt(download.staged, file.path, sha256)
        self.store.update(lambda catalogue: _with_file(catalogue, item, stored_file(file, size_bytes, sha256)))


def _with_file(catalogue: Catalogue, item: RemoteItem, file: StoredFile) -> Catalogue:
    """Add one file to an item of the catalogue, which need not be there yet nor be whole."""
    entry = replace(entry_of(item, [file]), is_partial=len(item.files) > 1)
    known = next((other for other in catalogue.items if other.key == entry.key), None)
    if known is not None:
        files = {**{old.path: old for old in known.files}, file.path: file}
        refs = tuple(dict.fromkeys([*known.refs, *entry.refs]))
        entry = replace(entry, files=tuple(files.values()), refs=refs, is_partial=known.is_partial)
    return catalogue.with_item(entry)


def _weights_at(url: str) -> RemoteItem:
    """Describe weights by their address: as the registry does if it knows them."""
    for architecture in load_registry().architectures.values():
        for weights in architecture.weights.values():
            if any(file.url == url for file in weights.files):
                return remotes.registered_weights(ModelWant(architecture.name, weights.tag))
    return remotes.unregistered_weights(url)


def _promised_bytes(file: RemoteFile, response: aiohttp.ClientResponse) -> int | None:
    """Return the length that is promised, if it can be that of the file.

    Raises:
        SourceError: It cannot, or what comes is a web page.
    """
    length = ranges.parse_length(response.headers.get("Content-Length"))
    if file.size_bytes is not None and length is not None and abs(length - file.size_bytes) > file.size_tolerance_bytes:
        raise SourceError(file.origin, f"expected {file.size_bytes} bytes, it offers {length}")
    if file.path.startswith("weights/") and response.content_type == "text/html":
        raise SourceError(file.origin, "expected the file, got a web page (does it want a login?)")
    exact = file.size_bytes if file.size_tolerance_bytes == 0 else None
    return length if length is not None else exact


def _fault_of(response: aiohttp.ClientResponse, url: str, start: int) -> str | None:
    """Say what keeps an answer from being the file, or the rest of it."""
    if response.status != (206 if start else 200):
        return f"expected {'the rest of ' if start else ''}the file, got HTTP status {response.status}"
    content = ranges.parse_content_range(response.headers.get("Content-Range"))
    if start and (content is None or content.start != start):
        return "expected the rest of the file, got another part"
    if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
        return "expected the plain file, got it packed although that was not asked for"
    if url.startswith("https:") and response.url.scheme != "https":
        return "it redirects from https to another scheme, which is not followed"
    return None


def _should_ask_again(task: asyncio.Task[Any]) -> bool:
    """Tell whether an answer was none; that there is no such thing is one, and counts against GitHub's limit."""
    error = task.exception() if not task.cancelled() else None
    return task.cancelled() or (error is not None and getattr(error, "status", None) not in NOT_THERE)


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None
