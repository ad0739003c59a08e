"""The environment that points unmodified clients at a mirror.

Hugging Face's clients have a variable for that. torch.hub and torchvision have none: they get the
mirror as proxy, and a file of certificate authorities that holds the usual ones and the mirror's
own.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from zoo.certificates import join_authorities
from zoo.config import expanded
from zoo.errors import MirrorError, UsageError
from zoo.mirror import layout
from zoo.mirror.ecosystems.known import ECOSYSTEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

ClientKind = Literal["torch", "hf", "all"]
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy")
"""Weights have plain http:// addresses too. Few programs read ``HTTP_PROXY``: to a CGI program it
is a header of the request."""
CERTIFICATE_BEGIN = b"-----BEGIN CERTIFICATE-----"
LARGEST_CERTIFICATE_BYTES = 1 << 16


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
    import requests

    url = f"{base}/{layout.CERTIFICATE}"
    try:
        with requests.Session() as session:
            session.trust_env = False  # the mirror is not reached through a proxy
            response = session.get(
                url, timeout=10, verify=os.environ.get("REQUESTS_CA_BUNDLE") or True
            )
    except requests.RequestException as error:
        fault = f"expected a running mirror, got {type(error).__name__}"
        raise MirrorError(
            base, fault, 'check the address, or start it with "zoo mirror serve"'
        ) from error
    data = response.content[:LARGEST_CERTIFICATE_BYTES]
    if response.status_code != 200 or not data.startswith(CERTIFICATE_BEGIN):
        fault = f"expected a mirror's {layout.CERTIFICATE}, got HTTP status {response.status_code}"
        raise MirrorError(
            base, fault, "name the address of a mirror's own server, not of a plain web server"
        )
    return data, _proxy_address(base, response.headers.get(layout.PROXY_PORT_HEADER))


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
    cache = expanded(before.get("XDG_CACHE_HOME") or "~/.cache")
    folder = cache / "zoo" / "mirror-certificates"
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
