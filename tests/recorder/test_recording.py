"""Unmodified clients behind the recording proxy: what they fetch is recorded and had again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest
import timm
from safetensors.torch import save

from tests.recorder.conftest import (
    LABELS,
    MAIN,
    MODEL_COMMIT,
    MODEL_FILES,
    MOVED,
    SMALL,
    SMALL_NAME,
    TAGGED,
    World,
    python,
)
from tests.support import resnet18_file, warm
from tests.support.clients import make_environment
from tests.support.hub_upstream import Model, hub_archive
from tests.support.thorough import few_of
from zoo.cache import lockfile
from zoo.errors import CacheError, LockConflictError, MissingProgramError
from zoo.recorder import locking, running, syncing

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.cache.lock_lines import LockedThing

HUB = """
import torch
load = lambda repository: torch.hub.load(repository, "answer", trust_repo=True, verbose=False)
print("loaded", load("someone/nets"), load("someone/nets:v1"))
"""
WEIGHTS = f"""
import torch
url = "https://download.pytorch.org/models/{SMALL_NAME}"
state = torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True)
assert state["x"].tolist() == [0, 1, 2]
"""
REQUESTS = """
import requests
assert requests.get("https://files.example.org/labels.txt", timeout=60).content == b"cat\\ndog\\n"
"""
CHILD = """
import subprocess, sys
code = "import urllib.request as u; u.urlopen('https://files.example.org/labels.txt').read()"
subprocess.run([sys.executable, "-c", code], check=True)
"""
ARCHIVE = """
import urllib.request
for ref in ("main", "v1"):
    url = f"https://github.com/someone/nets/zipball/{ref}"
    request = urllib.request.Request(url, headers={"User-Agent": "torch.hub"})
    assert urllib.request.urlopen(request).read().startswith(b"PK")
"""
HUGGINGFACE = """
from huggingface_hub import hf_hub_download, snapshot_download
hf_hub_download("org/tiny", "config.json")
snapshot_download("org/tiny")
"""
TIMM_MODEL = "test_resnet.r160_in1k"
VERSIONS = ("2.4.0", "1.5.0", "0.36.2")


TORCHVISION_AND_TIMM = f"""
import timm, torchvision
torchvision.models.resnet18(weights="DEFAULT", progress=False)
timm.create_model("{TIMM_MODEL}", pretrained=True)
"""


def by_name(things: tuple[LockedThing, ...]) -> dict[str, LockedThing]:
    """Find lines by kind and name."""
    return {f"{thing.kind} {thing.name}": thing for thing in things}


def sha256(data: bytes) -> str:
    """Compute a digest."""
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def timm_files(world: World) -> dict[str, bytes]:
    """Publish what torchvision and timm ask for; give timm's files."""
    state = timm.create_model(TIMM_MODEL).state_dict()
    files = {
        "model.safetensors": save(state),
        "config.json": json.dumps({"architecture": "x"}).encode(),
    }
    world.upstream.models[f"timm/{TIMM_MODEL}"] = Model({MAIN: files}, {"main": MAIN}, ())
    world.upstream.weights[f"/models/{resnet18_file.FILE_NAME}"] = resnet18_file.build()
    return files


@pytest.mark.slow
def test_torch_hub_torchvision_and_timm_are_recorded_locked_and_synced(
    world: World,
    torch_home: Path,
    timm_files: dict[str, bytes],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A locked run gets the same after main has moved, and so does a synced cache, offline.

    All in one program, which imports torch once.
    """
    command = python(HUB + WEIGHTS + TORCHVISION_AND_TIMM)
    recorded = running.record(command, world.options(is_fresh=True))
    assert (recorded.exit_code, recorded.notes) == (0, ())
    lines = by_name(recorded.things)
    of_timm = {f"huggingface timm/{TIMM_MODEL}@{MAIN}/{name}" for name in timm_files}
    assert lines.keys() - of_timm == {
        f"github someone/nets@{MAIN}",
        f"github someone/nets@{TAGGED}",
        f"file {SMALL_NAME}",
        f"file {resnet18_file.FILE_NAME}",
    }
    assert lines[f"github someone/nets@{MAIN}"].refs == ("main",)
    small = lines[f"file {SMALL_NAME}"]
    assert (small.sha256, small.size_bytes) == (sha256(SMALL), len(SMALL))
    assert small.asked_by == ("torch.hub",)
    assert small.url == f"https://download.pytorch.org/models/{SMALL_NAME}"
    assert lines[f"file {resnet18_file.FILE_NAME}"].asked_by == ("torch.hub",)
    model = lines[f"huggingface timm/{TIMM_MODEL}@{MAIN}/model.safetensors"]
    assert (model.asked_by, model.sha256) == (("timm",), sha256(timm_files["model.safetensors"]))

    world.move_main()
    options = world.options(is_fresh=True)
    held = running.run_locked(command, recorded.things, "zoo.lock", options)
    assert (held.exit_code, held.missing, held.faults) == (0, (), ())

    synced = syncing.sync(recorded.things, syncing.SyncOptions(upstreams=world.upstreams))
    assert {one.outcome for one in synced} == {syncing.Outcome.FETCHED}
    again = syncing.sync(recorded.things, syncing.SyncOptions(upstreams=world.upstreams))
    assert {one.outcome for one in again} == {syncing.Outcome.WAS_THERE}
    assert capfd.readouterr().out.count("loaded 1 2") == 2
    nowhere = {**os.environ, "https_proxy": "http://127.0.0.1:9"}
    offline = warm.run(HUB + WEIGHTS, environment=nowhere)
    assert (offline.returncode, offline.stdout) == (0, "loaded 1 2\n"), offline.stderr
    assert (torch_home / "hub" / "someone_nets_main").is_dir()


def test_requests_and_children_are_recorded(world: World) -> None:
    """By the address, once for both, with the names of both clients."""
    recorded = running.record(python(REQUESTS + CHILD), world.options())
    (line,) = recorded.things
    assert (line.kind, line.name) == ("url", "https://files.example.org/labels.txt")
    assert (line.sha256, line.size_bytes) == (sha256(LABELS), len(LABELS))
    assert line.asked_by == ("Python-urllib", "python-requests")


@pytest.mark.parametrize("version", few_of(VERSIONS, VERSIONS[0], VERSIONS[-1]))
def test_huggingface_hub_is_recorded_locked_and_synced(
    world: World, request: pytest.FixtureRequest, version: str
) -> None:
    """By the newest and the oldest: every file at its commit, also large ones, by a redirect."""
    folder = request.config.cache.mkdir("client-environments")
    command = python(HUGGINGFACE, make_environment(folder, f"huggingface_hub=={version}"))
    recorded = running.record(command, world.options(is_fresh=True))
    assert (recorded.exit_code, recorded.notes) == (0, ())
    lines = by_name(recorded.things)
    for path, data in MODEL_FILES.items():
        line = lines[f"huggingface org/tiny@{MODEL_COMMIT}/{path}"]
        assert (line.sha256, line.size_bytes) == (sha256(data), len(data))
    assert len(lines) == len(MODEL_FILES)
    config = lines[f"huggingface org/tiny@{MODEL_COMMIT}/config.json"]
    assert (config.refs, config.license) == (("main",), "apache-2.0")

    options = world.options(is_fresh=True)
    held = running.run_locked(command, recorded.things, "zoo.lock", options)
    assert (held.exit_code, held.missing, held.faults) == (0, (), ())

    syncing.sync(recorded.things, syncing.SyncOptions(upstreams=world.upstreams))
    offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run(command, env=offline, check=True)


def test_what_is_not_locked_is_refused_by_name(world: World) -> None:
    """The client fails in its own words, and the line that is missing is named."""
    held = running.run_locked(python(REQUESTS), (), "zoo.lock", world.options())
    assert held.exit_code != 0
    assert held.missing == ("url https://files.example.org/labels.txt",)
    assert world.upstream.requests == []


def test_other_bytes_than_those_locked_never_arrive(world: World) -> None:
    """The connection is reset before the end: no client takes the file for whole."""
    recorded = running.record(python(REQUESTS), world.options())
    world.upstream.weights["/labels.txt"] = b"cat\nDOG\n"
    held = running.run_locked(python(REQUESTS), recorded.things, "zoo.lock", world.options())
    assert held.exit_code != 0
    (fault,) = held.faults
    assert f"expected sha256 {sha256(LABELS)}" in fault
    assert not held.is_as_locked


def test_another_archive_of_the_same_commit_is_the_same(world: World) -> None:
    """GitHub may pack it otherwise tomorrow: names and contents of the files count."""
    recorded = running.record(python(ARCHIVE), world.options())
    repository = world.upstream.repositories["someone/nets"]
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(repository.archives[MAIN])) as old,
        zipfile.ZipFile(buffer, "w") as new,
    ):
        new.comment = old.comment
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    assert buffer.getvalue() != repository.archives[MAIN]
    repository.archives[MAIN] = buffer.getvalue()
    held = running.run_locked(python(ARCHIVE), recorded.things, "zoo.lock", world.options())
    assert (held.exit_code, held.faults) == (0, ())


def test_other_files_under_a_locked_commit_are_refused(world: World) -> None:
    """By a locked run and by a sync; nothing is unpacked."""
    recorded = running.record(python(ARCHIVE), world.options())
    repository = world.upstream.repositories["someone/nets"]
    repository.archives[MAIN] = hub_archive("someone/nets", MAIN, 9)
    held = running.run_locked(python(ARCHIVE), recorded.things, "zoo.lock", world.options())
    assert held.exit_code != 0
    assert "someone/nets" in held.faults[0]
    with pytest.raises(CacheError, match="expected files with sha256"):
        syncing.sync(recorded.things, syncing.SyncOptions(upstreams=world.upstreams))


def test_what_goes_around_the_proxy_is_said(world: World, torch_home: Path) -> None:
    """A weights file that appears in a cache without a request."""
    script = f"""
import pathlib
folder = pathlib.Path({str(torch_home)!r}) / "hub" / "checkpoints"
folder.mkdir(parents=True)
folder.joinpath("smuggled.pth").write_bytes(b"x")
"""
    recorded = running.record(python(script), world.options())
    (note,) = recorded.notes
    assert note.endswith("smuggled.pth appeared, but nothing asked the proxy for it")


def test_the_exit_code_is_the_programs(world: World) -> None:
    """Also that of a program which a signal ended; one that does not exist is said."""
    assert running.record(python("raise SystemExit(7)"), world.options()).exit_code == 7
    script = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert running.record(python(script), world.options()).exit_code == 143
    with pytest.raises(MissingProgramError, match="no-such-program"):
        running.record(["no-such-program"], world.options())


def test_curl_that_speaks_http2_is_recorded(world: World) -> None:
    """It is offered HTTP/1.1 only, which every client of HTTP/2 accepts."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["curl", "--silent", "--http2", "--fail", "https://files.example.org/labels.txt"]
    recorded = running.record(command, world.options())
    assert recorded.exit_code == 0
    assert [thing.asked_by for thing in recorded.things] == [("curl",)]


def test_recording_again_changes_nothing_and_a_moved_branch_is_a_conflict(
    world: World, tmp_path: Path
) -> None:
    """Until --update is given; then the old commit goes."""
    path = tmp_path / "zoo.lock"
    options = world.options()
    command = python(ARCHIVE)
    first = locking.add(path, running.record(command, options).things)
    assert [one.change for one in first] == ["added", "added"]
    text = path.read_text()
    assert locking.add(path, running.record(command, options).things) == []
    assert path.read_text() == text

    world.move_main()
    moved = running.record(command, options).things
    with pytest.raises(LockConflictError, match="main is locked at 1111"):
        locking.add(path, moved)
    assert path.read_text() == text
    changes = locking.add(path, moved, replaces=True)
    assert [one.change for one in changes] == ["removed", "added"]
    assert {thing.revision for thing in lockfile.read_things(path)} == {TAGGED, MOVED}
