"""Run the server until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import MirrorError
from zoo.mirror.authority import Authority
from zoo.mirror.librarian import Librarian
from zoo.mirror.proxy import TUNNEL_PORTS, Gate
from zoo.mirror.pull import Pull
from zoo.mirror.server import App

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.mirror.store import Store

BACKLOG = 1024
SHUTDOWN_S = 5.0
WANTED_FILES = 65536


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    pulls_through: bool = False
    is_strict: bool = False
    tunnel_ports: frozenset[int] = TUNNEL_PORTS
    tls_certificate: Path | None = None
    tls_key: Path | None = None


def serve(store: Store, options: ServeOptions, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        store: The mirror.
        options: Where and how.
        on_ready: Called with the address once connections are accepted.

    Raises:
        MirrorError: The address cannot be used, or a certificate cannot be read.
        MissingPackageError: aiohttp or cryptography are not installed.
    """
    raise_file_limit()
    asyncio.run(_serve(store, options, on_ready))


async def _serve(store: Store, options: ServeOptions, on_ready: Callable[[str], None]) -> None:
    authority = Authority(store.root)
    pull = Pull(store) if options.pulls_through else None
    app = App(Librarian(store, pull), authority.hosts)
    gate = Gate(app, authority, is_strict=options.is_strict, tunnel_ports=options.tunnel_ports)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    tls = _tls_context(options)
    try:
        server = await loop.create_server(gate, options.host, options.port, ssl=tls, backlog=BACKLOG)
    except OSError as error:
        fault = f"cannot listen there: {error.strerror or error}"
        raise MirrorError(f"{options.host}:{options.port}", fault, "choose another --host or --port") from error
    port = server.sockets[0].getsockname()[1]
    shown = f"[{options.host}]" if ":" in options.host else options.host
    on_ready(f"{'https' if tls else 'http'}://{shown}:{port}")
    sweeper = asyncio.ensure_future(app.close_silent_connections())
    try:
        await ended.wait()
    finally:
        server.close()
        sweeper.cancel()
        for task in gate.tasks:
            task.cancel()
        await app.shutdown(SHUTDOWN_S)
        if pull is not None:
            await pull.close()


def _tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        fault = f"expected a PEM certificate with its key, got: {error}"
        raise MirrorError(str(options.tls_certificate), fault, "check --tls-cert and --tls-key") from error
    return context


def raise_file_limit() -> None:
    """Allow as many open connections as the system lets us have: many clients wait at once."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
