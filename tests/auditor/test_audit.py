"""Which files an audit reads, what it does with odd ones, and what it knows besides them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import FaultyServer
from zoo.auditor import audit, holdings, settings
from zoo.auditor.audit import Selection
from zoo.auditor.knowledge import Knowledge
from zoo.cache.lock_lines import LockedThing
from zoo.errors import ConfigError, MirrorError, UsageError
from zoo.mirror.index import Index, Item, StoredFile, to_json

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
UNPINNED = 'import torch\nmodel = torch.hub.load("pytorch/vision", "resnet18")\n'


def found_in(*paths: Path, knowledge: Knowledge | None = None) -> list[str]:
    """Write what an audit finds as place and rule."""
    result = audit.audit(list(paths), knowledge or Knowledge())
    return [f"{one.use.place} {one.rule.name}" for one in result.findings]


def test_hidden_folders_environments_and_builds_are_passed_over(tmp_path: Path) -> None:
    """What others wrote is not the project's; a file that is named is read all the same."""
    for folder in (".tox", "build", "node_modules", "own", "myenv"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.py").write_text(UNPINNED)
    (tmp_path / "myenv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert found_in(tmp_path) == ["own/a.py:2 unpinned-repository"]
    assert len(found_in(tmp_path / "build" / "a.py")) == 1


def test_a_file_that_is_reached_twice_is_read_once(tmp_path: Path) -> None:
    """By its folder and by its name."""
    (tmp_path / "a.py").write_text(UNPINNED)
    assert len(found_in(tmp_path, tmp_path / "a.py")) == 1


def test_excluded_paths_and_ignored_rules_are_left_out(tmp_path: Path) -> None:
    """Patterns are of paths below the audited folder."""
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.py").write_text(UNPINNED)
    (tmp_path / "b.py").write_text(UNPINNED)
    result = audit.audit([tmp_path], Knowledge(), Selection(excluded=("old/",)))
    assert [one.use.place.file for one in result.findings] == ["b.py"]
    result = audit.audit([tmp_path], Knowledge(), Selection(ignored=("unpinned-repository",)))
    assert result.findings == ()


def test_a_project_says_in_pyproject_what_is_left_out(tmp_path: Path) -> None:
    """The nearest file from the audited folder up counts; the command line adds to it."""
    (tmp_path / "src").mkdir()
    text = '[tool.zoo.audit]\nexclude = ["old"]\nignore = ["unsafe-load"]\n'
    (tmp_path / "pyproject.toml").write_text(text)
    chosen = settings.selection(tmp_path / "src", ["new"], ["remote-code"])
    assert chosen == Selection(("old", "new"), ("unsafe-load", "remote-code"))


@pytest.mark.parametrize("table", ['exclude = "old"', "other = []", "exclude = [1]"])
def test_another_form_of_the_table_is_an_error(tmp_path: Path, table: str) -> None:
    """A typing mistake must not turn an audit off."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.zoo.audit]\n{table}\n")
    with pytest.raises(ConfigError, match="takes exclude and ignore, each a list of texts"):
        settings.selection(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("old.py", b'print "a"', "line 1"),
        ("null.py", b"a = 1\x00", "null bytes"),
        ("latin.py", b"# \xe9\n", "no text"),
        ("deep.py", b"(" * 5000 + b")" * 5000, "too many nested"),
        ("wide.py", b"x = " + b"-" * 40000 + b"1", ""),
        ("sums.py", b"x = " + b"1+" * 20000 + b"1", ""),
        ("a.ipynb", b"[]", "no notebook of version 4"),
        ("b.ipynb", b"{", "no JSON"),
        ("c.ipynb", b'{"cells": [{"cell_type": "code", "source": "if"}]}', "cell 1, line 1"),
    ],
)
def test_what_cannot_be_read_is_said_and_the_rest_goes_on(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    """No traceback, whatever the bytes."""
    (tmp_path / name).write_bytes(data)
    (tmp_path / "z.py").write_text(UNPINNED)
    result = audit.audit([tmp_path], Knowledge())
    (unread,) = result.unread
    assert (unread.file, reason in unread.reason) == (name, True)
    assert len(result.findings) == 1


def test_a_declared_encoding_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    """Columns count characters, not bytes."""
    line = '"é"; torch.hub.load("pytorch/vision", "resnet18")'
    text = f"# -*- coding: latin-1 -*-\r\nimport torch\r\n{line}\r\n"
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    (finding,) = audit.audit([tmp_path], Knowledge()).findings
    place = finding.use.place
    assert (place.line, place.column, place.end_line, place.end_column) == (3, 6, 3, 50)


def test_json_configurations_are_read_by_their_lines(tmp_path: Path) -> None:
    """Objects that follow each other are told apart."""
    content = [
        {"model_name_or_path": "a/one"},
        {"model_name_or_path": "a/two", "revision": COMMIT},
        {"url": "http://example.org/net.pth"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(content, indent=2))
    assert found_in(tmp_path) == ["a.json:3 unpinned-revision", "a.json:10 insecure-address"]


def test_paths_and_rules_that_do_not_exist_are_wrong_usage(tmp_path: Path) -> None:
    """The message says what there is."""
    with pytest.raises(UsageError, match="there is no file or folder"):
        audit.audit([tmp_path / "none"], Knowledge())
    with pytest.raises(UsageError, match="--ignore takes one of unpinned-repository"):
        audit.audit([tmp_path], Knowledge(), Selection(ignored=("unpinned",)))


PROGRAM = """\
import timm, torch
from huggingface_hub import snapshot_download
from torchvision.models import resnet18, resnet34
resnet18(weights="IMAGENET1K_V1")
resnet34(weights="IMAGENET1K_V1")
torch.hub.load("pytorch/vision:v1", "resnet18")
torch.hub.load("pytorch/other:v1", "resnet18")
snapshot_download("a/one")
snapshot_download("a/two")
timm.create_model("resnet18.a1_in1k", pretrained=True)
timm.create_model("resnet34.a1_in1k", pretrained=True)
torch.hub.load_state_dict_from_url("https://e.org/a-1f2e3d4c.pth", check_hash=True)
torch.hub.load_state_dict_from_url("https://e.org/b-1f2e3d4c.pth", check_hash=True)
"""
MISSING_LINES = [5, 7, 9, 11, 13]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Write a program that fetches two things of each kind."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def lines_of(program: Path, rule: str, knowledge: Knowledge) -> list[int]:
    """List the lines on which one rule finds something."""
    findings = audit.audit([program], knowledge).findings
    return [one.use.place.line for one in findings if one.rule.name == rule]


def test_what_a_lock_file_lacks_is_found(program: Path) -> None:
    """Only where a lock file was named."""
    zeros = "0" * 64
    things = (
        LockedThing("file", "resnet18-f37072fd.pth", zeros, 1),
        LockedThing("github", f"pytorch/vision@{COMMIT}", refs=("v1",)),
        LockedThing("huggingface", f"a/one@{COMMIT}/config.json", zeros, 1),
        LockedThing("huggingface", f"timm/resnet18.a1_in1k@{COMMIT}/config.json", zeros, 1),
        LockedThing("file", "a-1f2e3d4c.pth", zeros, 1),
    )
    assert lines_of(program, "not-in-lock", Knowledge(things, must_be_locked=True)) == MISSING_LINES
    assert lines_of(program, "not-in-lock", Knowledge(things)) == []


def stored(path: str, origin: str = "https://e.org/x") -> StoredFile:
    """Make a file of a mirror."""
    return StoredFile(path, origin, 1, "0" * 64, "2026-11-29T00:00:00Z")


def test_what_a_mirror_lacks_is_found(program: Path, tmp_path: Path) -> None:
    """By its index."""
    weights = "weights/download.pytorch.org/models/resnet18-f37072fd.pth"
    address = "https://e.org/a-1f2e3d4c.pth"
    items = (
        Item("weights", "resnet18:imagenet1k_v1", (stored(weights),)),
        Item("weights", address, (stored("weights/e.org/a-1f2e3d4c.pth", address),)),
        Item("repository", "pytorch/vision", (), COMMIT, ("tags/v1",)),
        Item("huggingface", "a/one", (), COMMIT, ("main",)),
        Item("huggingface", "timm/resnet18.a1_in1k", (), COMMIT, ("main",)),
    )
    (tmp_path / "index.json").write_text(to_json(Index(items)))
    held = holdings.read_mirror(str(tmp_path))
    assert lines_of(program, "not-held", Knowledge(holdings=(("m", held),))) == MISSING_LINES


def test_what_a_bundle_lacks_is_found(program: Path, tmp_path: Path) -> None:
    """By the list of its files."""
    files = [
        "torch/hub/checkpoints/resnet18-f37072fd.pth",
        "torch/hub/checkpoints/a-1f2e3d4c.pth",
        "torch/hub/pytorch_vision_v1/hubconf.py",
        "hf/hub/models--a--one/refs/main",
        "hf/hub/models--timm--resnet18.a1_in1k/refs/main",
    ]
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bundle.json", json.dumps({"files": {key: {} for key in files}}))
    held = holdings.read_bundle(path)
    assert lines_of(program, "not-held", Knowledge(holdings=(("b", held),))) == MISSING_LINES


def test_a_mirror_that_is_served_is_asked_for_its_index() -> None:
    """Through the one network client; what it says instead is said."""
    item = Item("repository", "pytorch/vision", (), COMMIT, ("tags/v1",))
    text = to_json(Index((item,))).encode()
    with FaultyServer() as server:
        server.behave = lambda exchange: exchange.serve(text)
        assert holdings.read_mirror(f"{server.base}/").held == Index((item,))
        server.behave = lambda exchange: exchange.answer(404)
        with pytest.raises(MirrorError, match=r"expected a mirror's index: .*404"):
            holdings.read_mirror(server.base)


def test_what_is_no_mirror_or_bundle_is_said(tmp_path: Path) -> None:
    """With what to name instead."""
    (tmp_path / "b.zip").write_text("no archive")
    with pytest.raises(MirrorError, match="expected a bundle"):
        holdings.read_bundle(tmp_path / "b.zip")
    with pytest.raises(MirrorError, match="name a mirror's folder or address"):
        holdings.read_mirror(str(tmp_path))
