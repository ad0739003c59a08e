"""An empty mirror in a folder or a bucket, and an upstream on loopback that plays the real ones."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.support import azure_server, bucket_server
from tests.support.azure_server import serving_containers
from tests.support.bucket_server import serving_buckets
from tests.support.hub_upstream import HubUpstream, Model, Repository, hub_archive
from tests.support.mirror_places import Places, again
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

    from tests.support.bucket_server import BucketServer

MAIN = "1" * 40
TAGGED = "2" * 40
FEATURE = "3" * 40
MODEL_COMMIT = "a" * 40


def _bytes(size_bytes: int, seed: str) -> bytes:
    """Make bytes that look random and are the same every time."""
    return hashlib.shake_256(seed.encode()).digest(size_bytes)


SPEAKING = (
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "HF_TOKEN",
    "NETRC",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""Variables that change what a client or a mirror does, beside those of proxies."""


@pytest.fixture(scope="session", autouse=True)
def quiet_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Name no proxy and no token; keep what mirrors leave on their machine where it goes away."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name in SPEAKING:
                patch.delenv(name)
        for name in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a test a cache and a home of its own."""
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


def make_store(place: Path | str, upstream: HubUpstream) -> Store:
    """Make an empty mirror whose upstreams are the one on loopback."""
    kinds = ("github", "github-api", "pytorch", "huggingface", "modelscope")
    options = [f"{kind}={upstream.base}" for kind in kinds]
    made = Store.create(place, Settings(upstreams=parse_upstreams(options)))
    ca.create(made)
    return again(made)


def fill(place: Path | str, weights: dict[str, bytes], *wanted: str) -> Store:
    """Make a mirror of weights (path at download.pytorch.org -> bytes) and of what is wanted."""
    with HubUpstream() as upstream:
        play_everything(upstream)
        upstream.weights |= weights
        store = make_store(place, upstream)
        with Sync(store) as sync:
            items = sync.resolve(ecosystems.parse_all(wanted))
            items += [remotes.unregistered_weights(f"{PYTORCH}{path}") for path in weights]
            assert sync.run(items).failures == []
    return store


# -- where mirrors lie


@pytest.fixture(scope="session")
def buckets() -> Iterator[BucketServer]:
    """Run an S3 server, or Azure's emulator where that was named, and have credentials for both."""
    azurite = os.environ.get("ZOO_TEST_AZURITE")
    server = serving_containers(azurite) if azurite else serving_buckets()
    with server as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {**bucket_server.ENVIRONMENT, **azure_server.ENVIRONMENT}.items():
            patch.setenv(name, value)
        yield running


@pytest.fixture(scope="module", params=["folder", "bucket"])
def places(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Places:
    """Offer places for mirrors: whatever asks for them runs on folders, then on buckets."""
    folder = tmp_path_factory.mktemp("places")
    if request.param == "folder":
        return Places(folder)
    return Places(folder, request.getfixturevalue("buckets"))


@pytest.fixture
def upstream() -> Iterator[HubUpstream]:
    """Play the upstreams."""
    with HubUpstream() as running:
        play_everything(running)
        yield running


@pytest.fixture
def store(places: Places, upstream: HubUpstream) -> Store:
    """Make an empty mirror of them: in a folder, then in a bucket."""
    return make_store(places.new(), upstream)


@pytest.fixture
def folder_store(tmp_path: Path, upstream: HubUpstream) -> Store:
    """Make an empty mirror of them in a folder, for what is about folders: links, disks, locks."""
    return make_store(tmp_path / "mirror", upstream)
