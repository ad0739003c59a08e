"""ModelScope, the fourth ecosystem: a module and a line, tried by its own client (issue 14)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import fill
from tests.support.clients import DEAD, make_environment, run_client
from tests.support.mirror_places import read
from tests.support.mirror_server import RunningMirror, ask, serving
from zoo.errors import UsageError
from zoo.mirror import bundle, imports, offline, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

SPEC = "ms:org/small"
FILES = ["configuration.json", "model.safetensors", "sub/notes.txt"]
API = "/api/v1/models/org/small"
DOWNLOAD = """
import json, pathlib
from modelscope import snapshot_download
from modelscope.hub.file_download import model_file_download
folder = pathlib.Path(snapshot_download("org/small"{more}))
paths = [path for path in folder.rglob("*") if path.is_file()]
files = {{path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}}
one = model_file_download("org/small", "configuration.json"{more})
print(json.dumps([sorted(files), files["model.safetensors"], open(one).read()]))
"""


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror of one model."""
    return fill(places.new(), {}, SPEC)


@pytest.fixture(scope="module")
def mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it."""
    with serving(filled) as running:
        yield running


def test_specs_are_read_and_written(filled: Store) -> None:
    """``ms:owner/name@revision``; what cannot be a name is refused."""
    (spec,) = ecosystems.parse(SPEC)
    assert str(spec) == "ms:org/small@master"
    assert ecosystems.parse(str(spec)) == [spec]
    for text in ("ms:small", "ms:../x", "ms:a/b@-x", "ms:a/b--c"):
        with pytest.raises(UsageError):
            ecosystems.parse(text)
    (item,) = upkeep.items_of(filled.index(), spec)
    assert (item.kind, item.refs, len(item.files)) == ("modelscope", ("master",), 3)
    assert upkeep.verify(filled) == []


def test_api_answers_from_what_is_here(mirror: RunningMirror) -> None:
    """The list, one file, revisions; what is not there in ModelScope's own words."""
    listed = json.loads(ask(mirror, f"{API}/repo/files?Revision=master&Recursive=True").body)
    assert [entry["Path"] for entry in listed["Data"]["Files"]] == FILES
    notes = ask(mirror, f"{API}/repo?Revision=master&FilePath=sub%2Fnotes.txt")
    assert notes.body == b"below\n"
    revisions = json.loads(ask(mirror, f"{API}/revisions").body)
    assert revisions["Data"]["RevisionMap"]["Branches"] == [{"Revision": "master"}]
    assert json.loads(ask(mirror, API).body)["Data"]["Name"] == "small"
    for path in (f"{API}/repo?Revision=master&FilePath=no", "/api/v1/models/org/no/repo/files"):
        missing = ask(mirror, path)
        assert (missing.status, json.loads(missing.body)["Success"]) == (404, False)


def test_pull_through(store: Store, upstream: HubUpstream) -> None:
    """A part of a model is not the whole, and an upstream that is down says nothing."""
    large = upstream.modelscope["org/small"]["model.safetensors"]
    with serving(store, "--pull-through") as running:
        assert ask(running, f"{API}/repo?FilePath=model.safetensors").body == large
        assert ask(running, f"{API}/repo?FilePath=nothing").status == 404
        assert ask(running, "/api/v1/models/org/no/repo/files").status == 404
    upstream.is_dead = True
    with serving(store, "--pull-through") as running:
        assert ask(running, f"{API}/repo?FilePath=model.safetensors").body == large
        assert ask(running, f"{API}/repo?FilePath=nothing").status == 503
        assert ask(running, f"{API}/repo/files?Revision=master").status == 503


def test_wrong_bytes_are_refused(store: Store, upstream: HubUpstream) -> None:
    """The list states a digest for every file."""
    upstream.faults["/models/org/small/resolve/master/sub/notes.txt"] = lambda exchange: (
        exchange.serve(b"other\n")
    )
    with Sync(store) as sync:
        failures = sync.run(sync.resolve(ecosystems.parse(SPEC))).failures
    assert len(failures) == 1
    assert store.index().items == ()


def test_folder_that_was_carried_in_is_the_same_model(
    filled: Store, store: Store, tmp_path: Path
) -> None:
    """Its list has the same digest, so it is the same revision."""
    held = filled.index().items[0]
    folder = tmp_path / "small"
    for file in held.files:
        inner = file.path.partition(f"{held.revision}/")[2]
        place = folder / inner
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(read(filled, file.path))
    assert imports.import_file(store, folder, SPEC).revision == held.revision


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Path:
    """Install ModelScope's own client."""
    folder = request.config.cache.mkdir("client-environments")
    return make_environment(folder, "modelscope==1.40.2")


DOWNLOADED = [FILES, 200_000, '{"framework": "pytorch"}\n']


def test_own_client_from_the_mirror(mirror: RunningMirror, client: Path, tmp_path: Path) -> None:
    """MODELSCOPE_ENDPOINT leads it here."""
    variables = {"MODELSCOPE_ENDPOINT": mirror.base, "MODELSCOPE_CACHE": str(tmp_path)}
    script = DOWNLOAD.format(more="")
    said = run_client(script, mirror=None, python=client, environment=variables)
    assert said == DOWNLOADED


def test_own_client_from_a_bundle(
    filled: Store,
    client: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It needs no network then."""
    wanted = ecosystems.parse(SPEC)
    archive = tmp_path / "small.zip"
    bundle.create(filled, wanted, archive)
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "seeded"))
    assert [entry for entry in offline.look_up(wanted) if entry.fault]
    bundle.apply(archive, tmp_path / "torch", tmp_path / "hub")
    assert [entry for entry in offline.look_up(wanted) if entry.fault] == []

    variables = {"MODELSCOPE_ENDPOINT": DEAD, "MODELSCOPE_CACHE": str(tmp_path / "seeded")}
    # Without a revision it asks for one all the same, tries for 15 seconds, then takes this one.
    script = DOWNLOAD.format(more=', local_files_only=True, revision="master"')
    said = run_client(script, mirror=None, python=client, environment=variables)
    assert said == DOWNLOADED
