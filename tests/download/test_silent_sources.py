"""Mirrors that are dead or silent before one that is well: seconds, not all time limits in turn."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, PART_BYTES, Desk, record_of
from zoo.download import fetcher, memory, sources
from zoo.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_S = 300.0
"""Every other time limit: a test that waits for one of them does not end."""


@pytest.fixture(autouse=True)
def patience(desk: Desk) -> None:
    """Let only silence count, and real pauses."""
    desk.limit(overlap_s=0.3, stall_s=LONG_S, answer_s=LONG_S, connect_s=LONG_S)
    desk.options = replace(desk.options, sleep=None, retries=5)


@pytest.fixture
def dead() -> Iterator[str]:
    """Offer an address that takes no connection and refuses none: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}"
        for filler in fillers:
            filler.close()


def wait_for_the_end(exchange: Exchange) -> None:
    """Say nothing at all."""
    exchange.server.closing.wait()


def stop_after_headers(exchange: Exchange) -> None:
    """Promise a file, and send not a byte of it."""
    exchange.serve(DATA, cut_at=(exchange.span or (0, 0))[0], end="stall")


def drip(exchange: Exchange) -> None:
    """Send a byte now and then: alive, but nothing that anyone could wait for."""
    exchange.head(200, {"Content-Length": str(len(DATA))})
    for number in range(len(DATA)):
        exchange.send(DATA[number : number + 1])
        if exchange.server.closing.wait(0.05):
            break


SILENT: dict[str, Callable[[Exchange], None]] = {
    "no answer": wait_for_the_end,
    "headers only": stop_after_headers,
    "half a part": lambda e: e.serve(DATA, cut_at=PART_BYTES // 2, end="stall"),
    "half a file": lambda e: e.serve(DATA, cut_at=4 * PART_BYTES, end="stall"),
    "a byte now and then": drip,
}


@pytest.mark.parametrize("kind", SILENT)
def test_dead_then_silent_then_well(desk: Desk, server: FaultyServer, dead: str, kind: str) -> None:
    """Three mirrors, one dead, one silent, one fine: the third brings the file, soon."""
    with FaultyServer() as silent:
        silent.behave = SILENT[kind]
        begun_s = time.monotonic()
        fetched = desk.fetch(dead, silent.base, server.base)
        assert time.monotonic() - begun_s < LONG_S / 10
    assert fetched.source_url == server.base
    assert desk.target.read_bytes() == DATA
    assert desk.holds_only(NAME)
    assert any("brings nothing" in warning for warning in desk.warnings)


def test_silent_mirror_is_asked_last_the_next_time(desk: Desk, server: FaultyServer) -> None:
    """What was silent is remembered, said, and not waited for again while another is well."""
    with FaultyServer() as silent:
        silent.behave = wait_for_the_end
        desk.fetch(silent.base, server.base)
        desk.target.unlink()
        asked = len(silent.requests)
        desk.fetch(silent.base, server.base)
        assert len(silent.requests) == asked
    assert any("were silent lately" in warning for warning in desk.warnings)


def test_mirror_that_is_well_again_gets_its_place_back(desk: Desk, server: FaultyServer) -> None:
    """The memory is of ten minutes, and of no use where it is nonsense."""
    memory.learn([server.base], None)
    first = memory.in_good_order(_sources(server.base, "http://other.example/"))
    assert first[0].url == "http://other.example/"
    desk.fetch(server.base)
    again = memory.in_good_order(_sources(server.base, "http://other.example/"))
    assert again[0].url == server.base


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"http://127.0.0.1:80": "x"}', "[" * 100_000, '{"a": true}', "9" * 5000],
)
def test_nonsense_in_the_memory_does_no_harm(desk: Desk, server: FaultyServer, text: str) -> None:
    """Whatever stands there, the download goes on."""
    memory.place().parent.mkdir(parents=True)
    memory.place().write_text(text)
    desk.fetch("http://127.0.0.1:9", server.base, retries=0)
    assert desk.target.read_bytes() == DATA


def test_silent_source_and_a_lying_one(desk: Desk, server: FaultyServer) -> None:
    """Whoever takes over is not trusted more: wrong bytes are noticed, and the third is asked."""
    with FaultyServer() as silent, FaultyServer() as liar:
        silent.behave = lambda e: e.serve(DATA, cut_at=3 * PART_BYTES, end="stall")
        liar.behave = lambda e: e.serve(OTHER_DATA)
        desk.fetch(silent.base, liar.base, server.base)
    assert desk.target.read_bytes() == DATA
    assert desk.holds_only(NAME)


def test_without_a_digest_what_takes_over_starts_anew(desk: Desk, server: FaultyServer) -> None:
    """No bytes of two sources are joined where no digest would show it."""
    with FaultyServer() as silent:
        silent.behave = lambda e: e.serve(OTHER_DATA, cut_at=3 * PART_BYTES, end="stall")
        record = replace(record_of(server.base), sha256_prefix=None)
        options = replace(desk.options, mirrors=(silent.base,))
        fetched = fetcher.fetch(record, options=options)
    assert fetched.path.read_bytes() == DATA


def test_all_silent_is_an_error(desk: Desk) -> None:
    """Where nobody answers, the error names everyone."""
    desk.limit(stall_s=0.4, answer_s=0.4)
    with FaultyServer() as one, FaultyServer() as other:
        one.behave = other.behave = wait_for_the_end
        with pytest.raises(FetchError, match=f"{one.base}.*{other.base}") as caught:
            desk.fetch(one.base, other.base, retries=1)
    assert len(caught.value.failures) == 2


def test_source_that_comes_back_keeps_the_download(desk: Desk, server: FaultyServer) -> None:
    """Who answers late but before the one asked beside it goes on."""
    with FaultyServer() as beside:
        beside.behave = wait_for_the_end

        def behave(exchange: Exchange) -> None:
            if exchange.number == 0:
                exchange.server.closing.wait(1.0)
            exchange.serve(DATA)

        server.behave = behave
        fetched = desk.fetch(server.base, beside.base)
        assert beside.requests
    assert (fetched.source_url or "").startswith(server.base)
    assert desk.target.read_bytes() == DATA


def _sources(*urls: str) -> list[sources.Source]:
    """Make sources of addresses."""
    return [sources.trusted(url) for url in urls]
