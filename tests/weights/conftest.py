"""An empty cache in an environment that says nothing, and a server that misbehaves on request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import FaultyServer
from tests.support.fetch_desk import DATA, Desk, make_desk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPEAKING = ("ZOO_MIRROR", "ZOO_LOCK", "NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that change how a fetch behaves."""


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Offer an empty cache in an environment that says nothing."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in SPEAKING:
            monkeypatch.delenv(name)
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        place = tmp_path / name.lower()
        place.mkdir()
        monkeypatch.setenv(name, str(place))
    monkeypatch.chdir(tmp_path)
    return make_desk(tmp_path / "checkpoints")


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """Offer a server that serves the usual file until a test tells it otherwise."""
    with FaultyServer() as running:
        running.behave = lambda exchange: exchange.serve(DATA)
        yield running
