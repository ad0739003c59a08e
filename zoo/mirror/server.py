"""The bundled server: one mirror over HTTP, on aiohttp.

Only what the catalogue names is ever opened, so a path is looked up and never followed. Nothing that a client sends can
write: every method but GET and HEAD is refused. Bodies go from file to socket by ``sendfile``; where one cannot be
finished, the connection is reset, because torch.hub takes a plain close for the end of the file.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import socket
import struct
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError, SourceError, ZooError
from zoo.mirror import conditions, dialects
from zoo.mirror.answers import etag_of
from zoo.mirror.librarian import FileReply, StreamReply, plain
from zoo.mirror.sending import Sender

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web

    from zoo.mirror.answers import AnyFile
    from zoo.mirror.librarian import AnyReply, Librarian

LOG = logging.getLogger("zoo.mirror")
IDLE_S = 75.0
"""How long a connection may be silent before or between requests, all told."""
METHODS = ("GET", "HEAD")


def aiohttp_web() -> Any:
    """Import aiohttp's server.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        from aiohttp import web
    except ImportError as error:
        raise MissingPackageError("aiohttp", "zoo mirror serve", "mirror") from error
    return web


class App:
    """Answer requests about one mirror.

    Args:
        librarian: Knows the answers.
        hosts: Hosts that a plain-HTTP proxy request may name.
    """

    def __init__(self, librarian: Librarian, hosts: frozenset[str] = frozenset()) -> None:
        self.librarian = librarian
        self.hosts = hosts
        self._aiohttp = aiohttp_web()
        self._servers: dict[str | None, web.Server] = {}
        self._sender = Sender()
        self._busy: set[object] = set()
        self._silent_since: dict[object, float] = {}

    def make_protocol(self, host: str | None = None) -> Any:
        """Make what talks HTTP on a new connection, whose client believes to be connected to a host."""
        if host not in self._servers:
            handler = functools.partial(self.handle, host)
            self._servers[host] = self._aiohttp.Server(handler, access_log=None, keepalive_timeout=IDLE_S)
        return self._servers[host]()

    # -- one request -------------------------------------------------------------------------------------------------

    async def handle(self, host: str | None, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request and log it: never a header, never a query, both may hold tokens."""
        protocol, start = request.protocol, time.monotonic()
        self._busy.add(protocol)
        outcome = "broken off"
        try:
            response = await self._respond(await self._reply(host, request), request)
            outcome = str(response.status)
            return response
        finally:
            self._busy.discard(protocol)
            self._silent_since[protocol] = time.monotonic()
            path = ascii(request.raw_path.partition("?")[0])[1:-1][:300]
            method = ascii(request.method)[1:-1][:10]
            LOG.info("%s %s%s %s %.0f ms", method, host or "", path, outcome, 1000 * (time.monotonic() - start))

    async def _reply(  # noqa: PLR0911 - one return for each outcome
        self, host: str | None, request: web.BaseRequest
    ) -> AnyReply:
        """Decide what to answer, whatever goes wrong."""
        if request.method not in METHODS:
            return plain(405, "a mirror is read-only", Allow=", ".join(METHODS))
        if request.body_exists:
            return plain(400, "a GET or HEAD has no body")
        try:
            return await self._answer(host, request)
        except dialects.BadPathError as error:
            return plain(400, f"this path is refused: {error}")
        except SourceError as error:
            LOG.warning("refused: %s", error)
            if error.status in (404, 410):
                return plain(404, "the upstream does not have it")
            return plain(502, "the upstream did not answer as it should; the mirror's log says why", Retry_After="10")
        except ZooError as error:
            LOG.warning("refused: %s", error)
            return plain(500, "the mirror cannot answer; its log says why")

    async def _answer(self, host: str | None, request: web.BaseRequest) -> AnyReply:
        """Find out what is asked, of which host, and answer it."""
        target = request.raw_path
        if host is None and target.startswith("http://"):
            host, slash, path = target.removeprefix("http://").partition("/")
            host, target = host.removesuffix(":80").lower(), slash + path
            if host not in self.hosts:
                return plain(403, f"this proxy does not answer for {ascii(host)[1:-1][:100]}")
        question = dialects.read(host, target)
        if question is None:
            return plain(404, "nothing of the kind is served here")
        return await self.librarian.answer(question, _own_base(request))

    async def _respond(self, reply: AnyReply, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(reply, FileReply):
            return await self._send_file(request, reply)
        if isinstance(reply, StreamReply):
            return await self._send_stream(request, reply)
        headers = {"Server": "zoo", "X-Content-Type-Options": "nosniff", **reply.headers}
        response: web.StreamResponse = self._aiohttp.Response(status=reply.status, body=reply.body, headers=headers)
        if reply.status in (400, 405):
            response.force_close()
        return response

    async def shutdown(self, timeout_s: float) -> None:
        """End all connections, those in the middle of a body after a while."""
        for server in self._servers.values():
            await server.shutdown(timeout_s)
        self._sender.close()

    # -- bodies ------------------------------------------------------------------------------------------------------

    async def _send_file(self, request: web.BaseRequest, reply: FileReply) -> web.StreamResponse:
        """Send a file, or the part of it that the request's conditions and range ask for."""
        path = self.librarian.store.whole(reply.file)
        if path is None:
            return await self._respond(plain(404, "the file has just gone"), request)
        modified, size_bytes = datetime.fromisoformat(reply.file.fetched_at), reply.file.size_bytes
        etag = etag_of(reply.file) or ""
        decision = conditions.decide(
            request.method, request.headers, etag=etag, size_bytes=size_bytes, modified=modified
        )
        headers = {"Last-Modified": conditions.http_date(modified), "Accept-Ranges": "bytes"}
        if decision.status in (200, 206):
            headers["Content-Length"] = str(decision.length_bytes)
        if decision.status == 206:
            headers["Content-Range"] = f"bytes {decision.start}-{decision.end - 1}/{size_bytes}"
        elif decision.status == 416:
            headers["Content-Range"] = f"bytes */{size_bytes}"
        response = await self._begin(request, decision.status, reply.file, {**headers, **reply.headers})
        if request.method == "GET" and decision.length_bytes:
            await self._send_part(request, path, decision)
        await response.write_eof()
        return response

    async def _send_part(self, request: web.BaseRequest, path: Path, part: conditions.Decision) -> None:
        """Send bytes of a file; reset the connection if they cannot all be sent."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        try:
            with path.open("rb") as stream:
                sent = await self._sender.send(transport, stream, part.start, part.length_bytes)
        except ConnectionError:
            raise
        except (OSError, RuntimeError) as error:
            reset(transport)
            raise ConnectionResetError from error
        if sent != part.length_bytes:
            reset(transport)
            raise ConnectionResetError

    async def _send_stream(self, request: web.BaseRequest, reply: StreamReply) -> web.StreamResponse:
        """Send a file while it arrives; its last block only after its digest was found right."""
        download = reply.download
        headers = {**reply.headers}
        if download.size_bytes is not None:
            headers["Content-Length"] = str(download.size_bytes)
        response = await self._begin(request, 200, download.file, headers)
        if request.method == "GET":
            try:
                async for block in download.blocks():
                    await response.write(block)
            except (ZooError, OSError) as error:
                if request.transport is not None:
                    reset(request.transport)
                raise ConnectionResetError from error
        await response.write_eof()
        return response

    async def _begin(
        self, request: web.BaseRequest, status: int, file: AnyFile, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Send the headers of an answer with a file."""
        etag = etag_of(file)
        known = {"ETag": etag} if etag else {}
        general = {"Server": "zoo", "X-Content-Type-Options": "nosniff", "Content-Type": content_type(file), **known}
        response: web.StreamResponse = self._aiohttp.StreamResponse(status=status, headers={**general, **headers})
        if status in (412, 416):
            response.content_length = 0
        await response.prepare(request)
        return response

    # -- connections -------------------------------------------------------------------------------------------------

    async def close_silent_connections(self, interval_s: float = 5.0, idle_s: float = IDLE_S) -> None:
        """End connections whose clients have sent no whole request for too long; runs until it is cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            now = time.monotonic()
            known = {connection for server in self._servers.values() for connection in server.connections}
            self._silent_since = {c: self._silent_since.get(c, now) for c in known}
            for connection in known - self._busy:
                if now - self._silent_since[connection] > idle_s:
                    connection.force_close()


def reset(transport: asyncio.BaseTransport) -> None:
    """Break a connection so that the other side notices: torch.hub takes a plain close for the end of a file."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def content_type(file: AnyFile) -> str:
    """Return the media type of a file by its name."""
    kinds = {".json": "application/json", ".txt": "text/plain; charset=utf-8", ".zip": "application/zip"}
    kinds[".md"] = kinds[".txt"]
    return next((kind for ending, kind in kinds.items() if file.path.endswith(ending)), "application/octet-stream")


def _own_base(request: web.BaseRequest) -> str:
    """Return the address under which the client knows us."""
    transport = request.transport
    scheme = "https" if transport is not None and transport.get_extra_info("ssl_object") else "http"
    return f"{scheme}://{request.host}"
