"""The environment that points unmodified clients at a mirror.

Hugging Face's clients have a variable for that. torch.hub and torchvision have none: they get the
mirror as proxy, and a file of certificate authorities that holds the usual ones and the mirror's
own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from zoo.certificates import join_authorities
from zoo.config import own_folder
from zoo.download import sources
from zoo.download.options import Timeouts
from zoo.download.transport import Transport
from zoo.errors import MirrorError, SourceError, UsageError
from zoo.mirror import layout
from zoo.mirror.ecosystems.known import ECOSYSTEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.download.responses import Response

ClientKind = Literal["torch", "hf", "all"]
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy")
"""Weights have plain http:// addresses too. Few programs read ``HTTP_PROXY``: to a CGI program it
is a header of the request."""
CERTIFICATE_BEGIN = b"-----BEGIN CERTIFICATE-----"
LARGEST_CERTIFICATE_BYTES = 1 << 16
TIMEOUTS = Timeouts(answer_s=10.0)
OWN_SERVER = "name the address of a mirror's own server, not of a plain web server"


def environment(
    mirror: str,
    client: ClientKind,
    before: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables to set for a client.

    Args:
        mirror: Address of a running mirror.
        client: ``torch`` for torch.hub, torchvision and everything else behind the proxy; ``hf``
            for Hugging Face.
        before: The environment as it is now; what it says about certificates and proxies is kept.

    Raises:
        UsageError: It is not an address.
        MirrorError: The mirror does not answer, or its certificate cannot be written.
    """
    base = mirror.rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        form = "a mirror is named by its address, as http://mirror.example.org:8080"
        raise UsageError(f"{form}, got {mirror!r:.80}")
    variables: dict[str, str] = {}
    for ecosystem in ECOSYSTEMS:
        is_meant = client == "all" or ecosystem.prefix == f"{client}:"
        if ecosystem.endpoint_variable is not None and is_meant:
            variables[ecosystem.endpoint_variable] = base
    if client == "all":
        variables["ZOO_MIRROR"] = base
    if client in ("torch", "all"):
        variables |= _behind_proxy(base, parts.hostname, before)
    return variables


def _behind_proxy(
    base: str,
    host: str,
    before: Mapping[str, str],
) -> dict[str, str]:
    """Return the variables that send a client through the mirror's proxy, and let it trust that."""
    certificate, proxy = _fetch_certificate(base)
    bundle = _bundle(certificate, before)
    direct = before.get("no_proxy") or before.get("NO_PROXY")
    hosts = f"{direct},{host}" if direct else host
    return {
        **dict.fromkeys(_PROXIES, proxy),
        "no_proxy": hosts,
        "NO_PROXY": hosts,
        "SSL_CERT_FILE": str(bundle),
        "REQUESTS_CA_BUNDLE": str(bundle),
    }


def _fetch_certificate(base: str) -> tuple[bytes, str]:
    """Get the certificate of the mirror's own CA, and the address of its proxy."""
    with contextlib.closing(Transport(TIMEOUTS)) as transport:
        try:
            source = sources.trusted(f"{base}/{layout.CERTIFICATE}", is_direct=True)
            with transport.open(source) as response:
                port = response.header(layout.PROXY_PORT_HEADER)
                data = _beginning(response)
        except SourceError as error:
            if error.status is None:
                advice = 'check the address, or start it with "zoo mirror serve"'
                raise MirrorError(base, error.fault, advice) from error
            fault = f"expected a mirror's {layout.CERTIFICATE}, got HTTP status {error.status}"
            raise MirrorError(base, fault, OWN_SERVER) from error

    if not data.startswith(CERTIFICATE_BEGIN):
        fault = f"expected a mirror's {layout.CERTIFICATE}, got something else"
        raise MirrorError(base, fault, OWN_SERVER)
    return data, _proxy_address(base, port)


def _beginning(response: Response) -> bytes:
    """Read as much of a response as a certificate may have."""
    data = b""
    for block in response.blocks():
        data += block
        if len(data) >= LARGEST_CERTIFICATE_BYTES:
            break
    return data[:LARGEST_CERTIFICATE_BYTES]


def _proxy_address(
    base: str,
    port: str | None,
) -> str:
    """Return the address of the proxy: urllib, and so torch.hub, can reach none over TLS."""
    parts = urlsplit(base)
    if parts.scheme == "http":
        return base
    if port is None or not port.isdigit():
        fault = "it speaks TLS only, and torch.hub can use no proxy over TLS"
        advice = "start it with --proxy-port, or use --client hf"
        raise MirrorError(base, fault, advice)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    user, at, _ = parts.netloc.rpartition("@")
    return f"http://{user}{at}{host}:{port}"


def _bundle(
    certificate: bytes,
    before: Mapping[str, str],
) -> Path:
    """Write a file of CAs: those that count without a mirror, and the mirror's."""
    data = join_authorities(before, certificate)
    folder = own_folder("cache", before) / "mirror-certificates"
    digest = hashlib.sha256(data)
    name = digest.hexdigest()[:16]
    target = folder / f"{name}.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(target)
    except OSError as error:
        fault = f"the file of certificates cannot be written: {error.strerror or error}"
        raise MirrorError(
            str(target), fault, "set XDG_CACHE_HOME to a folder that can be written"
        ) from error
    return target
