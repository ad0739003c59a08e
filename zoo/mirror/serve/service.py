"""Run the server until a signal ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import MirrorError, ZooError
from zoo.mirror.serve import ca
from zoo.mirror.serve.access_log import Format, OneLine
from zoo.mirror.serve.ca import CertificateAuthority
from zoo.mirror.serve.metrics import Metrics
from zoo.mirror.serve.proxy import Gate
from zoo.mirror.serve.pull import Pull
from zoo.mirror.serve.readers import Readers
from zoo.mirror.serve.server import App, AppOptions, aiohttp_web
from zoo.mirror.site import Site
from zoo.mirror.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.mirror.catalog import Catalog
    from zoo.mirror.serve.peers import Network
    from zoo.mirror.store import Store

LOG = logging.getLogger("zoo.mirror")
BACKLOG = 1024
USAGE_S = 60.0
REFRESH_S = 2.0
"""How often a server looks for what others have changed in a bucket."""
GRACE_S = 25.0
"""Kubernetes kills after 30 seconds."""
FIRST_BYTES_S = 3.0
"""How long clients that have just connected may take, after a signal, to say what they want."""
WANTED_FILES = 65536


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    pulls_through: bool = False
    tunnel_ports: frozenset[int] = frozenset()
    """Ports of other hosts that the proxy leads to."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    redirects: bool = False
    """Whether clients of a mirror in a bucket are redirected to the bucket itself."""
    proxy_port: int | None = None
    """With TLS: a port without, for clients that can reach a proxy only in that way."""
    ca_key: Path | None = None
    trusted_proxies: tuple[Network, ...] = ()
    log_format: Format = "text"
    metrics_port: int | None = None
    """Where Prometheus asks."""
    catalog: Catalog | None = None
    """A web site at ``/`` about what the mirror holds."""
    grace_s: float = GRACE_S
    """How long responses may take to their end after a signal."""


def serve(
    store: Store,
    options: ServeOptions,
    on_ready: Callable[[str], None],
) -> None:
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


class _Signals:
    """The first signal ends the service, the second one its patience."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.hurry = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._receive)

    def _receive(self) -> None:
        if self.ended.is_set():
            self.hurry.set()
        self.ended.set()


async def _serve(
    store: Store,
    options: ServeOptions,
    on_ready: Callable[[str], None],
) -> None:
    authority = _authority(store, options.ca_key)
    metrics = Metrics(store.objects.staging) if options.metrics_port is not None else None
    pull = Pull(store, metrics) if options.pulls_through else None
    answering = AppOptions(
        hosts=authority.hosts,
        tunnel_ports=options.tunnel_ports,
        trusted_proxies=options.trusted_proxies,
        log_format=options.log_format,
        redirects=options.redirects,
        readers=Readers(store),
        metrics=metrics,
    )
    site = Site(
        store,
        pull,
        proxy_port=options.proxy_port,
        catalog=options.catalog,
        certificate=authority.certificate,
    )
    app = App(site, answering)
    usage = Usage(store, f"{options.host}:{options.port}")
    app.note_use = usage.note
    gate = Gate(app, authority, options.tunnel_ports)
    signals = _Signals()
    _shorten_logs()
    tls = _tls_context(options)
    server = await _listen(gate, options.host, options.port, tls)
    listeners = [(server, tls)]
    if options.proxy_port is not None:
        listeners.append((await _listen(gate, options.host, options.proxy_port, None), None))
    prometheus = None
    if metrics is not None and options.metrics_port is not None:
        prometheus = await _listen_for_prometheus(metrics, options)
    port = server.sockets[0].getsockname()[1]
    shown = f"[{options.host}]" if ":" in options.host else options.host
    on_ready(f"{'https' if tls else 'http'}://{shown}:{port}")

    chores = [
        asyncio.ensure_future(app.close_silent_connections()),
        asyncio.ensure_future(_refresh(store)),
        asyncio.ensure_future(_write_usage(usage)),
    ]
    try:
        await signals.ended.wait()
    finally:
        for listener, context in listeners:
            await _stop_listening(listener, gate, context)
        if prometheus is not None:
            prometheus.close()
        for chore in chores:
            chore.cancel()
        await _end(app, gate, options.grace_s, signals.hurry)
        if pull is not None:
            await pull.close()
        with contextlib.suppress(ZooError):
            usage.write()


def _authority(
    store: Store,
    key_path: Path | None,
) -> CertificateAuthority:
    """Return the proxy's own CA.

    A server of a bucket makes one for this machine when it is first run, unless one is here.
    """
    is_named = key_path is not None and key_path.exists()
    is_here = is_named or ca.certificate_path(store, key_path).exists()
    if not store.is_local and not is_here:
        ca.create(store, key_path)
    return CertificateAuthority(store, key_path)


async def _refresh(
    store: Store,
    pause_s: float = REFRESH_S,
) -> None:
    """Look for what others have changed in a bucket, so that no request waits for that.

    A folder is looked at at once.
    """
    if store.is_local:
        return
    store.refresh_elsewhere()
    while True:
        try:
            await asyncio.to_thread(store.refresh)
        except ZooError as error:
            LOG.warning("the bucket cannot be read, what was seen last is served: %s", error)
        await asyncio.sleep(pause_s)


async def _write_usage(
    usage: Usage,
    pause_s: float = USAGE_S,
) -> None:
    """Write down now and then which files are asked for.

    A mirror that cannot be written is served all the same.
    """
    while True:
        await asyncio.sleep(pause_s)
        with contextlib.suppress(ZooError):
            await asyncio.to_thread(usage.write)


def _shorten_logs() -> None:
    """Make one line of what asyncio and aiohttp say about clients that leave or speak no HTTP."""
    for name in ("asyncio", "aiohttp.server"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, OneLine) for known in logger.filters):
            logger.addFilter(OneLine())


async def _listen_for_prometheus(
    metrics: Metrics,
    options: ServeOptions,
) -> asyncio.Server:
    """Begin to answer Prometheus."""
    server = aiohttp_web().Server(metrics.handle, access_log=None)
    listener = await _listen(server, options.host, options.metrics_port or 0, None)
    LOG.warning("metrics are on port %d", listener.sockets[0].getsockname()[1])
    return listener


async def _listen(
    protocols: Callable[[], asyncio.BaseProtocol],
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
) -> asyncio.Server:
    """Begin to accept connections.

    Raises:
        MirrorError: The address cannot be used.
    """
    loop = asyncio.get_running_loop()
    try:
        return await loop.create_server(protocols, host, port, ssl=tls, backlog=BACKLOG)
    except OSError as error:
        fault = f"cannot listen there: {error.strerror or error}"
        raise MirrorError(
            f"{host}:{port}", fault, "choose another --host, --port or --proxy-port"
        ) from error


async def _stop_listening(
    listener: asyncio.Server,
    gate: Gate,
    tls: ssl.SSLContext | None,
) -> None:
    """Take in who has connected already, and nobody else.

    The system accepts connections before we do. Those that wait for us when a socket is closed
    are reset, so they are taken from a second number of the same socket first.
    """
    queues = [one.dup() for one in listener.sockets]
    listener.close()
    for queue in queues:
        queue.setblocking(False)
        with contextlib.suppress(OSError):  # nobody waits any more
            while True:
                connection, _ = queue.accept()
                gate.take_in(connection, tls)
        queue.close()
    await asyncio.sleep(0)  # the gate knows of them from here on


async def _end(
    app: App,
    gate: Gate,
    grace_s: float,
    hurry: asyncio.Event,
) -> None:
    """Let responses come to their end, then break off what is left, and say both."""
    patience_s = min(grace_s, FIRST_BYTES_S)
    await gate.hear_out(patience_s, hurry)
    if app.busy_count:
        LOG.warning(
            "stopping: %d responses are being sent and have %g s to end;"
            " a second signal breaks them off",
            app.busy_count,
            grace_s,
        )
    broken = await app.shutdown(grace_s, hurry)
    for task in gate.tasks:
        task.cancel()
    if broken:
        LOG.warning("stopped: %d responses were broken off", broken)


def _tls_context(options: ServeOptions) -> ssl.SSLContext | None:
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except (OSError, ssl.SSLError) as error:
        fault = f"expected a PEM certificate with its key, got: {error}"
        raise MirrorError(
            str(options.tls_certificate), fault, "check --tls-cert and --tls-key"
        ) from error
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
