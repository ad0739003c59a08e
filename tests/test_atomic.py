"""Files are written whole or not at all, on a file system that refuses as well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.full_disk import run_limited
from zoo.atomic import replacing, write_text
from zoo.errors import WriteError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    """Until then the old one stands; what a killed writer left is taken away."""
    file = tmp_path / "a.json"
    file.write_text("old")
    (tmp_path / ".a.json.0123456789abcdef.partial").write_text("left by a kill")
    with replacing(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """Any error: nothing new stays."""
    file = tmp_path / "a.json"
    write_text(file, "old")

    def write_half() -> None:
        with replacing(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message holds the path and what the system says."""
    with pytest.raises(WriteError, match=r"missing/a\.json: No such file or directory"):
        write_text(tmp_path / "missing" / "a.json", "text")


def test_a_planted_link_is_neither_followed_nor_kept(tmp_path: Path) -> None:
    """In a shared folder anyone may plant a link under a name that a writer of before used."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    file = tmp_path / "shared" / "a.json"
    file.parent.mkdir()
    for name in (".a.json.partial", ".a.json-new", "a.json"):
        (file.parent / name).symlink_to(victim)
    write_text(file, "new")
    assert victim.read_text() == "precious"
    assert file.read_text() == "new"
    assert not file.is_symlink()


def test_what_a_living_writer_has_begun_is_left_alone(tmp_path: Path) -> None:
    """Two writers of one path: each has a file of its own, and the last to end wins whole."""
    file = tmp_path / "a.json"
    with replacing(file) as first:
        first.write_text("first")
        write_text(file, "second")
        assert first.read_text() == "first"
    assert file.read_text() == "first"


def test_permissions_are_those_of_the_umask_or_of_the_file_before(tmp_path: Path) -> None:
    """A new file is not private by accident, and a private one does not become public."""
    file = tmp_path / "a.json"
    before = os.umask(0o027)
    try:
        write_text(file, "new")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o640
    file.chmod(0o600)
    write_text(file, "newer")
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_drawing_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    """The drawing before stays, whatever it is drawn with."""
    folder = tmp_path / "drawings"
    folder.mkdir()
    files = [folder / f"choice.{kind}" for kind in ("html", "png", "svg")]
    for file in files:
        file.write_text("the one before")

    said = run_limited(1000, *[("choose", "--plot", str(file)) for file in files])
    for file in files:
        assert f"error: cannot write {file}: File too large" in said
        assert file.read_text() == "the one before"
    assert said.endswith("exit codes [1, 1, 1]")
    assert "Traceback" not in said
    assert sorted(folder.iterdir()) == files
