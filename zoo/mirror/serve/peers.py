"""Who asks, and under which address.

From the connection or, behind a proxy that was named, from its headers.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HOST = re.compile(r"[A-Za-z0-9.\-_\[\]:]{1,255}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9.\-_]{1,64}")


@dataclass(frozen=True, slots=True)
class Peer:
    """One client."""

    address: str
    base: str
    """The address under which it knows us."""
    request_id: str | None = None
    """What the proxy in front of us calls the request."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read the proxies that are trusted.

    Raises:
        UsageError: It is no address and no network.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text, strict=False))
        except ValueError as error:
            words = "--trusted-proxy takes an address or a network, such as 10.0.0.0/8"
            raise UsageError(f"{words}, got {text!r:.60}") from error
    return tuple(networks)


def peer_of(
    request: web.BaseRequest,
    trusted: tuple[Network, ...],
) -> Peer:
    """Find out who asks; ``X-Forwarded-...`` counts only where a trusted proxy says it."""
    direct, scheme = _direct_peer(request)
    said = request.headers
    host = said.get("Host", "")
    if not _is_trusted(direct, trusted):
        return Peer(direct, f"{scheme}://{host}")

    client = _client(said, direct, trusted)
    base = _forwarded_base(said, scheme, host)
    request_id = said.get("X-Request-Id", "")
    if not _REQUEST_ID.fullmatch(request_id):
        return Peer(client, base)
    return Peer(client, base, request_id)


def _direct_peer(request: web.BaseRequest) -> tuple[str, str]:
    """Return who is at the other end of the connection, and by which scheme."""
    transport = request.transport
    if transport is None:
        return "-", "http"

    name = transport.get_extra_info("peername")
    address = str(name[0]) if isinstance(name, tuple) else "-"
    secured = transport.get_extra_info("ssl_object")
    return address, "http" if secured is None else "https"


def _forwarded_base(
    said: Mapping[str, str],
    scheme: str,
    host: str,
) -> str:
    """Work out under which address a client behind a trusted proxy knows us."""
    scheme = _last(said, "X-Forwarded-Proto") or scheme
    if scheme not in {"http", "https"}:
        scheme = "http"

    forwarded_host = _last(said, "X-Forwarded-Host") or host
    base = f"{scheme}://{forwarded_host}"
    if not _HOST.fullmatch(forwarded_host):
        base = f"http://{host}"

    prefix = said.get("X-Forwarded-Prefix", "").strip("/ ")
    if not prefix:
        return base
    return f"{base}/{quote(prefix)}"


def _client(
    said: Mapping[str, str],
    direct: str,
    trusted: tuple[Network, ...],
) -> str:
    """Return the last address in front of the trusted proxies.

    What stands before it anybody may have written.
    """
    listed = said.get("X-Forwarded-For", "")
    hops = [hop.strip() for hop in listed.split(",")]
    for hop in filter(None, reversed(hops)):
        if not _is_trusted(hop, trusted):
            return _address(hop) or direct
    return direct


def _last(
    said: Mapping[str, str],
    name: str,
) -> str:
    """Return what the proxy next to us says in a header."""
    _, _, last = said.get(name, "").rpartition(",")
    return last.strip()


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _is_trusted(
    text: str,
    trusted: tuple[Network, ...],
) -> bool:
    address = _address(text)
    if address is None:
        return False
    known = ipaddress.ip_address(address)
    return any(known in network for network in trusted)
