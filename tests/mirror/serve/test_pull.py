"""Pull-through: the real server, an upstream that breaks, many clients at once (rows 61 and 62)."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import FEATURE, MAIN, MODEL_COMMIT, TAGGED
from tests.support.mirror_places import holds
from tests.support.mirror_server import RunningMirror, ask, read_answer, serving
from zoo.mirror import upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.faulty_server import Exchange
    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"pulled").digest(2_000_000)
PATH = f"/models/net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
STORED = f"weights/download.pytorch.org{PATH}"
SECRET = "hf_secret_of_a_user"  # noqa: S105 - the test looks for it


@pytest.fixture
def mirror(store: Store, upstream: HubUpstream) -> Iterator[RunningMirror]:
    """Serve an empty mirror that pulls."""
    upstream.weights[PATH] = DATA
    with serving(store, "--pull-through") as running:
        yield running


def test_eight_clients_cost_one_download(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """All ask while the upstream has sent a beginning; it is asked once, all get right bytes."""
    go = threading.Event()

    def slowly(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(DATA))})
        exchange.body(DATA[:100_000])
        go.wait(120)
        exchange.body(DATA[100_000:])

    upstream.faults[PATH] = slowly
    connections = [socket.create_connection(mirror.address, timeout=60) for _ in range(8)]
    for connection in connections:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    first = [connection.recv(1) for connection in connections]
    assert first == [b"H"] * 8  # everybody has a first byte while the upstream still waits
    go.set()
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(_rest, connections))
    assert all(body == DATA for body in bodies)
    assert upstream.paths.count(PATH) == 1
    assert upkeep.verify(store) == []
    assert ask(mirror, PATH).body == DATA
    assert upstream.paths.count(PATH) == 1


FETCH = """
import hashlib, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=30) as answer:
    print(hashlib.sha256(answer.read()).hexdigest())
"""


def test_eight_processes_cost_one_download(mirror: RunningMirror, upstream: HubUpstream) -> None:
    """The same with processes of their own, as ranks of a job are."""
    command = [sys.executable, "-c", FETCH, mirror.base + PATH]
    with ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            for _ in range(8)
        ]
        digests = [process.communicate(timeout=60)[0].strip() for process in running]
    assert digests == [hashlib.sha256(DATA).hexdigest()] * 8
    assert upstream.paths.count(PATH) == 1


def test_what_is_not_there_is_asked_once_in_a_while(
    mirror: RunningMirror, upstream: HubUpstream
) -> None:
    """GitHub counts every question: 60 an hour without a token."""
    for _ in range(3):
        assert ask(mirror, "/no/body/zipball/main").status == 404
        assert ask(mirror, "/org/unknown/resolve/main/config.json").status == 404
    assert upstream.paths.count("/repos/no/body") == 1
    assert upstream.paths.count("/api/models/org/unknown/revision/main") == 1


def _rest(connection: socket.socket) -> bytes:
    received = b""
    with connection:
        while block := connection.recv(1 << 16):
            received += block
    return read_answer(received).body


def test_client_that_goes_away_does_not_spoil_the_file(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """The download goes on without it."""
    go, ended = threading.Event(), threading.Event()

    def slowly(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(DATA))})
        exchange.body(DATA[:100_000])
        go.wait(120)
        exchange.body(DATA[100_000:])
        ended.set()

    upstream.faults[PATH] = slowly
    with socket.create_connection(mirror.address, timeout=60) as connection:
        connection.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.recv(1) == b"H"
    go.set()
    assert ended.wait(60)
    assert ask(mirror, PATH).body == DATA  # joins the end of the download, or reads the file
    assert upstream.paths.count(PATH) == 1
    assert upkeep.verify(store) == []


FAULTS = {
    "truncated": lambda exchange: exchange.serve(DATA, cut_at=1_000_000, etag=None),
    "reset": lambda exchange: exchange.serve(DATA, cut_at=1_000_000, end="reset", etag=None),
    "lying": lambda exchange: exchange.serve(bytes([DATA[0] ^ 1]) + DATA[1:]),
    "shorter": lambda exchange: exchange.serve(DATA[:-1]),
    "a web page": lambda exchange: exchange.answer(200, b"<html>", Content_Type="text/html"),
    "packed": lambda exchange: exchange.serve(DATA, Content_Encoding="gzip"),
    "an error": lambda exchange: exchange.answer(500),
    "refusing": lambda exchange: exchange.answer(403),
    "hanging up": lambda exchange: exchange.stop(),
}


def test_nothing_false_is_kept(mirror: RunningMirror, store: Store, upstream: HubUpstream) -> None:
    """Row 61: the client gets an error or a broken body, the mirror keeps nothing and says why.

    The client can ask again. One server meets all the faults: starting it is what takes time.
    """
    for number, (fault, behave) in enumerate(FAULTS.items()):
        path = PATH.replace("net", f"net{number}")
        stored = STORED.replace("net", f"net{number}")
        upstream.weights[path] = DATA
        upstream.faults[path] = behave
        logged = len(mirror.log)
        answer = ask(mirror, path)
        assert answer.status == 503 or not answer.is_whole, fault
        assert stored not in store.index().files, fault
        assert not holds(store, stored), fault
        assert not list(store.staged("x").parent.glob("pull-*")), fault
        assert "refused: " in mirror.log[logged:], fault

        del upstream.faults[path]
        assert ask(mirror, path).body == DATA, fault
    assert upkeep.verify(store) == []


def test_break_is_healed_where_the_upstream_can_resume(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """A connection that breaks once costs the client nothing, and the upstream the rest only."""
    seen: list[str | None] = []

    def break_once(exchange: Exchange) -> None:
        seen.append(exchange.headers.get("range"))
        exchange.serve(DATA, cut_at=1_000_000 if len(seen) == 1 else None)

    upstream.faults[PATH] = break_once
    assert ask(mirror, PATH).body == DATA
    assert seen[0] is None
    assert seen[1:] == ["bytes=1000000-"]
    assert upkeep.verify(store) == []


def test_file_that_changes_in_the_middle_is_refused(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """Row 61: the rest of another version is never joined to the beginning of this one."""
    tags = iter(['"one"', '"two"', '"three"', '"four"', '"five"'])

    def change(exchange: Exchange) -> None:
        exchange.serve(DATA, etag=next(tags), cut_at=1_000_000, end="reset")

    upstream.faults[PATH] = change
    answer = ask(mirror, PATH)
    assert not answer.is_whole
    assert len(answer.body) < len(DATA)
    assert store.index().items == ()


def test_dead_upstream_is_an_error_to_retry_and_what_is_here_is_served(
    mirror: RunningMirror, upstream: HubUpstream
) -> None:
    """Row 61: 503 for what is missing; models and repositories that were seen before still work."""
    assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
    assert ask(mirror, "/someone/nets/zipball/main").status == 200
    upstream.is_dead = True
    answer = ask(mirror, PATH)
    assert (answer.status, answer.headers.get("retry-after")) == (503, "10"), mirror.log
    assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
    assert ask(mirror, "/someone/nets/zipball/main").status == 200


def test_model_is_pulled_file_by_file(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """HEAD is answered as the upstream did, GET brings the file; the list is the upstream's."""
    head = ask(mirror, "/org/tiny/resolve/main/model.safetensors", method="HEAD")
    assert (head.status, head.headers["content-length"], head.headers["x-repo-commit"]) == (
        200,
        "300000",
        MODEL_COMMIT,
    )
    listed = json.loads(
        ask(mirror, f"/api/models/org/tiny/tree/{MODEL_COMMIT}?recursive=true").body
    )
    assert len([entry for entry in listed if entry["type"] == "file"]) == 5
    body = ask(mirror, "/org/tiny/resolve/main/model.safetensors").body
    assert body == upstream.models["org/tiny"].commits[MODEL_COMMIT]["model.safetensors"]
    assert [file.rpartition("/")[2] for file in store.index().files] == ["model.safetensors"]
    missing = ask(mirror, "/org/tiny/resolve/main/nothing")
    assert (missing.status, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    unknown = ask(mirror, "/org/unknown/resolve/main/config.json")
    assert (unknown.status, unknown.headers["x-error-code"]) == (404, "RepoNotFound")


def test_model_that_was_pulled_by_commit_is_found_by_branch_later(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """What the branch meant is kept with the files that clients ask for by its commit."""
    assert ask(mirror, "/api/models/org/tiny/revision/main").status == 200
    assert ask(mirror, f"/org/tiny/resolve/{MODEL_COMMIT}/config.json").status == 200
    upstream.is_dead = True
    with serving(store, "--pull-through") as later:
        assert ask(later, "/org/tiny/resolve/main/config.json").status == 200
    with serving(store) as static:
        assert ask(static, "/org/tiny/resolve/main/config.json").status == 200
    (item,) = store.index().items
    assert item.is_partial
    upstream.is_dead = False
    with Sync(store) as sync:
        assert sync.run(sync.resolve(ecosystems.parse("hf:org/tiny"))).failures == []
    (item,) = store.index().items
    assert (item.is_partial, len(item.files)) == (False, 5)


def test_repository_is_pulled_by_ref(mirror: RunningMirror, store: Store) -> None:
    """Refs come from the upstream, archives by commit."""
    assert ask(mirror, "/someone/nets/tree/main/").status == 200
    assert ask(mirror, "/someone/nets/tree/master/").status == 404
    branches = json.loads(ask(mirror, "/repos/someone/nets/branches?per_page=100&page=1").body)
    assert {(entry["name"], entry["commit"]["sha"]) for entry in branches} == {
        ("main", MAIN),
        ("feature/x", FEATURE),
    }
    assert ask(mirror, "/someone/nets/zipball/feature/x").body[:4] == b"PK\3\4"
    assert ask(mirror, "/someone/nets/zipball/v1").status == 200
    assert {item.revision for item in store.index().items} == {FEATURE, TAGGED}
    assert ask(mirror, "/someone/nets/zipball/nothing").status == 404
    assert ask(mirror, "/no/body/zipball/main").status == 404


def test_only_the_hosts_that_the_mirror_stands_for_are_asked(
    mirror: RunningMirror, upstream: HubUpstream
) -> None:
    """A client cannot make the server fetch from wherever it likes."""
    host, port = upstream.base.removeprefix("http://").split(":")
    for target in (
        f"/weights/{host}_{port}{PATH}",
        f"/weights/{host}:{port}{PATH}",
        "/weights/169.254.169.254/latest",
    ):
        assert ask(mirror, target).status == 404
    assert upstream.requests == []


def test_tokens_of_clients_are_not_passed_on(mirror: RunningMirror, upstream: HubUpstream) -> None:
    """Row 62: not in an upstream request, not in the log."""
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET}
    assert ask(mirror, "/org/tiny/resolve/main/config.json", headers=headers).status == 200
    assert ask(mirror, PATH, headers=headers).status == 200
    assert SECRET not in mirror.log
    assert SECRET not in repr([exchange.headers for exchange in upstream.requests])
