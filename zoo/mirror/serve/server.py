"""The bundled server: one mirror over HTTP, on aiohttp.

Only what the index names is ever opened, so a path is looked up and never followed. Nothing that a
client sends can write: what is not GET or HEAD is refused, but for one request of huggingface_hub
that comes as a POST. :mod:`zoo.mirror.serve.routes` says who answers,
:mod:`zoo.mirror.serve.bodies` sends it.

The file is long because what bounds a client (time, size, methods) stands in one place.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from zoo.errors import MissingPackageError, ZooError
from zoo.mirror import requests
from zoo.mirror.requests import BadPathError
from zoo.mirror.responses import FileResponse, error, text, unavailable
from zoo.mirror.serve import aborts, access_log, forwarding, peers, routes
from zoo.mirror.serve.access_log import LogEntry, printable
from zoo.mirror.serve.bodies import Bodies, BrokenOffError
from zoo.mirror.serve.forwarding import Destination, Forwarder, NoResponseError
from zoo.mirror.serve.readers import EVERYBODY, Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from zoo.mirror.responses import AnyResponse
    from zoo.mirror.serve.metrics import Metrics
    from zoo.mirror.serve.peers import Network, Peer
    from zoo.mirror.serve.readers import Readers
    from zoo.mirror.site import Site

LOG = logging.getLogger("zoo.mirror")
IDLE_S = 75.0
"""How long a connection may be silent before or between requests, all told."""
ABORT_S = 5.0
"""How long the end may take of connections that were broken off."""
READ_METHODS = ("GET", "HEAD")
METHODS = (*READ_METHODS, "POST")
LARGEST_FORM_BYTES = 1 << 20
MAX_HOST = 100
OPEN_PATHS = ("/healthz", "/readyz", "/ca.pem")
"""What needs no token: a load balancer has none, and a certificate is no secret."""
CHALLENGE = 'Basic realm="zoo mirror", charset="UTF-8"'
UNKNOWN_READER = "this mirror needs a token: HF_TOKEN, ~/.netrc, or http://any:TOKEN@HOST:PORT"


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


@dataclass(frozen=True, slots=True)
class AppOptions:
    """How requests are answered."""

    hosts: frozenset[str] = frozenset()
    """Hosts that a plain-HTTP proxy request may name."""
    tunnel_ports: frozenset[int] = frozenset()
    """Ports of other hosts that the proxy leads to; none for no other hosts at all."""
    trusted_proxies: tuple[Network, ...] = ()
    log_format: access_log.Format = "text"
    redirects: bool = False
    """Whether clients are redirected to the bucket that holds the mirror."""
    readers: Readers | None = None
    """Who may read; ``None`` for everybody."""
    metrics: Metrics | None = None


class App:
    """Answer requests about one mirror.

    Args:
        site: The mirror.
        options: How.
    """

    def __init__(
        self,
        site: Site,
        options: AppOptions | None = None,
    ) -> None:
        self.site = site
        self.options = options or AppOptions()
        self.note_use: Callable[[str], None] = lambda _: None
        """Called with the path of each file that is asked for."""
        self._aiohttp = aiohttp_web()
        self._forwarder = Forwarder(self.options.tunnel_ports)
        self._bodies = Bodies(site, self._aiohttp, redirects=self.options.redirects)
        self._servers: dict[tuple[str | None, Reader | None], web.Server] = {}
        self._busy: set[web.RequestHandler] = set()
        self._silent_since: dict[object, float] = {}

    def make_protocol(
        self,
        host: str | None = None,
        reader: Reader | None = None,
    ) -> Any:
        """Make what talks HTTP on a new connection.

        Args:
            host: Which host its client believes to be connected to.
            reader: Who that is, where the proxy has found it out.
        """
        key = (host, reader)
        if key not in self._servers:
            handler = functools.partial(self.handle, host, reader)
            self._servers[key] = self._aiohttp.Server(
                handler, access_log=None, keepalive_timeout=IDLE_S
            )
        return self._servers[key]()

    async def reader_of(self, authorization: str | None) -> Reader | None:
        """Return whom a header lets in; ``None`` for nobody.

        Raises:
            ZooError: Who may read is not known.
        """
        readers = self.options.readers
        if readers is None:
            return EVERYBODY
        if not readers.is_fresh:
            await asyncio.to_thread(readers.refresh)
        return readers.reader_of(authorization)

    # -- one request

    async def handle(
        self,
        host: str | None,
        reader: Reader | None,
        request: web.BaseRequest,
    ) -> web.StreamResponse:
        """Answer one request and log it."""
        protocol = request.protocol
        peer = peers.peer_of(request, self.options.trusted_proxies)
        entry = _entry(request, host, peer)
        self._busy.add(protocol)
        try:
            response = await self._respond(host, reader, request, peer, entry)
            entry.status = response.status
        except BrokenOffError:
            entry.ending = "broken off"
            response = self._end(request)
        except ConnectionError:
            entry.ending = "client left"
            response = self._end(request)
        except asyncio.CancelledError:
            entry.ending = "client left"
            raise
        finally:
            self._busy.discard(protocol)
            self._silent_since[protocol] = time.monotonic()
            entry.write(self.options.log_format)
            if self.options.metrics is not None:
                self.options.metrics.count_request(entry)
        return response

    async def _respond(
        self,
        host: str | None,
        reader: Reader | None,
        request: web.BaseRequest,
        peer: Peer,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Answer, or pass on what is for another host."""
        response: AnyResponse | None = None
        if host is None and self._is_passed_on(request):
            response = await self._refusal(request)
            if response is None:
                try:
                    return await self._forwarder.send(request, entry)
                except NoResponseError as error:
                    response = text(502, f"the host does not answer ({error})")
        if response is None:
            response = await self._find_response(host, reader, request, peer)

        if self.options.metrics is not None:
            self.options.metrics.count_response(response)
        if isinstance(response, FileResponse) and request.method == "GET":
            self.note_use(response.file.path)
        return await self._bodies.send(request, response, entry)

    def _is_passed_on(self, request: web.BaseRequest) -> bool:
        """Tell whether a request is for another host, to which the proxy leads."""
        destination = forwarding.destination_of(request.raw_path)
        if destination is None or self._is_intercepted(destination):
            return False
        return self._forwarder.may_reach(destination)

    def _is_intercepted(self, destination: Destination) -> bool:
        is_plain = destination.port == forwarding.HTTP_PORT
        return is_plain and destination.host in self.options.hosts

    async def _refusal(self, request: web.BaseRequest) -> AnyResponse | None:
        """Return what keeps a client from using the proxy."""
        try:
            reader = await self._find_reader(request)
        except ZooError as fault:
            return unavailable("the mirror cannot answer this now", fault)
        if reader is None:
            return _ask_for_token(is_proxied=True)
        return None

    def _end(self, request: web.BaseRequest) -> web.StreamResponse:
        """End a connection that is of no use any more; nobody will see the response."""
        if request.transport is not None:
            request.transport.abort()
        response: web.StreamResponse = self._aiohttp.Response(status=503)
        return response

    async def _find_response(
        self,
        host: str | None,
        reader: Reader | None,
        request: web.BaseRequest,
        peer: Peer,
    ) -> AnyResponse:
        """Decide what to answer, whatever goes wrong."""
        if request.method not in METHODS:
            return _read_only()
        if request.body_exists and request.method != "POST":
            return text(400, "a GET or HEAD has no body")
        try:
            if reader is None:
                reader = await self._find_reader(request)
            if reader is None:
                return _ask_for_token(is_proxied=request.raw_path.startswith("http://"))
            return await self._answer(host, reader, request, peer)
        except BadPathError as fault:
            return text(400, f"this path is refused: {fault}")
        except ZooError as fault:  # the disk is full, or fails: of this request only
            return unavailable("the mirror cannot answer this now", fault)

    async def _find_reader(self, request: web.BaseRequest) -> Reader | None:
        """Return who asks; anybody may ask for what needs no token."""
        if request.raw_path.partition("?")[0] in OPEN_PATHS:
            return EVERYBODY
        for name in ("Authorization", "Proxy-Authorization"):
            reader = await self.reader_of(request.headers.get(name))
            if reader is not None:
                return reader
        return None

    async def _answer(
        self,
        host: str | None,
        reader: Reader,
        request: web.BaseRequest,
        peer: Peer,
    ) -> AnyResponse:
        """Find out what is asked, of which host, and answer it."""
        target = request.raw_path
        if host is None and target.startswith("http://"):
            destination = forwarding.destination_of(target)
            if destination is None:
                return text(400, "expected http://HOST/PATH")
            if not self._is_intercepted(destination):
                shown = printable(destination.shown, MAX_HOST)
                return text(403, f"this proxy does not lead to {shown}")
            host, target = destination.host, destination.path

        asked = requests.parse(
            target,
            host,
            method=request.method,
            base=peer.base,
            may_read_gated=reader.may_read_gated,
        )
        if request.method == "POST":
            if not routes.takes_form(asked):
                return _read_only()
            form = await _read_form(request)
            if form is None:
                return text(413, f"expected a form of at most {LARGEST_FORM_BYTES} bytes")
            asked = replace(asked, form=requests.fields(form))
        handler = routes.find(asked)
        if handler is None:
            return text(404, "nothing of the kind is served here")
        return await handler(self.site)

    # -- connections

    @property
    def busy_count(self) -> int:
        """How many responses are being sent."""
        return len(self._busy)

    async def shutdown(
        self,
        grace_s: float,
        hurry: asyncio.Event,
    ) -> int:
        """End all connections: idle ones at once, those in the middle of a response after a while.

        Args:
            grace_s: How long responses may take to their end.
            hurry: Ends the wait when it is set.

        Returns:
            How many responses were broken off.
        """
        await self._close_idle()
        closing = asyncio.ensure_future(self._close_servers(grace_s + ABORT_S))
        hurried = asyncio.ensure_future(hurry.wait())
        first: list[asyncio.Task[Any]] = [closing, hurried]
        await asyncio.wait(first, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()

        transports = [protocol.transport for protocol in self._busy]
        broken = [transport for transport in transports if transport is not None]
        await asyncio.gather(*(aborts.abort(transport) for transport in broken))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing, ABORT_S)
        self._bodies.close()
        await self._forwarder.close()
        return len(broken)

    async def _close_idle(self) -> None:
        """Close connections that are kept for a next request.

        aiohttp would hold them open to the end of the grace time, and answer nothing more on them.
        """
        # A request that has been read reaches its handler in the second turn of the loop.
        for _ in range(3):
            await asyncio.sleep(0)
        known = {one for server in self._servers.values() for one in server.connections}
        for connection in known - self._busy:
            connection.force_close()

    async def _close_servers(self, timeout_s: float) -> None:
        servers = self._servers.values()
        endings = [server.shutdown(timeout_s) for server in servers]
        await asyncio.gather(*endings)

    async def close_silent_connections(
        self,
        interval_s: float = 5.0,
        idle_s: float = IDLE_S,
    ) -> None:
        """End connections whose clients have sent no whole request for too long.

        Runs until it is cancelled.
        """
        while True:
            await asyncio.sleep(interval_s)
            now_s = time.monotonic()
            servers = self._servers.values()
            known = {connection for server in servers for connection in server.connections}
            self._silent_since = {one: self._silent_since.get(one, now_s) for one in known}
            for connection in known - self._busy:
                if now_s - self._silent_since[connection] > idle_s:
                    connection.force_close()


def _ask_for_token(*, is_proxied: bool) -> AnyResponse:
    if is_proxied:
        return text(407, UNKNOWN_READER, {"Proxy-Authenticate": CHALLENGE})
    return error(401, None, UNKNOWN_READER, {"WWW-Authenticate": CHALLENGE})


def _read_only() -> AnyResponse:
    return text(405, "a mirror is read-only", {"Allow": ", ".join(READ_METHODS)})


def _entry(
    request: web.BaseRequest,
    host: str | None,
    peer: Peer,
) -> LogEntry:
    """Begin the log's entry about a request."""
    path = request.raw_path.partition("?")[0]
    agent = request.headers.get("User-Agent", "")
    entry = LogEntry(
        client=peer.address,
        method=printable(request.method, 10),
        target=(host or "") + printable(path, access_log.MAX_PATH),
        agent=printable(agent, access_log.MAX_AGENT),
    )
    if peer.request_id is not None:
        entry.request_id = peer.request_id
    return entry


async def _read_form(request: web.BaseRequest) -> str | None:
    """Read the body of a POST as a form, also where it is JSON; ``None`` if it is too long.

    A body that says nothing names no paths.
    """
    body = b""
    async for block in request.content.iter_any():
        body += block
        if len(body) > LARGEST_FORM_BYTES:
            return None
    if request.content_type != "application/json":
        return body.decode("ascii", "replace")
    try:
        return urlencode(json.loads(body), doseq=True)
    except (ValueError, TypeError, RecursionError):
        return ""
