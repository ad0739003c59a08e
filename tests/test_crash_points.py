"""The power is cut between any two system calls: whatever the disk shows then, no document is lost.

The short form of ``scripts/crash_points.py``; the model of the disk is tested by hand.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from scripts.crash_points import SCENARIOS, Step, look_at_every_crash, run
from tests.support import warm

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = b"old!", b"new!"
CREATE = Step("create", "temporary")
WRITE = Step("write", "temporary", data=NEW)
SYNC = Step("sync", "temporary")
RENAME = Step("rename", "temporary", "document")
SYNC_FOLDER = Step("sync-folder", ".")
ORDERS = {
    "as it should be": ([CREATE, WRITE, SYNC, RENAME, SYNC_FOLDER], []),
    "without fsync of the file": (
        [CREATE, WRITE, RENAME, SYNC_FOLDER],
        ["0 bytes", "2 bytes", "4 bytes"],
    ),
    "without fsync of the folder": ([CREATE, WRITE, SYNC, RENAME], ["may still be"]),
    "fsync after the rename": ([CREATE, WRITE, RENAME, SYNC, SYNC_FOLDER], ["0 bytes"]),
    "written in place": (
        [Step("truncate", "document"), Step("write", "document", data=NEW)],
        ["0 bytes"],
    ),
    "removed first": ([Step("unlink", "document"), CREATE, WRITE, SYNC, RENAME], ["is nothing"]),
}


@pytest.mark.parametrize(("steps", "expected"), ORDERS.values(), ids=list(ORDERS))
def test_the_model_of_the_disk_finds_what_a_power_cut_destroys(
    steps: list[Step], expected: list[str]
) -> None:
    """Each usual mistake shows; the right order shows none."""
    report = look_at_every_crash(
        {"document": OLD},
        steps,
        "document",
        is_right=lambda document: document in (OLD, NEW),
        is_new=lambda document: document == NEW,
    )
    assert bool(report.faults) is bool(expected)
    for words in expected:
        assert any(words in fault for fault in report.faults), report.faults


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", ["text", "lock", "receipt", "download"])
def test_no_power_cut_loses_a_document(tmp_path: Path, name: str) -> None:
    """The atomic writer, zoo.lock, receipts, a download; the others run with the script."""
    report = run(SCENARIOS[name], tmp_path)
    assert report.faults == []
    assert report.steps >= 5


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", ["bench", "bundle", "settings"])
def test_no_power_cut_loses_what_belongs_to_a_command(tmp_path: Path, name: str) -> None:
    """Results, bundles, settings of a mirror."""
    assert run(SCENARIOS[name], tmp_path).faults == []


def begin_with_torch(program: str, folder: Path) -> None:
    """Carry out a program where torch has been imported."""
    done = warm.run(program, str(folder))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("name", ["train", "convert"])
def test_no_power_cut_loses_what_torch_writes(tmp_path: Path, name: str) -> None:
    """Checkpoints of training, safetensors copies."""
    assert run(SCENARIOS[name], tmp_path, begin_with_torch).faults == []
