"""Connections under deadlines: urllib3's pools, made so that no server can hold us.

urllib3's timeouts start again with every byte. Here a watch knows every socket and breaks the one whose handshake or
headers take too long in all (a server that sends one byte a second), and all of them when the user interrupts. Proxies
and certificate authorities come from the environment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError
from zoo.weights.sources import basic_authorization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import urllib3


class OverdueError(TimeoutError):
    """A handshake or an answer took longer than its limit in all."""


class Watch:
    """Know every open socket; break one whose handshake or headers take too long in all."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._is_aborted = False

    def add(self, sock: socket.socket) -> None:
        """Remember a socket that has just been connected."""
        with self._lock:
            self._sockets = {known for known in self._sockets if known.fileno() >= 0} | {sock}
            if self._is_aborted:
                break_socket(sock)

    def abort(self) -> None:
        """Break every socket, now and in future."""
        with self._lock:
            self._is_aborted = True
            for sock in self._sockets:
                break_socket(sock)

    @contextlib.contextmanager
    def deadline(self, current_socket: Callable[[], socket.socket | None]) -> Iterator[None]:
        """Break the current socket if the block takes longer than the limit, then raise an OverdueError."""
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            if (sock := current_socket()) is not None:
                break_socket(sock)

        timer = threading.Timer(self.limit_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Exception as error:
            if expired.is_set():
                raise OverdueError from error
            raise
        finally:
            timer.cancel()
        if expired.is_set():  # http.client takes headers that end early for whole ones
            raise OverdueError


def break_socket(sock: socket.socket) -> None:
    """End both directions of a connection under whatever waits on it; TLS does not get a say."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def make_manager(proxy: str, watch: Watch, *, uses_tls: bool) -> urllib3.PoolManager:
    """Make a pool manager whose connections are watched; reading all authorities takes time, so only for TLS."""
    import urllib3
    from requests import utils

    settings: dict[str, Any] = {"maxsize": 64, "block": False, "ssl_context": _tls_context() if uses_tls else None}
    if proxy:
        address = proxy if "://" in proxy else f"http://{proxy}"
        user, password = utils.get_auth_from_url(address)
        credentials = {"Proxy-Authorization": basic_authorization(user, password)} if user else {}
        manager: urllib3.PoolManager = urllib3.ProxyManager(address, proxy_headers=credentials, **settings)
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
            """Connect; the socket is kept, because the TLS handshake hides it from us until it is over."""
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

    return {"http": PlainPool, "https": TlsPool}


def _tls_context() -> ssl.SSLContext:
    """Trust what the environment names, else the system's and certifi's authorities together."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    named = bundle or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    try:
        if bundle:
            is_folder = Path(bundle).is_dir()
            return ssl.create_default_context(
                cafile=None if is_folder else bundle, capath=bundle if is_folder else None
            )
        context = ssl.create_default_context()
        if not named:
            import certifi

            context.load_verify_locations(certifi.where())
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the certificate file {named}", f"expected PEM certificates, got: {error}") from error
    return context
