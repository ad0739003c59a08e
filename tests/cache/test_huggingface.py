"""The Hugging Face cache, as huggingface_hub writes it, is listed and verified, never changed."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from typing import TYPE_CHECKING

import pytest

from zoo.cache import hub_files
from zoo.cache.huggingface import HubSnapshot, list_snapshots, verify
from zoo.cache.verify import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.faulty_server import Exchange, FaultyServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONFIG = b'{"architecture": "resnet18"}'
WEIGHTS = b"weights " * 5000


def git_hash(data: bytes) -> str:
    """Compute what git calls a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


FILES = {
    "config.json": (CONFIG, git_hash(CONFIG)),
    "model.safetensors": (WEIGHTS, hashlib.sha256(WEIGHTS).hexdigest()),
}


def behave_like_the_hub(exchange: Exchange) -> None:
    """Answer HEAD and GET of a file as the Hub does for the files of one commit."""
    data, etag = FILES[exchange.target.rpartition("/")[2]]
    exchange.head(
        200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(data))}
    )
    if exchange.method == "GET":
        exchange.body(data)


@pytest.fixture
def hub(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let huggingface_hub download two files of one model into an empty cache."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    server.behave = behave_like_the_hub
    folder = tmp_path / "hub"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import huggingface_hub

        for name in FILES:
            huggingface_hub.hf_hub_download(  # zoo: ignore[unpinned-revision]
                "timm/resnet18.a1_in1k", name, cache_dir=folder, endpoint=server.base, token=False
            )
    return folder


def only(folder: Path) -> HubSnapshot:
    """Return the one snapshot in a cache."""
    (snapshot,) = list_snapshots(folder)
    return snapshot


def blob(folder: Path, name: str) -> Path:
    """Return where the bytes of a file lie."""
    return next(file.place for file in only(folder).files if file.path == name).resolve()


def test_what_huggingface_hub_downloaded_is_listed(hub: Path) -> None:
    """Repository, commit, branch, files and lengths, as its own scan has them."""
    snapshot = only(hub)
    assert (snapshot.repository, snapshot.kind) == ("timm/resnet18.a1_in1k", "models")
    assert (snapshot.commit, snapshot.branches) == (COMMIT, ("main",))
    assert {file.path: file.size_bytes for file in snapshot.files} == {
        n: len(d) for n, (d, _) in FILES.items()
    }
    from huggingface_hub import scan_cache_dir

    (theirs,) = scan_cache_dir(hub).repos
    assert theirs.size_on_disk == snapshot.size_bytes
    assert theirs.repo_id == snapshot.repository


def test_whole_files_are_found_whole_by_sha256_and_by_git_hash(hub: Path) -> None:
    """The names of the blobs are the digests."""
    read: list[int] = []
    findings = verify(list_snapshots(hub), advance=read.append)
    assert [finding.verdict for finding in findings] == [Verdict.WHOLE, Verdict.WHOLE]
    assert sum(read) == len(CONFIG) + len(WEIGHTS)


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found_and_the_command_that_mends_it_named(hub: Path, name: str) -> None:
    """huggingface_hub itself would use the file."""
    path = blob(hub, name)
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(data)
    damaged = [
        finding for finding in verify(list_snapshots(hub)) if finding.verdict is Verdict.DAMAGED
    ]
    assert [finding.file.path for finding in damaged] == [name]
    assert FILES[name][1] in (damaged[0].fault or "")
    assert damaged[0].advice == (
        f"hf download timm/resnet18.a1_in1k {name} --revision {COMMIT} --force-download"
    )


def test_a_missing_blob_is_damage(hub: Path) -> None:
    """The snapshot links to nothing."""
    blob(hub, "config.json").unlink()
    faults = [
        finding.fault
        for finding in verify(list_snapshots(hub))
        if finding.verdict is Verdict.DAMAGED
    ]
    assert faults == ["expected a file, got a link to nothing"]


def test_a_plain_file_is_compared_with_the_tree_of_its_commit(hub: Path) -> None:
    """Copied caches hold files instead of links; the tree says what they should be."""
    for file in only(hub).files:
        data = file.place.read_bytes()
        file.place.unlink()
        file.place.write_bytes(data)
    assert {finding.verdict for finding in verify(list_snapshots(hub))} == {Verdict.UNKNOWN}
    entries = {
        name: {"size": len(data), "blob_id": git_hash(data)} for name, (data, _) in FILES.items()
    }
    entries["model.safetensors"]["lfs_sha256"] = FILES["model.safetensors"][1]
    repository = hub / "models--timm--resnet18.a1_in1k"
    (repository / "trees").mkdir(exist_ok=True)
    (repository / "trees" / f"{COMMIT}.json").write_text(
        json.dumps({"format_version": 1, "files": entries})
    )
    assert {finding.verdict for finding in verify(list_snapshots(hub))} == {Verdict.WHOLE}
    place = next(file.place for file in only(hub).files if file.path == "config.json")
    place.write_bytes(CONFIG[:-1])
    assert f"expected {len(CONFIG)} bytes, got {len(CONFIG) - 1}" in {
        f.fault for f in verify(list_snapshots(hub))
    }


@pytest.mark.parametrize(
    "tree",
    [
        "",
        "[]",
        '{"files": []}',
        '{"files": {"config.json": 1}}',
        '{"files": {"config.json": {"blob_id": 1, "size": 1}}}',
        "[" * 100_000,
    ],
)
def test_a_tree_that_cannot_be_read_is_as_good_as_none(hub: Path, tree: str) -> None:
    """The names of the blobs still count."""
    repository = hub / "models--timm--resnet18.a1_in1k"
    (repository / "trees").mkdir(exist_ok=True)
    (repository / "trees" / f"{COMMIT}.json").write_text(tree)
    assert {finding.verdict for finding in verify(list_snapshots(hub))} == {Verdict.WHOLE}


def test_nothing_is_written(hub: Path) -> None:
    """Neither listing nor verifying touches a name, a length or a time."""
    before = {path: path.lstat().st_mtime_ns for path in hub.rglob("*")}
    verify(list_snapshots(hub))
    assert {path: path.lstat().st_mtime_ns for path in hub.rglob("*")} == before


def test_bytes_that_two_snapshots_share_are_read_once(hub: Path) -> None:
    """A second commit with the same weights."""
    snapshots = hub / "models--timm--resnet18.a1_in1k" / "snapshots"
    other = snapshots / ("f" * 40)
    other.mkdir()
    (other / "model.safetensors").symlink_to((snapshots / COMMIT / "model.safetensors").readlink())
    read: list[int] = []
    assert len(verify(list_snapshots(hub), advance=read.append)) == 3
    assert sum(read) == len(CONFIG) + len(WEIGHTS)


def test_an_absent_cache_and_strange_folders_are_empty(tmp_path: Path) -> None:
    """Folders that huggingface_hub did not make are none of its repositories."""
    assert list_snapshots(tmp_path / "nowhere") == []
    (tmp_path / "notes").mkdir()
    (tmp_path / "models--a--b" / "snapshots" / "not a commit").mkdir(parents=True)
    assert list_snapshots(tmp_path) == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"HUGGINGFACE_HUB_CACHE": "/c", "HF_HOME": "/b"}, "/c"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
        ({"HF_HUB_CACHE": "$PLACE/e", "PLACE": "/p"}, "/p/e"),
        ({}, "/home/somebody/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_huggingface_hub_looks(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    """The same variables, in the same order."""
    for name in ("HF_HUB_CACHE", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(hub_files.default_folder()) == expected
