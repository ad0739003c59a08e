"""One look at one thing that the registry depends on, and what came of it.

What is looked at is named by an address:

=============================================  =====================================================
``https://.../resnet18-f37072fd.pth``           a file: ETag, length, and the host that sends it
``https://.../api/models/ORG/NAME/revision/main``  a repository of the Hugging Face Hub: its commit
``https://.../repos/OWNER/NAME/commits/REF``    a repository of GitHub: its commit
``https://.../torch/json``                      a package of an index: its newest version
``certificate:HOST:PORT``                       the certificate of a host: its last day
=============================================  =====================================================
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from zoo.download import connections, sources
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.download.transport import Transport

State = Literal["alive", "moved", "changed", "gone", "unreachable", "expiring"]
CERTIFICATE = "certificate:"
PACKAGE = re.compile(r"/[A-Za-z0-9._-]+/json$")
LEAST_DAYS = 21
"""A certificate that ends sooner is expiring: most are renewed a month before."""
_CONNECT_S = 10.0
_ABSENT = (404, 410)
_NOT_MODIFIED = 304
_NOTHING_SEEN = ("gone", "unreachable")


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found at one address."""

    url: str
    state: State
    checked: str
    """When it was asked last, UTC, ISO 8601."""
    since: str
    """When it was first found in this state."""
    etag: str | None = None
    validator: str | None = None
    """What the server is asked to answer only if it has changed: the ETag, also a weak one."""
    size_bytes: int | None = None
    commit: str | None = None
    """Of a repository."""
    version: str | None = None
    """The newest of a package."""
    expires: str | None = None
    """The last moment of a certificate, UTC, ISO 8601."""
    host: str | None = None
    """Which host sent the file, after redirects."""
    fault: str | None = None


def look(
    address: str,
    transport: Transport,
    moment: str,
    before: Seen | None = None,
) -> Seen:
    """Ask, and say what came; an address that cannot be asked is unreachable.

    Args:
        address: What to look at.
        transport: Asks.
        moment: When, UTC, ISO 8601.
        before: What was seen at the last look, so that a server need not answer the same again.
    """
    blank = Seen(
        url=address,
        state="alive",
        checked=moment,
        since=moment,
    )
    if address.startswith(CERTIFICATE):
        return _certificate(blank)

    source = sources.trusted(address)
    known = before if before is not None and before.state not in _NOTHING_SEEN else None
    unless = known.validator if known else None
    try:
        read = _reader_of(address)
        if read is not None:
            response = transport.json(source, unless=unless)
            found = read(blank, response.content)
            return replace(found, validator=response.validator)
        head = transport.head(source, unless=unless)
    except SourceError as error:
        if known is not None and error.status == _NOT_MODIFIED:
            return _as_before(known, blank, _host_of(transport.landed(source)))
        state: State = "gone" if error.status in _ABSENT else "unreachable"
        return replace(blank, state=state, fault=str(error))

    return replace(
        blank,
        etag=head.etag,
        validator=head.validator,
        size_bytes=head.length_bytes,
        host=_host_of(transport.landed(source)),
    )


def _as_before(
    known: Seen,
    blank: Seen,
    host: str | None,
) -> Seen:
    """Say that a server has what it had, which another host may send now."""
    is_moved = known.state == "moved"
    return replace(
        known,
        state="moved" if is_moved else "alive",
        checked=blank.checked,
        since=blank.since,
        host=host if known.host else None,
        fault=known.fault if is_moved else None,
    )


def _host_of(address: str) -> str | None:
    return urlsplit(address).hostname


def _reader_of(address: str) -> Callable[[Seen, object], Seen] | None:
    """Choose what reads the response of an address; ``None`` for that of a file."""
    if address.endswith("/revision/main"):
        return _hub_repository
    if "/commits/" in address:
        return _commit
    if PACKAGE.search(address):
        return _package
    return None


def _hub_repository(
    blank: Seen,
    content: object,
) -> Seen:
    """Read what the Hub says of a repository: its commit, and its name if it has another now."""
    found = _commit(blank, content)
    name = _part(content, "id")
    is_moved = isinstance(name, str) and f"/api/models/{name}/" not in blank.url
    if found.commit is None or not is_moved:
        return found
    return replace(found, state="moved", fault=f"it is called {name} now")


def _commit(
    blank: Seen,
    content: object,
) -> Seen:
    commit = _part(content, "sha")
    if not isinstance(commit, str):
        return replace(blank, state="unreachable", fault="expected a commit in the answer")
    return replace(blank, commit=commit)


def _package(
    blank: Seen,
    content: object,
) -> Seen:
    info = _part(content, "info")
    version = _part(info, "version")
    if not isinstance(version, str):
        return replace(blank, state="unreachable", fault="expected a version in the answer")
    return replace(blank, version=version)


def _part(
    content: object,
    key: str,
) -> object:
    """Take a part of a response, ``None`` where it has none."""
    return content.get(key) if isinstance(content, dict) else None


def _certificate(blank: Seen) -> Seen:
    """Shake hands with a host, and read when its certificate ends."""
    _, host, port = blank.url.split(":")
    try:
        ends = certificate_end(host, int(port))
    except ssl.SSLCertVerificationError as error:
        fault = f"the certificate is refused: {error.verify_message}"
        return replace(blank, state="changed", fault=fault)
    except OSError as error:
        return replace(blank, state="unreachable", fault=str(error))

    expires = ends.isoformat(timespec="seconds")
    now = datetime.fromisoformat(blank.checked)
    left = ends - now
    if left < timedelta(days=LEAST_DAYS):
        fault = f"it ends in {left.days} days"
        return replace(blank, state="expiring", expires=expires, fault=fault)
    return replace(blank, expires=expires)


def certificate_end(
    host: str,
    port: int,
) -> datetime:
    """Return the last moment of a host's certificate, which must be trusted.

    Raises:
        OSError: Nobody answers, or the certificate is refused.
    """
    context = connections.tls_context()
    with (
        socket.create_connection((host, port), _CONNECT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        facts = secured.getpeercert() or {}
    seconds = ssl.cert_time_to_seconds(str(facts["notAfter"]))
    return datetime.fromtimestamp(seconds, UTC)
