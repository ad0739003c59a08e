"""The proxy: be every host, forward, hash what passes, hold back what must be proven first."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import tempfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

from zoo.certificates import named_bundle
from zoo.recorder import addresses, policy
from zoo.recorder.bodies import Body, UnprovenError
from zoo.recorder.observing import REDIRECTS, Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import requests

    from zoo.cache.lock_lines import LockedThing
    from zoo.recorder.certificates import TemporaryAuthority
    from zoo.recorder.policy import Decision, OwnResponse

    Decide = Callable[[str, str], Decision]
    Observe = Callable[[Exchange], None]
    Redirected = Callable[[str, str, LockedThing | None], None]

HTTPS_PORT = "443"
LARGEST_REQUEST_BYTES = 64 << 20
BAD_GATEWAY = 502
TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two blocks."""
HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
        "te", "trailer", "transfer-encoding", "upgrade",
    }
)  # fmt: skip
NOT_SENT_ON = HOP_BY_HOP | {"host", "content-length", "accept-encoding"}
XET = ("x-xet-",)
"""Headers that would lead huggingface_hub around the proxy, to a protocol of its own."""


@dataclass
class Settings:
    """What a proxy does."""

    authority: TemporaryAuthority
    decide: Decide = policy.pass_everything
    observe: Observe | None = None
    """Called with every exchange when it is over."""
    redirected: Redirected | None = None
    """Called with an address, where it leads, and what must come from there."""
    upstreams: Mapping[str, str] = field(default_factory=dict)
    """Host -> the base address that stands for it."""
    faults: list[str] = field(default_factory=list)
    """What was broken off, in words."""


class Proxy:
    """A running proxy on loopback, for the length of a ``with`` block."""

    def __init__(self, settings: Settings) -> None:
        class Bound(_Handler):
            """The handler of this very proxy."""

        Bound.settings = settings
        self._server = _Server(("127.0.0.1", 0), Bound)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            daemon=True,
        )

    @property
    def address(self) -> str:
        """Where programs reach it."""
        port = self._server.server_address[1]
        return f"http://127.0.0.1:{port}"

    def __enter__(self) -> Self:
        """Accept connections."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One connection: CONNECT, then requests over TLS; or plain requests with whole addresses."""

    protocol_version = "HTTP/1.1"
    timeout = 300
    settings: Settings
    _origin = ""
    """Scheme and host that a CONNECT led to."""
    _own_session: requests.Session | None = None

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Say nothing: the program's own output is what people want to see."""

    def do_CONNECT(self) -> None:
        """Be the host that the client wants to be connected to."""
        host, _, port = self.path.rpartition(":")
        host = host.strip("[]").lower()
        self._origin = f"https://{host}"
        if port != HTTPS_PORT:
            self._origin += f":{port}"
        self.send_response(200)
        self.end_headers()
        context = self.settings.authority.context(host)
        self.request = context.wrap_socket(self.request, server_side=True)
        self.connection = self.request
        self.setup()
        self.close_connection = False

    def finish(self) -> None:
        """Close what the server does not know of."""
        super().finish()
        if self._own_session is not None:
            self._own_session.close()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.close()

    def _forward(self) -> None:
        """Answer one request."""
        url = self.path
        if "://" not in url:
            url = f"{self._origin}{url}"
        host = urlsplit(url).hostname
        if not host:
            self.send_error(400, "this is a proxy")
            return

        decision = self.settings.decide(self.command, url)
        if isinstance(decision, policy.OwnResponse):
            self._respond(decision)
            return

        import requests

        try:
            response = self._ask(decision.url)
        except (requests.RequestException, OSError) as error:
            kind = type(error).__name__
            text = f"{host} does not answer: {kind}\n"
            failed = policy.OwnResponse(BAD_GATEWAY, text.encode())
            self._respond(failed)
            return
        with response:
            self._pass_on(url, decision, response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _forward  # noqa: N815 - http.server's names

    def _ask(self, url: str) -> requests.Response:
        """Send the request on, asking for bytes as they are."""
        headers = {}
        for name, value in self.headers.items():
            lowered = name.lower()
            if lowered not in NOT_SENT_ON:
                headers[name] = value
        headers["Accept-Encoding"] = "identity"

        said = self.headers.get("Content-Length") or "0"
        length = min(int(said), LARGEST_REQUEST_BYTES)
        body = self.rfile.read(length) if length else None
        return self._session().request(
            self.command,
            addresses.upstream(url, self.settings.upstreams),
            headers=headers,
            data=body,
            stream=True,
            allow_redirects=False,
            timeout=TIMEOUT_S,
        )

    def _session(self) -> requests.Session:
        """Return the connection's own way out, by the proxies and CAs of this process."""
        if self._own_session is None:
            import requests

            session = requests.Session()
            session.trust_env = False  # no passwords of ~/.netrc for what a program asks
            session.headers.clear()
            session.proxies = dict(getproxies())
            session.verify = named_bundle(os.environ) or True
            self._own_session = session
        return self._own_session

    def _pass_on(
        self,
        url: str,
        decision: policy.Pass,
        response: requests.Response,
    ) -> None:
        """Send the response to the client, and tell the recorder about it."""
        headers = {name.lower(): value for name, value in response.headers.items()}
        status = response.status_code
        redirected = self.settings.redirected
        if status in REDIRECTS and redirected is not None:
            location = headers.get("location", "")
            redirected(url, location, decision.expected)

        is_empty = status in (204, 304)
        is_head = self.command == "HEAD"
        has_body = not (is_head or is_empty)
        length = headers.get("content-length")
        self.send_response_only(status, response.reason)
        for name, value in response.headers.items():
            lowered = name.lower()
            is_of_hop = lowered in HOP_BY_HOP
            is_xet = lowered.startswith(XET)
            if not (is_of_hop or is_xet):
                self.send_header(name, value)
        if has_body and length is None:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        expected = None
        is_get = self.command == "GET"
        if is_get and status == 200:
            expected = decision.expected
        exchange = Exchange(
            self.command,
            url,
            self.headers.get("User-Agent", ""),
            status,
            headers,
        )
        if not has_body:
            self._tell(exchange)
            return
        try:
            with tempfile.TemporaryFile() as spool:
                body = Body(
                    exchange,
                    expected,
                    None if length is None else int(length),
                    spool,
                )
                for block in body.pass_through(response):
                    self._send_block(block, is_chunked=length is None)
                if length is None:
                    self.wfile.write(b"0\r\n\r\n")
                self._tell(body.exchange)
        except (UnprovenError, ConnectionError) as error:
            self.settings.faults.append(str(error))
            self._break_off()

    def _tell(self, exchange: Exchange) -> None:
        if self.settings.observe is not None:
            self.settings.observe(exchange)

    def _send_block(self, block: bytes, *, is_chunked: bool) -> None:
        if is_chunked:
            length = b"%x" % len(block)
            parts = (length, block, b"")
            self.wfile.write(b"\r\n".join(parts))
        else:
            self.wfile.write(block)

    def _respond(self, response: OwnResponse) -> None:
        """Respond without asking anybody; what the client sent along is not read."""
        self.send_response_only(response.status)
        self.send_header("Content-Type", response.content_type)
        length = len(response.body)
        self.send_header("Content-Length", str(length))
        for name, value in response.headers:
            self.send_header(name, value)
        sizes = ("Content-Length", "Transfer-Encoding")
        has_sent_more = any(self.headers.get(name) for name in sizes)
        if has_sent_more:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _break_off(self) -> None:
        """Reset the connection: some clients take a plain end for the end of the file."""
        self.close_connection = True
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.connection.close()
