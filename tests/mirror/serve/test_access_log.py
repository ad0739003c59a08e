"""One line for each request, and who is believed about where it came from (issue 20)."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tests.mirror.conftest import MAIN, fill
from tests.support.mirror_server import RunningMirror, ask, send, serving
from zoo.errors import UsageError
from zoo.mirror import layout
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.serve.access_log import OneLine
from zoo.mirror.serve.peers import parse_networks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"logged").digest(20_000_000)
FORWARDED = {
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "mirror.example.org",
    "X-Forwarded-Prefix": "/zoo/",
    "X-Request-Id": "from-the-front",
}


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror of one file, and of one model that is longer than a page."""
    store = fill(places.new(), {"/models/net.pth": DATA})
    paths = [layout.huggingface_path("o/m", MAIN, f"f{number:04}") for number in range(1100)]
    files = [StoredFile(path, "x", 1, "a" * 64, "2026-01-01T00:00:00Z") for path in paths]
    store.enter(Item("huggingface", "o/m", tuple(files), MAIN, ("main",)))
    return store


@pytest.fixture
def mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it, logging JSON, behind a proxy on loopback."""
    with serving(filled, "--access-log", "json", "--trusted-proxy", "127.0.0.1") as running:
        yield running


def _entries(mirror: RunningMirror) -> list[dict[str, Any]]:
    """Read the requests; every line of the log must be JSON, whatever it is about."""
    lines = [json.loads(line) for line in mirror.log.splitlines()]
    return [line for line in lines if "request_id" in line]


def _wait_for_entry(mirror: RunningMirror, number: int) -> dict[str, Any]:
    """Wait until a request has ended; the server notices a lost client on its own time."""
    patience = threading.Event()
    for _ in range(200):
        if len(_entries(mirror)) > number:
            break
        patience.wait(0.05)
    return _entries(mirror)[number]


def test_line_says_who_what_and_how_much(filled: Store) -> None:
    """Text: client, method, path, status, bytes, time, agent, request id."""
    with serving(filled) as mirror:
        answer = ask(mirror, "/models/net.pth", headers={"User-Agent": "a client/1.0"})
        assert ask(mirror, "/nothing/here/at/all").status == 404
        assert ask(mirror, "/x", method="DELETE").status == 405
    lines = mirror.log.splitlines()
    request_id = answer.headers["x-request-id"]
    start = f" 127.0.0.1 GET /models/net.pth 200 {len(DATA)} B "
    assert start in lines[0]
    assert lines[0].endswith(f" ms a client/1.0 {request_id}")
    assert lines[1].endswith("because nothing of the kind is served here")
    assert lines[2].endswith("refused: a mirror is read-only")


def test_json_lines_hold_the_same(mirror: RunningMirror) -> None:
    """One object a line, with what a proxy in front says of the client."""
    answer = ask(mirror, "/models/net.pth", method="HEAD", headers=FORWARDED)
    assert send(mirror, b"CONNECT bank.example.org:443 HTTP/1.1\r\n\r\n").startswith(
        b"HTTP/1.1 403"
    )
    assert '"level": "warning", "message": "127.0.0.1 CONNECT 403 refused' in mirror.log
    (entry,) = _entries(mirror)
    assert answer.headers["x-request-id"] == entry["request_id"] == "from-the-front"
    assert (entry["client"], entry["status"], entry["sent_bytes"]) == ("198.51.100.7", 200, 0)


def test_links_lead_to_the_address_that_the_client_knows(
    mirror: RunningMirror, filled: Store
) -> None:
    """``X-Forwarded-Proto``, ``-Host``, ``-Prefix`` count from a trusted proxy and nowhere else."""
    target = "/api/models/o/m/tree/main"
    link = ask(mirror, target, headers=FORWARDED).headers["link"]
    assert link.startswith("<https://mirror.example.org/zoo/api/models/o/m/tree/")
    forged = {**FORWARDED, "X-Forwarded-Host": "evil/../x", "X-Forwarded-Proto": "javascript"}
    assert ask(mirror, target, headers=forged).headers["link"].startswith("<http://mirror/zoo/")
    with serving(filled, "--access-log", "json") as untrusting:
        assert ask(untrusting, "/models/net.pth", method="HEAD", headers=FORWARDED).status == 200
        (entry,) = _entries(untrusting)
        assert ask(untrusting, target, headers=FORWARDED).headers["link"].startswith("<http://mir")
    assert entry["client"] == "127.0.0.1"
    assert entry["request_id"] != "from-the-front"


def test_client_that_leaves_early_is_one_line(mirror: RunningMirror) -> None:
    """No traceback, and how much it got."""
    with socket.create_connection(mirror.address, timeout=60) as connection:
        connection.sendall(b"GET /models/net.pth HTTP/1.1\r\nHost: x\r\n\r\n")
        received = 0
        while received < 500_000:
            received += len(connection.recv(1 << 16))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    entry = _wait_for_entry(mirror, 0)
    assert entry["ending"] == "client left"
    assert 0 < entry["sent_bytes"] < len(DATA)
    assert "Traceback" not in mirror.log


def test_what_is_no_http_is_no_traceback(mirror: RunningMirror) -> None:
    """Refused, and said in one line."""
    assert b" 400 " in send(mirror, b"NONSENSE\r\n\r\n")
    assert b" 400 " in send(mirror, b"GET / HTTP/1.1\r\nA B: c\r\n\r\n")
    assert "Traceback" not in mirror.log


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    """Only what the other side of a connection has done is shortened."""
    lost = logging.LogRecord("x", 40, "f", 1, "lost\nmore", (), (OSError, OSError("gone"), None))
    assert OneLine().filter(lost)
    assert (lost.getMessage(), lost.exc_info) == ("lost (OSError: gone)", None)
    fault = logging.LogRecord("x", 40, "f", 1, "fault", (), (ValueError, ValueError("x"), None))
    assert OneLine().filter(fault)
    assert fault.exc_info is not None


def test_trusted_proxies_are_addresses_or_networks() -> None:
    """Anything else is a wrong use."""
    assert len(parse_networks(["10.0.0.0/8", "::1"])) == 2
    with pytest.raises(UsageError, match="--trusted-proxy takes an address or a network"):
        parse_networks(["example.org"])
