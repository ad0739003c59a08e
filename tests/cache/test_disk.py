"""What the file system says is put in words: what happened, where, to whom, and what to do."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from zoo.cache import disk
from zoo.errors import CacheError, DiskFullError

if TYPE_CHECKING:
    from pathlib import Path

WORDS = [
    (errno.EFBIG, "longer than its file system or this process may write", "ulimit -f"),
    (errno.EMFILE, "this process may open no more files", "ulimit -n"),
    (errno.ENFILE, "this machine can open no more files", "end other programs"),
    (errno.ENOENT, "is gone that was there", "run the same command again"),
    (errno.EXDEV, "lie on different file systems", "on one file system"),
    (errno.ENAMETOOLONG, "the path is too long", "a shorter path"),
    (errno.EACCES, f"user {os.geteuid()} cannot read or write the cache", "TORCH_HOME"),
    (errno.EROFS, f"user {os.geteuid()} cannot read or write the cache", "TORCH_HOME"),
    (errno.EIO, "the disk failed", "check the disk"),
]


@pytest.mark.parametrize(("number", "words", "advice"), WORDS)
def test_an_error_of_the_file_system_is_said_in_words(number: int, words: str, advice: str) -> None:
    """With the file, the path, and what to do."""
    error = disk.translated(OSError(number, os.strerror(number), "/cache/f.pth"), "f.pth")
    text = str(error)
    assert text.startswith("f.pth: ")
    assert words in text
    assert "at /cache/f.pth" in text
    assert advice in text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_says_what_is_kept_only_where_something_is(number: int) -> None:
    """Nobody is told that nothing has been kept."""
    error = OSError(number, os.strerror(number))
    assert "kept" not in str(disk.translated(error, "f.pth"))
    kept = disk.translated(error, "f.pth", kept_bytes=7)
    assert isinstance(kept, DiskFullError)
    assert "; 7 bytes that have arrived are kept; free some space" in str(kept)


def test_files_that_fit_are_chosen_in_their_order() -> None:
    """One that is too long does not keep the next from being fetched."""
    needs = {"a": 40, "b": 70, "c": 60, "d": 1}
    assert disk.that_fit(needs, free=100) == ["a", "c"]
    assert disk.that_fit(needs, free=0) == []
    assert disk.that_fit({"empty": 0}, free=0) == ["empty"]


def test_a_file_that_does_not_fit_is_told_what_replaced_files_take(tmp_path: Path) -> None:
    """What would be free without them is counted: not links, nor bytes that have another name."""
    assert "replaced" not in str(disk.no_room("f.pth", tmp_path, 10, 3))
    kept = tmp_path / "quarantine"
    kept.mkdir()
    (kept / "f.pth.1").write_bytes(bytes(700))
    (kept / "g.pth.1").write_bytes(bytes(50))
    (kept / "g.pth.2").hardlink_to(kept / "g.pth.1")
    (kept / "h.pth.1").symlink_to(kept / "f.pth.1")
    text = str(disk.no_room("f.pth", tmp_path, 10, 3))
    assert "expected 10 free bytes" in text
    assert f"{kept} holds 700 bytes of files that were replaced" in text


def test_free_space_of_a_folder_that_is_yet_to_be_made(tmp_path: Path) -> None:
    """It is that of the folder above."""
    assert disk.free_bytes(tmp_path / "a" / "b") > 0
    with pytest.raises(CacheError, match=r"expected .* free bytes"):
        disk.check_space(tmp_path / "a", 1 << 60, "f.pth")
