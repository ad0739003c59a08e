"""A mirror in a bucket: everything that a folder does, on a real S3 server on loopback."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, play_everything
from tests.mirror.syncing import QUICK, WEIGHTS_URL, weights
from tests.support import azure_server
from tests.support.azure_server import serving_containers
from tests.support.bucket_server import ACCESS_KEY, ENVIRONMENT, SECRET_KEY, serving_buckets
from tests.support.clients import run_client
from tests.support.failing_objects import DyingObjects, PowerCutError
from tests.support.hub_upstream import HubUpstream
from tests.support.mirror_server import ask, serving
from zoo.cli.main import run as zoo
from zoo.errors import MirrorError, UsageError
from zoo.mirror import bundle, imports, remotes, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.ecosystems.known import parse_upstreams
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store, addresses
from zoo.mirror.store.bucket import Bucket
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.bucket_server import BucketServer

WEIGHTS = "/models/net-5891b5b5.pth"
CLIENTS = """
import json, pathlib, torch
from huggingface_hub import snapshot_download
tree = pathlib.Path(snapshot_download("org/tiny"))
answer = torch.hub.load("someone/nets", "answer", verbose=False, trust_repo=True)
print(json.dumps([answer, sorted(path.name for path in tree.rglob("*.*"))]))
"""


@pytest.fixture(scope="module")
def buckets() -> Iterator[BucketServer]:
    """Run an S3 server, or Azure's emulator where that was named."""
    azurite = os.environ.get("ZOO_TEST_AZURITE")
    serving_them = serving_containers(azurite) if azurite else serving_buckets()
    with serving_them as running:
        yield running


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have credentials where programs look for them, and no folder of the user's."""
    for name, value in {**ENVIRONMENT, **azure_server.ENVIRONMENT}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg-data"))


@pytest.fixture
def store(buckets: BucketServer) -> Store:
    """Make an empty mirror in a bucket of its own."""
    return Store.create(buckets.new_bucket(), Settings(), buckets.endpoint)


def _again(store: Store, **options: float) -> Store:
    """Open a mirror as another process does, with no patience."""
    address = addresses.parse(store.address)
    chosen: dict[str, Any] = {"fresh_s": 0.0, "alone_timeout_s": 0.0, **options}
    return Store(store.address, objects=Bucket(address, **chosen))


def _put(store: Store, number: int, data: bytes = b"x") -> Item:
    """Bring a file as a sync does, and enter it."""
    digest = hashlib.sha256(data).hexdigest()
    url = f"https://host/net{number}.pth"
    file = StoredFile(f"weights/host/net{number}.pth", url, len(data), digest, "2026-01-01")
    item = Item("weights", url, (file,))
    staged = store.staged(f"staged-{number}-{os.urandom(4).hex()}")
    staged.write_bytes(data)
    with store.working():
        store.adopt(staged, file.path, digest)
        store.enter(item)
    return item


@pytest.fixture
def filled(buckets: BucketServer) -> Store:
    """Make a mirror of weights, a repository and a model."""
    with HubUpstream() as upstream:
        play_everything(upstream)
        upstream.weights[WEIGHTS] = b"hello\n"
        kinds = ("github", "github-api", "pytorch", "huggingface")
        upstreams = parse_upstreams([f"{kind}={upstream.base}" for kind in kinds])
        store = Store.create(buckets.new_bucket(), Settings(upstreams=upstreams), buckets.endpoint)
        with Sync(store, options=QUICK) as sync:
            items = sync.resolve(ecosystems.parse_all(["someone/nets", "hf:org/tiny"]))
            items.append(remotes.unregistered_weights(f"https://download.pytorch.org{WEIGHTS}"))
            assert sync.run(items).failures == []
    return store


# -- as on a folder


def test_commands_work_on_a_bucket_as_on_a_folder(
    buckets: BucketServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From init to bundle and prune, as a user types it; no output holds a credential."""
    address = buckets.new_bucket()
    place = buckets.full(address)

    def command(*arguments: str) -> tuple[int, str]:
        code = zoo(list(arguments))
        said = capsys.readouterr()
        assert SECRET_KEY not in said.out + said.err
        assert ACCESS_KEY not in said.out + said.err
        return code, said.out + said.err

    with HubUpstream() as upstream:
        play_everything(upstream)
        made = command(
            "mirror", "init", address, "--endpoint", buckets.endpoint, "--upstream",
            f"mirror={upstream.base}",
        )  # fmt: skip
        assert (made[0], place in made[1]) == (0, True)
        assert command("mirror", "init", place)[0] == 1
        assert command("mirror", "add", "-d", place, "someone/nets", "hf:org/tiny")[0] == 0
        assert command("mirror", "status", "-d", place)[0] == 1
        assert command("mirror", "sync", "-d", place, "-q")[0] == 0
        upstream.requests.clear()
        assert command("mirror", "sync", "-d", place, "-q")[0] == 0
        assert not [path for path in upstream.paths if "zip" in path or "cdn" in path]
    assert command("mirror", "status", "-d", place)[0] == 0
    code, said = command("mirror", "list", "-d", place, "--json")
    assert [row["name"] for row in json.loads(said)] == ["org/tiny", "someone/nets"]
    assert command("mirror", "verify", "-d", place, "-q")[0] == 0
    out = tmp_path / "out.zip"
    made = command("bundle", "create", str(out), "--from", place, "someone/nets", "hf:org/tiny")
    assert (made[0], out.is_file()) == (0, True)
    assert command("mirror", "reindex", "-d", place)[0] == 0
    assert command("mirror", "remove", "-d", place, "hf:org/tiny")[0] == 0
    code, said = command("mirror", "prune", "-d", place, "--older-than", "0", "--json")
    assert code == 0
    assert [item.name for item in Store(place).index().items] == ["someone/nets"]


def test_objects_lie_where_a_static_server_looks(filled: Store) -> None:
    """Weights by their address, archives and models by their commit, digests beside; no lease is left."""
    keys = {entry.key for entry in filled.objects.entries()}
    assert f"weights/download.pytorch.org{WEIGHTS}" in keys
    assert f"repositories/someone/nets/{MAIN}.zip" in keys
    assert f"huggingface/models--org--tiny/{MODEL_COMMIT}/sub folder/notes.txt" in keys
    assert {"index.json", "mirror.json"} <= keys
    assert not [key for key in keys if key.startswith(".private/")]


def test_damage_in_a_bucket_is_found_and_mended(filled: Store) -> None:
    """Other bytes under a key, put there by somebody: verify names it, sync replaces it from upstream."""
    path = f"weights/download.pytorch.org{WEIGHTS}"
    cast("Any", filled.objects)._put(path, b"hellO\n")
    (damage,) = upkeep.verify(_again(filled))
    assert damage.file.path == path
    with HubUpstream() as upstream:
        upstream.weights[WEIGHTS] = b"hello\n"
        upstreams = parse_upstreams([f"pytorch={upstream.base}"])
        filled.change_settings(lambda _: Settings(upstreams=upstreams))
        with Sync(_again(filled), options=QUICK) as sync:
            summary = sync.run(sync.held_beyond([]))
    assert ([file.path for file in summary.fetched], summary.failures) == ([path], [])
    assert upkeep.verify(_again(filled)) == []


def test_import_and_bundle_of_a_bucket(store: Store, tmp_path: Path, torch_home: Path) -> None:
    """Files carried in are put, and carried out again."""
    carried = tmp_path / "net.pth"
    carried.write_bytes(b"hello\n")
    url = WEIGHTS_URL.format("net-5891b5b5.pth")
    imports.import_file(store, carried, url)
    bundle.create(store, ecosystems.parse(url), tmp_path / "out.zip")
    bundle.apply(tmp_path / "out.zip")
    assert (torch_home / "hub" / "checkpoints" / "net-5891b5b5.pth").read_bytes() == b"hello\n"


# -- many at once


def test_eight_writers_lose_nothing(store: Store) -> None:
    """Each with its own view, all on one name and each on its own, one folding all the time."""
    stop = threading.Event()

    def write(writer: int) -> None:
        own = _again(store)
        for number in range(3):
            _put(own, writer * 100 + number)
            commit = f"{writer:020x}{number:020x}"
            file = StoredFile(f"repositories/o/r/{commit}.zip", "https://x", 1, "a" * 64, "2026")
            own.enter(Item("repository", "o/r", (file,), commit, (commit,)))

    def fold() -> None:
        own = _again(store)
        while not stop.is_set():
            own.fold()

    folder = threading.Thread(target=fold)
    folder.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, range(8)))
    finally:
        stop.set()
        folder.join()
    found = _again(store).index()
    assert len(found.versions("repository", "o/r")) == 24
    assert len([item for item in found.items if item.kind == "weights"]) == 24


def test_prune_waits_for_the_living_only(store: Store) -> None:
    """A lease that nobody renews any more is no reason to wait; one that is renewed is."""
    brings = "another process brings files here"
    with _again(store).working(), pytest.raises(MirrorError, match=brings):
        upkeep.prune(_again(store))
    cast("Any", store.objects)._put(".private/leases/work-0123456789abcdef", b"")
    with pytest.raises(MirrorError, match="another process brings files here"):
        upkeep.prune(_again(store))
    assert upkeep.prune(_again(store, lease_s=0.5, alone_timeout_s=20.0)) == []
    assert list(store.objects.entries(".private/")) == []


# -- cut off anywhere


def _live(store: Store) -> None:
    """Do everything that changes a mirror."""
    first = _put(store, 1)
    store.fold()
    _put(store, 1, b"changed")
    upkeep.drop(store, [first])
    _put(store, 3)
    store.fold()


def test_crash_at_any_step_leaves_a_valid_mirror(buckets: BucketServer) -> None:
    """Every file that the index names is there and right, before and after prune; and life goes on."""
    for steps in range(100):
        store = Store.create(buckets.new_bucket(), Settings(), buckets.endpoint)
        dying = DyingObjects(store.objects, steps)
        with contextlib.suppress(PowerCutError):
            _live(Store(store.address, objects=cast("Any", dying)))
        assert upkeep.verify(_again(store)) == [], steps
        upkeep.prune(_again(store))
        assert upkeep.verify(_again(store)) == [], steps
        if not dying.has_died:
            assert steps > 10
            return
    pytest.fail("it never came to its end")


# -- serving


def test_server_streams_objects_to_unmodified_clients(filled: Store, tmp_path: Path) -> None:
    """torch.hub and huggingface_hub, ranges, conditional requests; the server never holds a whole file."""
    with serving(tmp_path / "served", place=filled.address) as running:
        whole = ask(running, f"/weights/download.pytorch.org{WEIGHTS}")
        assert (whole.status, whole.body) == (200, b"hello\n")
        done = run_client(CLIENTS, mirror=running.base)
        assert done[0] == 1
        assert "model.safetensors" in done[1]
        path = f"/weights/download.pytorch.org{WEIGHTS}"
        part = ask(running, path, headers={"Range": "bytes=1-3"})
        assert (part.status, part.body) == (206, b"ell")
        _put(store := Store(filled.address), 7, b"later")
        assert store.index().files
        assert _eventually(running, "/weights/host/net7.pth") == b"later"
        assert SECRET_KEY not in running.log


def _eventually(running: Any, path: str) -> bytes:
    """Ask until a file is there: a server looks every two seconds what others have changed in its bucket."""
    for _ in range(100):
        answer = ask(running, path)
        if answer.status == 200:
            return answer.body
        threading.Event().wait(0.1)
    pytest.fail("the server never saw it")


def test_server_can_lead_clients_to_the_bucket(filled: Store, tmp_path: Path) -> None:
    """HEAD is answered here, GET by a signed address that works without credentials."""
    with serving(tmp_path / "served", "--redirect", place=filled.address) as running:
        path = f"/weights/download.pytorch.org{WEIGHTS}"
        moved = ask(running, path)
        assert moved.status == 302
        place = urlsplit(moved.headers["location"])
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", f"{place.path}?{place.query}")
        assert connection.getresponse().read() == b"hello\n"
        connection.close()
        assert SECRET_KEY not in running.log


def test_servers_of_a_bucket_may_be_one_authority(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the certificate beside it are all that a second machine needs; a key alone is never replaced."""
    key = tmp_path / "first" / "ca.key"
    ca.create(store, key)
    certificate = key.with_name("ca.pem").read_bytes()

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another machine"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another state"))
    root = tmp_path / "log"
    with serving(root, "--ca-key", str(key), place=store.address) as server:
        assert ask(server, "/ca.pem").body == certificate
    assert not (tmp_path / "another state").exists()

    before = key.read_bytes()
    key.with_name("ca.pem").unlink()
    assert zoo(["mirror", "serve", store.address, "--ca-key", str(key), "--port", "0"]) == 1
    assert key.read_bytes() == before


def test_two_servers_on_one_bucket(filled: Store, tmp_path: Path) -> None:
    """What one pulls through lies in the bucket, and the other serves it a moment later."""
    with HubUpstream() as upstream:
        url = weights(upstream, b"pulled by one")
        path = f"/weights/download.pytorch.org{url.removeprefix('https://download.pytorch.org')}"
        upstreams = parse_upstreams([f"pytorch={upstream.base}"])
        filled.change_settings(lambda _: Settings(upstreams=upstreams))
        with (
            serving(tmp_path / "one", "--pull-through", place=filled.address) as one,
            serving(tmp_path / "two", place=filled.address) as two,
        ):
            assert ask(two, path).status == 404
            assert ask(one, path).body == b"pulled by one"
            assert _eventually(two, path) == b"pulled by one"
    assert upkeep.verify(_again(filled)) == []


# -- addresses and credentials


@pytest.mark.parametrize(
    "place",
    [
        "s3://",
        "s3:///x",
        "s3://b/../x",
        "ftp://bucket/x",
        "s3://key:secret@bucket/x",
        "s3://bucket?x=1",
    ],
)
def test_addresses_that_are_none_are_refused(place: str) -> None:
    """Without repeating what they hold: it may be a secret."""
    with pytest.raises(UsageError, match="a bucket is named") as raised:
        addresses.parse(place)
    assert "secret" not in str(raised.value)


def test_endpoint_with_a_password_is_refused() -> None:
    """It would be shown and remembered."""
    with pytest.raises(UsageError, match="without a password"):
        addresses.parse("s3://bucket/x", "http://user:word@127.0.0.1:1")


def test_bucket_that_does_not_answer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong and what to do; no credential."""
    with pytest.raises(MirrorError, match="check its address and your connection") as raised:
        Store("s3://bucket/x?endpoint=http://127.0.0.1:9")
    assert SECRET_KEY not in str(raised.value)


def test_credentials_come_from_the_shared_file_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the AWS command line writes it; the environment comes first."""
    shared = tmp_path / "credentials"
    shared.write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = word\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert addresses._shared_credentials() == {}
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert addresses._shared_credentials()["access_key_id"] == "AKIAOTHER"
    assert addresses.without_secrets("it said word?") == "it said ***?"
