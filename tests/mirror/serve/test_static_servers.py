"""The layout as it stands: behind nginx as documented, for zoo's clients, for another mirror."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import socket
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, fill
from tests.support.mirror_server import RunningMirror, ask, serving
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.download.options import FetchOptions
from zoo.mirror import remotes, upkeep
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

    from tests.support.mirror_places import Places

DATA = hashlib.shake_256(b"static").digest(1_000_000)
NAME = f"net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
WANTED = ("someone/nets", "someone/nets:v1", "hf:org/tiny")


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror of everything."""
    return fill(places.new(), {f"/models/{NAME}": DATA}, *WANTED)


@pytest.fixture(scope="module")
def mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it by the bundled server."""
    with serving(filled) as running:
        yield running


@pytest.fixture
def nginx(
    mirror: RunningMirror, filled: Store, repository: Path, tmp_path: Path
) -> Iterator[RunningMirror]:
    """Serve the same folder by nginx, as docs/guides/mirror.nginx.conf says."""
    if not filled.is_local:
        pytest.skip("nginx serves files of a folder; a bucket is a static server itself")
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = (repository / "docs" / "guides" / "mirror.nginx.conf").read_text()
    for old, new in {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "root /srv/mirror;": f"root {filled.root};",
        "http://127.0.0.1:8081": mirror.base,
    }.items():
        assert server.count(old) == 1
        server = server.replace(old, new)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in kinds)
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; user root; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{server}\n}}\n"
    )
    process = subprocess.Popen(
        ["nginx", "-c", str(config), "-p", str(tmp_path)], stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield replace(mirror, base=f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Connect until somebody answers; each try takes a while by itself."""
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
            break
    pytest.fail("nginx does not start")


def test_documented_nginx_serves_the_layout_and_hides_the_rest(nginx: RunningMirror) -> None:
    """Static files by nginx, dialects by the server behind it, secrets by nobody."""
    static = ask(nginx, f"/weights/download.pytorch.org/models/{NAME}")
    assert (static.status, static.body == DATA, static.headers["server"][:5]) == (
        200,
        True,
        "nginx",
    )
    assert ask(nginx, f"/models/{NAME}").body == DATA
    assert ask(nginx, f"/models/{NAME}", headers={"Range": "bytes=5-9"}).body == DATA[5:10]
    assert ask(nginx, "/index.json").status == 200
    assert ask(nginx, f"/someone/nets/zipball/{MAIN}").body[:2] == b"PK"
    answer = ask(nginx, "/org/tiny/resolve/main/config.json")
    assert (answer.status, answer.headers["x-repo-commit"]) == (200, MODEL_COMMIT)
    for hidden in (
        "/.private/ca.key",
        "/mirror.json",
        "/.private/incoming/",
        "/weights/../.private/ca.key",
    ):
        assert ask(nginx, hidden).status in (400, 404), hidden


@pytest.mark.parametrize("server", ["mirror", "nginx"])
def test_zoo_downloads_from_any_server_of_the_layout(
    mirror: RunningMirror, server: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What ``zoo download --mirror`` does: the publisher's address is never asked."""
    running = mirror if server == "mirror" else request.getfixturevalue("nginx")
    record = WeightsFile(NAME, f"{PYTORCH}/models/{NAME}", len(DATA), sha256_prefix=NAME[4:12])
    options = FetchOptions(mirrors=(running.base,), upstream=False, folder=tmp_path / "checkpoints")
    assert fetcher.fetch(record, options=options).path.read_bytes() == DATA


def test_a_mirror_feeds_another(mirror: RunningMirror, filled: Store, places: Places) -> None:
    """One address stands for all the upstreams; the copy is the same."""
    upstreams = parse_upstreams([f"mirror={mirror.base}"])
    fed = Store.create(places.new(), Settings(upstreams=upstreams))
    ca.create(fed)
    with Sync(fed) as sync:
        items = sync.resolve(ecosystems.parse_all(WANTED))
        items.append(remotes.unregistered_weights(f"{PYTORCH}/models/{NAME}"))
        assert sync.run(items).failures == []
    original = filled.index()
    copied = fed.index()
    assert {path: file.sha256 for path, file in copied.files.items()} == {
        path: file.sha256 for path, file in original.files.items()
    }
    assert {(item.key, item.refs, item.license) for item in copied.items} == {
        (item.key, item.refs, item.license) for item in original.items
    }
    assert upkeep.verify(fed) == []
