"""Where a file may come from, in which order, and which addresses are never used."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import WeightsFile


@dataclass(frozen=True, slots=True)
class Source:
    """One address of one file."""

    url: str
    """Without user and password."""
    may_be_private: bool
    """Whether the address may lie in a private network: the user's own mirrors may."""
    credentials: tuple[str, str] | None = None
    """User and password out of a mirror's address; those of a registry's URL are dropped."""
    had_credentials: bool = False
    """Whether the address came with a user or password."""
    is_direct: bool = False
    """Whether it is asked without a proxy, whatever the environment names."""

    @property
    def shown(self) -> str:
        """The address as messages may show it."""
        return shown(self.url)


def trusted(
    url: str,
    *,
    is_direct: bool = False,
) -> Source:
    """Make a source of an address that the user or the program itself has chosen.

    User and password in it count.

    Args:
        url: It may lie in a private network.
        is_direct: Ask it without a proxy.

    Raises:
        SourceError: It is not an http(s) address.
    """
    source = _source(url, is_mirror=True, may_be_private=True)
    return replace(source, is_direct=is_direct)


def mirror_path(url: str) -> str:
    """Return the path under which a mirror keeps what is published at an address.

    >>> mirror_path("https://download.pytorch.org/models/lenet-0123abcd.pth")
    'weights/download.pytorch.org/models/lenet-0123abcd.pth'
    """
    parts = split(url)
    port = ""
    if parts.port:
        port = f"_{parts.port}"
    return f"weights/{parts.hostname}{port}{unquote(parts.path)}"


def mirror_url(
    base: str,
    file: WeightsFile,
) -> str:
    """Return where a mirror serves a weights file."""
    path = mirror_path(file.url) if file.url is not None else f"weights/{file.file_name}"
    return f"{base.rstrip('/')}/{quote(path)}"


def sources_of(
    file: WeightsFile,
    mirrors: Sequence[str],
    *,
    upstream: bool,
    allow_private: bool,
) -> tuple[list[Source], list[SourceError]]:
    """List the sources of a file, mirrors in order, then the publisher.

    And the addresses that must not be used.
    """
    wanted = [(mirror_url(base, file), True) for base in mirrors]
    if upstream and file.url is not None:
        wanted.append((file.url, False))
    usable: dict[str, Source] = {}
    failures: list[SourceError] = []
    for url, is_mirror in wanted:
        try:
            source = _source(url, is_mirror=is_mirror, may_be_private=is_mirror or allow_private)
        except SourceError as error:
            failures.append(error)
        else:
            usable.setdefault(source.url, source)
    return list(usable.values()), failures


def shown(url: str) -> str:
    """Return an address without user, password, query and anything a terminal might obey."""
    parts = split(url)
    plain = urlunsplit(
        (
            parts.scheme,
            _host_and_port(parts),
            parts.path,
            "",
            "",
        )
    )
    return "".join(letter if letter.isprintable() else "?" for letter in plain)


def split(url: str) -> SplitResult:
    """Take an address apart.

    Raises:
        SourceError: It is not an address.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        fault = f"expected an http(s) address: {error}"
        raise SourceError(_quoted(url), fault) from error
    return parts


def check_address(
    url: str,
    *,
    may_be_private: bool,
) -> None:
    """Refuse an address that is not plain http(s) or leads into a private network.

    Raises:
        SourceError: The address must not be used.
    """
    parts = split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        fault = f"expected an http or https address, got the scheme {parts.scheme!r}"
        raise SourceError(_quoted(url), fault)
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in url):
        raise SourceError(shown(url), "the address holds spaces or control characters")
    if not may_be_private and _is_private(parts.hostname):
        fault = (
            "the registry's address lies in a private network; "
            "if that is meant, set allow_private_addresses"
        )
        raise SourceError(shown(url), fault)


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port: credentials are for one origin only."""
    parts = split(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443}.get(parts.scheme, 80)


def basic_authorization(
    user: str,
    password: str,
) -> str:
    """Write credentials the way HTTP's basic scheme wants them."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _source(
    url: str,
    *,
    is_mirror: bool,
    may_be_private: bool,
) -> Source:
    """Check one address and part it from its credentials."""
    check_address(url, may_be_private=may_be_private)
    parts = split(url)
    bare = urlunsplit(
        (
            parts.scheme,
            _host_and_port(parts),
            parts.path,
            parts.query,
            "",
        )
    )
    has_any = parts.username is not None or parts.password is not None
    credentials = (
        (unquote(parts.username or ""), unquote(parts.password or ""))
        if is_mirror and has_any
        else None
    )
    return Source(
        bare,
        may_be_private,
        credentials,
        has_any,
    )


def _quoted(url: str) -> str:
    """Return the beginning of something that is no proper address, fit for a message."""
    return ascii(url.rpartition("@")[2][:80])


def _host_and_port(parts: SplitResult) -> str:
    """Return the network place without credentials."""
    return parts.netloc.rpartition("@")[2]


def _is_private(host: str) -> bool:
    """Tell whether a host is, by its spelling, not on the public Internet."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(name.partition("%")[0]).is_global
    except ValueError:
        return False
