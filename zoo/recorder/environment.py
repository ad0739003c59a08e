"""The variables that send a program, and those that it starts, through a proxy on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROXY_NAMES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
BUNDLE_NAMES = (
    "SSL_CERT_FILE",  # Python, OpenSSL, httpx
    "REQUESTS_CA_BUNDLE",  # requests, huggingface_hub before 1.0
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
)
DIRECT_NAMES = ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY")
LOOPBACK = "localhost,127.0.0.1,::1"


def point(
    before: Mapping[str, str],
    proxy: str,
    bundle: Path,
) -> dict[str, str]:
    """Return an environment that points clients at a proxy and lets them believe its CA.

    Args:
        before: The environment as it is.
        proxy: Address of the proxy.
        bundle: A file of CAs, from :func:`zoo.certificates.join_authorities`.
    """
    environment = dict(before)
    for name in DIRECT_NAMES:
        environment.pop(name, None)
    for name in PROXY_NAMES:
        environment[name] = proxy
    for name in BUNDLE_NAMES:
        environment[name] = str(bundle)
    # Programs talk to their own services here; no model comes from there.
    environment["no_proxy"] = environment["NO_PROXY"] = LOOPBACK
    # Xet fetches by a protocol of its own, which no proxy can read.
    environment["HF_HUB_DISABLE_XET"] = "1"
    environment.pop("HF_ENDPOINT", None)
    return environment


def fresh_caches(folder: Path) -> dict[str, str]:
    """Return variables that make the caches of torch and Hugging Face empty ones."""
    return {
        "TORCH_HOME": str(folder / "torch"),
        "HF_HOME": str(folder / "huggingface"),
        "HF_HUB_CACHE": str(folder / "huggingface" / "hub"),
    }
