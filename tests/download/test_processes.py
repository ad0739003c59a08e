"""Processes that die, race and are interrupted: rows 36 to 39 of the fault catalogue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, PART_BYTES, SHA256, Desk
from tests.support.fetch_worker import fetch
from tests.support.thorough import few_of, repeated
from zoo.cache import paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faulty_server import Exchange, FaultyServer

K = 3 * PART_BYTES + 1000
REPOSITORY = Path(__file__).parents[2]
WORKER = REPOSITORY / "tests" / "support" / "fetch_worker.py"
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(
    STRACE is None, reason="strace is not installed: no faults can be injected"
)


def task_of(desk: Desk, server: FaultyServer, **changes: Any) -> dict[str, Any]:
    """Return what a worker process is told."""
    usual = {
        "url": f"{server.base}/x",
        "folder": str(desk.folder),
        "name": NAME,
        "size_bytes": len(DATA),
    }
    return {**usual, "sha256": SHA256, "part_bytes": PART_BYTES, **changes}


@contextlib.contextmanager
def worker(task: dict[str, Any], *before: str) -> Iterator[subprocess.Popen[str]]:
    """Start a worker process, perhaps under another program; it is gone at the end of the block."""
    process = subprocess.Popen(
        [*before, sys.executable, str(WORKER), json.dumps(task)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_worker(task: dict[str, Any], *before: str) -> tuple[int, str]:
    """Run a worker process to its end; return its exit code and what it wrote to stderr."""
    with worker(task, *before) as process:
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors


def with_fault(fault: str) -> list[str]:
    """Write the start of a command one of whose system calls fails as told, or kills it."""
    call, _, effect = fault.partition(":")
    # Stops at no other call; a signal, though, gets lost at such a stop.
    speed = [] if "signal" in effect else ["--seccomp-bpf"]
    quiet = [str(STRACE), "-f", *speed, "-qq", "-o", os.devnull]
    return [*quiet, "-e", f"trace={call}", "-e", f"inject={fault}"]


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


KILLS = repeated(30, 100)


@pytest.mark.slow
def test_kills_at_any_moment_cost_at_most_one_part_each(
    desk: Desk, server: FaultyServer, tmp_path: Path
) -> None:
    """Row 36: SIGKILL at a random moment, rerun, again and again: at most one part is sent again.

    What a killed process had received lies in its partial file; the rerun must not ask for more
    than one part of that again. What the kernel held for the dead process is lost too, and counts
    for what was on the wire in all. A piece that each connection was sent after the process had
    died, and after the server was asked for its count, counts for the rerun.
    """
    data = random.Random(36).randbytes(24 * PART_BYTES)  # noqa: S311  (test data)
    truth = tmp_path / "truth"
    truth.write_bytes(data)
    marks = [0]

    def behave(exchange: Exchange) -> None:
        if exchange.target.endswith("?sent"):
            sent, marks[0] = server.body_bytes - marks[0], server.body_bytes
            exchange.answer(200, str(sent).encode(), Connection="close")
            exchange.stop()
        exchange.serve(data)

    server.behave = behave
    server.piece_bytes = 8 << 10
    server.throttle = lambda _count: server.closing.wait(0.001)  # 4 connections: 32 MB/s at most
    task = task_of(desk, server, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    driver = {**task, "kills": KILLS, "seed": 36, "longest_s": 0.1, "truth": str(truth)}
    with worker(driver) as process:
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    reports = [json.loads(line) for line in output.splitlines()]
    assert len(reports) == KILLS
    sent_late = 4 * server.piece_bytes
    for report in reports:
        assert report["is_right_then"], report
        assert report["exit"] == 0, (report, errors)
        assert report["is_right"], report
        assert report["left"] == [], report
        fetched = report["sent_again"] + report["written"]
        assert fetched <= len(data) + PART_BYTES + sent_late, report
    sent_bytes = sum(report["sent"] + report["sent_again"] for report in reports)
    # To begin anew would send about half of the data twice; the kernel held far less than that.
    assert sent_bytes <= 1.25 * KILLS * len(data)
    # Most kills hit a running download.
    assert sum(report["was_killed"] for report in reports) > KILLS / 2


KILLED_AT = [
    *(("pwrite64", count) for count in (1, 3, 8)),
    *(("write", count) for count in (1, 2, 8)),
    *(("rename", count) for count in (1, 2, 3)),
    *(("fsync", count) for count in (1, 2)),
    *(("unlink", count) for count in (1, 2, 3, 4)),
    ("connect", 1),
]
"""Calls of one thread, from 1: the first rename is the journal's, the second publishes the file."""


def injected(desk: Desk, server: FaultyServer, fault: str) -> tuple[int, str]:
    """Run a worker with one connection under strace, which makes one system call fail or kill."""
    return run_worker(task_of(desk, server, connections=1), *with_fault(fault))


@needs_strace
@pytest.mark.parametrize(("call", "count"), KILLED_AT)
def test_kill_at_the_nth_system_call_is_survived(
    desk: Desk, server: FaultyServer, call: str, count: int
) -> None:
    """Row 36: also at the n-th system call: never a wrong file, then ok, at most one part again."""
    code, _ = injected(desk, server, f"{call}:signal=KILL:when={count}")
    assert code == -signal.SIGKILL
    assert not desk.target.exists() or desk.target.read_bytes() == DATA
    assert fetch(task_of(desk, server)) == 0
    assert is_right(desk)
    assert server.body_bytes <= len(DATA) + PART_BYTES


FAILING = [("pwrite64", 1), ("pwrite64", 8), ("write", 2), ("fsync", 1), ("rename", 2)]
FAILED = [(call, count, fault) for call, count in FAILING for fault in ("ENOSPC", "EIO", "EDQUOT")]
"""Each call, and each answer of a disk."""


@needs_strace
@pytest.mark.parametrize(
    ("call", "count", "fault"),
    few_of(
        FAILED,
        *(("pwrite64", 1, "ENOSPC"), ("pwrite64", 1, "EIO"), ("pwrite64", 1, "EDQUOT")),
        *(("pwrite64", 8, "ENOSPC"), ("write", 2, "EIO"), ("rename", 2, "EDQUOT")),
        *(("fsync", 1, "ENOSPC"), ("fsync", 1, "EDQUOT")),
    ),
)
def test_disk_that_fails_at_the_nth_system_call_is_an_error(
    desk: Desk, server: FaultyServer, fault: str, call: str, count: int
) -> None:
    """Row 36: ENOSPC and EIO: one line of error, never a wrong file, ok on the next run."""
    code, errors = injected(desk, server, f"{call}:error={fault}:when={count}")
    assert code == 1, errors
    words = {
        "EIO": "the disk failed",
        "ENOSPC": "the disk is full",
        "EDQUOT": f"the quota of user {os.geteuid()} is used up",
    }
    expected = "the disk did not keep" if call == "fsync" else words[fault]
    assert errors.startswith(f"{NAME}: {expected}"), errors
    assert errors.count("\n") == 1
    assert not desk.target.exists()
    assert fetch(task_of(desk, server)) == 0
    assert is_right(desk)


@needs_strace
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_failed_fsync_is_not_believed(
    desk: Desk, server: FaultyServer, fault: str, count: int
) -> None:
    """Of the file or its folder: what memory alone may hold is dropped, and fetched again whole."""
    code, errors = injected(desk, server, f"fsync:error={fault}:when={count}")
    assert code == 1, errors
    assert "did not keep what had arrived" in errors
    assert desk.holds_only()
    before = server.body_bytes
    assert fetch(task_of(desk, server)) == 0
    assert server.body_bytes - before == len(DATA)
    assert is_right(desk)


@pytest.mark.parametrize("files", [1, 2])
def test_interrupt_keeps_the_partial_file(desk: Desk, server: FaultyServer, files: int) -> None:
    """Row 37: SIGINT: exit 130, partial kept, one line of advice; for one file and for several."""
    stalled = threading.Semaphore(0)

    def behave(exchange: Exchange) -> None:
        if exchange.span is not None and exchange.span[0] >= 3 * PART_BYTES:
            stalled.release()
            exchange.stop("stall")
        exchange.serve(DATA)

    server.behave = behave
    with worker(task_of(desk, server, connections=files, files=files)) as process:
        for _ in range(files):
            assert stalled.acquire(timeout=60)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.startswith("interrupted")
    assert errors.count("\n") == 1
    assert len(desk.partials()) == files
    before = server.body_bytes
    server.behave = lambda exchange: exchange.serve(DATA)
    assert fetch(task_of(desk, server, files=files)) == 0
    assert desk.target.read_bytes() == DATA
    assert server.body_bytes - before == files * (len(DATA) - 3 * PART_BYTES)


def test_16_processes_cost_one_download(desk: Desk, server: FaultyServer) -> None:
    """Row 38: 16 processes at once, one URL: one download, all ok."""
    assert run_worker(task_of(desk, server, crowd=16)) == (0, "")
    assert is_right(desk)
    assert server.body_bytes == len(DATA)


def test_killed_holder_of_the_lock_is_succeeded(desk: Desk, server: FaultyServer) -> None:
    """Row 39: lock holder killed: ok, the one who waited goes on from what the dead one had."""
    stalled = threading.Event()

    def behave(exchange: Exchange) -> None:
        if (
            not stalled.is_set()
            and exchange.span is not None
            and exchange.span[0] >= 3 * PART_BYTES
        ):
            stalled.set()
            exchange.stop("stall")
        exchange.serve(DATA)

    server.behave = behave
    with worker(task_of(desk, server, connections=1)) as holder:
        assert stalled.wait(timeout=60)
        with worker(task_of(desk, server)) as waiter:
            assert waiter.stdout is not None
            assert "Waiting" in waiter.stdout.readline()
            holder.kill()
            _, errors = waiter.communicate(timeout=60)
            assert (waiter.returncode, errors) == (0, "")
    assert is_right(desk)
    assert server.body_bytes == len(DATA)


def test_lock_file_left_behind_is_no_obstacle(desk: Desk, server: FaultyServer) -> None:
    """Row 39: lock file left behind, with whatever in it: ok."""
    path = paths.lock_path(desk.target)
    path.parent.mkdir()
    path.write_text("4242\nsome-other-host\n")
    desk.fetch(server.base)
    assert is_right(desk)


@needs_strace
@pytest.mark.parametrize("lie", ["retval=0", "error=ENOLCK", "error=ENOSYS"])
def test_locks_that_do_not_lock_never_let_a_wrong_file_through(
    desk: Desk, server: FaultyServer, lie: str
) -> None:
    """Row 39: locks that always succeed, or never: each process works alone; never a wrong file.

    Every other answer of the server lies, so that processes which shared a partial file would spoil
    each other's.
    """
    together = threading.Barrier(3)

    def behave(exchange: Exchange) -> None:
        if exchange.number < 3:
            together.wait(timeout=60)  # all three are under way before any of them gets a byte
        exchange.serve(OTHER_DATA if exchange.span is not None and exchange.number % 2 else DATA)

    server.behave = behave
    inject = with_fault(f"flock:{lie}")
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(worker(task_of(desk, server, connections=2), *inject))
            for _ in range(3)
        ]
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
            assert errors == ""
    assert is_right(desk)


def test_a_process_that_works_alone_keeps_its_files_when_another_is_done(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 39: locks that never lock: who is done first removes what the dead have left, no more."""
    own = paths.side_files(desk.target, is_private=True)
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            living = [
                path.with_name(path.name.replace(f"-{os.getpid()}-", f"-{other.pid}-"))
                for path in (own.partial, own.journal)
            ]
            for path in living:
                path.parent.mkdir(exist_ok=True)
                path.touch()
            desk.fetch(server.base)
            assert desk.target.read_bytes() == DATA
            assert all(path.exists() for path in living)
        finally:
            other.kill()

    desk.target.unlink()
    desk.fetch(server.base)
    assert paths.all_side_files(desk.target) == []


def test_private_partial_file_is_removed_on_failure(desk: Desk, server: FaultyServer) -> None:
    """Names of private partial files differ from each other and are found by whoever tidies up."""
    one, two = (paths.side_files(desk.target, is_private=True) for _ in range(2))
    assert one != two
    one.partial.touch()
    two.journal.touch()
    assert set(paths.all_side_files(desk.target)) == {one.partial, two.journal}
    desk.fetch(server.base)
    assert is_right(desk)


def test_interrupt_while_waiting_for_another_process_is_heard(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 37: SIGINT while another process has the lock: exit 130, and the other goes on."""
    stalled, resumed = threading.Event(), threading.Event()

    def behave(exchange: Exchange) -> None:
        if exchange.span is not None and exchange.span[0] >= 3 * PART_BYTES:
            stalled.set()
            resumed.wait(timeout=60)
        exchange.serve(DATA)

    server.behave = behave
    with worker(task_of(desk, server, connections=1)) as holder:
        assert stalled.wait(timeout=60)
        with worker(task_of(desk, server)) as waiter:
            assert waiter.stdout is not None
            assert "Waiting" in waiter.stdout.readline()
            waiter.send_signal(signal.SIGINT)
            _, errors = waiter.communicate(timeout=60)
        assert waiter.returncode == 130
        assert errors.startswith("interrupted")
        resumed.set()
        _, errors = holder.communicate(timeout=60)
        assert (holder.returncode, errors) == (0, "")
    assert is_right(desk)
