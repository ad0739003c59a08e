"""A real HTTP server on loopback that misbehaves on request.

A test gives it one function, which is called for every request with an :class:`Exchange` and does
what a broken, lying or overloaded server would do, down to the last byte and the TCP reset::

    with FaultyServer() as server:
        server.behave = lambda exchange: exchange.serve(data, cut_at=1000)
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    Behaviour = Callable[["Exchange"], None]

REASONS = {
    200: "OK",
    206: "Partial Content",
    416: "Range Not Satisfiable",
}
FAR = 1 << 62
"""Behind the end of every file."""


class HangUp(Exception):  # noqa: N818  (no error: the way out of a connection)
    """End the connection without another word."""


@dataclass
class Exchange:
    """One request and the means to answer it."""

    server: FaultyServer
    connection: socket.socket
    number: int
    """Counted from 0 over all requests of the server."""
    method: str
    target: str
    headers: dict[str, str]
    """Names in lower case."""
    body_bytes_sent: int = field(default=0)

    @property
    def span(self) -> tuple[int, int] | None:
        """The range asked for, half open; the end may lie behind the file."""
        asked = self.headers.get("range", "")
        match = re.fullmatch(r"bytes=(?P<first>\d+)-(?P<last>\d*)", asked)
        if match is None:
            return None

        first = int(match["first"])
        if not match["last"]:
            return first, FAR
        return first, int(match["last"]) + 1

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.connection.sendall(data)

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Send a status line and headers."""
        reason = REASONS.get(status, "Whatever")
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["", ""]
        text = "\r\n".join(lines)
        self.send(text.encode("latin-1"))

    def body(self, data: bytes, cut_after: int | None = None) -> None:
        """Send a body, or its beginning."""
        data = data[:cut_after]
        at = 0
        while at < len(data):
            piece = data[at : at + self.server.piece_bytes]
            length = len(piece)
            self.server.throttle(length)
            self.send(piece)
            self.body_bytes_sent += length
            self.server.count(length)
            at += length

    def answer(
        self,
        status: int,
        body: bytes = b"",
        **headers: str,
    ) -> None:
        """Send a short answer; underscores in header names stand for hyphens."""
        sent = {"Content-Length": str(len(body))}
        sent |= plain_names(headers)
        self.head(status, sent)
        self.send(body)

    def serve(
        self,
        data: bytes,
        *,
        etag: str | None = '"v1"',
        ranges: bool = True,
        if_range: bool = True,
        cut_at: int | None = None,
        end: str = "close",
        **headers: str,
    ) -> None:
        """Serve a file as a good server would, up to a place in the file where it stops.

        Args:
            data: The file.
            etag: Its validator.
            ranges: Whether ranges are served; else the whole file is.
            if_range: Whether ``If-Range`` is honoured; else it is ignored.
            cut_at: Offset in the file at which the body ends early, if this answer reaches it.
            end: What then happens: ``"close"``, ``"reset"`` or ``"stall"``.
            headers: More headers, or others.
        """
        if etag is not None and self.headers.get("if-none-match") == etag:
            self.answer(304, ETag=etag)
            return

        span = self.span if ranges else None
        is_other = self.headers.get("if-range", etag) != etag
        if if_range and is_other:
            span = None

        status = 200
        start = 0
        stop = len(data)
        extra = plain_names(headers)
        if etag is not None:
            extra["ETag"] = etag

        if span is not None:
            status = 206
            start = span[0]
            stop = min(span[1], len(data))
            if start >= len(data):
                self.answer(416, Content_Range=f"bytes */{len(data)}")
                return
            extra["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"

        length = str(stop - start)
        self.head(status, {"Content-Length": length, **extra})
        is_cut = cut_at is not None and start <= cut_at < stop
        if not is_cut:
            self.body(data[start:stop])
            return
        self.body(data[start:cut_at])
        self.stop(end)

    def stop(self, end: str = "close") -> None:
        """End the connection in the middle of things."""
        if end == "stall":
            self.server.closing.wait()
        if end == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HangUp


def plain_names(headers: dict[str, str]) -> dict[str, str]:
    """Put hyphens in the place of underscores, as names of headers have them."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


class FaultyServer:
    """Serve on a loopback address from threads until the ``with`` block ends."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.behave: Behaviour = lambda exchange: exchange.answer(404)
        self.throttle: Callable[[int], object] = lambda _count: None
        self.piece_bytes = 16 << 10
        self.requests: list[Exchange] = []
        self.body_bytes = 0
        self.closing = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

        is_ipv6 = ":" in host
        family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        self.port: int = self._listener.getsockname()[1]

        scheme = "https" if tls else "http"
        shown_host = f"[{host}]" if is_ipv6 else host
        self.base = f"{scheme}://{shown_host}:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and break what is still open."""
        self.closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._thread.join(timeout=5)

    def count(self, body_bytes: int) -> None:
        """Add to the bytes sent."""
        with self._lock:
            self.body_bytes += body_bytes

    def _accept(self) -> None:
        """Start a thread for every connection."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        """Answer one request after another."""
        with contextlib.suppress(OSError, HangUp, ValueError), contextlib.closing(connection):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._connections.add(connection)
            try:
                with contextlib.closing(connection), connection.makefile("rb") as stream:
                    while not self.closing.is_set():
                        self.behave(self._read(connection, stream))
            finally:
                with self._lock:
                    self._connections.discard(connection)

    def _read(self, connection: socket.socket, stream: BinaryIO) -> Exchange:
        """Read the head of one request."""
        lines = []
        while True:
            line = stream.readline().decode("latin-1")
            stripped = line.rstrip("\r\n")
            if not stripped:
                break
            lines.append(stripped)
        if not lines:
            raise HangUp

        first, *others = lines
        method, target, _ = first.split(" ", maxsplit=2)
        headers = {}
        for line in others:
            name, _, value = line.partition(":")
            plain = name.strip().lower()
            headers[plain] = value.strip()

        with self._lock:
            exchange = Exchange(
                server=self,
                connection=connection,
                number=len(self.requests),
                method=method,
                target=target,
                headers=headers,
            )
            self.requests.append(exchange)
        return exchange
