"""What cannot be answered whole is an error for every client (issue 20).

The file is long because whatever breaks is met by every way to a mirror: plain, proxy, TLS.
"""

from __future__ import annotations

import hashlib
import http.client
import signal
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.mirror.conftest import fill, make_store, play_everything
from tests.mirror.syncing import WEIGHTS_URL, run_weights
from tests.support import downloaders
from tests.support.downloaders import Target
from tests.support.hub_upstream import HubUpstream
from tests.support.mirror_places import lose
from tests.support.mirror_server import (
    Answer,
    RunningMirror,
    ask,
    read_answer,
    send,
    serving,
)
from zoo.mirror import upkeep
from zoo.mirror.serve import ca

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"broken").digest(2_000_000)
PATH = f"/models/net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
SMALL = hashlib.shake_256(b"small").digest(50_000)
SMALL_PATH = f"/models/small-{hashlib.sha256(SMALL).hexdigest()[:8]}.pth"
LIE = bytes([DATA[0] ^ 1]) + DATA[1:]
WAYS = ("plain", "proxy", "tls")
PROGRAMS = [
    pytest.param(program, marks=pytest.mark.skipif(not is_there, reason=f"{program} is not here"))
    for program in downloaders.PROGRAMS
    for is_there in [downloaders.is_installed(program)]
]


class Served:
    """One mirror that pulls, and the three ways to reach it."""

    def __init__(
        self, store: Store, folder: Path, upstream: HubUpstream, stack: ExitStack, *options: str
    ) -> None:
        self.upstream = upstream
        self.store = store
        upstream.weights |= {PATH: DATA, SMALL_PATH: SMALL}
        own, chain = folder / "own.pem", folder / "tls.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(own)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
        options = ("--pull-through", *options)
        self.mirror = stack.enter_context(serving(store, *options))
        secure = ("--tls-cert", str(chain), "--tls-key", str(chain))
        self.tls = stack.enter_context(serving(store, *options, *secure))
        proxied = ca.certificate_path(store)
        self.targets = {
            "plain": Target(self.mirror.base + PATH, own),
            "proxy": Target(f"https://download.pytorch.org{PATH}", proxied, self.mirror.base),
            "tls": Target(self.tls.base + PATH, own),
        }


@pytest.fixture(scope="module")
def served(places: Places, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve one mirror to the tests that do not end it."""
    with HubUpstream() as upstream, ExitStack() as stack:
        play_everything(upstream)
        store = make_store(places.new(), upstream)
        yield Served(store, tmp_path_factory.mktemp("broken"), upstream, stack)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_digest_is_an_error_for_every_client(
    served: Served, tmp_path: Path, program: str, way: str
) -> None:
    """The body breaks off before its end, and each program says that it has failed."""
    served.upstream.faults[PATH] = lambda exchange: exchange.serve(LIE)
    code, said = downloaders.finish(
        downloaders.start(program, served.targets[way], tmp_path / "got")
    )
    assert code != 0, said
    assert served.store.index().items == ()


def test_stopped_server_is_an_error_for_every_client(
    store: Store, upstream: HubUpstream, tmp_path: Path
) -> None:
    """SIGTERM amid all bodies: after the grace each client sees an error; the log says both."""
    go, asked = threading.Event(), threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(DATA))})
        exchange.body(DATA[:1_000_000])
        asked.set()
        go.wait(120)

    programs = [name for name in downloaders.PROGRAMS if downloaders.is_installed(name)]
    with ExitStack() as stack:
        running = Served(store, tmp_path, upstream, stack, "--grace", "0.2")
        upstream.faults[PATH] = stall
        downloads = {
            (program, way): (
                downloaders.start(program, running.targets[way], tmp_path / f"{program}-{way}")
            )
            for program in programs
            for way in WAYS
        }
        _wait_for_begun(tmp_path, [f"{program}-{way}" for program, way in downloads])
        for mirror in (running.mirror, running.tls):
            mirror.process.send_signal(signal.SIGTERM)
        ends = {key: downloaders.finish(process) for key, process in downloads.items()}
        go.set()
        for mirror in (running.mirror, running.tls):
            assert mirror.process.wait(timeout=60) == 0
        logs = running.mirror.log + running.tls.log
    assert [(key, said) for key, (code, said) in ends.items() if code == 0] == []
    assert f"stopping: {2 * len(programs)} responses are being sent and have 0.2 s to end" in logs
    assert f"stopped: {len(programs)} responses were broken off" in logs
    assert "Traceback" not in logs


def _wait_for_begun(folder: Path, names: list[str]) -> None:
    """Wait until every client has written some bytes."""
    patience = threading.Event()
    for _ in range(600):
        if all((folder / n).exists() and (folder / n).stat().st_size for n in names):
            return
        patience.wait(0.1)
    missing = [name for name in names if not (folder / name).exists()]
    raise AssertionError(f"these have not begun: {missing}")


def test_answer_that_ends_in_time_is_not_broken_off(
    store: Store, upstream: HubUpstream, tmp_path: Path
) -> None:
    """SIGTERM lets a client that is being served have its end."""
    go, asked = threading.Event(), threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(DATA))})
        exchange.body(DATA[:1_000_000])
        asked.set()
        go.wait(120)
        exchange.body(DATA[1_000_000:])

    with ExitStack() as stack:
        running = Served(store, tmp_path, upstream, stack, "--grace", "20")
        upstream.faults[PATH] = stall
        client = downloaders.start("curl", running.targets["proxy"], tmp_path / "got")
        assert asked.wait(60)
        running.mirror.process.send_signal(signal.SIGTERM)
        go.set()
        assert downloaders.finish(client) == (0, "")
        assert running.mirror.process.wait(timeout=60) == 0
    assert (tmp_path / "got").read_bytes() == DATA


@pytest.fixture(scope="module")
def small(places: Places) -> Store:
    """Make a mirror of one small file."""
    return fill(places.new(), {SMALL_PATH: SMALL})


def test_stopping_server_closes_idle_connections_at_once(small: Store) -> None:
    """A front that keeps connections for later sees their end, and asks another server."""
    with serving(small, "--grace", "600") as mirror:
        client = http.client.HTTPConnection(*mirror.address, timeout=60)
        client.request("GET", SMALL_PATH)
        assert client.getresponse().read() == SMALL
        assert client.sock is not None  # kept for a next request
        mirror.process.send_signal(signal.SIGTERM)
        assert client.sock.recv(1) == b""
        client.close()
        assert mirror.process.wait(timeout=60) == 0


@pytest.mark.parametrize("way", ["plain", "tls"])
def test_stopping_server_answers_who_has_connected(small: Store, tmp_path: Path, way: str) -> None:
    """Clients that the system has accepted are not reset, even where they have yet to speak."""
    context = None
    options: tuple[str, ...] = ()
    if way == "tls":
        chain, authority = tmp_path / "tls.pem", trustme.CA()
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
        options = ("--tls-cert", str(chain), "--tls-key", str(chain))
        context = ssl.create_default_context()
        authority.configure_trust(context)

    path = f"/weights/download.pytorch.org{SMALL_PATH}"
    request = f"GET {path} HTTP/1.1\r\nHost: mirror\r\nConnection: close\r\n\r\n".encode()
    answers: list[Answer] = []
    is_stopping = threading.Event()

    def talk(connection: socket.socket) -> None:
        """Say what is wanted, a little later than one could."""
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="127.0.0.1")
        with connection:
            is_stopping.wait(60)
            threading.Event().wait(0.05)
            connection.sendall(request)
            received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        answers.append(read_answer(received))

    with serving(small, *options) as mirror:
        mirror.process.send_signal(signal.SIGSTOP)
        clients = [
            threading.Thread(target=talk, args=(socket.create_connection(mirror.address, 20),))
            for _ in range(20)
        ]
        for client in clients:
            client.start()
        mirror.process.send_signal(signal.SIGTERM)
        mirror.process.send_signal(signal.SIGCONT)
        is_stopping.set()
        for client in clients:
            client.join()
        assert mirror.process.wait(timeout=60) == 0
    assert [answer.body for answer in answers] == [SMALL] * 20


def test_stopping_server_waits_for_nobody_who_says_nothing(small: Store, tmp_path: Path) -> None:
    """A second signal ends the wait, also for a client of TLS that never shakes hands."""
    chain = tmp_path / "tls.pem"
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(chain)
    with serving(small, "--tls-cert", str(chain), "--tls-key", str(chain)) as mirror:
        mirror.process.send_signal(signal.SIGSTOP)
        with socket.create_connection(mirror.address, 20):
            mirror.process.send_signal(signal.SIGTERM)
            mirror.process.send_signal(signal.SIGCONT)
            mirror.process.send_signal(signal.SIGINT)
            assert mirror.process.wait(timeout=20) == 0


def test_file_that_shrinks_over_tls_is_an_error(folder_store: Store, upstream: HubUpstream) -> None:
    """A client over TLS does not take for whole a file that the mirror cannot read to its end.

    Files shrink while they are sent; an object of a bucket is sent as it was when it was asked for.
    """
    large = hashlib.shake_256(b"large").digest(16 << 20)
    upstream.weights["/models/large.pth"] = large
    run_weights(folder_store, WEIGHTS_URL.format("large.pth"))
    (path,) = folder_store.index().files
    place = folder_store.root / path
    context = ssl.create_default_context(cafile=str(ca.certificate_path(folder_store)))
    with serving(folder_store) as mirror:
        client = http.client.HTTPSConnection(*mirror.address, context=context, timeout=60)
        client.set_tunnel("download.pytorch.org", 443)
        client.request("GET", "/models/large.pth")
        answer = client.getresponse()
        assert answer.read(1000) == large[:1000]
        with place.open("r+b") as stream:
            stream.truncate(1000)
        with pytest.raises(ssl.SSLError):
            _read_to_the_end(answer)
        client.close()


def _read_to_the_end(answer: http.client.HTTPResponse) -> None:
    while answer.read(1 << 20):
        pass


def test_http_1_0_client_waits_until_the_file_is_right(served: Served) -> None:
    """It knows no chunks: it gets the whole with its length, or 503."""
    request = f"GET {SMALL_PATH} HTTP/1.0\r\nHost: x\r\n\r\n".encode()
    served.upstream.faults[SMALL_PATH] = lambda exchange: exchange.serve(SMALL[:-1] + b"x")
    refused = read_answer(send(served.mirror, request))
    assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    del served.upstream.faults[SMALL_PATH]
    answer = read_answer(send(served.mirror, request))
    assert (answer.status, answer.body) == (200, SMALL)
    assert answer.headers["content-length"] == str(len(SMALL))


# -- a full disk


def test_full_disk_ends_one_request_and_not_the_service(
    store: Store, upstream: HubUpstream
) -> None:
    """The failed file is closed and gone at once; the same server then pulls what fits."""
    upstream.weights |= {PATH: DATA, SMALL_PATH: SMALL}
    with serving(store, "--pull-through", limit_bytes=1_000_000) as mirror:
        for _ in range(3):
            assert not ask(mirror, PATH).is_whole
        assert [name for name in mirror.open_files if "pull-" in name] == []
        assert list(store.staged("x").parent.iterdir()) == []
        assert ask(mirror, SMALL_PATH).body == SMALL
        assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
        assert "Traceback" not in mirror.log, mirror.log
    assert upkeep.verify(store) == []


def test_file_that_does_not_fit_is_refused_before_it_is_fetched(
    served: Served, upstream: HubUpstream
) -> None:
    """Free space is looked at first; the answer says why and when to come again."""
    huge = "/models/huge.pth"
    served.upstream.faults[huge] = lambda exchange: exchange.head(
        200, {"Content-Length": str(1 << 59)}
    )
    answer = ask(served.mirror, huge)
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    assert b"the mirror's disk is full" in answer.body


# -- what is not here need not be missing upstream


@pytest.fixture
def mirror(store: Store, upstream: HubUpstream) -> Iterator[RunningMirror]:
    """Serve a mirror that pulls and holds one file of a model and one branch of a repository."""
    with serving(store, "--pull-through") as running:
        assert ask(running, "/org/tiny/resolve/main/config.json").status == 200
        assert ask(running, "/someone/nets/zipball/main").status == 200
        yield running


MODEL = "/org/tiny/resolve/main"
UNREACHED = {
    "a file of a model of which a part is here": f"{MODEL}/model.safetensors",
    "a file that may not exist": f"{MODEL}/nothing.bin",
    "a model's list": "/api/models/org/tiny/revision/main",
    "a model's tree": "/api/models/org/tiny/tree/main?recursive=true",
    "another model": "/org/unknown/resolve/main/config.json",
    "another ref": "/someone/nets/zipball/v1",
    "another repository": "/no/body/zipball/main",
    "a branch of another repository": "/no/body/tree/main/",
    "refs of another repository": "/repos/no/body/branches?page=1",
    "facts of another repository": "/repos/no/body",
    "weights": PATH,
}


def test_dead_upstream_does_not_make_anything_absent(
    mirror: RunningMirror, store: Store, upstream: HubUpstream
) -> None:
    """Whatever is asked: 503, or 504 if that took long, with the reason, never 404.

    The answer says when to come again, and has no header that clients keep.
    """
    upstream.is_dead = True
    with serving(store, "--pull-through") as running:
        with ThreadPoolExecutor(len(UNREACHED)) as pool:
            asked = pool.map(lambda path: ask(running, path), UNREACHED.values())
        answers = dict(zip(UNREACHED, asked, strict=True))
        assert ask(running, f"{MODEL}/config.json").status == 200
    statuses = {name: answer.status for name, answer in answers.items()}
    assert set(statuses.values()) <= {503, 504}, statuses
    assert all("retry-after" in answer.headers for answer in answers.values())
    assert not any("x-error-code" in answer.headers for answer in answers.values())
    reasons = (b"127.0.0.1", b"pytorch", b"the upstream")
    assert all(any(word in answer.body for word in reasons) for answer in answers.values())


def test_part_of_a_model_is_never_the_whole(mirror: RunningMirror, store: Store) -> None:
    """A mirror that does not pull says 503 for what may be missing only here."""
    with serving(store) as static:
        assert ask(static, f"{MODEL}/config.json").status == 200
        for path in ("model.safetensors", "nothing.bin"):
            assert ask(static, f"{MODEL}/{path}").status == 503
        assert ask(static, "/api/models/org/tiny/revision/main").status == 503
        assert ask(static, "/api/models/org/tiny/tree/main").status == 503


def test_lost_file_is_not_absent(places: Places) -> None:
    """What the list names and the store has lost is 503; what a whole list does not name is 404."""
    store = fill(places.new(), {PATH: DATA}, "hf:org/tiny", "someone/nets")
    with serving(store) as mirror:
        for path in store.index().files:
            if path.endswith(("config.json", ".pth", ".zip")):
                lose(store, path)
        for path in (f"{MODEL}/config.json", PATH, "/someone/nets/zipball/main"):
            answer = ask(mirror, path)
            assert (answer.status, answer.headers["retry-after"]) == (503, "10"), path
        missing = ask(mirror, f"{MODEL}/nothing.bin")
        assert (missing.status, missing.headers["x-error-code"]) == (404, "EntryNotFound")


def test_upstream_that_says_no_is_believed(mirror: RunningMirror, upstream: HubUpstream) -> None:
    """Absent, gated and limited are three things, each in the client's own words."""
    missing = ask(mirror, f"{MODEL}/nothing.bin")
    assert (missing.status, missing.headers["x-error-code"]) == (404, "EntryNotFound")
    assert ask(mirror, "/models/none.pth").status == 404
    gated = "/api/models/org/gated/revision/main"
    upstream.faults[gated] = lambda exchange: exchange.answer(403)
    answer = ask(mirror, "/org/gated/resolve/main/config.json")
    assert (answer.status, answer.headers["x-error-code"]) == (403, "GatedRepo")
    upstream.faults["/repos/busy/body"] = lambda exchange: exchange.answer(
        403, X_RateLimit_Remaining="0", Retry_After="77"
    )
    limited = ask(mirror, "/busy/body/zipball/main")
    assert (limited.status, limited.headers["retry-after"]) == (503, "77")
