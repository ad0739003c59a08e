"""Connections under deadlines: urllib3's pools, made so that no server can hold us.

urllib3's timeouts start again with every byte. Here a watch knows every socket and breaks the one
whose handshake or headers take too long in all (a server that sends one byte a second), and all of
them when the user interrupts. Proxies and certificate authorities come from the environment.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.download.network_errors import OverdueError
from zoo.download.sources import basic_authorization
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3

IDLE_S = 60.0
"""How long the thread that watches lives on with nothing to watch."""


@dataclass(slots=True)
class _Deadline:
    """A moment at which a socket is to be broken."""

    moment_s: float
    """On the monotonic clock."""
    current_socket: Callable[[], socket.socket | None]
    has_expired: bool = False


class Watch:
    """Know every open socket; break one whose handshake or headers take too long in all.

    One thread watches over all deadlines. It starts with the first and ends when there is nothing
    to do for a while.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._deadlines: dict[int, _Deadline] = {}
        self._numbers = itertools.count()
        self._is_watching = False
        self._is_aborted = False

    def add(self, sock: socket.socket) -> None:
        """Remember a socket that has just been connected."""
        with self._changed:
            still_open = {known for known in self._sockets if known.fileno() >= 0}
            self._sockets = still_open | {sock}
            if self._is_aborted:
                break_socket(sock)

    def abort(self) -> None:
        """Break every socket, now and in future."""
        with self._changed:
            self._is_aborted = True
            for sock in self._sockets:
                break_socket(sock)

    def close(self) -> None:
        """Let the thread that watches end."""
        with self._changed:
            self._deadlines.clear()
            self._is_aborted = True
            self._changed.notify_all()

    @contextlib.contextmanager
    def deadline(self, current_socket: Callable[[], socket.socket | None]) -> Iterator[None]:
        """Break the current socket and raise an OverdueError if the block takes too long."""
        deadline = _Deadline(time.monotonic() + self.limit_s, current_socket)
        number = self._begin(deadline)
        try:
            yield
        except Exception as error:
            if deadline.has_expired:
                raise OverdueError from error
            raise
        finally:
            with self._changed:
                self._deadlines.pop(number, None)

        # http.client takes headers that end early for whole ones.
        if deadline.has_expired:
            raise OverdueError

    def _begin(self, deadline: _Deadline) -> int:
        """Hand a deadline to the thread that watches, which is started if need be."""
        with self._changed:
            number = next(self._numbers)
            self._deadlines[number] = deadline
            # All deadlines are equally long, so a new one is never the next: wake nobody.
            if not self._is_watching:
                self._is_watching = True
                thread = threading.Thread(target=self._watch, name="watch", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    # No more threads here: then only urllib3's own timeouts count.
                    self._is_watching = False
            return number

    def _watch(self) -> None:
        """Break what is overdue, until there has been nothing to do for a while."""
        with self._changed:
            idle_since_s = time.monotonic()
            while not self._is_aborted:
                now_s = time.monotonic()
                for deadline in self._deadlines.values():
                    if deadline.moment_s <= now_s and not deadline.has_expired:
                        self._expire(deadline)

                if self._deadlines:
                    idle_since_s = now_s
                elif now_s - idle_since_s > IDLE_S:
                    break
                waiting = [one for one in self._deadlines.values() if not one.has_expired]
                moments_s = [one.moment_s for one in waiting]
                # Who begins while we sleep is not overdue before we wake.
                wake_s = min([*moments_s, now_s + self.limit_s])
                self._changed.wait(max(0.0, wake_s - now_s))
            self._is_watching = False

    def _expire(self, deadline: _Deadline) -> None:
        """Break the socket of an overdue exchange."""
        deadline.has_expired = True
        sock = deadline.current_socket()
        if sock is not None:
            break_socket(sock)


def break_socket(sock: socket.socket) -> None:
    """End both directions of a connection under whatever waits on it; TLS does not get a say."""
    plain: Any = sock
    # TLS inside the TLS of a proxy is an object of urllib3's, with the socket within.
    while not isinstance(plain, socket.socket):
        plain = plain.socket
    with contextlib.suppress(OSError):
        socket.socket.shutdown(plain, socket.SHUT_RDWR)


def make_manager(
    proxy: str,
    watch: Watch,
    *,
    uses_tls: bool,
) -> urllib3.PoolManager:
    """Make a pool manager whose connections are watched.

    Args:
        proxy: Its address; empty for none.
        watch: Who is told of every socket.
        uses_tls: Reading all CAs takes time, so it is done only for TLS.

    Raises:
        ConfigError: The certificates that the environment names cannot be used.
    """
    import urllib3
    from requests import utils

    settings: dict[str, Any] = {
        "maxsize": 64,
        "block": False,
        "ssl_context": tls_context() if uses_tls else None,
    }
    manager: urllib3.PoolManager
    if proxy:
        address = proxy if "://" in proxy else f"http://{proxy}"
        user, password = utils.get_auth_from_url(address)
        if user:
            proof = basic_authorization(user, password)
            settings["proxy_headers"] = {"Proxy-Authorization": proof}
        if address.startswith("https:"):
            settings["proxy_ssl_context"] = settings["ssl_context"]
        manager = urllib3.ProxyManager(address, **settings)
    else:
        manager = urllib3.PoolManager(**settings)

    manager.pool_classes_by_scheme = _watched_pools(watch)
    return manager


def _watched_pools(watch: Watch) -> dict[str, Any]:
    """Make the two kinds of urllib3 pools with connections that have total deadlines."""
    from urllib3 import connection, connectionpool

    class Watched(connection.HTTPConnection):
        """A connection that reports its socket and answers within the limit."""

        raw: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            """Connect.

            The socket is kept, because the TLS handshake hides it from us until it is over.
            """
            self.raw = super()._new_conn()
            watch.add(self.raw)
            return self.raw

        def connect(self) -> None:
            """Connect, talk to the proxy and shake hands, all within the limit."""
            with watch.deadline(lambda: self.raw):
                super().connect()
            if self.sock is not None and self.sock is not self.raw:
                watch.add(self.sock)

        def getresponse(self) -> Any:
            """Read the headers within the limit."""
            with watch.deadline(lambda: self.sock or self.raw):
                return super().getresponse()

    class WatchedTls(Watched, connection.HTTPSConnection):
        """The same over TLS."""

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Watched

    class TlsPool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = WatchedTls

    return {
        "http": PlainPool,
        "https": TlsPool,
    }


def tls_context() -> ssl.SSLContext:
    """Trust what the environment names, else the system's and certifi's CAs together."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    named = bundle or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    try:
        if bundle and Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
        if bundle:
            return ssl.create_default_context(cafile=bundle)

        context = ssl.create_default_context()
        if not named:
            import certifi

            context.load_verify_locations(certifi.where())
    except (OSError, ssl.SSLError) as error:
        place = f"the certificate file {named}"
        fault = f"expected PEM certificates, got: {error}"
        raise ConfigError(place, fault) from error
    return context
