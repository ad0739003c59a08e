"""The forward proxy: the first bytes of a connection decide whether it is one.

``CONNECT`` for a host that the mirror stands for ends here: TLS with the mirror's own certificate, then HTTP as on any
other connection. For every other host the proxy is a plain tunnel, or refuses (``strict``). Everything that does not
begin with ``CONNECT`` is handed to the HTTP server untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.mirror.authority import Authority
    from zoo.mirror.server import App

LOG = logging.getLogger("zoo.mirror")
METHOD = b"CONNECT "
LARGEST_HEAD_BYTES = 16 << 10
HEAD_S = 30.0
"""How long a client may take for its first bytes, or for all of its CONNECT."""
HANDSHAKE_S = 15.0
CONNECT_S = 10.0
TUNNEL_BLOCK_BYTES = 64 << 10
TUNNEL_PORTS = frozenset({443})
_REASONS = {400: "Bad Request", 403: "Forbidden", 431: "Request Header Fields Too Large", 502: "Bad Gateway"}


class Gate:
    """What the proxy does with a CONNECT.

    Args:
        app: The HTTP server behind it.
        authority: Vouches for the hosts that the mirror stands for.
        is_strict: Refuse every other host instead of making a tunnel.
        tunnel_ports: Ports that a tunnel may lead to.
    """

    def __init__(
        self,
        app: App,
        authority: Authority,
        *,
        is_strict: bool = False,
        tunnel_ports: frozenset[int] = TUNNEL_PORTS,
    ) -> None:
        self.app = app
        self.authority = authority
        self.is_strict = is_strict
        self.tunnel_ports = tunnel_ports
        self.tasks: set[asyncio.Task[None]] = set()

    def __call__(self) -> Front:
        """Make the protocol of a new connection."""
        return Front(self)

    def enter(self, transport: asyncio.Transport, head: bytes) -> None:
        """Begin to deal with a CONNECT, in the background."""
        task = asyncio.ensure_future(self._enter(transport, head))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _enter(self, transport: asyncio.Transport, head: bytes) -> None:
        try:
            host, port = _destination(head)
        except ValueError:
            refuse(transport, 400, "expected CONNECT host:port")
            return
        if host in self.authority.hosts and port == 443:
            await self._intercept(transport, host)
        elif self.is_strict or port not in self.tunnel_ports:
            LOG.info("CONNECT %s:%d refused", host, port)
            refuse(transport, 403, f"this proxy does not lead to {host}:{port}")
        else:
            await self._tunnel(transport, host, port)

    async def _intercept(self, transport: asyncio.Transport, host: str) -> None:
        """Be the host: shake hands, then speak HTTP."""
        context = await asyncio.to_thread(self.authority.context, host)
        protocol = self.app.make_protocol(host)
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        loop = asyncio.get_running_loop()
        try:
            secured = await loop.start_tls(
                transport, protocol, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, ConnectionError) as error:
            LOG.info("CONNECT %s: no TLS with this client (%s); does it trust ca.pem?", host, type(error).__name__)
            transport.abort()
            return
        if secured is None:
            return
        protocol.connection_made(secured)

    async def _tunnel(self, transport: asyncio.Transport, host: str, port: int) -> None:
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

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(HEAD_S, self._transport.abort)

    def connection_lost(self, _error: Exception | None) -> None:
        """Stop the clock."""
        if self._deadline is not None:
            self._deadline.cancel()

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
        if self._deadline is not None:
            self._deadline.cancel()


def refuse(transport: asyncio.Transport, status: int, text: str) -> None:
    """Answer in plain HTTP and close."""
    body = f"{text}\n".encode("ascii", "replace")
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    transport.write(head.encode() + body)
    transport.close()


def _destination(head: bytes) -> tuple[str, int]:
    """Read ``CONNECT host:port HTTP/1.1``.

    Raises:
        ValueError: It is something else.
    """
    method, target, version = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
    host, _, port = target.rpartition(":")
    host = host.removeprefix("[").removesuffix("]").lower()
    if method != "CONNECT" or not version.startswith("HTTP/1.") or not host or not host.isprintable():
        raise ValueError(target)
    if not 0 < int(port) < 65536:
        raise ValueError(port)
    return host, int(port)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way, no faster than they are taken, and pass on the end."""
    with contextlib.suppress(OSError):
        while block := await reader.read(TUNNEL_BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
