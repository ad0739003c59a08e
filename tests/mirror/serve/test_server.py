"""The real server and everything a client may send it (section E of the fault catalogue).

The file is long because one running server, which is slow to start, answers all of its tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MAIN, MODEL_COMMIT, TAGGED, fill
from tests.mirror.syncing import run_weights, weights
from tests.support.hub_upstream import git_oid
from tests.support.mirror_places import lose, overwrite
from tests.support.mirror_server import RunningMirror, ask, send, serving
from zoo.mirror import hub_documents, layout, requests
from zoo.mirror.index import Item, StoredFile
from zoo.mirror.responses import AnyResponse, Response
from zoo.mirror.serve import routes
from zoo.mirror.serve.ca import CertificateAuthority
from zoo.mirror.serve.proxy import Gate
from zoo.mirror.serve.server import App
from zoo.mirror.site import Site

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"weights").digest(3_000_000)
NAME = f"net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
STATIC = f"/weights/download.pytorch.org/models/{NAME}"
SMALL = DATA[:1000]
SPOILT = {"cut.pth": SMALL[:-1], "longer.pth": SMALL + b"x", "empty.pth": b"", "lost.pth": None}
SECRET = "hf_secret_of_a_user"  # noqa: S105 - the test looks for it in the log


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make one mirror for all tests of this module, with something beside what its index names."""
    wanted = ("someone/nets", "someone/nets:v1", "hf:org/tiny")
    files = {f"/models/{name}": SMALL for name in SPOILT}
    store = fill(places.new(), {f"/models/{NAME}": DATA, **files}, *wanted)
    overwrite(store, "hidden.bin", b"not in the index")
    overwrite(store, ".private/incoming/x.zoo-partial", b"partial")
    if store.is_local:
        (store.root.parent / "outside.txt").write_text("secret")
    return store


@pytest.fixture(scope="module")
def mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it."""
    with serving(filled) as running:
        yield running


# -- paths
# --------------------------------------------------------------------------------------------------

TRICKS = [
    "/../outside.txt",
    "/weights/../../outside.txt",
    "/weights/%2e%2e/%2e%2e/outside.txt",
    "/weights/%252e%252e/outside.txt",
    "/weights/..%2f..%2foutside.txt",
    "/weights/..\\..\\outside.txt",
    "/weights/%5c..%5coutside.txt",
    "//etc/passwd",
    "/weights//etc/passwd",
    "/%2fetc%2fpasswd",
    "/weights/x%00.pth",
    "/weights/%c0%ae%c0%ae/outside.txt",
    "/weights/%ff",
    "/models/../mirror.json",
    "/models/%2e%2e%2fmirror.json",
    "/models/..%5cmirror.json",
    "/repos/../someone/branches",
    "/repos/someone%2f..%2fx/nets/branches",
    "/someone/nets/zipball/..%2f..%2fx",
    "/someone/nets/zipball/%2e%2e",
    "/someone/nets/zipball/-x",
    "/someone/nets/zipball/a%25b",
    "/someone/nets/zipball/a%0ab",
    "/org/tiny/resolve/main/../../../mirror.json",
    "/org/tiny/resolve/main/%2e%2e/config.json",
    "/org/tiny/resolve/..%2f..%2fx/config.json",
    "/api/models/..%2f../revision/main",
    "/api/models/org/..",
    "/mirror.json",
    "/hidden.bin",
    "/.private/ca.key",
    "/%2eprivate/ca.key",
    "/.private/incoming/x.zoo-partial",
    "*",
    "/" + "a/" * 3000,
]


@pytest.mark.parametrize("target", TRICKS)
def test_path_that_leads_elsewhere_is_not_served(mirror: RunningMirror, target: str) -> None:
    """Rows 54 and 55: in the layout and in every dialect's names, hidden and partial files too."""
    answer = ask(mirror, target)
    assert answer.status in (400, 404)
    assert b"secret" not in answer.body
    assert b"PRIVATE KEY" not in answer.body


def test_link_out_of_the_mirror_is_not_followed(folder_store: Store, upstream: HubUpstream) -> None:
    """Row 55: even under a name of the index and with the right length; a bucket has no links."""
    run_weights(folder_store, weights(upstream, DATA))
    (path,) = folder_store.index().files
    place = folder_store.root / path
    outside = folder_store.root.parent / "outside.bin"
    place.rename(outside)
    place.symlink_to(outside)
    with serving(folder_store) as mirror:
        assert ask(mirror, f"/{path}").status == 404
        place.unlink()
        outside.rename(place)
        assert ask(mirror, f"/{path}").body == DATA


@pytest.mark.parametrize("spoilt", SPOILT)
def test_file_of_another_length_is_not_served(
    mirror: RunningMirror, filled: Store, spoilt: str
) -> None:
    """A file that was changed or lost behind the mirror's back is missing, not short."""
    path = f"weights/download.pytorch.org/models/{spoilt}"
    assert ask(mirror, f"/{path}").body == SMALL
    data = SPOILT[spoilt]
    if data is None:
        lose(filled, path)
    else:
        overwrite(filled, path, data)

    # A bucket is asked when the file is; the first answer learns it, the others know it.
    for _ in range(2):
        answer = ask(mirror, f"/{path}")
        assert (answer.status in (404, 503), answer.is_whole) == (True, True)
        assert ask(mirror, f"/models/{spoilt}").status == 503


@pytest.mark.parametrize(
    "method", ["PUT", "POST", "DELETE", "MKCOL", "PATCH", "OPTIONS", "TRACE", "PROPFIND"]
)
@pytest.mark.parametrize(
    "target", [STATIC, "/new.bin", "/index.json", "/org/tiny/resolve/main/config.json"]
)
def test_nothing_can_be_written(
    mirror: RunningMirror, filled: Store, method: str, target: str
) -> None:
    """Row 60: 405 on anything, and the mirror stays as it is."""
    before = set(filled.objects.listed())
    answer = ask(mirror, target, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert set(filled.objects.listed()) == before


# -- bodies
# --------------------------------------------------------------------------------------------------


def test_file_comes_whole_with_its_digest_as_validator(mirror: RunningMirror) -> None:
    """The same file by its layout path and in torchvision's dialect."""
    for target in (STATIC, f"/models/{NAME}"):
        answer = ask(mirror, target)
        assert (answer.status, answer.body == DATA) == (200, True)
        assert answer.headers["content-length"] == str(len(DATA))
        assert answer.headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
        assert answer.headers["accept-ranges"] == "bytes"
        head = ask(mirror, target, method="HEAD", headers={"Range": "bytes=0-9"})
        assert (head.status, head.body, head.headers["content-length"]) == (
            200,
            b"",
            str(len(DATA)),
        )


def test_ranges_on_the_wire(mirror: RunningMirror) -> None:
    """Row 56: one part, the whole, or 416."""
    part = ask(mirror, STATIC, headers={"Range": "bytes=1000-1999"})
    assert (part.status, part.body) == (206, DATA[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{len(DATA)}"
    past = ask(mirror, STATIC, headers={"Range": f"bytes={len(DATA)}-"})
    assert (past.status, past.body, past.headers["content-range"]) == (
        416,
        b"",
        f"bytes */{len(DATA)}",
    )
    many = ask(mirror, STATIC, headers={"Range": "bytes=" + ",".join(["0-"] * 1000)})
    assert (many.status, len(many.body)) == (200, len(DATA))
    changed = ask(mirror, STATIC, headers={"Range": "bytes=5-", "If-Range": '"other"'})
    assert (changed.status, len(changed.body)) == (200, len(DATA))
    known = ask(mirror, STATIC, headers={"If-None-Match": part.headers["etag"]})
    assert (known.status, known.body, known.headers["etag"]) == (304, b"", part.headers["etag"])
    other = ask(mirror, STATIC, headers={"If-Match": '"other"'})
    assert (other.status, other.body) == (412, b"")


def test_index_and_certificate_are_public(mirror: RunningMirror) -> None:
    """Anybody may see what is here and learn the proxy's authority; never its key."""
    content = json.loads(ask(mirror, "/index.json").body)
    assert {item["kind"] for item in content["items"]} == {"weights", "repository", "huggingface"}
    assert ask(mirror, f"/{layout.CERTIFICATE}").body.startswith(b"-----BEGIN CERTIFICATE-----")


# -- torch.hub's dialect
# --------------------------------------------------------------------------------------------------


def test_hub_dialect(mirror: RunningMirror) -> None:
    """Branch page, branches, tags, archives by every kind of ref."""
    assert ask(mirror, "/someone/nets/tree/main/").status == 200
    assert ask(mirror, "/someone/nets/tree/master/").status == 404
    listed = json.loads(ask(mirror, "/repos/someone/nets/branches?per_page=100&page=1").body)
    assert listed == [{"name": "main", "commit": {"sha": MAIN}}]
    assert json.loads(ask(mirror, "/repos/someone/nets/branches?per_page=100&page=2").body) == []
    assert json.loads(ask(mirror, "/repos/someone/nets/tags?page=1").body) == [
        {"name": "v1", "commit": {"sha": TAGGED}}
    ]
    assert json.loads(ask(mirror, "/repos/no/body/branches?page=1").body) == []
    for ref, commit in {
        "main": MAIN,
        "refs/heads/main": MAIN,
        "v1": TAGGED,
        "2222222": TAGGED,
        "HEAD": MAIN,
    }.items():
        answer = ask(mirror, f"/someone/nets/zipball/{ref}")
        assert (answer.status, answer.body[:4], commit.encode() in answer.body) == (
            200,
            b"PK\3\4",
            True,
        ), ref
    assert ask(mirror, "/someone/nets/zipball/nothing").status == 404


# -- Hugging Face's dialect
# --------------------------------------------------------------------------------------------------


def test_huggingface_dialect(mirror: RunningMirror) -> None:
    """Headers that every client needs, and none that lead to Xet."""
    facts = json.loads(ask(mirror, "/api/models/org/tiny/revision/main").body)
    assert (facts["sha"], facts["downloads"]) == (MODEL_COMMIT, 0)
    assert {"rfilename": "sub folder/notes.txt"} in facts["siblings"]
    tree = json.loads(
        ask(mirror, f"/api/models/org/tiny/tree/{MODEL_COMMIT}?recursive=true&expand=false").body
    )
    by_path = {entry["path"]: entry for entry in tree}
    assert by_path["sub folder"]["type"] == "directory"
    assert by_path["model.safetensors"]["lfs"]["size"] == 300_000
    assert by_path["config.json"]["oid"] == git_oid(b'{"architecture": "tiny"}\n')
    assert not any("xetHash" in entry for entry in tree)
    large = ask(mirror, "/org/tiny/resolve/main/model.safetensors", method="HEAD")
    assert (large.status, large.headers["x-repo-commit"]) == (200, MODEL_COMMIT)
    assert (
        large.headers["etag"]
        == large.headers["x-linked-etag"]
        == f'"{by_path["model.safetensors"]["lfs"]["oid"]}"'
    )
    assert large.headers["x-linked-size"] == "300000"
    assert not [name for name in large.headers if "xet" in name]
    small = ask(mirror, "/org/tiny/resolve/main/sub%20folder/notes.txt")
    assert (small.body, small.headers["etag"]) == (
        b"a name with a space\n",
        f'"{git_oid(small.body)}"',
    )


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("/org/tiny/resolve/main/nothing.bin", "EntryNotFound"),
        ("/org/tiny/resolve/v9/config.json", "RevisionNotFound"),
        ("/org/other/resolve/main/config.json", "RepoNotFound"),
        ("/api/models/org/other/revision/main", "RepoNotFound"),
        ("/api/models/org/tiny/revision/v9", "RevisionNotFound"),
    ],
)
def test_huggingface_error_codes(mirror: RunningMirror, target: str, code: str) -> None:
    """Without them clients advise to check the connection."""
    answer = ask(mirror, target)
    assert (answer.status, answer.headers["x-error-code"]) == (404, code)


def test_long_file_lists_come_in_pages(store: Store) -> None:
    """1,100 files are two pages with a link between them; the link keeps what was asked."""
    fetched_at = "2026-01-01T00:00:00Z"
    places = [layout.huggingface_path("o/m", MAIN, f"f{number:04}") for number in range(1100)]
    files = tuple(StoredFile(place, "x", 1, "a" * 64, fetched_at) for place in places)
    store.enter(Item("huggingface", "o/m", files, MAIN, ("main",)))
    asked = requests.parse("/api/models/o/m/tree/main?recursive=true", base="http://mirror")
    first = _answered(store, asked)
    assert len(json.loads(first.body)) == hub_documents.TREE_PAGE
    address = f"http://mirror/api/models/o/m/tree/{MAIN}?recursive=true&expand=false&cursor=1000"
    assert first.headers["Link"] == f'<{address}>; rel="next"'
    second = _answered(store, requests.parse(address.removeprefix("http://mirror")))
    assert [entry["path"] for entry in json.loads(second.body)][-1] == "f1099"
    assert "Link" not in second.headers


def _answered(store: Store, request: requests.Request) -> Response:
    handler = routes.find(request)
    assert handler is not None
    answer = asyncio.run(_await(handler(Site(store))))
    assert isinstance(answer, Response)
    return answer


async def _await(answer: Awaitable[AnyResponse]) -> AnyResponse:
    return await answer


# -- connections
# --------------------------------------------------------------------------------------------------

NASTY = {
    "a header of 64 kB": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * (64 << 10) + b"\r\n\r\n",
    "10,000 headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    "a method of 1 MB": b"G" * (1 << 20) + b" / HTTP/1.1\r\n\r\n",
    "a header that does not end": b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20),
    "a body on GET": b"GET /index.json HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    "a CONNECT that does not end": b"CONNECT " + b"a" * (1 << 20),
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
}


@pytest.mark.parametrize("kind", NASTY)
def test_nasty_requests_are_refused_and_the_connection_closed(
    mirror: RunningMirror, kind: str
) -> None:
    """Row 58: 431 or 400, or a reset while the client still sends; never a hang, never 200."""
    received = send(mirror, NASTY[kind])
    assert received == b"" or received.split(b" ", 2)[1] in (b"400", b"431"), received[:200]
    assert ask(mirror, "/index.json").status == 200


def test_idle_and_slow_clients_do_not_keep_others_waiting(mirror: RunningMirror) -> None:
    """Row 59: 1,000 idle connections and 200 that read next to nothing; memory stays bounded."""
    ask(mirror, STATIC)
    before = mirror.memory_bytes
    with ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(socket.create_connection(mirror.address))
        for _ in range(200):
            slow = stack.enter_context(socket.socket())
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(mirror.address)
            slow.sendall(f"GET {STATIC} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert slow.recv(1)
        assert ask(mirror, STATIC).body == DATA
        grown = mirror.memory_bytes - before
    assert grown < 100 << 20, f"{grown / 1e6:.0f} MB for 1,200 connections of a 3 MB file"


def test_tokens_are_never_logged(mirror: RunningMirror) -> None:
    """Row 62: neither headers nor queries reach the log."""
    headers = {"Authorization": f"Bearer {SECRET}", "Cookie": SECRET}
    ask(mirror, f"/org/tiny/resolve/main/config.json?token={SECRET}", headers=headers)
    ask(mirror, f"/weights/%2e%2e/x?token={SECRET}", headers=headers)
    assert "/org/tiny/resolve/main/config.json" in mirror.log
    assert SECRET not in mirror.log


def test_terminal_escapes_do_not_reach_the_log(mirror: RunningMirror) -> None:
    """Row 45's rule holds for logs too."""
    send(mirror, b"GET /\x1b[31mred HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    ask(mirror, "/%1b[31mred")
    assert "\x1b" not in mirror.log


def test_broken_file_resets_the_connection(folder_store: Store, upstream: HubUpstream) -> None:
    """A body that cannot be finished ends in a reset: torch.hub takes a plain close for its end.

    A disk can lose what it has begun to send; an object of a bucket cannot change meanwhile.
    """
    run_weights(folder_store, weights(upstream, DATA))
    (path,) = folder_store.index().files
    with serving(folder_store) as mirror, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(20)
        slow.connect(mirror.address)
        slow.sendall(f"GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert slow.recv(1)
        with (folder_store.root / path).open("r+b") as stream:
            stream.truncate(10)
        with pytest.raises(ConnectionResetError):
            _read_to_the_end(slow)


def _read_to_the_end(connection: socket.socket) -> None:
    while connection.recv(1 << 16):
        pass


def test_client_that_never_finishes_its_headers_is_let_go(store: Store) -> None:
    """Headers that drip are under one deadline in all, however often a byte arrives."""

    async def drip() -> None:
        """Send a header that does not end."""
        app, loop = App(Site(store)), asyncio.get_running_loop()
        server = await loop.create_server(Gate(app, CertificateAuthority(store)), "127.0.0.1", 0)
        client = _Client()
        transport, _ = await loop.create_connection(
            lambda: client, *server.sockets[0].getsockname()
        )
        transport.write(b"GET / HTTP/1.1\r\nX: ")
        sweeper = asyncio.ensure_future(app.close_silent_connections(interval_s=0.01, idle_s=0.1))
        while not client.is_gone.is_set():
            transport.write(b"x")
            await asyncio.sleep(0.01)  # the drip itself
        sweeper.cancel()
        server.close()

    asyncio.run(asyncio.wait_for(drip(), 20))


class _Client(asyncio.Protocol):
    """Notice the end of a connection."""

    def __init__(self) -> None:
        self.is_gone = asyncio.Event()

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell that it is over."""
        self.is_gone.set()


def test_upstream_is_not_asked_without_pull_through(mirror: RunningMirror) -> None:
    """What is missing is missing."""
    assert ask(mirror, "/models/other-0123abcd.pth").status == 404
    assert ask(mirror, "/weights/download.pytorch.org/models/other-0123abcd.pth").status == 404


def test_server_binds_to_loopback_unless_told_otherwise(mirror: RunningMirror) -> None:
    """Read-only and local by default."""
    assert mirror.base.startswith("http://127.0.0.1:")
