"""A mirror in an empty folder, and an upstream on loopback that plays all the real ones."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from zoo.mirror import remotes
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.mirror.remotes import PYTORCH
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN = "1" * 40
TAGGED = "2" * 40
FEATURE = "3" * 40
MODEL_COMMIT = "a" * 40


def _bytes(size_bytes: int, seed: str) -> bytes:
    """Make bytes that look random and are the same every time."""
    return hashlib.shake_256(seed.encode()).digest(size_bytes)


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the keys of all mirrors in a folder that goes away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def quiet_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an environment that names no proxy, no token and no cache outside."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in (
            "GH_TOKEN",
            "NETRC",
            "SSL_CERT_FILE",
            "REQUESTS_CA_BUNDLE",
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg-cache"))
    monkeypatch.setenv("HOME", str(tmp_path))


def play_everything(running: HubUpstream) -> None:
    """Publish one repository with three commits and one model with one."""
    name = "someone/nets"
    running.repositories[name] = Repository(
        branches={"main": MAIN, "feature/x": FEATURE},
        tags={"v1": TAGGED},
        archives={
            commit: hub_archive(name, commit, int(commit[0])) for commit in (MAIN, TAGGED, FEATURE)
        },
    )
    files = {
        "config.json": b'{"architecture": "tiny"}\n',
        ".gitattributes": b"*.safetensors filter=lfs\n",
        "model.safetensors": _bytes(300_000, "model"),
        "sub folder/notes.txt": b"a name with a space\n",
        "README.md": b"# tiny\n",
    }
    running.models["org/tiny"] = Model({MODEL_COMMIT: files}, {"main": MODEL_COMMIT})
    running.modelscope["org/small"] = {
        "configuration.json": b'{"framework": "pytorch"}\n',
        "model.safetensors": _bytes(200_000, "small"),
        "sub/notes.txt": b"below\n",
    }


def make_store(root: Path, upstream: HubUpstream) -> Store:
    """Make an empty mirror whose upstreams are the one on loopback."""
    kinds = ("github", "github-api", "pytorch", "huggingface", "modelscope")
    options = [f"{kind}={upstream.base}" for kind in kinds]
    made = Store.create(root, Settings(upstreams=parse_upstreams(options)))
    ca.create(made)
    return made


def fill(root: Path, weights: dict[str, bytes], *wanted: str) -> Path:
    """Make a mirror of weights (path at download.pytorch.org -> bytes) and of what is wanted, and return its folder."""
    with HubUpstream() as upstream:
        play_everything(upstream)
        upstream.weights |= weights
        store = make_store(root, upstream)
        with Sync(store) as sync:
            items = sync.resolve(ecosystems.parse_all(wanted))
            items += [remotes.unregistered_weights(f"{PYTORCH}{path}") for path in weights]
            assert sync.run(items).failures == []
    return store.root


@pytest.fixture
def upstream() -> Iterator[HubUpstream]:
    """Play the upstreams."""
    with HubUpstream() as running:
        play_everything(running)
        yield running


@pytest.fixture
def store(tmp_path: Path, upstream: HubUpstream) -> Store:
    """Make an empty mirror of them."""
    return make_store(tmp_path / "mirror", upstream)
