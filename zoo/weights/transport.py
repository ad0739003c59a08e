"""One HTTP exchange, and the one place that translates the network client's errors.

urllib3 carries the bytes over the connections of :mod:`zoo.weights.wire`; requests' helpers read the environment. What
neither has is here: a lower bound on speed, redirects that never lead to a weaker scheme, and credentials that never
leave their host.
"""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin

from zoo.errors import SourceError
from zoo.weights import ranges, sources, wire
from zoo.weights.sources import basic_authorization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import urllib3

    from zoo.weights.options import Timeouts
    from zoo.weights.sources import Source

BLOCK_BYTES = 1 << 20
MOST_REDIRECTS = 10
_REDIRECTS = {301, 302, 303, 307, 308}
_RETRYABLE = {408, 425, 429}
_ADVICE = {
    401: "it wants a user and password: put them into ~/.netrc",
    403: "it refuses access: check that you may have the file, and ~/.netrc",
    404: "it does not have the file",
    407: "the proxy wants a user and password: put them into the proxy's address",
    410: "it has removed the file",
}


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of an answer say; everything else in them is ignored."""

    status: int
    """200 whole file, 206 one range, 416 no such range."""
    length_bytes: int | None
    """Length of the body, if it is stated."""
    content_range: ranges.ContentRange | None
    etag: str | None
    """Strong validator."""
    modified: str | None
    """``Last-Modified``, as it stands there."""
    is_web_page: bool


class Answer:
    """An answer whose headers are read and whose body is not."""

    def __init__(self, head: Head, source: Source, response: urllib3.BaseHTTPResponse, timeouts: Timeouts) -> None:
        self.head = head
        self._source = source
        self._response = response
        self._timeouts = timeouts

    def blocks(self) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Raises:
            SourceError: The connection broke, stalled, or ended before the length that was promised.
        """
        window_start, window_bytes = time.monotonic(), 0
        with _translated(self._source, "the body"):
            while block := self._response.read1(BLOCK_BYTES):
                yield block
                window_bytes += len(block)
                now = time.monotonic()
                if window_bytes >= self._timeouts.stall_bytes:
                    window_start, window_bytes = now, 0
                elif now - window_start > self._timeouts.stall_s:
                    raise TimeoutError

    def __enter__(self) -> Self:
        """Return the answer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Keep the connection for the next request if the body was read to its end, else close it."""
        if kind is None and self._response.length_remaining == 0:
            self._response.release_conn()
        else:
            self._response.close()


class Transport:
    """Connections to all servers that one fetch talks to. Threads may share it."""

    def __init__(
        self, timeouts: Timeouts, user_agent: str | None = None, bearer_tokens: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._timeouts = timeouts
        self._tokens = {sources.origin(address): token for address, token in bearer_tokens}
        self._user_agent = user_agent or f"zoo/{_own_version()}"
        self._lock = threading.Lock()
        self._managers: dict[tuple[str, bool], urllib3.PoolManager] = {}
        self._landed: dict[str, str] = {}
        self._watch = wire.Watch(timeouts.answer_s)

    def open(self, source: Source, span: ranges.Span | None = None, etag: str | None = None) -> Answer:
        """Send one GET, follow redirects, and return the answer with its body unread.

        Args:
            source: Where to ask.
            span: The bytes to ask for; ``None`` for the whole file.
            etag: Sent as ``If-Range``: the server should answer with the whole file if it has changed.

        Raises:
            SourceError: There is no usable answer; says whether trying again can help.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": self._user_agent}
        if span is not None:
            headers["Range"] = ranges.range_header(span)
            if etag is not None:
                headers["If-Range"] = etag
        start = self._landed.get(source.url, source.url)
        try:
            url, response = self._follow(source, start, headers)
            if response.status in (401, 403, 404, 410) and start != source.url:  # a signed address may have run out
                response.close()
                url, response = self._follow(source, source.url, headers)
            try:
                head = _read_head(source, response, was_ranged=span is not None)
            except BaseException:
                response.close()
                raise
        except SourceError:
            self._landed.pop(source.url, None)
            raise
        self._landed[source.url] = url
        return Answer(head, source, response, self._timeouts)

    def abort(self) -> None:
        """Break every connection, so that threads which wait for one wake up."""
        self._watch.abort()

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    def _follow(self, source: Source, url: str, headers: dict[str, str]) -> tuple[str, urllib3.BaseHTTPResponse]:
        """Send the request and the redirected ones; return the last address and its answer."""
        for _ in range(MOST_REDIRECTS + 1):
            response = self._send(source, url, headers)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or location is None:
                return url, response
            response.close()
            url = _redirected(source, url, location)
        raise SourceError(source.shown, f"expected an answer after at most {MOST_REDIRECTS} redirects, got more")

    def _send(self, source: Source, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Send one request to one address."""
        with _translated(source, "an answer"):
            import urllib3

            timeout = urllib3.Timeout(connect=self._timeouts.connect_s, read=self._timeouts.stall_s)
            return self._manager(url).request(
                "GET",
                url,
                headers=headers | _authorization(source, url, self._tokens),
                redirect=False,
                retries=False,
                timeout=timeout,
                preload_content=False,
                decode_content=False,
            )

    def _manager(self, url: str) -> urllib3.PoolManager:
        """Return the pool of connections for an address: direct, or through the proxy the environment names."""
        from requests import utils

        proxy = utils.select_proxy(url, utils.get_environ_proxies(url)) or ""
        uses_tls = "https" in (sources.split(url).scheme, proxy.partition(":")[0].lower())
        with self._lock:
            if (proxy, uses_tls) not in self._managers:
                self._managers[proxy, uses_tls] = wire.make_manager(proxy, self._watch, uses_tls=uses_tls)
            return self._managers[proxy, uses_tls]


def _authorization(source: Source, url: str, tokens: Mapping[tuple[str, str, int], str]) -> dict[str, str]:
    """Return the header with the credentials for an address: a token of its origin, or those of the source itself."""
    from requests import utils

    if token := tokens.get(sources.origin(url)):
        return {"Authorization": f"Bearer {token}"}
    if not _is_same_origin(source.url, url):
        return {}
    credentials = source.credentials or utils.get_netrc_auth(url)
    return {"Authorization": basic_authorization(*credentials)} if credentials else {}


def _is_same_origin(first: str, second: str) -> bool:
    """Tell whether credentials for one address may go to another: the same origin, or its move to https."""
    one, other = sources.origin(first), sources.origin(second)
    return one == other or (one == ("http", other[1], 80) and other == ("https", one[1], 443))


def _redirected(source: Source, url: str, location: str) -> str:
    """Return where a redirect leads, if it may be followed."""
    try:
        target = urljoin(url, location)
        sources.check_address(target, may_be_private=source.may_be_private)
    except (SourceError, ValueError) as error:
        raise SourceError(source.shown, f"it redirects to an address that is not followed: {error}") from error
    if sources.split(url).scheme == "https" and sources.split(target).scheme != "https":
        raise SourceError(source.shown, f"it redirects from https to {sources.shown(target)}, which is not followed")
    return target


def _read_head(source: Source, response: urllib3.BaseHTTPResponse, *, was_ranged: bool) -> Head:
    """Read what matters of the headers; raise for an answer that brings no bytes of the file."""
    status, headers = response.status, response.headers
    if status not in (200, 206) and not (status == 416 and was_ranged):
        is_retryable = status in _RETRYABLE or status >= 500
        advice = _ADVICE.get(status, "try another source" if not is_retryable else "it may work later")
        wait_s = _retry_after_s(headers.get("Retry-After"))
        fault = f"expected the file, got HTTP status {status}; {advice}"
        raise SourceError(source.shown, fault, is_retryable=is_retryable, retry_after_s=wait_s)
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        fault = f"expected the plain file, got it packed as {encoding[:40]!a} although that was not asked for"
        raise SourceError(source.shown, fault)
    etag = headers.get("ETag", "").strip()
    return Head(
        status=status,
        length_bytes=None if response.headers.get("Transfer-Encoding") else response.length_remaining,
        content_range=ranges.parse_content_range(headers.get("Content-Range")),
        etag=etag if len(etag) <= 1000 and etag.startswith('"') and etag.isascii() and etag.isprintable() else None,
        modified=headers.get("Last-Modified"),
        is_web_page=headers.get("Content-Type", "").lower().startswith("text/html"),
    )


def _retry_after_s(text: str | None) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date."""
    seconds = ranges.parse_length(text)
    if seconds is not None or text is None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError, TypeError, OSError):
        return None


@contextlib.contextmanager
def _translated(source: Source, awaited: str) -> Iterator[None]:
    """Turn every error of the network client into a SourceError."""
    import http.client

    import urllib3

    try:
        yield
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        causes = list(_causes(error))
        fault, is_retryable = _fault_of(causes)
        raise SourceError(source.shown, f"waiting for {awaited}: {fault}", is_retryable=is_retryable) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it was raised from or wraps."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, BaseException) and not any(item is known for known in seen):
            seen.append(item)
            waiting += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    yield from seen


def _fault_of(causes: list[BaseException]) -> tuple[str, bool]:
    """Say what went wrong and whether trying again can help."""
    from urllib3 import exceptions

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({cause.verify_message}); see SSL_CERT_FILE", False
        if isinstance(cause, socket.gaierror):
            return "its name does not resolve", cause.errno == socket.EAI_AGAIN
        if isinstance(cause, OSError) and "407" in str(cause):
            return _ADVICE[407], False
    plain: dict[tuple[type[BaseException], ...], str] = {
        (wire.OverdueError,): "it took too long",
        (ConnectionRefusedError,): "it refuses connections",
        (ConnectionResetError,): "it reset the connection",
        (TimeoutError,): "it took too long",
        (exceptions.NewConnectionError,): "it cannot be reached",
        (exceptions.TimeoutError,): "it took too long",
        (exceptions.IncompleteRead,): "it closed the connection before the end",
    }
    for kinds, fault in plain.items():
        if any(isinstance(cause, kinds) for cause in causes):
            return fault, True
    last = causes[0]
    text = "".join(letter if letter.isprintable() else "?" for letter in f"{type(last).__name__}: {last}"[:200])
    return text, isinstance(last, (exceptions.ProtocolError, exceptions.ProxyError, OSError))


def _own_version() -> str:
    """Return the installed version of this package."""
    try:
        return version("torch-zoo")
    except PackageNotFoundError:
        return "0"
