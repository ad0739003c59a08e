"""Sync a mirror in a test: quick tries, any upstream."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from zoo.download.options import FetchOptions
from zoo.mirror import remotes
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store
    from zoo.mirror.sync import Summary

QUICK = FetchOptions(retries=1, sleep=lambda _: None)
WEIGHTS_URL = "https://download.pytorch.org/models/{}"


def run(store: Store, *texts: str, limit: float | None = None) -> Summary:
    """Sync what the texts name, whatever the mirror wants."""
    with Sync(store, options=QUICK, limit_bytes_per_s=limit) as sync:
        return sync.run(sync.resolve(ecosystems.parse_all(texts)))


def run_weights(store: Store, *urls: str) -> Summary:
    """Sync weights that the registry does not know."""
    with Sync(store, options=QUICK) as sync:
        return sync.run([remotes.unregistered_weights(url) for url in urls])


def weights(upstream: HubUpstream, data: bytes) -> str:
    """Publish weights under a name that holds their digest; return their public address."""
    name = f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    upstream.weights[f"/models/{name}"] = data
    return WEIGHTS_URL.format(name)
