"""The forward proxy: the first bytes of a connection decide whether it is one.

``CONNECT`` for an intercepted host ends here: TLS with the mirror's own certificate, then HTTP as
on any other connection. Every other host is refused, or reached through a tunnel where that was
allowed: a proxy that leads anywhere leads to what its network hides, too. Everything that does not
begin with ``CONNECT`` is handed to the HTTP server untouched. Every refusal is a line in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import weakref
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.mirror.serve.access_log import printable
from zoo.mirror.serve.server import CHALLENGE

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Coroutine

    from zoo.mirror.serve.ca import CertificateAuthority
    from zoo.mirror.serve.readers import Reader
    from zoo.mirror.serve.server import App

LOG = logging.getLogger("zoo.mirror")
METHOD = b"CONNECT "
LARGEST_HEAD_BYTES = 16 << 10
HEAD_S = 30.0
"""How long a client may take for its first bytes, or for all of its CONNECT."""
HANDSHAKE_S = 15.0
CONNECT_S = 10.0
TUNNEL_BLOCK_BYTES = 64 << 10
HTTPS_PORT = 443


class Gate:
    """What the proxy does with a CONNECT.

    Args:
        app: The HTTP server behind it.
        authority: Vouches for the intercepted hosts.
        tunnel_ports: Ports of other hosts that a tunnel may lead to; none for no tunnels at all.
    """

    def __init__(
        self,
        app: App,
        authority: CertificateAuthority,
        tunnel_ports: frozenset[int] = frozenset(),
    ) -> None:
        self.app = app
        self.authority = authority
        self.tunnel_ports = tunnel_ports
        self.tasks: set[asyncio.Task[None]] = set()
        self._unheard: weakref.WeakSet[Front] = weakref.WeakSet()
        self._all_heard = asyncio.Event()

    def __call__(self) -> Front:
        """Make the protocol of a new connection."""
        return Front(self)

    def expect(self, front: Front) -> None:
        """Note a client that has connected and not said yet what it wants."""
        self._unheard.add(front)

    def hear(self, front: Front) -> None:
        """Note that a client has spoken, or left."""
        self._unheard.discard(front)
        if not self._unheard:
            self._all_heard.set()

    async def hear_out(
        self,
        timeout_s: float,
        hurry: asyncio.Event,
    ) -> None:
        """Wait until all clients that have connected have said what they want, but no longer.

        Args:
            timeout_s: How long at most.
            hurry: Ends the wait when it is set.
        """
        self._all_heard.clear()
        if not self._unheard:
            return

        ends = [asyncio.ensure_future(event.wait()) for event in (self._all_heard, hurry)]
        await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()

    def take_in(
        self,
        connection: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Begin to deal with a connection that the system has accepted, in the background."""
        connection.setblocking(False)
        self._begin(self._take_in(connection, tls))

    async def _take_in(
        self,
        connection: socket.socket,
        tls: ssl.SSLContext | None,
    ) -> None:
        """Shake hands, if there is TLS; a client that does not is of its own making."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(self, connection, ssl=tls)

    def enter(
        self,
        transport: asyncio.Transport,
        head: bytes,
    ) -> None:
        """Begin to deal with a CONNECT, in the background."""
        self._begin(self._enter(transport, head))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background, until it is done or the service ends."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _enter(
        self,
        transport: asyncio.Transport,
        head: bytes,
    ) -> None:
        try:
            host, port = _destination(head)
        except ValueError:
            refuse(transport, 400, "expected CONNECT host:port")
            return
        reader = await self._reader_of(head)
        if reader is None:
            words = "this proxy needs a token: http://any:TOKEN@HOST:PORT"
            refuse(transport, 407, words, f"Proxy-Authenticate: {CHALLENGE}\r\n")
        elif host in self.authority.hosts and port == HTTPS_PORT:
            await self._intercept(transport, host, reader)
        elif port not in self.tunnel_ports:
            refuse(transport, 403, f"this proxy does not lead to {host}:{port}")
        else:
            LOG.info("%s CONNECT %s:%d tunnel", client_of(transport), host, port)
            await self._tunnel(transport, host, port)

    async def _reader_of(self, head: bytes) -> Reader | None:
        """Return whom a CONNECT lets in; ``None`` if it has no token and needs one."""
        headers = _headers_of(head)
        try:
            return await self.app.reader_of(headers.get("proxy-authorization"))
        except ZooError as error:
            LOG.warning("refused: %s", error)
            return None

    async def _intercept(
        self,
        transport: asyncio.Transport,
        host: str,
        reader: Reader,
    ) -> None:
        """Be the host: shake hands, then speak HTTP."""
        context = await asyncio.to_thread(self.authority.context, host)
        protocol = self.app.make_protocol(host, reader)
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, ConnectionError) as error:
            LOG.warning(
                "%s CONNECT %s: no TLS with this client (%s); does it trust ca.pem?",
                client_of(transport),
                host,
                type(error).__name__,
            )
            transport.abort()
            return
        if secured is None:
            return
        protocol.connection_made(secured)

    async def _tunnel(
        self,
        transport: asyncio.Transport,
        host: str,
        port: int,
    ) -> None:
        """Carry bytes both ways until one side ends."""
        try:
            far_reader, far_writer = await asyncio.wait_for(
                asyncio.open_connection(host, port, limit=TUNNEL_BLOCK_BYTES), CONNECT_S
            )
        except (OSError, TimeoutError):
            refuse(transport, 502, f"{host}:{port} does not answer")
            return
        loop = asyncio.get_running_loop()
        near_reader = asyncio.StreamReader(limit=TUNNEL_BLOCK_BYTES)
        protocol = asyncio.StreamReaderProtocol(near_reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()
        near_writer = asyncio.StreamWriter(transport, protocol, near_reader, loop)
        near_writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
        finally:
            far_writer.transport.abort()
            near_writer.transport.abort()


class Front(asyncio.Protocol):
    """Look at the first bytes of a connection, then give it to the proxy or to the HTTP server."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._begin = bytearray()
        self._transport: Any = None
        self._deadline: asyncio.TimerHandle | None = None
        gate.expect(self)  # before TLS shakes hands

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(HEAD_S, self._transport.abort)

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop the clock."""
        self._stop_clock()

    def data_received(self, data: bytes) -> None:
        """Decide as soon as that can be done."""
        self._begin += data
        if not self._begin.startswith(METHOD[: len(self._begin)]):
            self._hand_over()
        elif b"\r\n\r\n" in self._begin:
            head, _, rest = bytes(self._begin).partition(b"\r\n\r\n")
            self._stop_clock()
            if rest:
                refuse(self._transport, 400, "nothing may follow CONNECT before its answer")
            else:
                self._transport.pause_reading()
                self._gate.enter(self._transport, head)
        elif len(self._begin) > LARGEST_HEAD_BYTES:
            self._stop_clock()
            refuse(self._transport, 431, "the headers are too long")

    def _hand_over(self) -> None:
        self._stop_clock()
        protocol = self._gate.app.make_protocol()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(bytes(self._begin))

    def _stop_clock(self) -> None:
        self._gate.hear(self)
        if self._deadline is not None:
            self._deadline.cancel()


def client_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of the other side."""
    name = transport.get_extra_info("peername")
    if isinstance(name, tuple):
        return str(name[0])
    return "-"


def _headers_of(head: bytes) -> dict[str, str]:
    """Read the headers of a CONNECT; their names in lower case."""
    headers = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def refuse(
    transport: asyncio.Transport,
    status: int,
    text: str,
    headers: str = "",
) -> None:
    """Answer in plain HTTP and close."""
    LOG.warning("%s CONNECT %d refused: %s", client_of(transport), status, printable(text, 300))
    body = f"{text}\n".encode("ascii", "replace")
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
    rest = f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    transport.write((first + headers + rest).encode() + body)
    transport.close()


def _destination(head: bytes) -> tuple[str, int]:
    """Read ``CONNECT host:port HTTP/1.1``.

    Raises:
        ValueError: It is something else.
    """
    first, _, _ = head.partition(b"\r\n")
    line = first.decode("ascii")
    method, target, version = line.split(" ")
    host, _, port = target.rpartition(":")
    host = host.removeprefix("[").removesuffix("]").lower()
    if (
        method != "CONNECT"
        or not version.startswith("HTTP/1.")
        or not host
        or not host.isprintable()
    ):
        raise ValueError(target)
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return host, int(port)


async def _pump(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes one way, no faster than they are taken, and pass on the end."""
    with contextlib.suppress(OSError):
        while block := await reader.read(TUNNEL_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
