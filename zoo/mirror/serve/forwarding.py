"""Plain HTTP to other hosts, where the proxy may lead there.

A request is passed on, its response passed back.

Clients keep one connection for all plain-HTTP hosts, so that each request on it is looked at: for
an intercepted host the mirror answers, for another one who asks is connected to it. Headers about
the connection stay here (RFC 9110, section 7.6.1), a token for the mirror too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.mirror.serve import aborts
from zoo.mirror.serve.bodies import BrokenOffError

if TYPE_CHECKING:
    import aiohttp
    from aiohttp import web

    from zoo.mirror.serve.access_log import LogEntry

HTTP_PORT = 80
CONNECT_S = 10.0
SILENCE_S = 300.0
"""How long the other host may send nothing."""
BLOCK_BYTES = 64 << 10
_PER_CONNECTION = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class NoResponseError(Exception):
    """The other host does not answer; the text says which."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request on the proxy's connection is meant to go."""

    host: str
    port: int
    path: str
    """From its first slash on, with the query."""

    @property
    def shown(self) -> str:
        """The host, and the port if it is not the usual one."""
        if self.port == HTTP_PORT:
            return self.host
        return f"{self.host}:{self.port}"


def destination_of(target: str) -> Destination | None:
    """Take a request's whole address apart; ``None`` if it is a mere path, or no address.

    >>> destination_of("http://Example.org/a?b")
    Destination(host='example.org', port=80, path='/a?b')
    """
    if not target.startswith("http://"):
        return None
    place, slash, rest = target.removeprefix("http://").partition("/")
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port or HTTP_PORT
    except ValueError:
        return None
    if parts.hostname is None or parts.username is not None:
        return None
    return Destination(parts.hostname, port, slash + rest)


class Forwarder:
    """Pass requests on to other hosts.

    Args:
        ports: Ports that it may lead to, beside that of plain HTTP; none to lead nowhere.
    """

    def __init__(self, ports: frozenset[int]) -> None:
        self._ports = ports
        self._session: aiohttp.ClientSession | None = None

    def may_reach(self, destination: Destination) -> bool:
        """Tell whether the proxy leads there."""
        is_port = destination.port == HTTP_PORT or destination.port in self._ports
        return bool(self._ports) and is_port

    async def close(self) -> None:
        """End connections to other hosts."""
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        request: web.BaseRequest,
        entry: LogEntry,
    ) -> web.StreamResponse:
        """Pass a request on, and its response back.

        Raises:
            NoResponseError: Nothing has come back.
            BrokenOffError: The response has broken off after its begin was passed back.
            ConnectionError: The client has left.
        """
        import aiohttp
        from aiohttp import web
        from yarl import URL

        body = request.content if request.body_exists else None
        try:
            response = await self._opened().request(
                request.method,
                URL(request.raw_path, encoded=True),
                headers=_passed_on(request.headers),
                data=body,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NoResponseError(type(error).__name__) from error

        async with response:
            sent = web.StreamResponse(status=response.status, reason=response.reason)
            sent.headers.extend(_passed_on(response.headers))
            await sent.prepare(request)
            try:
                async for block in response.content.iter_chunked(BLOCK_BYTES):
                    await sent.write(block)
                    entry.sent_bytes += len(block)
            except (aiohttp.ClientPayloadError, TimeoutError) as error:
                if request.transport is not None:
                    await aborts.abort(request.transport)
                raise BrokenOffError from error
            await sent.write_eof()
        return sent

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            timeout = aiohttp.ClientTimeout(None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
            self._session = aiohttp.ClientSession(
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._session


def _passed_on(headers: Any) -> list[tuple[str, str]]:
    """List the headers that are not about the connection."""
    dropped = set(_PER_CONNECTION)
    for line in headers.getall("Connection", ()):
        for name in line.lower().split(","):
            dropped.add(name.strip())

    kept: list[tuple[str, str]] = []
    for name, value in headers.items():
        if name.lower() not in dropped:
            kept.append((name, value))
    return kept
