"""Several files at once: what fits is fetched, an error ends all, the program can always end."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.fetch_desk import DATA, PART_BYTES, record_of
from zoo.cache import locks, paths
from zoo.config import config_path
from zoo.download import fetcher
from zoo.download.options import FetchOptions
from zoo.download.several import Several
from zoo.errors import DiskFullError

if TYPE_CHECKING:
    from tests.support.faulty_server import Exchange, FaultyServer
    from tests.support.fetch_desk import Desk

HUGE = 1 << 60


def test_files_that_fit_are_fetched_where_one_does_not(desk: Desk, server: FaultyServer) -> None:
    """What does not fit is refused before a byte of it is asked for; the others are finished."""
    records = [record_of(server.base), replace(record_of(server.base), file_name="huge.pth")]
    records[1] = replace(records[1], size_bytes=HUGE)
    records.append(replace(records[0], file_name="last.pth"))
    with pytest.raises(DiskFullError, match=r"huge\.pth: expected .* free bytes"):
        fetcher.fetch_all(records, options=desk.options)
    assert desk.holds_only(records[0].file_name, "last.pth")


class StopError(Exception):
    """What a signal handler raises."""


def test_an_error_raised_by_a_signal_handler_ends_everything(
    desk: Desk, server: FaultyServer
) -> None:
    """A handler of SIGTERM may raise what it likes; it comes out within a moment."""

    def behave(exchange: Exchange) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        exchange.stop("stall")

    def stop(number: int, frame: object) -> None:
        raise StopError

    server.behave = behave
    before = signal.signal(signal.SIGTERM, stop)
    try:
        begun_s = time.monotonic()
        with pytest.raises(StopError):
            fetcher.fetch_all([record_of(server.base)], options=desk.options)
        assert time.monotonic() - begun_s < 10
    finally:
        signal.signal(signal.SIGTERM, before)


DAEMON = """
import sys, threading
from dataclasses import replace
from pathlib import Path
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.download.options import FetchOptions

options = FetchOptions(folder=Path(sys.argv[1]), allow_private_addresses=True)
record = WeightsFile("f.pth", sys.argv[2], 100, sha256_prefix="0" * 8)
settings = {"options": options}
thread = threading.Thread(target=fetcher.fetch_all, args=([record],), kwargs=settings, daemon=True)
thread.start()
sys.stdin.read()
"""


def test_a_daemon_thread_that_fetches_does_not_keep_the_program_from_ending(
    desk: Desk, server: FaultyServer
) -> None:
    """The main thread ends while a silent server is waited for: the process too, no traceback."""
    is_asked = threading.Event()

    def behave(exchange: Exchange) -> None:
        is_asked.set()
        exchange.stop("stall")

    server.behave = behave
    program = [sys.executable, "-c", DAEMON, str(desk.folder), server.base]
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert is_asked.wait(60)
        _, errors = process.communicate(timeout=60)  # which closes its input
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_number_of_connections_is_a_setting(desk: Desk, server: FaultyServer) -> None:
    """What the caller says goes first."""
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_text("connections = 1")
    most = 0
    now = 0
    gate = threading.Lock()

    def behave(exchange: Exchange) -> None:
        nonlocal most, now
        with gate:
            now += 1
            most = max(most, now)
        exchange.serve(DATA)
        with gate:
            now -= 1

    server.behave = behave
    options = replace(desk.options, connections=None)
    fetcher.fetch(record_of(server.base), options=options)
    assert most == 1
    assert len(server.requests) > len(DATA) // PART_BYTES


def test_waiting_for_another_process_is_said_in_the_log(
    desk: Desk, server: FaultyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that draws no progress is told, too, and for how long at most; then it goes on."""
    options = replace(desk.options, lock_patience_s=0.5)
    record = record_of(server.base)
    target = desk.folder / record.file_name
    lock = paths.lock_path(target)
    with (
        caplog.at_level(logging.WARNING, "zoo.download"),
        locks.held(lock, on_wait=lambda: None, stopped=threading.Event()) as is_alone,
    ):
        assert is_alone
        assert fetcher.fetch(record, options=options).path == target
    assert "another process is fetching it; waiting, at most 0 seconds" in caplog.text


def test_no_files_are_no_work() -> None:
    """Nothing is looked at."""
    assert fetcher.fetch_all([], options=FetchOptions()) == []


def test_tasks_run_in_order_and_each_keeps_its_failure() -> None:
    """One that fails stops no other."""

    def fail() -> int:
        raise StopError

    several = Several({"a": lambda: 1, "b": fail, "c": lambda: 3}.items())
    several.run(2, stop=lambda: None)
    assert several.results == {"a": 1, "c": 3}
    assert isinstance(several.failures["b"], StopError)


LIMITED = """
import resource, sys
from pathlib import Path
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.download.options import FetchOptions
from zoo.errors import ZooError
import requests, urllib3, certifi, filelock  # what a fetch imports

options = FetchOptions(folder=Path(sys.argv[1]), allow_private_addresses=True, retries=1)
record = WeightsFile("f.pth", sys.argv[2], int(sys.argv[3]), sha256=sys.argv[4])
{limit}
try:
    fetcher.fetch_all([record], options=options)
except ZooError as error:
    print(type(error).__name__, error)
else:
    print("fetched")
"""
LIMITS = {
    "no more files": "used = len(list(Path('/proc/self/fd').iterdir())); "
    "resource.setrlimit(resource.RLIMIT_NOFILE, (used,) * 2)",
    "no more memory": "used = int(Path('/proc/self/statm').read_text().split()[0]) * 4096; "
    "resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 20),) * 2)",
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_process_at_its_limits_ends_with_a_sentence(
    desk: Desk, server: FaultyServer, limit: str
) -> None:
    """No file, thread or memory left: our error or the file, no traceback, no endless wait."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            LIMITED.format(limit=LIMITS[limit]),
            str(desk.folder),
            server.base,
            str(len(DATA)),
            hashlib.sha256(DATA).hexdigest(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.strip(), done.stderr


def test_an_interrupt_says_what_is_kept_only_where_something_is(
    desk: Desk, server: FaultyServer
) -> None:
    """Nothing has arrived: nothing is said to be kept."""

    def behave(exchange: Exchange) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        exchange.stop("stall")

    server.behave = behave
    with pytest.raises(KeyboardInterrupt) as caught:
        fetcher.fetch_all([record_of(server.base)], options=desk.options)
    assert "kept" not in str(caught.value)
    assert "run the same command to go on" in str(caught.value)
