"""Other hosts' ways to answer a request for a range (N02): always the right file or an error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.fetch_desk import DATA, NAME, PART_BYTES, Desk, record_of
from zoo.download import fetcher
from zoo.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.faulty_server import Exchange, FaultyServer

    Answer = Callable[[Exchange], None]


def part_of(exchange: Exchange) -> bytes:
    """Return the bytes that were asked for."""
    start, end = exchange.span or (0, len(DATA))
    return DATA[start:end]


def stated(exchange: Exchange) -> str:
    """Return the Content-Range of an honest answer."""
    start, end = exchange.span or (0, len(DATA))
    return f"bytes {start}-{min(end, len(DATA)) - 1}/{len(DATA)}"


def multipart(exchange: Exchange) -> None:
    """Answer as to several ranges."""
    head = f"--x\r\nContent-Range: {stated(exchange)}\r\n\r\n"
    body = head.encode() + part_of(exchange) + b"\r\n--x--\r\n"
    exchange.answer(206, body, Content_Type="multipart/byteranges; boundary=x")


def chunked(exchange: Exchange, status: int) -> None:
    """Send the range alone, without saying how long it is."""
    exchange.head(status, {"Transfer-Encoding": "chunked"})
    body = part_of(exchange)
    exchange.send(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")


ANSWERS: dict[str, Answer] = {
    "200 with the range alone": lambda e: e.answer(200, part_of(e)),
    "200 with the range alone and a Content-Range": lambda e: e.answer(
        200, part_of(e), Content_Range=stated(e)
    ),
    "200 with the range alone, chunked": lambda e: chunked(e, 200),
    "206 without Content-Range": lambda e: e.answer(206, part_of(e)),
    "206 with a Content-Range of another unit": lambda e: e.answer(
        206, part_of(e), Content_Range="items 0-1/2"
    ),
    "206 with a Content-Range as some write it": lambda e: e.answer(
        206, part_of(e), Content_Range=stated(e).replace(" ", "=")
    ),
    "206 with the total left out": lambda e: e.answer(
        206, part_of(e), Content_Range=stated(e).rpartition("/")[0] + "/*"
    ),
    "206 with several parts": multipart,
    "206 that says range and sends all": lambda e: e.answer(206, DATA, Content_Range=stated(e)),
    "206 of everything": lambda e: e.answer(
        206, DATA, Content_Range=f"bytes 0-{len(DATA) - 1}/{len(DATA)}"
    ),
    "400": lambda e: e.answer(400),
    "405": lambda e: e.answer(405),
    "412": lambda e: e.answer(412),
    "416": lambda e: e.answer(416),
    "501": lambda e: e.answer(501),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_n02_odd_answer_to_a_range_is_asked_again_without(
    desk: Desk, server: FaultyServer, kind: str
) -> None:
    """N02: the length is known, ranges are answered oddly, a request without one well: ok."""
    server.behave = lambda e: ANSWERS[kind](e) if e.span is not None else e.serve(DATA)
    desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA
    assert desk.holds_only(NAME)
    assert server.body_bytes < 3 * len(DATA)


@pytest.mark.parametrize(
    "status", [204, 205, 300, 304, 403, 409, 421, 426, 431, 500, 502, 503, 520]
)
def test_n02_last_source_is_asked_for_the_whole_before_it_is_given_up(
    desk: Desk, server: FaultyServer, status: int
) -> None:
    """N02: gateways and filters that choke on a range say nearly anything: ok."""
    server.behave = lambda e: e.answer(status) if e.span is not None else e.serve(DATA)
    desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA
    assert desk.holds_only(NAME)


@pytest.mark.parametrize("status", [403, 503])
def test_bytes_that_are_there_are_not_risked_for_a_refusal(
    desk: Desk, server: FaultyServer, status: int
) -> None:
    """A server that is down or has shut a user out would take the rest of an earlier run away."""
    server.behave = lambda e: e.serve(DATA, cut_at=len(DATA) // 2)
    with pytest.raises(FetchError):
        desk.fetch(server.base, retries=0)
    (partial,) = desk.partials()
    kept = partial.read_bytes()
    server.requests.clear()
    server.behave = lambda e: e.answer(status)
    with pytest.raises(FetchError, match=str(status)):
        desk.fetch(server.base)
    assert all(exchange.span is not None for exchange in server.requests)
    assert desk.partials() == [partial]
    assert partial.read_bytes() == kept


@pytest.mark.parametrize("status", [401, 404, 410])
def test_what_is_as_true_of_the_whole_file_is_not_asked_twice(
    desk: Desk, server: FaultyServer, status: int
) -> None:
    """A file that is not there is not there in one piece either."""
    server.behave = lambda e: e.answer(status)
    with pytest.raises(FetchError, match=str(status)):
        desk.fetch(server.base)
    assert all(exchange.span is not None for exchange in server.requests)


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if not kind.isdigit()])
def test_n02_odd_answer_in_the_middle(desk: Desk, server: FaultyServer, kind: str) -> None:
    """The first parts are answered well, later ones oddly, as by another machine: ok."""

    def behave(exchange: Exchange) -> None:
        is_late = exchange.span is not None and exchange.span[0] >= 4 * PART_BYTES
        if is_late:
            ANSWERS[kind](exchange)
        else:
            exchange.serve(DATA)

    server.behave = behave
    desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA
    assert desk.holds_only(NAME)


def test_n02_range_alone_of_a_file_whose_length_nobody_knows(
    desk: Desk, server: FaultyServer
) -> None:
    """A 200 just as long as what was asked for is asked again: it could be the part alone."""
    server.behave = lambda e: e.answer(200, part_of(e)) if e.span else e.serve(DATA)
    record = replace(record_of(server.base), size_bytes=None, sha256_prefix=None)
    fetched = fetcher.fetch(record, options=desk.options)
    assert fetched.path.read_bytes() == DATA


@pytest.mark.parametrize("status", [203, 206])
def test_whole_file_under_another_status(desk: Desk, server: FaultyServer, status: int) -> None:
    """203 of a proxy, and 206 to a request without a range: ok, its digest is right."""

    def behave(exchange: Exchange) -> None:
        if exchange.span is not None and status == 206:
            exchange.answer(416)
            return
        content = {"Content_Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}"}
        exchange.answer(status, DATA, **(content if status == 206 else {}))

    server.behave = behave
    desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA


def test_202_is_asked_again(desk: Desk, server: FaultyServer) -> None:
    """Archives that first fetch a file from a tape say 202: ok, after a pause."""
    server.behave = lambda e: e.answer(202) if e.number < 2 else e.serve(DATA)
    desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA
    assert len(desk.pauses_s) == 2
