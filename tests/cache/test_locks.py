"""Locks are a courtesy: whoever cannot have one goes on without."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo.cache import locks, quarantine

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
HOLD = """
import fcntl, filelock, os, sys, threading
from pathlib import Path
from zoo.cache import locks
# After the imports: Python's own files may be root's.
os.setgid({gid}); os.setuid({uid}); os.umask(0o022)
with locks.held(Path({path!r}), on_wait=lambda: None, stopped=threading.Event()) as is_alone:
    print(is_alone)
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


def hold_as(uid: int, path: Path, repository: Path) -> str:
    """Take the lock as another user; return what it says."""
    code = HOLD.format(uid=uid, gid=uid, path=str(path))
    environment = {**os.environ, "PYTHONPATH": str(repository), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Offer a folder that every user may enter; pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_two_users_share_the_locks_of_a_shared_cache(
    open_folder: Path, repository: Path, mode: int
) -> None:
    """The first, with the usual umask, does not shut the second out."""
    cache = open_folder / "cache"
    cache.mkdir()
    cache.chmod(mode)
    path = cache / ".zoo-locks" / "net.lock"
    assert hold_as(NOBODY, path, repository) == "True"
    assert hold_as(NOBODY - 1, path, repository) == "True"
    assert stat.S_IMODE(path.parent.stat().st_mode) == mode


@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2775])
def test_two_users_share_the_quarantine_of_a_shared_cache(open_folder: Path, mode: int) -> None:
    """Where the first has kept a file, the second may keep one, too."""
    cache = open_folder / "cache"
    cache.mkdir()
    cache.chmod(mode)
    before = os.umask(0o022)
    try:
        (cache / "net.pth").write_bytes(b"mine")
        kept = quarantine.move_aside(cache / "net.pth")
    finally:
        os.umask(before)
    assert kept is not None
    assert stat.S_IMODE(kept.parent.stat().st_mode) == mode


def test_a_folder_of_locks_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    """A file in its place, say, or a cache that is read-only."""
    (tmp_path / "locks").write_text("in the way")
    path = tmp_path / "locks" / "net.lock"
    with locks.held(path, on_wait=lambda: None, stopped=threading.Event()) as is_alone:
        assert not is_alone


def test_a_holder_without_progress_is_waited_for_a_stated_time(tmp_path: Path) -> None:
    """A stopped process keeps its lock: the next goes on without it, and has said that it waits."""
    path = tmp_path / "locks" / "net.lock"
    told: list[str] = []
    never = threading.Event()
    with locks.held(path, on_wait=lambda: None, stopped=never) as first:
        assert first
        with locks.held(
            path, on_wait=lambda: told.append("waiting"), stopped=never, patience_s=0.2
        ) as second:
            assert not second
    assert told == ["waiting"]


def test_a_holder_that_works_is_waited_for(tmp_path: Path) -> None:
    """As long as something grows, patience begins anew."""
    path = tmp_path / "locks" / "net.lock"
    never = threading.Event()
    looks: list[float] = []

    def progress() -> object:
        looks.append(time.monotonic())
        return len(looks) if len(looks) < 8 else "stopped"

    with locks.held(path, on_wait=lambda: None, stopped=never) as first:
        assert first
        with locks.held(
            path, on_wait=lambda: None, stopped=never, progress=progress, patience_s=0.0
        ) as second:
            assert not second
    assert len(looks) >= 9
