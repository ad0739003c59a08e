"""What only a mirror in a bucket has: addresses, credentials, leases, links that are signed.

All else that a mirror does is tested on folders and on buckets alike (``places`` in conftest.py).
"""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, fill, play_everything
from tests.support.bucket_server import ACCESS_KEY, ENVIRONMENT, SECRET_KEY
from tests.support.clients import run_client
from tests.support.hub_upstream import HubUpstream
from tests.support.mirror_places import again, keys, overwrite
from tests.support.mirror_server import ask, serving
from zoo.cli.main import run as zoo
from zoo.errors import MirrorError, UsageError
from zoo.mirror import upkeep
from zoo.mirror.serve import ca
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store, addresses

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.bucket_server import BucketServer

pytestmark = pytest.mark.usefixtures("buckets")
WEIGHTS = "/models/net-5891b5b5.pth"
DOWNLOAD = """
import json, pathlib
from huggingface_hub import snapshot_download
tree = pathlib.Path(snapshot_download("org/tiny"))
print(json.dumps([path.read_text() for path in tree.rglob("notes.txt")]))
"""


@pytest.fixture
def filled(buckets: BucketServer) -> Store:
    """Make a mirror of weights, a repository and a model in a bucket."""
    place = buckets.full(buckets.new_bucket())
    return fill(place, {WEIGHTS: b"hello\n"}, "someone/nets", "hf:org/tiny")


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
    """Weights by address, archives and models by commit, digests beside; no lease is left."""
    found = keys(filled)
    assert f"weights/download.pytorch.org{WEIGHTS}" in found
    assert f"repositories/someone/nets/{MAIN}.zip" in found
    assert f"huggingface/models--org--tiny/{MODEL_COMMIT}/sub folder/notes.txt" in found
    assert {"index.json", "mirror.json"} <= found
    assert not [key for key in found if key.startswith(".private/")]


# -- leases in the place of locks


def test_prune_waits_for_the_living_only(filled: Store) -> None:
    """A lease that nobody renews any more is no reason to wait; one that is renewed is."""
    impatient = again(filled, alone_timeout_s=0.0)
    brings = "another process brings files here"
    with again(filled).working(), pytest.raises(MirrorError, match=brings):
        upkeep.prune(impatient)
    overwrite(filled, ".private/leases/work-0123456789abcdef", b"")
    with pytest.raises(MirrorError, match=brings):
        upkeep.prune(impatient)
    assert upkeep.prune(again(filled, lease_s=0.5, alone_timeout_s=20.0)) == []
    assert keys(filled, ".private/") == set()


# -- serving


def test_server_can_lead_clients_to_the_bucket(
    filled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEAD is answered here, GET by a signed address that needs no credentials; clients follow."""
    with serving(filled, "--redirect") as running:
        path = f"/weights/download.pytorch.org{WEIGHTS}"
        moved = ask(running, path)
        assert moved.status == 302
        place = urlsplit(moved.headers["location"])
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", f"{place.path}?{place.query}")
        assert connection.getresponse().read() == b"hello\n"
        connection.close()
        for name in ENVIRONMENT:
            monkeypatch.delenv(name)
        assert run_client(DOWNLOAD, mirror=running.base, kind="hf") == ["a name with a space\n"]
        assert "config.json 302" in running.log
        assert SECRET_KEY not in running.log


def test_servers_of_a_bucket_may_be_one_authority(
    buckets: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second machine needs the key and its certificate, no more; a lone key is never replaced."""
    store = Store.create(buckets.new_bucket(), Settings(), buckets.endpoint)
    key = tmp_path / "first" / "ca.key"
    ca.create(store, key)
    certificate = key.with_name("ca.pem").read_bytes()

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "another machine"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another state"))
    with serving(store, "--ca-key", str(key)) as server:
        assert ask(server, "/ca.pem").body == certificate
    assert not (tmp_path / "another state").exists()

    before = key.read_bytes()
    key.with_name("ca.pem").unlink()
    assert zoo(["mirror", "serve", store.address, "--ca-key", str(key), "--port", "0"]) == 1
    assert key.read_bytes() == before


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
