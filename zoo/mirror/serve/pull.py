"""Fetch what is missing while it is asked for.

Once, however many ask, and kept only if it is right.

A download goes on when its clients have gone. Nothing here says that something does not exist
unless the upstream said so: every other failure is a :class:`~zoo.errors.SourceError` that the
server passes on as one to retry.

The file is long because a download that many wait for is one state: whoever changes it reads it
all.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from zoo.cache import lockfile
from zoo.download import policy, ranges, sources
from zoo.errors import SourceError
from zoo.mirror import downloads, upkeep
from zoo.mirror.check import check_bytes, has_full_digest
from zoo.mirror.downloads import BLOCK_BYTES, Download
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.entries import entry_of, staging_name, stored_file
from zoo.mirror.index import entered
from zoo.mirror.lookups import FAILURE_S, METADATA_S, TIMED_OUT, Lookups
from zoo.mirror.sync import Sync
from zoo.mirror.upstream import Client

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import aiohttp

    from zoo.mirror.index import StoredFile, Versions
    from zoo.mirror.published import RemoteFile, RemoteItem
    from zoo.mirror.serve.metrics import Metrics
    from zoo.mirror.specs import ItemSpec
    from zoo.mirror.store import Store

LOG = logging.getLogger("zoo.mirror")
TRIES = 4
CONNECT_S = 10
LONGEST_SLEEP_S = 0.3
ANSWER_S = 30
T = TypeVar("T")
Origin = tuple[str, str, int]


class Pull:
    """Fetch for the clients of one server. All methods belong to its event loop."""

    def __init__(
        self,
        store: Store,
        metrics: Metrics | None = None,
    ) -> None:
        self.store = store
        settings = store.settings()
        self.upstreams = settings.upstreams
        self.policy = settings.policy
        self._metrics = metrics
        self.lookups = Lookups()
        bearer_tokens = ecosystems.bearer_tokens(self.upstreams)
        self._client = Client(self.upstreams, bearer_tokens, sleep=_sleep_briefly)
        self._tokens = {sources.origin(base): token for base, token in bearer_tokens}
        self._session: aiohttp.ClientSession | None = None
        self._beginning: dict[str, asyncio.Task[Download]] = {}
        self._running: dict[Download, asyncio.Task[None]] = {}
        self._unreachable: dict[Origin, tuple[float, str]] = {}

    async def close(self) -> None:
        """Break off what is on its way."""
        tasks = [*self._running.values(), *self._beginning.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.lookups.close()
        if self._session is not None:
            await self._session.close()
        self._client.close()

    async def ask(
        self,
        key: object,
        lookup: Callable[[Client], T],
        *,
        limit_s: float | None = METADATA_S,
    ) -> T:
        """Ask the upstreams, or take what somebody else was told a moment ago.

        Raises:
            SourceError: There is no such thing, or nobody answers.
        """
        with self._timing():
            return await self.lookups.ask(key, lambda: lookup(self._client), limit_s=limit_s)

    def _timing(self) -> AbstractContextManager[None]:
        if self._metrics is None:
            return contextlib.nullcontext()
        return self._metrics.timing_upstream()

    def allowed(self, item: RemoteItem) -> RemoteItem:
        """Leave out what the mirror's policy keeps out.

        Raises:
            PolicyError: Nothing is left.
        """
        return ecosystems.allowed(self.policy, item)

    async def bring(self, spec: ItemSpec) -> None:
        """Bring what a spec names into the mirror, as it is now.

        Raises:
            SourceError: There is none, or nobody answers.
            ZooError: What came is refused, or cannot be kept.
        """

        def sync() -> None:
            with Sync(self.store) as run:
                summary = run.run(run.resolve([spec]))
            for failed, error in summary.failures:
                LOG.warning("refused: %s: %s", failed, error)
                raise error

        await self.lookups.ask(("bring", spec), sync, limit_s=None)

    async def join(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> Download:
        """Begin to fetch one file of an item, or join those who have.

        Raises:
            SourceError: The upstream has no such file, or does not answer as it should.
            DiskFullError: It does not fit on the mirror's disk.
        """
        task = self._beginning.get(file.path)
        if task is None:
            task = self._beginning[file.path] = asyncio.ensure_future(self._begin(item, file))
            task.add_done_callback(
                lambda done: self._forget(file.path) if _has_failed(done) else None
            )
        return await asyncio.shield(task)

    def _forget(self, path: str) -> None:
        self._beginning.pop(path, None)

    async def _begin(
        self,
        item: RemoteItem,
        file: RemoteFile,
    ) -> Download:
        """Wait for the first response, then go on in the background."""
        with self._timing():
            response = await self._request(file, 0, None)
        try:
            size_bytes = _promised_bytes(file, response)
            own = secrets.token_hex(4)
            name = f"pull-{own}-{staging_name(file)}"
            staged = self.store.staged(name)
            downloads.check_room(staged.parent, file.path, size_bytes or 0, self._running)
            download = Download(file, size_bytes, staged)
        except BaseException:
            response.close()
            raise
        running = asyncio.ensure_future(self._run(item, download, response))
        self._running[download] = running
        running.add_done_callback(lambda _: self._running.pop(download, None))
        return download

    async def _run(
        self,
        item: RemoteItem,
        download: Download,
        response: aiohttp.ClientResponse,
    ) -> None:
        """Receive, verify and keep one file; whatever happens, tell its clients."""
        file = download.file
        try:
            sha256 = await self._receive(download, response)
            await asyncio.to_thread(self._keep, item, download, sha256)
        except asyncio.CancelledError:
            download.fail(SourceError(file.origin, "the server stops", is_retryable=True))
            raise
        except Exception as fault:  # noqa: BLE001 - whatever it is, the clients must hear of it
            LOG.warning("refused: %s: %s", sources.shown(file.origin), fault)
            if self._metrics is not None:
                self._metrics.count_refused(fault, download.done_bytes)
            download.fail(fault)
        else:
            download.succeed()
        finally:
            self._forget(file.path)
            response.close()

    async def _receive(
        self,
        download: Download,
        response: aiohttp.ClientResponse,
    ) -> str:
        """Write the body to the staged file, going on after a break where the server can.

        Return its SHA-256.
        """
        import aiohttp

        digest = hashlib.sha256()
        etag = response.headers.get("ETag", "")
        for tries_left in reversed(range(TRIES)):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                await _write_body(download, response, digest)
                if download.size_bytes in (None, download.done_bytes):
                    return digest.hexdigest()

            response.close()
            if not tries_left or not etag.startswith('"'):
                break
            response = await self._request(download.file, download.done_bytes, etag)
        fault = (
            f"expected {download.size_bytes} bytes, the connection broke at {download.done_bytes}"
        )
        raise SourceError(download.file.origin, fault, is_retryable=True)

    async def _request(
        self,
        file: RemoteFile,
        start: int,
        etag: str | None,
    ) -> aiohttp.ClientResponse:
        """Ask for a file, or for the rest of it.

        Raises:
            SourceError: The response is not the file, or not the rest of the same file.
        """
        import aiohttp

        url = self.upstreams.rewritten(file.origin)
        shown = sources.shown(file.origin)
        self._check_reachable(url, shown)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=ANSWER_S)
            self._session = aiohttp.ClientSession(
                timeout=timeout, auto_decompress=False, trust_env=True
            )
        headers = self._headers(url, start, etag)
        try:
            response = await asyncio.wait_for(self._session.get(url, headers=headers), ANSWER_S)
        except TimeoutError as error:
            fault = f"expected an answer within {ANSWER_S} seconds, got none"
            self._remember_unreachable(url, fault)
            raise SourceError(shown, fault, is_retryable=True, status=TIMED_OUT) from error
        except (aiohttp.ClientError, OSError) as error:
            fault = f"expected an answer, got {type(error).__name__}"
            if isinstance(error, aiohttp.ClientConnectorError):
                self._remember_unreachable(url, fault)
            raise SourceError(shown, fault, is_retryable=True) from error

        if (reason := _fault_of(response, url, start)) is not None:
            response.close()
            is_retryable = policy.may_pass(response.status)
            raise SourceError(shown, reason, status=response.status, is_retryable=is_retryable)
        return response

    def _headers(
        self,
        url: str,
        start: int,
        etag: str | None,
    ) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity", "User-Agent": "zoo-mirror"}
        if token := self._tokens.get(sources.origin(url)):
            headers["Authorization"] = f"Bearer {token}"
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": etag or ""}
        return headers

    def _remember_unreachable(
        self,
        url: str,
        fault: str,
    ) -> None:
        until_s = time.monotonic() + FAILURE_S
        origin = sources.origin(url)
        self._unreachable[origin] = (until_s, fault)

    def _check_reachable(
        self,
        url: str,
        shown: str,
    ) -> None:
        """Refuse at once what a moment ago nobody answered.

        Each try costs its client ten seconds and more.
        """
        until, fault = self._unreachable.get(sources.origin(url), (0.0, ""))
        left_s = until - time.monotonic()
        if left_s > 0:
            raise SourceError(shown, fault, is_retryable=True, retry_after_s=left_s)

    def _keep(
        self,
        item: RemoteItem,
        download: Download,
        sha256: str,
    ) -> None:
        """Check a file that has arrived and give it its place. In a worker thread."""
        file = download.file
        size_bytes = download.done_bytes
        if file.sha256 is not None and not sha256.startswith(file.sha256):
            raise SourceError(file.origin, f"expected sha256 {file.sha256}, got {sha256}")
        check_bytes(download.staged, item, file)

        ecosystem = ecosystems.of(item.kind)
        if ecosystem.learns_digests and not has_full_digest(file):
            name = staging_name(file)
            entry = lockfile.LockedFile(sha256, size_bytes)
            lockfile.learn(self.store.lock_file(name), name, entry)

        place = (item.kind, item.name)
        stored = stored_file(file, size_bytes, sha256)
        with self.store.working():
            self.store.adopt(download.staged, file.path, sha256)
            self.store.change(place, lambda versions: _with_file(versions, item, stored))
            self.store.retire(item.kind, item.aliases)

        self.store.fold_if_worthwhile()
        for gone in upkeep.enforce_policy(self.store):
            LOG.info("removed %s %s: the mirror is full", gone.kind, gone.name)


def _sleep_briefly(wait_s: float) -> None:
    """Wait between two tries of a lookup for which a client is waiting in turn."""
    time.sleep(min(wait_s, LONGEST_SLEEP_S))


async def _write_body(
    download: Download,
    response: aiohttp.ClientResponse,
    digest: hashlib._Hash,
) -> None:
    """Write what comes, up to the promised length.

    Raises:
        SourceError: More comes than was promised.
        CacheError: The disk is full or failed.
    """
    most_bytes = download.size_bytes
    async for block in response.content.iter_chunked(BLOCK_BYTES):
        done_bytes = download.done_bytes + len(block)
        if most_bytes is not None and done_bytes > most_bytes:
            raise SourceError(download.file.origin, f"expected {most_bytes} bytes, got more")
        download.write(block)
        digest.update(block)


def _with_file(
    versions: Versions,
    item: RemoteItem,
    file: StoredFile,
) -> Versions:
    """Add one file to an item, which need not be there yet nor be whole."""
    lacks_others = len(item.files) > 1
    entry = replace(entry_of(item, [file]), is_partial=lacks_others)
    for known in versions:
        if known.key != entry.key:
            continue

        files = {old.path: old for old in known.files}
        files[file.path] = file
        refs = dict.fromkeys([*known.refs, *entry.refs])
        entry = replace(
            entry,
            files=tuple(files.values()),
            refs=tuple(refs),
            is_partial=known.is_partial,
        )
        break
    return entered(versions, entry)


def _promised_bytes(
    file: RemoteFile,
    response: aiohttp.ClientResponse,
) -> int | None:
    """Return the length that is promised, if it can be that of the file.

    Raises:
        SourceError: It cannot, or what comes is a web page.
    """
    headers = response.headers
    length = ranges.parse_length(headers.get("Content-Length"))
    if file.size_bytes is not None and length is not None:
        difference = abs(length - file.size_bytes)
        if difference > file.size_tolerance_bytes:
            fault = f"expected {file.size_bytes} bytes, it offers {length}"
            raise SourceError(file.origin, fault)

    if file.path.startswith("weights/") and response.content_type == "text/html":
        raise SourceError(file.origin, "expected the file, got a web page (does it want a login?)")

    exact = None
    if file.size_tolerance_bytes == 0:
        exact = file.size_bytes

    encoding = headers.get("Transfer-Encoding", "")
    is_chunked = "chunked" in encoding.lower()
    has_end = is_chunked or file.sha256 is not None
    if length is None and exact is None and not has_end:
        raise SourceError(file.origin, "expected a length or a digest, so that its end is known")

    if length is None:
        return exact
    return length


def _fault_of(
    response: aiohttp.ClientResponse,
    url: str,
    start: int,
) -> str | None:
    """Say what keeps a response from being the file, or the rest of it."""
    expected_status = 206 if start else 200
    if response.status != expected_status:
        what = "the rest of the file" if start else "the file"
        return f"expected {what}, got HTTP status {response.status}"

    headers = response.headers
    content = ranges.parse_content_range(headers.get("Content-Range"))
    if start and (content is None or content.start != start):
        return "expected the rest of the file, got another part"

    encoding = headers.get("Content-Encoding", "identity")
    if encoding.lower() not in {"", "identity"}:
        return "expected the plain file, got it packed although that was not asked for"
    if url.startswith("https:") and response.url.scheme != "https":
        return "it redirects from https to another scheme, which is not followed"
    return None


def _has_failed(task: asyncio.Task[Download]) -> bool:
    return task.cancelled() or task.exception() is not None
