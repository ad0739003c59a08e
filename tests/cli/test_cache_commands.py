"""``zoo cache`` on a real folder, with a registry of two small files and a mirror on loopback."""

from __future__ import annotations

import json
import os
import pickle
import random
from typing import TYPE_CHECKING

import pytest
import torch

from tests.support import warm
from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.small_registry import file_of, registry_of
from zoo.cache import block_hashes
from zoo.cache.block_hashes import hash_blocks
from zoo.cli.terminal.options import complete_cached
from zoo.curator.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

NOISE = random.Random(3)  # noqa: S311  (test data, the same in every run)
DATA = {"squeezenet1_0": NOISE.randbytes(100_000), "squeezenet1_1": NOISE.randbytes(200_000)}
FILES = {name: file_of(name, data) for name, data in DATA.items()}
FIRST, SECOND = (FILES[name].file_name for name in DATA)
DAY_S = 86_400


@pytest.fixture
def folder(torch_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put both files into torch's cache; the publisher's own address is forbidden."""
    settings = tmp_path / "config" / "zoo" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("upstream = false\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkpoints = torch_home / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    for name, data in DATA.items():
        (checkpoints / FILES[name].file_name).write_bytes(data)
    return checkpoints


@pytest.fixture
def cache(zoo_with: Callable[[str], Run], folder: Path) -> Run:
    """Run ``zoo cache`` with the small registry."""
    zoo = zoo_with(json.dumps(plain(registry_of(FILES))))
    return lambda *arguments: zoo("cache", *arguments)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[FaultyServer]:
    """A mirror that has both files, and the digests of the blocks of the second."""
    whole = tmp_path / "whole"
    whole.write_bytes(DATA["squeezenet1_1"])
    sidecar = hash_blocks(whole, 1 << 14).to_text().encode()

    def behave(exchange: Exchange) -> None:
        name = exchange.target.rpartition("/")[2]
        data = {FIRST: DATA["squeezenet1_0"], SECOND: DATA["squeezenet1_1"]}.get(name)
        if name == SECOND + block_hashes.SUFFIX:
            exchange.answer(200, sidecar)
        elif data is None:
            exchange.answer(404)
        else:
            exchange.serve(data)

    with FaultyServer() as running:
        running.behave = behave
        yield running


def damage(path: Path) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def test_the_folder_is_listed_without_reading_it(cache: Run, folder: Path) -> None:
    """Name, owner, length, and whether a full check is remembered."""
    (folder / "mine.pth").write_bytes(b"x")
    rows = cache("list", "--json").json
    assert [(row["file_name"], row["role"], row["owner"], row["size_bytes"]) for row in rows] == [
        ("mine.pth", "foreign", None, 1),
        (FIRST, "weights", "squeezenet1_0:imagenet1k_v1", 100_000),
        (SECOND, "weights", "squeezenet1_1:imagenet1k_v1", 200_000),
    ]
    assert [row["is_verified"] for row in rows] == [False] * 3
    outcome = cache("list", "squeezenet*")
    assert outcome.exit_code == 0
    assert FIRST in outcome.out
    assert "mine.pth" not in outcome.out
    assert outcome.err.endswith("2 files, 300 kB\n")


def test_a_file_that_was_read_and_does_not_match_is_not_verified(cache: Run, folder: Path) -> None:
    """What a check has found is remembered, also where it is not what is demanded."""
    damage(folder / FIRST)
    assert cache("repair", FIRST).exit_code == 1
    rows = cache("list", "--json").json
    assert [row["is_verified"] for row in rows] == [False, False]


def test_a_damaged_file_can_be_moved_out_of_torchs_reach(cache: Run, folder: Path) -> None:
    """It is kept, listed, and left alone by the name of its model; only its own name removes it."""
    damage(folder / FIRST)
    bad = (folder / FIRST).read_bytes()
    assert cache("verify", "--quarantine").exit_code == 1
    kept = folder / "quarantine" / f"{FIRST}.1"
    assert not (folder / FIRST).exists()
    assert kept.read_bytes() == bad
    assert cache("verify").exit_code == 0
    roles = {row["file_name"]: row["role"] for row in cache("list", "--json").json}
    assert roles == {f"{FIRST}.1": "quarantined", SECOND: "weights"}
    assert cache("remove", "squeezenet1_0").exit_code == 1
    assert cache("remove", f"{FIRST}.1").exit_code == 0
    assert not kept.exists()


def test_any_file_can_be_quarantined_by_name(cache: Run, folder: Path) -> None:
    """Two of one name get numbers; an empty one is nobody's loss."""
    places = []
    for content in (b"first", b"second"):
        (folder / "mine.pth").write_bytes(content)
        places += [row["path"] for row in cache("quarantine", "mine.pth", "--json").json]
    assert places == [str(folder / "quarantine" / f"mine.pth.{n}") for n in (1, 2)]
    (folder / "mine.pth").touch()
    assert cache("quarantine", "mine.pth", "--json").json == [
        {"file_name": "mine.pth", "path": None}
    ]
    assert not (folder / "mine.pth").exists()


def test_paths_are_printed_for_other_programs(cache: Run, folder: Path) -> None:
    """The folder, or the file of a model."""
    assert cache("path").out == f"{folder}\n"
    assert cache("path", "squeezenet1_1").out == f"{folder / SECOND}\n"
    assert cache("path", "squeezenet1_1", "--json").json == [str(folder / SECOND)]


def test_a_whole_cache_is_verified_offline_and_remembered(cache: Run) -> None:
    """Nothing on stdout but what needs attention."""
    outcome = cache("verify")
    assert (outcome.exit_code, outcome.out) == (0, "")
    assert outcome.err == "2 files: 2 whole\n"
    assert [row["is_verified"] for row in cache("list", "--json").json] == [True, True]


def test_damage_is_named_with_its_owner_and_the_command_that_mends_it(
    cache: Run, folder: Path
) -> None:
    """The command exits with 1; as JSON all files are listed."""
    damage(folder / FIRST)
    outcome = cache("verify")
    assert outcome.exit_code == 1
    assert FIRST in outcome.out
    assert SECOND not in outcome.out
    assert f"zoo cache repair {FIRST}" in outcome.out
    assert "2 files: 1 whole, 1 damaged\n" in outcome.err
    assert outcome.err.endswith('with "zoo cache verify --quarantine"\n')
    rows = cache("verify", "--json").json
    assert [(row["owner"], row["state"], row["fix_with"]) for row in rows] == [
        ("squeezenet1_0:imagenet1k_v1", "damaged", f"zoo cache repair {FIRST}"),
        ("squeezenet1_1:imagenet1k_v1", "whole", None),
    ]
    assert cache("verify", "squeezenet1_1").exit_code == 0


def test_verify_and_scan_agree_on_files_of_strangers(cache: Run, zoo: Run, folder: Path) -> None:
    """Both exit with 1 for what zoo would not load, and with 0 for what is sound."""
    stranger = folder / "stranger.pth"
    contents = {
        "code": pickle.dumps(print),
        "notes": b"not weights at all",
        "cut": (folder / FIRST).read_bytes()[:100],
    }
    for name, content in contents.items():
        stranger.write_bytes(content)
        scanned = zoo("scan", str(stranger))
        assert (name, scanned.exit_code) == (name, 1)
        assert (name, cache("verify", "stranger.pth").exit_code) == (name, 1)
    stranger.unlink()


def test_damage_is_mended_from_a_mirror(cache: Run, folder: Path, mirror: FaultyServer) -> None:
    """One file whole, of the other one only the block that differs."""
    damage(folder / FIRST)
    damage(folder / SECOND)
    dry = cache("repair", "--mirror", mirror.base, "--dry-run")
    assert dry.err.endswith("2 of 2 damaged files would be fetched again\n")
    assert mirror.requests == []
    rows = cache("repair", "--mirror", mirror.base, "--json").json
    assert [(row["path"], row["reused_bytes"]) for row in rows] == [
        (str(folder / FIRST), 0),
        (str(folder / SECOND), 200_000 - (1 << 14)),
    ]
    assert mirror.body_bytes == 100_000 + (1 << 14)
    assert (folder / FIRST).read_bytes() == DATA["squeezenet1_0"]
    assert (folder / SECOND).read_bytes() == DATA["squeezenet1_1"]
    assert cache("verify").exit_code == 0


def test_what_cannot_be_mended_is_named_and_the_rest_is_mended(
    cache: Run, folder: Path, mirror: FaultyServer
) -> None:
    """A broken stranger stays; what no source has right is an error; the other is whole again."""
    damage(folder / FIRST)
    damage(folder / SECOND)
    (folder / "mine.safetensors").write_bytes(b"\xff\0\0\0\0\0\0\0{")
    serve = mirror.behave
    mirror.behave = lambda exchange: (
        exchange.answer(404) if FIRST in exchange.target else serve(exchange)
    )
    outcome = cache("repair", "--mirror", mirror.base)
    assert outcome.exit_code == 1
    assert f"error: cannot fetch {FIRST}" in outcome.err
    assert "error: mine.safetensors: " in outcome.err
    assert "Traceback" not in outcome.err
    assert (folder / SECOND).read_bytes() == DATA["squeezenet1_1"]
    assert (folder / "mine.safetensors").exists()


def test_pruning_says_first_and_does_then(cache: Run, folder: Path) -> None:
    """The dry run lists the same files that the real run removes."""
    now_s = (folder / SECOND).stat().st_mtime
    os.utime(folder / FIRST, (now_s - 40 * DAY_S,) * 2)
    dry = cache("prune", "--older-than", "30d", "--dry-run", "--json")
    assert [(row["file_name"], row["reason"]) for row in dry.json] == [
        (FIRST, "not used for 40 days")
    ]
    assert dry.err == "1 file would be removed, 100 kB\n"
    assert (folder / FIRST).exists()
    assert cache("prune", "--older-than", "30d", "--json").json == dry.json
    assert [path.name for path in folder.iterdir() if path.is_file()] == [SECOND]


def test_a_size_limit_keeps_the_most_recently_used(cache: Run, folder: Path) -> None:
    """250 kB leave room for one of the two."""
    now_s = (folder / SECOND).stat().st_mtime
    os.utime(folder / FIRST, (now_s - 60,) * 2)
    assert cache("prune", "--max-size", "250kB").exit_code == 0
    assert [path.name for path in folder.iterdir() if path.is_file()] == [SECOND]


def test_a_size_limit_out_of_reach_is_said(cache: Run, folder: Path) -> None:
    """With what is in the way: nobody can fetch a stranger's file again."""
    (folder / "stranger.pth").write_bytes(bytes(400))
    outcome = cache("prune", "--max-size", "300", "--dry-run")
    assert "400 B stay, more than 300 B" in outcome.err
    assert "add --foreign" in outcome.err
    assert "stay" not in cache("prune", "--max-size", "300", "--foreign", "--dry-run").err


def test_files_are_removed_by_the_name_of_their_model(cache: Run, folder: Path) -> None:
    """With what belongs to them."""
    copy = folder / FIRST.replace(".pth", ".safetensors")
    copy.write_bytes(b"x")
    assert cache("remove", "squeezenet1_0", "--dry-run").err == "2 files would be removed, 100 kB\n"
    assert cache("remove", "squeezenet1_0").err == "2 files removed, 100 kB\n"
    assert [path.name for path in folder.iterdir() if path.is_file()] == [SECOND]


def test_equal_files_are_stored_once(cache: Run, folder: Path) -> None:
    """The copy becomes a link."""
    (folder / "copy.pth").write_bytes(DATA["squeezenet1_0"])
    assert cache("dedupe", "--dry-run", "--json").json == [
        {"file_name": "copy.pth", "size_bytes": 100_000, "equals": FIRST}
    ]
    assert not (folder / "copy.pth").samefile(folder / FIRST)
    assert cache("dedupe").err.endswith("1 file became links, 100 kB freed\n")
    assert (folder / "copy.pth").samefile(folder / FIRST)


def test_a_hugging_face_cache_is_listed_and_verified(cache: Run, tmp_path: Path) -> None:
    """By repository; damage has the command of huggingface_hub that fixes it."""
    import hashlib

    data, commit = b"weights" * 100, "0123456789" * 4
    digest = hashlib.sha256(data).hexdigest()
    repository = tmp_path / "huggingface" / "hub" / "models--timm--resnet18.a1_in1k"
    for part in ("refs", "blobs", f"snapshots/{commit}"):
        (repository / part).mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "blobs" / digest).write_bytes(data)
    (repository / "snapshots" / commit / "model.safetensors").symlink_to(f"../../blobs/{digest}")
    (row,) = cache("list", "--huggingface", "--json").json
    assert (row["repository"], row["branches"], row["files"]) == (
        "timm/resnet18.a1_in1k",
        "main",
        1,
    )
    assert cache("verify", "--huggingface").err == "1 file: 1 whole\n"
    damage(repository / "blobs" / digest)
    outcome = cache("verify", "--huggingface", "timm/*", "--json")
    assert outcome.exit_code == 1
    assert outcome.json[0]["fix_with"].startswith(
        "hf download timm/resnet18.a1_in1k model.safetensors"
    )
    assert cache("verify", "--huggingface", "google/*").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("verify", "resnet19"), 1, "no file or model in the cache is called 'resnet19'"),
        (
            ("prune", "--older-than", "soon"),
            2,
            "--older-than takes an age such as 12h, 90d, 8w or 1y, got 'soon'",
        ),
        (("prune", "--max-size", "-1"), 2, "--max-size takes a number"),
        (("remove",), 2, "Missing argument"),
        (("verify", "--jobs", "0"), 2, "Invalid value for '--jobs'"),
    ],
)
def test_wrong_usage_is_said_plainly(
    cache: Run, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    """One sentence and the right exit code."""
    outcome = cache(*arguments)
    assert outcome.exit_code == exit_code
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_a_cache_that_does_not_exist_is_empty(zoo: Run) -> None:
    """Every command does nothing, and says so."""
    assert zoo("cache", "list").exit_code == 0
    assert zoo("cache", "verify").err == "nothing to verify\n"
    assert zoo("cache", "prune").exit_code == 0
    assert zoo("cache", "list", "--json").json == []


@pytest.mark.parametrize("text", ["{", None], ids=["damaged", "none at all"])
def test_what_needs_no_registry_works_without_one(
    zoo_with: Callable[[str], Run], torch_home: Path, tmp_path: Path, text: str | None
) -> None:
    """Files are listed, verified by their own format, looked through and read.

    What is not known of them is said.
    """
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = folder / "mine.pth"
    torch.save({"w": torch.arange(1.0, 9).reshape(2, 4)}, file)
    zoo = zoo_with(text or "")
    if text is None:
        (tmp_path / "checkout" / "registry.json").unlink()

    for command in (("cache", "list", "--json"), ("cache", "verify", "--json")):
        outcome = zoo(*command)
        assert outcome.exit_code == 0, outcome.err
        assert [row["file_name"] for row in outcome.json] == ["mine.pth"]
        assert "files are shown without what it knows of them" in outcome.err
    assert zoo("scan", str(file)).exit_code == 0
    inspect = warm.with_checkout(tmp_path / "checkout")
    done = warm.run(inspect, "inspect", str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert "no model was compared" in done.stderr


def test_completion_offers_what_lies_in_the_cache(torch_home: Path) -> None:
    """A model by its name and tag, a stranger by its file; nothing else."""
    folder = torch_home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "mine.pth").write_bytes(b"x")
    (folder / "squeezenet1_1-b8a52dc0.pth").write_bytes(b"x")
    assert complete_cached("squeeze")[0] == "squeezenet1_1:imagenet1k_v1"
    assert complete_cached("mi") == ["mine.pth"]
    assert complete_cached("resnet") == []
