"""What an administrator asks of the server: page, health, metrics, tokens, patience (issue 14)."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MODEL_COMMIT, fill
from tests.support.clients import run_client, run_torch_hub
from tests.support.mirror_places import overwrite, read
from tests.support.mirror_server import RunningMirror, ask, ask_until, send, serving
from zoo.errors import MirrorError, UsageError
from zoo.mirror import layout
from zoo.mirror.serve import readers
from zoo.mirror.site import HELD_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange
    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"administered").digest(500_000)
PATH = f"/models/net-{hashlib.sha256(DATA).hexdigest()[:8]}.pth"
LIE = bytes([DATA[0] ^ 1]) + DATA[1:]
HUB = """
import json, torch
print(json.dumps(torch.hub.load("someone/nets", "answer", trust_repo=True, verbose=False)))
"""
DOWNLOAD = """
import json
from huggingface_hub import hf_hub_download
try:
    print(json.dumps(open(hf_hub_download("org/tiny", "config.json")).read()))
except Exception as error:
    print(json.dumps(str(error)))
"""
GET = """
import json, requests
print(json.dumps(requests.get("{url}").status_code))
"""


@pytest.fixture(scope="module")
def filled(places: Places) -> Store:
    """Make a mirror of weights, a repository and a model."""
    return fill(places.new(), {PATH: DATA}, "someone/nets", "hf:org/tiny")


# -- pages


@pytest.fixture(scope="module")
def open_mirror(filled: Store) -> Iterator[RunningMirror]:
    """Serve it to everybody."""
    with serving(filled) as running:
        yield running


def test_browser_sees_what_is_here_and_how_to_use_it(open_mirror: RunningMirror) -> None:
    """A page without scripts, names escaped, with the address that the browser used."""
    page = ask(open_mirror, "/mirror.html")
    text = page.body.decode()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "zoo mirror exec --mirror http://mirror -- python train.py" in text
    for name in ("org/tiny", "someone/nets", "3 items"):
        assert name in text
    assert "script" not in text


def test_health_and_readiness(filled: Store, open_mirror: RunningMirror) -> None:
    """The process lives; and it can read its mirror, or says why not."""
    assert ask(open_mirror, "/healthz").body == b"ok\n"
    assert ask(open_mirror, "/readyz").body == b"ready, 3 items\n"
    kept = read(filled, layout.INDEX)
    overwrite(filled, layout.INDEX, b"{")
    try:
        assert b"the mirror cannot be read" in ask_until(open_mirror, "/readyz", 503).body
        assert ask(open_mirror, "/healthz").status == 200
    finally:
        overwrite(filled, layout.INDEX, kept)
    assert ask_until(open_mirror, "/readyz", 200).body == b"ready, 3 items\n"


def test_metrics_are_on_a_port_of_their_own(store: Store, upstream: HubUpstream) -> None:
    """Requests, bytes, hits, misses, upstream failures, refused bytes, disk."""
    upstream.weights[PATH] = DATA
    upstream.faults[PATH] = lambda exchange: exchange.serve(LIE)
    with serving(store, "--pull-through", "--metrics-port", "0") as mirror:
        port = int(mirror.log.partition("metrics are on port ")[2].split()[0])
        ask(mirror, PATH)
        del upstream.faults[PATH]
        assert ask(mirror, PATH).body == DATA
        assert ask(mirror, PATH).body == DATA
        assert ask(mirror, "/models/none.pth").status == 404
        assert ask(mirror, "/metrics").status == 404
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    numbers = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert numbers['zoo_mirror_requests_total{method="GET",status="404"}'] == "2.0"
    assert numbers['zoo_mirror_files_total{found="here"}'] == "1.0"
    assert numbers['zoo_mirror_files_total{found="upstream"}'] == "2.0"
    assert numbers['zoo_mirror_refused_bytes_total{reason="SourceError"}'] == f"{len(DATA)}.0"
    assert numbers['zoo_mirror_upstream_failures_total{reason="404"}'] == "1.0"
    assert numbers['zoo_mirror_unfinished_total{ending="broken off"}'] == "1.0"
    assert float(numbers["zoo_mirror_sent_bytes_total"]) > 2 * len(DATA)
    assert float(numbers["zoo_mirror_disk_free_bytes"]) > 0


# -- tokens


@pytest.fixture(scope="module")
def closed(places: Places) -> Iterator[tuple[RunningMirror, str]]:
    """Serve a mirror that is for one reader only."""
    store = fill(places.new(), {PATH: DATA}, "someone/nets", "hf:org/tiny")
    token = readers.add(store, "cluster")
    with serving(store) as running:
        yield running, token


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_token_opens_the_mirror_however_it_is_sent(closed: tuple[RunningMirror, str]) -> None:
    """Bearer, token, Basic with any user; without one, health and the certificate only."""
    mirror, token = closed
    for authorization in (f"Bearer {token}", f"token {token}", _basic("any", token)):
        assert ask(mirror, PATH, headers={"Authorization": authorization}).body == DATA
    for authorization in ("Bearer zoo_wrong", "Bearer", "Basic !", _basic("any", "x"), "Digest x"):
        answer = ask(mirror, PATH, headers={"Authorization": authorization})
        assert (answer.status, answer.headers["www-authenticate"][:5]) == (401, "Basic")
    for path in ("/", "/index.json", "/org/tiny/resolve/main/config.json", "/api/models"):
        assert ask(mirror, path).status == 401
    for path in ("/healthz", "/readyz", "/ca.pem"):
        assert ask(mirror, path).status == 200
    assert token not in mirror.log


def test_proxy_wants_the_token_as_well(closed: tuple[RunningMirror, str]) -> None:
    """407 for CONNECT, and for whole addresses."""
    mirror, token = closed
    refused = send(mirror, b"CONNECT github.com:443 HTTP/1.1\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 407 ")
    assert b"Proxy-Authenticate: Basic" in refused
    plain = send(mirror, b"GET http://github.com/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert plain.startswith(b"HTTP/1.1 407 ")
    headers = {"Proxy-Authorization": _basic("any", token)}
    assert ask(mirror, f"http://download.pytorch.org{PATH}", headers=headers).body == DATA


def test_unmodified_clients_send_it(closed: tuple[RunningMirror, str], tmp_path: Path) -> None:
    """HF_TOKEN for huggingface_hub, the address for torch.hub, ~/.netrc for requests."""
    mirror, token = closed
    with_token = {"HF_TOKEN": token}
    config = run_client(DOWNLOAD, mirror=mirror.base, kind="hf", environment=with_token)
    assert config == '{"architecture": "tiny"}\n'
    elsewhere = {"HF_HOME": str(tmp_path / "empty")}
    refusal = run_client(DOWNLOAD, mirror=mirror.base, kind="hf", environment=elsewhere)
    assert "this mirror needs a token" in refusal
    address = mirror.base.replace("http://", f"http://any:{token}@")
    assert run_torch_hub(HUB, mirror=address) == 1
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login any password {token}\n")
    netrc.chmod(0o600)
    script = GET.format(url=mirror.base + PATH)
    assert run_client(script, mirror=None, environment={"NETRC": str(netrc)}) == 200


def test_tokens_are_kept_as_digests_and_can_be_taken_back(store: Store) -> None:
    """What was shown once stands nowhere; a name is used once."""
    token = readers.add(store, "one")
    readers.add(store, "two")
    assert [reader.name for reader in readers.load(store)] == ["one", "two"]
    assert token.encode() not in read(store, readers.DOCUMENT)
    with pytest.raises(MirrorError, match="there is a token of this name"):
        readers.add(store, "one")
    with pytest.raises(UsageError, match="printable letters"):
        readers.add(store, "a\nb")
    readers.remove(store, "one")
    with pytest.raises(MirrorError, match="there is no token of this name"):
        readers.remove(store, "one")
    checked = readers.Readers(store)
    checked.refresh()
    assert checked.reader_of(f"Bearer {token}") is None


def test_list_of_tokens_that_cannot_be_read_closes_the_mirror(store: Store) -> None:
    """A damaged list is no reason to let everybody in."""
    overwrite(store, readers.DOCUMENT, b"{")
    with serving(store) as mirror:
        answer = ask(mirror, PATH)
        assert (answer.status, b"it is malformed" in answer.body) == (503, True)


# -- slow upstreams


def test_stuck_upstream_does_not_hold_up_what_is_here(store: Store, upstream: HubUpstream) -> None:
    """Files of the store come at once while questions hang; what is held stands in for answers."""
    upstream.weights[PATH] = DATA
    go = threading.Event()

    def hang(exchange: Exchange) -> None:
        go.wait(120)
        exchange.stop("reset")

    with serving(store, "--pull-through") as mirror:
        assert ask(mirror, PATH).body == DATA
        assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
    with serving(store, "--pull-through") as mirror:
        upstream.behave = hang
        asking = [
            threading.Thread(target=ask, args=(mirror, f"/org/other{n}/resolve/main/config.json"))
            for n in range(40)
        ]
        for thread in asking:
            thread.start()
        assert ask(mirror, PATH).body == DATA
        assert ask(mirror, f"/org/tiny/resolve/{MODEL_COMMIT}/config.json").status == 200
        still_waiting = [thread for thread in asking if thread.is_alive()]
        assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
        start_s = time.monotonic()
        assert ask(mirror, "/org/tiny/resolve/main/config.json").status == 200
        again_s = time.monotonic() - start_s
        go.set()
        for thread in asking:
            thread.join(20)
    assert still_waiting == asking, "what needs no upstream came after what waits for it"
    assert again_s < HELD_S, f"{again_s:.1f} s although the upstream was waited for before"


def test_failure_of_the_upstream_is_remembered_and_said(
    store: Store, upstream: HubUpstream
) -> None:
    """The second client does not wait for what has just failed, and learns why."""
    upstream.is_dead = True
    with serving(store, "--pull-through") as mirror:
        first = ask(mirror, "/org/tiny/resolve/main/config.json")
        asked = len(upstream.requests)
        second = ask(mirror, "/org/tiny/resolve/main/config.json")
    assert (first.status, second.status) == (503, 503)
    assert len(upstream.requests) == asked
    assert b"/api/models/org/tiny/revision/main" in second.body
    assert json.dumps(second.headers["x-error-message"]).isascii()
