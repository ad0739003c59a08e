"""The one network client: HTTP exchanges for everything here that reads from a server.

One exchange, for who decides himself what follows (the scheduler of a transfer)::

    with transport.open(source, span=(0, 1000)) as response:
        response.head, response.blocks()

Whole requests, made again where :mod:`zoo.download.policy` says that it can help::

    transport.head(source)                       # HEAD: length, ETag ...
    transport.exists(source)                     # False for 404 and 410
    transport.read(source, most_bytes)           # .data, .head
    transport.json(source)                       # .content, .next_url (Link: rel="next")
    transport.save(source, path, most_bytes)     # a file; returns its SHA-256

A ``source`` is a :class:`zoo.download.sources.Source`; ``sources.trusted(url)`` makes one of an
address that the user or the program itself has chosen. Everything raises
:class:`~zoo.errors.SourceError` with ``status`` and ``is_retryable``.

urllib3 carries the bytes over the connections of :mod:`zoo.download.connections`; requests' helpers
read the environment. What neither has is here and in the policy: a lower bound on speed, redirects
that never lead to a weaker scheme, and credentials that never leave their host. The file is long
since every kind of request says what it raises, beside the one exchange that all of them are.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal, TypeVar

from zoo.download import connections, network_errors, policy, ranges, sources
from zoo.download.policy import Tries
from zoo.download.responses import Document, JsonDocument, Response, read_head
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import urllib3

    from zoo.download.headers import Head
    from zoo.download.options import Timeouts
    from zoo.download.sources import Source

T = TypeVar("T")
Method = Literal["GET", "HEAD"]
LARGEST_JSON_BYTES = 64 << 20
TOTAL_S = 120.0
"""A document that is read whole takes at most this long in all, however slowly it drips."""
DOCUMENT_TRIES = Tries()
_NO_HEAD = (405, 501)
_ABSENT = (404, 410)


class Transport:
    """Connections to all servers that somebody talks to. Threads may share it.

    Close it at the end.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        user_agent: str | None = None,
        bearer_tokens: Sequence[tuple[str, str]] = (),
        tries: Tries = DOCUMENT_TRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            timeouts: How long a server may take.
            user_agent: What to call ourselves.
            bearer_tokens: (address, token): each goes to that address's origin, and nowhere else.
            tries: How often whole requests are made; an exchange is always one.
            sleep: How to wait between tries, seconds.
        """
        self._timeouts = timeouts
        self._tokens = {sources.origin(address): token for address, token in bearer_tokens}
        self._user_agent = user_agent or f"zoo/{_own_version()}"
        self._tries = tries
        self._sleep = sleep
        self._lock = threading.Lock()
        self._managers: dict[tuple[str, bool], urllib3.PoolManager] = {}
        self._landed: dict[str, str] = {}
        self._answered_at: dict[str, str] = {}
        self._watch = connections.Watch(timeouts.answer_s)

    # -- one exchange

    def open(
        self,
        source: Source,
        span: ranges.Span | None = None,
        etag: str | None = None,
        *,
        unless: str | None = None,
    ) -> Response:
        """Send one GET, follow redirects, and return the response with its body unread.

        Args:
            source: Where to ask.
            span: The bytes to ask for; ``None`` for the whole file.
            etag: Sent as ``If-Range``: the server should answer with the whole file if it has
                changed.
            unless: An ETag. A server that still has it answers 304, which is an error with that
                status.

        Raises:
            SourceError: There is no usable response; says whether trying again can help.
        """
        headers = self._plain_headers(unless)
        if span is not None:
            headers["Range"] = ranges.range_header(span)
            if etag is not None:
                headers["If-Range"] = etag

        start = self._landed.get(source.url, source.url)
        try:
            url, raw = self._follow("GET", source, start, headers)
            is_stale = start != source.url and policy.may_have_expired(raw.status)
            # The redirect led to a signed address as a rule, and its time may be over.
            if is_stale:
                raw.close()
                url, raw = self._follow("GET", source, source.url, headers)
            response = self._response(source, raw, was_ranged=span is not None)
        except SourceError:
            self._landed.pop(source.url, None)
            raise
        self._landed[source.url] = url
        return response

    # -- whole requests

    def head(
        self,
        source: Source,
        *,
        unless: str | None = None,
    ) -> Head:
        """Ask what there is, without its bytes; servers that know no HEAD are asked with GET.

        Args:
            source: Where to ask.
            unless: As :meth:`open` takes it.

        Raises:
            SourceError: There is no usable response.
        """

        def ask() -> Head:
            headers = self._plain_headers(unless)
            url, raw = self._follow("HEAD", source, source.url, headers)
            if raw.status in _NO_HEAD:
                raw.close()
                url, raw = self._follow("GET", source, source.url, headers)
            self._answered_at[source.url] = url
            response = self._response(source, raw, was_ranged=False)
            raw.close()
            return response.head

        return self._persistently(ask)

    def landed(self, source: Source) -> str:
        """Return the address that answered the last :meth:`head`, after redirects."""
        return self._answered_at.get(source.url, source.url)

    def exists(self, source: Source) -> bool:
        """Tell whether an address has something.

        Raises:
            SourceError: It says neither yes nor no.
        """
        try:
            self.head(source)
        except SourceError as error:
            if error.status in _ABSENT:
                return False
            raise
        return True

    def read(
        self,
        source: Source,
        most_bytes: int,
        *,
        unless: str | None = None,
    ) -> Document:
        """Read a small response whole.

        Args:
            source: Where to ask.
            most_bytes: The most that it may have.
            unless: As :meth:`open` takes it.

        Raises:
            SourceError: There is no usable response, or it is longer or slower than it may be.
        """

        def ask() -> Document:
            begun_s = time.monotonic()
            data = bytearray()
            with self.open(source, unless=unless) as response:
                for block in response.blocks(unpacks=True):
                    data += block
                    _check_size(source, len(data), most_bytes)
                    if time.monotonic() - begun_s > TOTAL_S:
                        fault = f"expected an answer within {TOTAL_S:.0f} seconds"
                        raise SourceError(source.shown, fault, is_retryable=True)
            return Document(bytes(data), response.head)

        return self._persistently(ask)

    def json(
        self,
        source: Source,
        most_bytes: int = LARGEST_JSON_BYTES,
        *,
        unless: str | None = None,
    ) -> JsonDocument:
        """Read a JSON response, as :meth:`read` does.

        Raises:
            SourceError: There is no usable response, or it is no JSON.
        """
        document = self.read(source, most_bytes, unless=unless)
        try:
            content = json.loads(document.data)
        except (ValueError, RecursionError) as error:
            fault = f"expected JSON, got {document.data[:40]!r}"
            raise SourceError(source.shown, fault) from error
        head = document.head
        return JsonDocument(content, head.next_url, head.validator)

    def save(
        self,
        source: Source,
        path: Path,
        most_bytes: int,
        pace: Callable[[int], None] | None = None,
    ) -> str:
        """Write a response to a file and return its SHA-256; a break begins it again.

        For files that nothing is known of and that come in one piece; weights are the fetcher's.

        Args:
            source: Where to ask.
            path: The file; whatever is there is overwritten.
            most_bytes: The most that it may have.
            pace: Called with the length of every block that arrives; waits, where the rate is
                limited.

        Raises:
            SourceError: It did not come whole, or is longer than it may be.
            OSError: It cannot be written.
        """

        def ask() -> str:
            digest = hashlib.sha256()
            done_bytes = 0
            with (
                self.open(source) as response,
                path.open("wb") as stream,
            ):
                for block in response.blocks(unpacks=True):
                    done_bytes += len(block)
                    _check_size(source, done_bytes, most_bytes)
                    stream.write(block)
                    digest.update(block)
                    if pace is not None:
                        pace(len(block))
            return digest.hexdigest()

        return self._persistently(ask)

    # -- ends

    def abort(self) -> None:
        """Break every connection, so that threads which wait for one wake up."""
        self._watch.abort()

    def close(self) -> None:
        """Close idle connections."""
        self._watch.close()
        with self._lock:
            for manager in self._managers.values():
                manager.clear()

    # -- how

    def _persistently(self, ask: Callable[[], T]) -> T:
        """Ask, and again where that can help."""
        tries = 0
        while True:
            try:
                return ask()
            except SourceError as failure:
                tries += 1
                pause_s = self._tries.pause_s(failure, tries, random.random())  # noqa: S311 - no secret
                if pause_s is None:
                    raise
                self._sleep(pause_s)

    def _plain_headers(self, unless: str | None = None) -> dict[str, str]:
        """Return the headers of every request."""
        headers = {
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "User-Agent": self._user_agent,
        }
        if unless is not None:
            headers["If-None-Match"] = unless
        return headers

    def _response(
        self,
        source: Source,
        raw: urllib3.BaseHTTPResponse,
        *,
        was_ranged: bool,
    ) -> Response:
        """Read the headers of a response; one that is refused is closed."""
        try:
            head = read_head(source, raw, was_ranged=was_ranged)
        except BaseException:
            raw.close()
            raise
        return Response(
            head,
            source,
            raw,
            self._timeouts,
        )

    def _follow(
        self,
        method: Method,
        source: Source,
        url: str,
        headers: dict[str, str],
    ) -> tuple[str, urllib3.BaseHTTPResponse]:
        """Send the request and the redirected ones; return the last address and its response."""
        for _ in range(policy.MOST_REDIRECTS + 1):
            raw = self._send(method, source, url, headers)
            location = raw.headers.get("Location")
            if raw.status not in policy.REDIRECTS or location is None:
                return url, raw
            raw.close()
            url = policy.redirected(source, url, location)

        fault = f"expected an answer after at most {policy.MOST_REDIRECTS} redirects, got more"
        raise SourceError(source.shown, fault)

    def _send(
        self,
        method: Method,
        source: Source,
        url: str,
        headers: dict[str, str],
    ) -> urllib3.BaseHTTPResponse:
        """Send one request to one address."""
        with network_errors.translated(source, "an answer"):
            import urllib3
            from requests import utils

            netrc = utils.get_netrc_auth(url)
            proof = policy.authorization(source, url, self._tokens, netrc)
            credentials = {"Authorization": proof} if proof else {}
            timeout = urllib3.Timeout(connect=self._timeouts.connect_s, read=self._timeouts.stall_s)
            return self._manager(source, url).request(
                method,
                url,
                headers=headers | credentials,
                redirect=False,
                retries=False,
                timeout=timeout,
                preload_content=False,
                decode_content=False,
            )

    def _manager(
        self,
        source: Source,
        url: str,
    ) -> urllib3.PoolManager:
        """Return the pool of connections for an address.

        Direct, or through the proxy the environment names.
        """
        from requests import utils

        proxy = ""
        if not source.is_direct:
            proxy = utils.select_proxy(url, utils.get_environ_proxies(url)) or ""
        schemes = (sources.split(url).scheme, proxy.partition(":")[0].lower())
        key = (proxy, "https" in schemes)
        with self._lock:
            if key not in self._managers:
                manager = connections.make_manager(proxy, self._watch, uses_tls=key[1])
                self._managers[key] = manager
            return self._managers[key]


def _check_size(
    source: Source,
    done_bytes: int,
    most_bytes: int,
) -> None:
    """Refuse a response that is longer than it may be."""
    if done_bytes > most_bytes:
        fault = f"expected at most {most_bytes} bytes, got more"
        raise SourceError(source.shown, fault)


def _own_version() -> str:
    """Return the installed version of this package."""
    try:
        return version("torch-zoo")
    except PackageNotFoundError:
        return "0"
