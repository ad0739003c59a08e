"""Documents are read whole, with a limit, and never from something that makes the reader wait."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from zoo.cache import lockfile
from zoo.config import config_path, load_config
from zoo.documents import read_regular_file
from zoo.download.partial import read_journal
from zoo.errors import ConfigError, LockFileError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_read_up_to_a_limit(tmp_path: Path) -> None:
    """At the limit it is whole; one byte more is refused."""
    file = tmp_path / "document"
    file.write_bytes(b"12345")
    assert read_regular_file(file, 5) == b"12345"
    with pytest.raises(OSError, match="expected at most 4 bytes"):
        read_regular_file(file, 4)


@pytest.mark.parametrize("place", ["fifo", "/dev/zero", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, place: str) -> None:
    """A pipe would wait for a writer, a device would never end."""
    path = tmp_path / place  # an absolute path stays as it is
    if place == "fifo":
        os.mkfifo(path)
    elif place == "folder":
        path.mkdir()
    with pytest.raises(OSError, match=r"device or a pipe|directory"):
        read_regular_file(path, 100)


def test_a_link_is_followed_only_where_that_is_meant(tmp_path: Path) -> None:
    """Settings may be links; a journal in a shared folder may not."""
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x")
    link.symlink_to(file)
    assert read_regular_file(link, 1) == b"x"
    with pytest.raises(OSError, match="symbolic links"):
        read_regular_file(link, 1, follow_links=False)


def test_every_reader_refuses_a_pipe(tmp_path: Path) -> None:
    """Lock file, settings and journal: an error or nothing, but never a wait."""
    pipe = tmp_path / "zoo.lock"
    os.mkfifo(pipe)
    with pytest.raises(LockFileError, match="device or a pipe"):
        lockfile.read(pipe)
    assert read_journal(pipe) is None
    config_path().parent.mkdir(parents=True)
    os.mkfifo(config_path())
    with pytest.raises(ConfigError, match="device or a pipe"):
        load_config()
