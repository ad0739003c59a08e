"""Headers and bodies on the wire: from a response to what the client receives.

Bodies go from file to socket by ``sendfile``. A body that cannot be finished breaks its connection
off so that the client notices (:mod:`zoo.mirror.serve.aborts`).
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

from zoo.errors import ZooError
from zoo.mirror import hub_documents
from zoo.mirror.responses import FileResponse, Response, StreamResponse, unavailable
from zoo.mirror.serve import aborts, conditions
from zoo.mirror.serve.sending import Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp import web

    from zoo.mirror.hub_documents import AnyFile
    from zoo.mirror.index import StoredFile
    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.serve.access_log import LogEntry
    from zoo.mirror.serve.conditions import Decision
    from zoo.mirror.site import Site

GENERAL = {"Server": "zoo", "X-Content-Type-Options": "nosniff"}
REDIRECT_S = 3600.0
"""How long an address of the bucket is good for: a client may go on with a broken download."""
JUST_LOST = "the mirror has just lost it"
CLOSING = (400, 405, 413)
"""After these nothing that the client has sent so far is believed."""
KINDS = {
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".zip": "application/zip",
}


class BrokenOffError(Exception):
    """A response that was begun and cannot be finished; its connection is gone."""


class Bodies:
    """Send the responses of one server.

    Args:
        site: Whose files are sent.
        aiohttp: aiohttp's server module.
        redirects: Whether clients are redirected to the bucket that holds the mirror.
    """

    def __init__(
        self,
        site: Site,
        aiohttp: Any,
        *,
        redirects: bool = False,
    ) -> None:
        self._redirects = redirects
        self._site = site
        self._aiohttp = aiohttp
        self._sender = Sender()

    def close(self) -> None:
        """End the threads that send."""
        self._sender.close()

    async def send(
        self,
        request: web.BaseRequest,
        response: AnyResponse,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Send a response; what is sent is added to the log's entry.

        Raises:
            BrokenOffError: It was broken off.
            ConnectionError: The client has left.
        """
        if isinstance(response, FileResponse):
            return await self._send_file(request, response, entry)
        if isinstance(response, StreamResponse):
            return await self._send_stream(request, response, entry)
        return self._send_bytes(request, response, entry)

    def _send_bytes(
        self,
        request: web.BaseRequest,
        response: Response,
        entry: LogEntry,
    ) -> web.StreamResponse:
        headers = {**GENERAL, "X-Request-Id": entry.request_id, **response.headers}
        sent: web.StreamResponse = self._aiohttp.Response(
            status=response.status, body=response.body, headers=headers, reason=response.reason
        )
        if response.status in CLOSING:
            sent.force_close()
        if request.method != "HEAD":
            entry.sent_bytes = len(response.body)
        if response.status >= 400:
            words = response.headers.get("X-Error-Message") or response.reason or ""
            usual = HTTPStatus(response.status).phrase
            story = words.removeprefix(f"{usual}: ")
            entry.reason = story or None
        return sent

    # -- a file that is here

    async def _send_file(
        self,
        request: web.BaseRequest,
        response: FileResponse,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Send a file, or the part of it that the request's conditions and range ask for."""
        file, store = response.file, self._site.store
        path = store.whole(file)
        if path is None and store.is_local:
            return self._send_bytes(request, unavailable(JUST_LOST), entry)

        modified = datetime.fromisoformat(file.fetched_at)
        decision = conditions.decide(
            request.method,
            request.headers,
            etag=hub_documents.etag(file) or "",
            size_bytes=file.size_bytes,
            modified=modified,
        )
        headers = {"Last-Modified": conditions.http_date(modified), "Accept-Ranges": "bytes"}
        headers |= _part_headers(decision, file.size_bytes) | dict(response.headers)
        has_body = request.method == "GET" and decision.length_bytes > 0
        if has_body and self._redirects:
            url = await asyncio.to_thread(store.signed_url, file, REDIRECT_S)
            if url is not None:  # who asks with HEAD is told all here
                moved = {**response.headers, "Location": url, "Cache-Control": "no-store"}
                redirect = Response(302, b"the file lies in a bucket\n", moved)
                return self._send_bytes(request, redirect, entry)

        if has_body and path is None:
            return await self._pass_on(request, file, headers, decision, entry)

        sent = await self._begin(request, decision.status, file, headers, entry)
        if has_body and path is not None:
            await self._send_part(request, path, decision, entry)
        await sent.write_eof()
        return sent

    async def _send_part(
        self,
        request: web.BaseRequest,
        path: Path,
        part: Decision,
        entry: LogEntry,
    ) -> None:
        """Send bytes of a file on this machine."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        try:
            with path.open("rb") as stream:
                await self._sender.send(
                    transport, stream, part.start, part.length_bytes, entry.add_sent
                )
        except ConnectionError:
            raise
        except (OSError, RuntimeError) as error:
            await self._break_off(request, error)
        if entry.sent_bytes != part.length_bytes:
            await self._break_off(request, None)

    async def _pass_on(
        self,
        request: web.BaseRequest,
        file: StoredFile,
        headers: dict[str, str],
        part: Decision,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Send bytes of a file that lies in a bucket, once the bucket has sent the first ones."""
        store = self._site.store
        blocks = store.stream(file, part.start, part.end)
        try:
            first = await anext(blocks, b"")
        except FileNotFoundError:
            store.note_lost(file)
            return self._send_bytes(request, unavailable(JUST_LOST), entry)
        except (ZooError, OSError) as error:
            refusal = unavailable(f"the mirror's bucket cannot be read: {error}")
            return self._send_bytes(request, refusal, entry)

        sent = await self._begin(request, part.status, file, headers, entry)
        await sent.write(first)
        entry.sent_bytes += len(first)
        await self._write_blocks(request, sent, blocks, entry)
        if entry.sent_bytes != part.length_bytes:
            await self._break_off(request, None)
        await sent.write_eof()
        return sent

    async def _write_blocks(
        self,
        request: web.BaseRequest,
        sent: web.StreamResponse,
        blocks: AsyncIterator[bytes],
        entry: LogEntry,
    ) -> None:
        """Send what a source yields; where it fails, break the response off."""
        try:
            async for block in blocks:
                await sent.write(block)
                entry.sent_bytes += len(block)
        except ConnectionError:
            raise
        except (ZooError, OSError) as error:
            await self._break_off(request, error)

    # -- a file that is on its way

    async def _send_stream(
        self,
        request: web.BaseRequest,
        response: StreamResponse,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Send a file while it arrives; its last block only after its digest was found right.

        It goes out in chunks and without a length: whatever happens, a client that has not seen the
        last chunk knows that it has not got the whole. Clients that know no chunks have to wait.
        """
        download = response.download
        headers = dict(response.headers)
        is_get = request.method == "GET"
        knows_chunks = request.version >= (1, 1)
        if is_get and not knows_chunks:
            try:
                await download.ended()
            except ZooError as error:
                refusal = unavailable("it could not be fetched", error)
                return self._send_bytes(request, refusal, entry)
            headers["Content-Length"] = str(download.done_bytes)
        elif not is_get and download.size_bytes is not None:
            headers["Content-Length"] = str(download.size_bytes)

        is_chunked = is_get and knows_chunks
        sent = await self._begin(request, 200, download.file, headers, entry, is_chunked=is_chunked)
        if is_get:
            await self._write_blocks(request, sent, download.blocks(), entry)
        await sent.write_eof()
        return sent

    async def _break_off(
        self,
        request: web.BaseRequest,
        error: Exception | None,
    ) -> NoReturn:
        """End the connection so that the client notices."""
        if request.transport is not None:
            await aborts.abort(request.transport)
        raise BrokenOffError from error

    async def _begin(
        self,
        request: web.BaseRequest,
        status: int,
        file: AnyFile,
        headers: dict[str, str],
        entry: LogEntry,
        *,
        is_chunked: bool = False,
    ) -> web.StreamResponse:
        """Send the headers of a response with a file."""
        general = {
            **GENERAL,
            "X-Request-Id": entry.request_id,
            "Content-Type": content_type(file),
        }
        if (etag := hub_documents.etag(file)) is not None:
            general["ETag"] = etag
        sent: web.StreamResponse = self._aiohttp.StreamResponse(
            status=status, headers={**general, **headers}
        )
        if status in (412, 416):
            sent.content_length = 0
        if is_chunked:
            sent.enable_chunked_encoding()
        await sent.prepare(request)
        return sent


def _part_headers(
    decision: Decision,
    size_bytes: int,
) -> dict[str, str]:
    headers = {}
    if decision.status in (200, 206):
        headers["Content-Length"] = str(decision.length_bytes)
    if decision.status == 206:
        last = decision.end - 1
        headers["Content-Range"] = f"bytes {decision.start}-{last}/{size_bytes}"
    elif decision.status == 416:
        headers["Content-Range"] = f"bytes */{size_bytes}"
    return headers


def content_type(file: AnyFile) -> str:
    """Return the media type of a file by its name."""
    for ending, kind in KINDS.items():
        if file.path.endswith(ending):
            return kind
    return "application/octet-stream"
