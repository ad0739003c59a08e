"""The network client for all but weights: HEAD, JSON, documents; one policy of tries and tokens."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from zoo.download import sources
from zoo.download.options import Timeouts
from zoo.download.transport import Transport
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange, FaultyServer

CONTENT = {"name": "resnet18", "files": [1, 2, 3]}
BODY = json.dumps(CONTENT).encode()


class Client(Transport):
    """A client that notes its pauses instead of waiting."""

    def __init__(self, tokens: tuple[tuple[str, str], ...] = ()) -> None:
        self.pauses_s: list[float] = []
        super().__init__(Timeouts(), bearer_tokens=tokens, sleep=self.pauses_s.append)


@pytest.fixture
def client() -> Iterator[Client]:
    """Offer a client, and close it."""
    made = Client()
    yield made
    made.close()


def test_json_is_read_with_where_it_goes_on(client: Client, server: FaultyServer) -> None:
    """A list in pages: the content, and the next page's address."""
    link = '<http://host.example/page2>; rel="next", <http://host.example/last>; rel="last"'
    server.behave = lambda exchange: exchange.answer(200, BODY, Link=link)
    document = client.json(sources.trusted(f"{server.base}/api"))
    assert document.content == CONTENT
    assert document.next_url == "http://host.example/page2"


def test_packed_json_is_unpacked(client: Client, server: FaultyServer) -> None:
    """N01 for documents."""
    server.behave = lambda e: e.answer(200, gzip.compress(BODY), Content_Encoding="gzip")
    assert client.json(sources.trusted(server.base)).content == CONTENT


@pytest.mark.parametrize("body", [b"<html>", b"[" * 100_000, b"\xff", b'{"a": ', b"9" * 5000])
def test_what_is_no_json_is_an_error(client: Client, server: FaultyServer, body: bytes) -> None:
    """A web page, endless nesting, half a document, a number without end."""
    server.behave = lambda exchange: exchange.answer(200, body)
    with pytest.raises(SourceError, match="expected JSON"):
        client.json(sources.trusted(server.base))


def test_document_longer_than_allowed_is_an_error(client: Client, server: FaultyServer) -> None:
    """The limit counts unpacked bytes."""
    packed = gzip.compress(bytes(1 << 20))
    server.behave = lambda exchange: exchange.answer(200, packed, Content_Encoding="gzip")
    with pytest.raises(SourceError, match="at most 1000 bytes"):
        client.read(sources.trusted(server.base), 1000)


@pytest.mark.parametrize("fault", ["503", "cut", "reset"])
def test_document_is_asked_for_again(client: Client, server: FaultyServer, fault: str) -> None:
    """What may be better in a moment is tried again, a body that breaks included."""

    def behave(exchange: Exchange) -> None:
        if exchange.number >= 2:
            exchange.answer(200, BODY)
        elif fault == "503":
            exchange.answer(503)
        else:
            exchange.head(200, {"Content-Length": str(len(BODY))})
            exchange.send(BODY[:5])
            exchange.stop("close" if fault == "cut" else "reset")

    server.behave = behave
    assert client.json(sources.trusted(server.base)).content == CONTENT
    assert len(client.pauses_s) == 2


def test_tries_have_an_end(client: Client, server: FaultyServer) -> None:
    """A lasting fault is given up after three tries."""
    server.behave = lambda exchange: exchange.answer(500)
    with pytest.raises(SourceError) as caught:
        client.json(sources.trusted(server.base))
    assert caught.value.status == 500
    assert len(server.requests) == 3


def test_long_wait_asked_for_is_not_waited(client: Client, server: FaultyServer) -> None:
    """Who asks for an hour gets an error at once, that says what to do."""
    server.behave = lambda e: e.answer(429, Retry_After="3600")
    with pytest.raises(SourceError, match="GITHUB_TOKEN") as caught:
        client.json(sources.trusted(server.base))
    assert caught.value.retry_after_s == 3600
    assert client.pauses_s == []


def test_limit_of_requests_is_told_from_a_lack_of_rights(
    client: Client, server: FaultyServer
) -> None:
    """GitHub says 403 where others say 429."""
    server.behave = lambda e: e.answer(403, X_RateLimit_Remaining="0")
    with pytest.raises(SourceError, match="too many requests"):
        client.json(sources.trusted(server.base))


def test_head_tells_length_and_validator(client: Client, server: FaultyServer) -> None:
    """HEAD, and nothing is sent."""
    server.behave = lambda e: e.head(200, {"Content-Length": "1234", "ETag": '"v1"'})
    head = client.head(sources.trusted(server.base))
    assert (head.status, head.length_bytes, head.etag) == (200, 1234, '"v1"')
    assert [exchange.method for exchange in server.requests] == ["HEAD"]


@pytest.mark.parametrize("status", [405, 501])
def test_server_without_head_is_asked_with_get(
    client: Client, server: FaultyServer, status: int
) -> None:
    """Some servers know only GET."""
    server.behave = lambda e: e.answer(status if e.method == "HEAD" else 200, BODY)
    assert client.head(sources.trusted(server.base)).length_bytes == len(BODY)


@pytest.mark.parametrize(("status", "is_there"), [(200, True), (404, False), (410, False)])
def test_exists_tells_yes_from_no(
    client: Client, server: FaultyServer, status: int, is_there: bool
) -> None:
    """404 and 410 say no."""
    server.behave = lambda exchange: exchange.head(status, {"Content-Length": "0"})
    assert client.exists(sources.trusted(server.base)) is is_there


def test_exists_does_not_take_a_refusal_for_no(client: Client, server: FaultyServer) -> None:
    """503 says neither."""
    server.behave = lambda exchange: exchange.head(503, {"Content-Length": "0"})
    with pytest.raises(SourceError):
        client.exists(sources.trusted(server.base))


def test_save_writes_a_file_from_the_start_after_a_break(
    client: Client, server: FaultyServer, tmp_path: Path
) -> None:
    """A body that breaks is asked for again, and its SHA-256 is that of the whole."""
    data = BODY * 1000
    server.behave = lambda e: e.serve(data, ranges=False, cut_at=5000 if e.number == 0 else None)
    target = tmp_path / "archive"
    paced: list[int] = []
    sha256 = client.save(sources.trusted(server.base), target, len(data), paced.append)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert target.read_bytes() == data
    assert sum(paced) == len(data) + 5000


def test_token_goes_to_its_origin_only(server: FaultyServer) -> None:
    """A redirect to another host loses the token."""
    client = Client((("https://huggingface.co", "secret"), (server.base, "mine")))
    server.behave = lambda exchange: exchange.answer(200, BODY)
    client.json(sources.trusted(server.base))
    client.json(sources.trusted(server.base.replace("127.0.0.1", "localhost")))
    client.close()
    sent = [exchange.headers.get("authorization") for exchange in server.requests]
    assert sent == ["Bearer mine", None]


def test_direct_source_goes_around_the_proxy(
    client: Client, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror that is itself the proxy is asked without one."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    server.behave = lambda exchange: exchange.answer(200, BODY)
    document = client.read(sources.trusted(server.base, is_direct=True), 1000)
    assert document.data == BODY
