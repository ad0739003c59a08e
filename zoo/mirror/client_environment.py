"""The environment that leads unmodified clients to a mirror.

Hugging Face's clients have a variable for that. torch.hub and torchvision have none: they get the mirror as proxy,
and a file of certificate authorities that holds the usual ones and the mirror's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from zoo.errors import MirrorError, UsageError
from zoo.mirror import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

ClientKind = Literal["torch", "hf", "all"]
CERTIFICATE_BEGIN = b"-----BEGIN CERTIFICATE-----"
LARGEST_CERTIFICATE_BYTES = 1 << 16


def environment(mirror: str, client: ClientKind, before: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set for a client.

    Args:
        mirror: Address of a running mirror.
        client: ``torch`` for torch.hub, torchvision and everything else behind the proxy; ``hf`` for Hugging Face.
        before: The environment as it is now; what it says about certificates and proxies is kept.

    Raises:
        UsageError: It is not an address.
        MirrorError: The mirror does not answer, or its certificate cannot be written.
    """
    base = mirror.rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"a mirror is named by its address, as http://mirror.example.org:8080, got {mirror!r:.80}")
    variables: dict[str, str] = {}
    if client in ("hf", "all"):
        variables["HF_ENDPOINT"] = base
    if client == "all":
        variables["ZOO_MIRROR"] = base
    if client in ("torch", "all"):
        bundle = str(_bundle(_fetch_certificate(base), before))
        direct = ",".join(filter(None, [before.get("no_proxy") or before.get("NO_PROXY"), parts.hostname]))
        variables |= dict.fromkeys(("https_proxy", "HTTPS_PROXY"), base)
        variables |= dict.fromkeys(("no_proxy", "NO_PROXY"), direct)
        variables |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), bundle)
    return variables


def _fetch_certificate(base: str) -> bytes:
    """Get the certificate of the mirror's own authority."""
    import requests

    url = f"{base}/{layout.CERTIFICATE}"
    try:
        with requests.Session() as session:
            session.trust_env = False  # the mirror is not reached through a proxy
            answer = session.get(url, timeout=10, verify=os.environ.get("REQUESTS_CA_BUNDLE") or True)
    except requests.RequestException as error:
        fault = f"expected a running mirror, got {type(error).__name__}"
        raise MirrorError(base, fault, "start it with zoo mirror serve, or check the address") from error
    data = answer.content[:LARGEST_CERTIFICATE_BYTES]
    if answer.status_code != 200 or not data.startswith(CERTIFICATE_BEGIN):
        fault = f"expected a mirror's {layout.CERTIFICATE}, got HTTP status {answer.status_code}"
        raise MirrorError(base, fault, "name the address of zoo mirror serve itself, not of a plain web server")
    return data


def _bundle(certificate: bytes, before: Mapping[str, str]) -> Path:
    """Write a file of authorities: those that count without a mirror, and the mirror's.

    The variables that name such a file replace the usual authorities, so those have to be in it.
    """
    named = before.get("SSL_CERT_FILE") or before.get("REQUESTS_CA_BUNDLE")
    own = {Path(name) for name in [named, ssl.get_default_verify_paths().cafile] if name}
    with contextlib.suppress(ImportError):
        import certifi

        own.add(Path(certifi.where()))
    parts = []
    for path in [Path(named)] if named else sorted(own):
        with contextlib.suppress(OSError):
            parts.append(path.read_bytes())
    data = b"\n".join([*parts, certificate])
    folder = Path(before.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo" / "mirror-certificates"
    target = folder / f"{hashlib.sha256(data).hexdigest()[:16]}.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(temporary).replace(target)
    except OSError as error:
        fault = f"the file of certificates cannot be written: {error.strerror or error}"
        raise MirrorError(str(target), fault, "set XDG_CACHE_HOME to a folder that can be written") from error
    return target
