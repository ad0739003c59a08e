"""``zoo download`` against a real server on loopback, with a registry of two small files."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.small_registry import file_of, registry_of
from tests.support.terminal import show
from zoo.curator.plain import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.conftest import Run

NOISE = random.Random(2)  # noqa: S311  (test data, the same in every run)
DATA = {"squeezenet1_0": NOISE.randbytes(100_000), "squeezenet1_1": NOISE.randbytes(200_000)}
FILES = {name: file_of(name, data) for name, data in DATA.items()}


@pytest.fixture(autouse=True)
def mirrors_only(tmp_path: Path) -> None:
    """Forbid the publisher's own address: tests talk to loopback alone."""
    settings = tmp_path / "config" / "zoo" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("upstream = false\n")


@pytest.fixture
def registry_text() -> str:
    """Both SqueezeNets with weights of a few kilobytes."""
    return json.dumps(plain(registry_of(FILES)))


@pytest.fixture
def small_zoo(zoo_with: Callable[[str], Run], registry_text: str) -> Run:
    """Run zoo with that registry."""
    return zoo_with(registry_text)


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """A mirror that has both files."""
    by_name = {file.file_name: DATA[name] for name, file in FILES.items()}

    def behave(exchange: Exchange) -> None:
        data = by_name.get(exchange.target.rpartition("/")[2])
        if data is None:
            exchange.answer(404)
        else:
            exchange.serve(data)

    with FaultyServer() as running:
        running.behave = behave
        yield running


def cached(torch_home: Path, name: str) -> Path:
    """Where torch looks for a file."""
    return torch_home / "hub" / "checkpoints" / FILES[name].file_name


def test_a_file_is_fetched_verified_and_its_path_printed(
    small_zoo: Run, server: FaultyServer, torch_home: Path
) -> None:
    """The right bytes lie where torch looks; stdout holds the path alone."""
    outcome = small_zoo("download", "squeezenet1_1", "--mirror", server.base)
    assert outcome.exit_code == 0, outcome.err
    target = cached(torch_home, "squeezenet1_1")
    assert outcome.out == f"{target}\n"
    assert target.read_bytes() == DATA["squeezenet1_1"]
    assert outcome.err == f"{target.name}: fetched 200 kB, verified\n"


def test_what_is_there_is_not_fetched_again(small_zoo: Run, server: FaultyServer) -> None:
    """The second run asks the server nothing."""
    small_zoo("download", "squeezenet1_1", "--mirror", server.base)
    requests = len(server.requests)
    outcome = small_zoo("download", "squeezenet1_1", "--mirror", server.base)
    assert outcome.exit_code == 0
    assert outcome.err.endswith("in the cache\n")
    assert len(server.requests) == requests


def test_a_family_is_fetched_whole_and_described_as_json(
    small_zoo: Run, server: FaultyServer, torch_home: Path
) -> None:
    """One object for each file, with the digest of what was written."""
    rows = small_zoo(
        "download", "--all-of", "squeezenet", "--mirror", server.base, "--json", "-q"
    ).json
    assert [row["name"] for row in rows] == ["squeezenet1_0", "squeezenet1_1"]
    for row in rows:
        assert row["path"] == str(cached(torch_home, row["name"]))
        assert row["sha256"] == hashlib.sha256(DATA[row["name"]]).hexdigest()
        assert row["size_bytes"] == len(DATA[row["name"]])
        assert row["was_cached"] is False
        assert row["source_url"].startswith(server.base)


def test_a_dry_run_fetches_nothing_and_says_what_it_would(
    small_zoo: Run, server: FaultyServer, torch_home: Path
) -> None:
    """One row for each file; the total counts what is missing."""
    small_zoo("download", "squeezenet1_0", "--mirror", server.base)
    requests = len(server.requests)
    outcome = small_zoo("download", "squeezenet*", "--dry-run", "--mirror", server.base)
    assert [line.split()[0] for line in outcome.out.splitlines()[1:]] == [
        "squeezenet1_0",
        "squeezenet1_1",
    ]
    assert outcome.err == "1 of 2 files to fetch, 200 kB\n"
    assert len(server.requests) == requests
    assert not cached(torch_home, "squeezenet1_1").exists()
    rows = small_zoo("download", "squeezenet*", "--dry-run", "--json").json
    assert [row["is_cached"] for row in rows] == [True, False]


def test_wrong_bytes_are_an_error_and_nothing_is_kept_under_the_name(
    small_zoo: Run, server: FaultyServer, torch_home: Path
) -> None:
    """A mirror that lies is not believed."""
    server.behave = lambda exchange: exchange.serve(bytes(len(DATA["squeezenet1_1"])))
    outcome = small_zoo("download", "squeezenet1_1", "--mirror", server.base)
    assert outcome.exit_code == 1
    assert outcome.out == ""
    assert "error: cannot fetch" in outcome.err
    assert "Traceback" not in outcome.err
    assert not cached(torch_home, "squeezenet1_1").exists()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        ((), 2, "name a model"),
        (("squezenet1_1",), 1, "did you mean squeezenet1_1"),
        (("squeezenet1_1:v9",), 1, "did you mean imagenet1k_v1"),
        (("--all-of", "squezenet"), 1, "did you mean squeezenet"),
        (("nothing*",), 1, "no model is called 'nothing*'"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_fetched(
    small_zoo: Run, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    """Unknown names, tags, families and patterns."""
    outcome = small_zoo("download", *arguments)
    assert (outcome.exit_code, outcome.out) == (exit_code, "")
    assert words in outcome.err


def test_a_terminal_sees_a_bar_with_size_and_rate(
    registry_text: str, zoo_with: Callable[[str], Run], server: FaultyServer, tmp_path: Path
) -> None:
    """The name, a bar, how much and how fast; the path at the end."""
    zoo_with(registry_text)
    command = [sys.executable, "-m", "zoo", "download", "squeezenet1_1", "--mirror", server.base]
    shown = show(command, columns=160, folder=tmp_path / "checkout")
    assert shown.exit_code == 0
    assert FILES["squeezenet1_1"].file_name in shown.text
    assert "200.0/200.0 kB" in shown.text
    assert "━" in shown.text


def test_an_interrupt_ends_with_130_and_one_line_of_advice(
    registry_text: str, zoo_with: Callable[[str], Run], server: FaultyServer, tmp_path: Path
) -> None:
    """Ctrl-C while the server keeps the rest back."""
    zoo_with(registry_text)
    asked = threading.Event()

    def stall(exchange: Exchange) -> None:
        asked.set()
        exchange.serve(DATA["squeezenet1_1"], cut_at=70_000, end="stall")

    server.behave = stall
    command = [sys.executable, "-m", "zoo", "download", "squeezenet1_1", "--mirror", server.base]
    checkout = tmp_path / "checkout"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=checkout
    ) as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "run the same command to go on" in err
    assert "Traceback" not in err


def test_real_weights_of_another_publisher_are_refused(
    shared_data: Path, server: FaultyServer, fresh_zoo: Run, torch_home: Path
) -> None:
    """Good weights of SqueezeNet 1.1 that are not torchvision's are not what the registry says."""
    data = (shared_data / "weights" / "squeezenet1_1.pth").read_bytes()
    server.behave = lambda exchange: exchange.serve(data)
    outcome = fresh_zoo("download", "squeezenet1_1", "--mirror", server.base)
    assert outcome.exit_code == 1
    assert f"it offers {len(data)}" in outcome.err
    assert not (torch_home / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth").exists()
