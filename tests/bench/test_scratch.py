"""Folders of killed sessions go away; those of living ones stay."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.bench.environment import begin_environment
from zoo.bench.jobs import Station, next_job
from zoo.bench.records import Case, Effort, Result
from zoo.bench.scratch import Scratch
from zoo.devices import Device

CPU = Device("cpu", "some CPU", ("fp32",))
EXPORTING = Case("tests.support.bench_models.exporting", "latency", "cpu", (3, 16, 16), 1)
KILLED = """
import sys
from zoo.bench.scratch import Scratch
scratch = Scratch()
(scratch.path / "kernels").mkdir()
print(scratch.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, repository: Path, tmp_path: Path) -> Path:
    """Keep the folders of this test apart from those of real sessions."""
    monkeypatch.setenv("PYTHONPATH", str(repository))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_the_next_session_removes_what_a_killed_one_left(place: Path) -> None:
    """While it lives its folder stays; after SIGKILL the next session finds and removes it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=pipe, stdout=pipe, text=True
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        Scratch().close()
        assert (theirs / "kernels").is_dir()
        os.kill(other.pid, signal.SIGKILL)
    assert theirs.is_dir()
    Scratch().close()
    assert list(place.iterdir()) == []


def test_folders_of_others_without_a_lock_stay(place: Path) -> None:
    """What only looks like a folder of ours is not touched."""
    (place / "zoo-bench-mine" / "precious").mkdir(parents=True)
    Scratch().close()
    assert [path.name for path in place.iterdir()] == ["zoo-bench-mine"]


def test_what_a_worker_that_was_ended_leaves_goes_with_its_station(place: Path) -> None:
    """It is ended with a temporary folder open: nothing of it can run any more."""
    effort = Effort(has_ceilings=False)
    with Station(CPU) as station:
        answer = station.carry_out(next_job(Result(EXPORTING, effort, begin_environment(CPU))))
        (left,) = place.glob("zoo-bench-*/temporary/half-exported-*")
        assert left.is_dir()
    assert answer["failure"]["kind"] == "crashed"
    assert list(place.iterdir()) == []
