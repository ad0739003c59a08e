"""The proxy: be every host, forward, hash what passes, hold back what must be proven first."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import struct
import tempfile
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

from zoo.recorder import addresses, policy, trees
from zoo.recorder.observing import REDIRECTS, Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

    from zoo.cache.lock_lines import LockedThing
    from zoo.recorder.certificates import Authority
    from zoo.recorder.policy import Answer, Decision

    Decide = Callable[[str, str], Decision]
    Observe = Callable[[Exchange], None]
    Redirected = Callable[[str, str, LockedThing | None], None]

BLOCK_BYTES = 64 << 10
HTTPS_PORT = "443"
LARGEST_REQUEST_BYTES = 64 << 20
LARGEST_JSON_BYTES = 4 << 20
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


class UnprovenError(Exception):
    """Say that bytes are not those of the lock file."""


@dataclass
class Settings:
    """What a proxy does."""

    authority: Authority
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
        return f"http://127.0.0.1:{self._server.server_address[1]}"

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
        is_whole = "://" in self.path
        url = self.path if is_whole else f"{self._origin}{self.path}"
        if not urlsplit(url).hostname:
            self.send_error(400, "this is a proxy")
            return
        decision = self.settings.decide(self.command, url)
        if isinstance(decision, policy.Answer):
            self._answer(decision)
            return

        import requests

        try:
            response = self._ask(decision.url)
        except (requests.RequestException, OSError) as error:
            host = urlsplit(url).hostname
            kind = type(error).__name__
            text = f"{host} does not answer: {kind}\n"
            answer = policy.Answer(BAD_GATEWAY, text.encode())
            self._answer(answer)
            return
        with response:
            self._pass_on(url, decision, response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _forward  # noqa: N815 - http.server's names

    def _ask(self, url: str) -> requests.Response:
        """Send the request on, asking for bytes as they are."""
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in NOT_SENT_ON
        }
        headers["Accept-Encoding"] = "identity"
        said = self.headers.get("Content-Length")
        length = min(int(said or 0), LARGEST_REQUEST_BYTES)
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
        """Return the connection's own way out, by the proxies and authorities of this process."""
        if self._own_session is None:
            import requests

            session = requests.Session()
            session.trust_env = False  # no passwords of ~/.netrc for what a program asks
            session.headers.clear()
            session.proxies = dict(getproxies())
            usual = os.environ.get("SSL_CERT_FILE")
            bundle = os.environ.get("REQUESTS_CA_BUNDLE", usual)
            session.verify = bundle or True
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
        if status in REDIRECTS and self.settings.redirected is not None:
            self.settings.redirected(url, headers.get("location", ""), decision.expected)
        is_empty = status in (204, 304)
        has_body = self.command != "HEAD" and not is_empty
        length = headers.get("content-length")
        self.send_response_only(status, response.reason)
        for name, value in response.headers.items():
            lowered = name.lower()
            is_ours = lowered in HOP_BY_HOP or lowered.startswith(XET)
            if not is_ours:
                self.send_header(name, value)
        if has_body and length is None:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        expected = None
        if self.command == "GET" and status == 200:
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
                body = _Body(
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

    def _answer(self, answer: Answer) -> None:
        """Answer without asking anybody; what the client sent along is not read."""
        self.send_response_only(answer.status)
        self.send_header("Content-Type", answer.content_type)
        length = len(answer.body)
        self.send_header("Content-Length", str(length))
        for name, value in answer.headers:
            self.send_header(name, value)
        sizes = ("Content-Length", "Transfer-Encoding")
        if any(self.headers.get(name) for name in sizes):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _break_off(self) -> None:
        """Reset the connection: some clients take a plain end for the end of the file."""
        self.close_connection = True
        at_once = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.connection.close()


class _Body:
    """The body of one response on its way: hashed, its end held back until it is proven."""

    def __init__(
        self,
        exchange: Exchange,
        expected: LockedThing | None,
        length: int | None,
        spool: IO[bytes],
    ) -> None:
        self.exchange = exchange
        self._expected = expected
        self._length = length
        self._spool = spool
        self._digest = hashlib.sha256()
        self._count = 0
        asked = addresses.read(exchange.url)
        self._is_archive = asked.meaning == "archive"
        kind = exchange.headers.get("content-type", "")
        self._is_json = kind.startswith("application/json")

    def pass_through(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the blocks to send; the last one only when the whole was found right.

        Raises:
            ConnectionError: It ended early.
            UnprovenError: It is not what the lock file has.
        """
        import urllib3

        held = b""
        try:
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                self._count += len(block)
                self._digest.update(block)
                is_short = self._count <= LARGEST_JSON_BYTES
                if self._is_archive or (self._is_json and is_short):
                    self._spool.write(block)
                if held:
                    yield held
                held = block
        except (urllib3.exceptions.HTTPError, OSError) as error:
            url = self.exchange.url
            raise ConnectionError(f"{url}: {error}") from error
        if self._length not in (None, self._count):
            url = self.exchange.url
            fault = f"expected {self._length} bytes, the connection broke at {self._count}"
            raise ConnectionError(f"{url}: {fault}")
        self._finish()
        if held:
            yield held

    def _finish(self) -> None:
        """Complete what is known of the exchange, and hold it against the lock file."""
        facts: dict[str, Any] = {
            "sha256": self._digest.hexdigest(),
            "size_bytes": self._count,
        }
        self._spool.seek(0)
        if self._is_archive and self.exchange.status == 200:
            facts |= self._archive_facts()
        elif self._is_json and self._count <= LARGEST_JSON_BYTES:
            data = self._spool.read()
            facts["text"] = data.decode(errors="replace")
        self.exchange = _completed(self.exchange, facts)
        if self._expected is not None:
            self._prove(self._expected)

    def _archive_facts(self) -> dict[str, Any]:
        try:
            commit, tree_sha256 = trees.commit_and_digest(self._spool)
        except trees.ArchiveError as error:
            url = self.exchange.url
            raise UnprovenError(f"{url}: {error}") from error
        return {
            "commit": commit,
            "tree_sha256": tree_sha256,
        }

    def _prove(self, expected: LockedThing) -> None:
        """Hold the body against its line."""
        got = self.exchange.sha256
        if expected.kind == "github":
            got = self.exchange.tree_sha256
        wanted = expected.sha256
        if wanted is not None and got != wanted:
            what = f"{expected.kind} {expected.name}"
            raise UnprovenError(f"{what}: expected sha256 {wanted}, got {got}")


def _completed(exchange: Exchange, facts: dict[str, Any]) -> Exchange:
    return replace(exchange, **facts)
