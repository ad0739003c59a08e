"""Answers that end early, late or wrongly: rows 1 to 18 of the fault catalogue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, PART_BYTES, SHA256, Desk, record_of
from zoo.download import fetcher
from zoo.errors import FetchError

K = 3 * PART_BYTES + 1000
"""Somewhere inside the file."""


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


def first_only(exchange: Exchange, fault: int | None) -> int | None:
    """Return the fault for the request that reaches it first, ``None`` for later ones."""
    seen = [other for other in exchange.server.requests if other.number < exchange.number]
    reached = [other for other in seen if other.span is None or other.span[0] <= K < other.span[1]]
    return None if reached else fault


def test_connection_closed_once_is_resumed_where_it_broke(desk: Desk, server: FaultyServer) -> None:
    """Row 1: closed at K, first request only: ok, resumed from K."""
    server.behave = lambda exchange: exchange.serve(DATA, cut_at=first_only(exchange, K))
    desk.fetch(server.base, connections=1)
    assert is_right(desk)
    assert [exchange.span for exchange in server.requests].count((K, 4 * PART_BYTES)) == 1
    assert server.body_bytes == len(DATA)


def test_answers_that_always_end_early_are_put_together(desk: Desk, server: FaultyServer) -> None:
    """Row 2: every response closed after at most K bytes: ok, in several resumes."""
    most = 20_000

    def behave(exchange: Exchange) -> None:
        start = exchange.span[0] if exchange.span else 0
        exchange.serve(DATA, cut_at=start + most)

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)
    assert len(server.requests) >= len(DATA) / most
    assert server.body_bytes == len(DATA)


def test_a_server_without_ranges_that_always_breaks_is_given_up(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 3: closed at K every time, no ranges: error after the retry limit, nothing kept."""
    server.behave = lambda exchange: exchange.serve(DATA, ranges=False, cut_at=K)
    with pytest.raises(FetchError, match=r"ended at|closed the connection") as caught:
        desk.fetch(server.base)
    assert len(server.requests) == 1 + desk.options.retries
    assert caught.value.kept_bytes == 0
    assert desk.holds_only()


def test_reset_connection_is_resumed(desk: Desk, server: FaultyServer) -> None:
    """Row 4: reset (RST) at K, once: ok."""
    server.behave = lambda exchange: exchange.serve(
        DATA, cut_at=first_only(exchange, K), end="reset"
    )
    desk.fetch(server.base)
    assert is_right(desk)


def serve_without_length(exchange: Exchange, end: int, *, chunked: bool) -> None:
    """Send a body that only its end delimits, up to a place in the file."""
    exchange.head(200, {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"})
    for start in range(0, end, 50_000):
        piece = DATA[start : min(start + 50_000, end)]
        exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
    if chunked and end == len(DATA):
        exchange.send(b"0\r\n\r\n")
    exchange.stop()


@pytest.mark.parametrize("chunked", [False, True])
def test_body_without_length_is_judged_by_the_registry(
    desk: Desk, server: FaultyServer, chunked: bool
) -> None:
    """Rows 5 and 6: no Content-Length, or no last chunk, and an end at K once: ok on retry."""

    def behave(exchange: Exchange) -> None:
        serve_without_length(exchange, K if exchange.number == 0 else len(DATA), chunked=chunked)

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize("chunked", [False, True])
def test_body_without_length_that_always_ends_early_is_an_error(
    desk: Desk, server: FaultyServer, chunked: bool
) -> None:
    """Rows 5 and 6: the same every time: error, and nothing under the final name."""
    server.behave = lambda exchange: serve_without_length(exchange, K, chunked=chunked)
    with pytest.raises(FetchError):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_truncated_file_with_consistent_headers_is_an_error(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 7: Content-Length less than the file's, body consistent: error at the first answer."""
    server.behave = lambda exchange: exchange.serve(DATA[:K])
    with pytest.raises(FetchError, match=f"expected {len(DATA)} bytes, it offers {K}"):
        desk.fetch(server.base)
    assert len(server.requests) == 1
    assert desk.holds_only()


def test_truncated_file_of_a_tolerated_length_is_an_error(desk: Desk, server: FaultyServer) -> None:
    """Row 7: where the registry's length is not exact, the digest tells."""
    server.behave = lambda exchange: exchange.serve(DATA[:-100])
    record = replace(record_of(server.base), size_tolerance_bytes=525)
    with pytest.raises(FetchError, match="expected sha256"):
        fetcher.fetch(record, options=desk.options)
    assert desk.holds_only()


def test_longer_file_is_refused_at_once(desk: Desk, server: FaultyServer) -> None:
    """Row 8: the header states one byte more than the registry: error before the body."""
    server.behave = lambda exchange: exchange.serve(DATA + b"x")
    with pytest.raises(FetchError, match=f"expected {len(DATA)} bytes, it offers {len(DATA) + 1}"):
        desk.fetch(server.base)
    assert len(server.requests) == 1
    assert desk.holds_only()


def test_endless_body_is_left_at_the_first_byte_too_many(desk: Desk, server: FaultyServer) -> None:
    """Row 8: the same without a length: error at once, not after the rest."""
    sent = []

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Connection": "close"})
        while True:  # until the client hangs up
            exchange.send(DATA)
            sent.append(len(DATA))

    server.behave = behave
    with pytest.raises(FetchError, match=f"expected no byte beyond {len(DATA)}, got more"):
        desk.fetch(server.base)
    assert len(server.requests) == 1
    assert desk.holds_only()


def test_resume_answered_with_the_whole_file_starts_from_zero(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 9: cut once; the resume is answered 200 with the whole file: ok, from zero."""
    server.behave = lambda exchange: exchange.serve(
        DATA,
        cut_at=first_only(exchange, K),
        ranges=not any(other.number > 3 for other in server.requests),
    )
    desk.fetch(server.base, connections=1)
    assert is_right(desk)
    assert server.body_bytes == K + len(DATA)


def resumed(exchange: Exchange) -> bool:
    """Tell whether a request does not begin where a part begins, and so goes on from a cut."""
    return exchange.span is not None and exchange.span[0] % PART_BYTES != 0


def test_resume_answered_from_zero_with_an_honest_range(desk: Desk, server: FaultyServer) -> None:
    """Row 10: resume answered 206 from offset 0 with an honest Content-Range: ok, from zero."""

    def behave(exchange: Exchange) -> None:
        if resumed(exchange):
            headers = {
                "Content-Length": str(len(DATA)),
                "Content-Range": f"bytes 0-{len(DATA) - 1}/{len(DATA)}",
            }
            exchange.head(206, headers)
            exchange.body(DATA)
        else:
            exchange.serve(DATA, cut_at=first_only(exchange, K))

    server.behave = behave
    desk.fetch(server.base, connections=1)
    assert is_right(desk)


def test_resume_with_lying_range_is_fetched_once_more_from_zero(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 11: resume answered 206, but with bytes from offset 0: the hash fails, once from zero."""

    def behave(exchange: Exchange) -> None:
        if resumed(exchange) and exchange.span is not None:
            start, end = exchange.span
            lying = {
                "Content-Length": str(end - start),
                "Content-Range": f"bytes {start}-{end - 1}/{len(DATA)}",
            }
            exchange.head(206, lying)
            exchange.body(DATA[: end - start])
        else:
            exchange.serve(DATA, cut_at=first_only(exchange, K))

    server.behave = behave
    desk.fetch(server.base, connections=1)
    assert is_right(desk)
    assert [exchange.span for exchange in server.requests].count(None) == 1
    assert "in one piece" in desk.warnings[0]


def test_resume_answered_200_with_only_the_rest(desk: Desk, server: FaultyServer) -> None:
    """Row 12: resume answered 200 with only the rest: ok, from the next source or from zero."""

    def behave(exchange: Exchange) -> None:
        if resumed(exchange) and exchange.span is not None:
            rest = DATA[exchange.span[0] :]
            exchange.head(200, {"Connection": "close"})
            exchange.send(rest)
            exchange.stop()
        exchange.serve(DATA, cut_at=first_only(exchange, K))

    server.behave = behave
    desk.fetch(server.base, connections=1)
    assert is_right(desk)


@pytest.mark.parametrize(
    ("if_range", "etags"),
    [(True, ('"v1"', '"v2"')), (False, ('"v1"', '"v2"')), (False, (None, None))],
)
def test_file_replaced_between_parts_ends_as_the_new_file(
    desk: Desk, server: FaultyServer, if_range: bool, etags: tuple[str | None, str | None]
) -> None:
    """Rows 13, 14, 15: the file changes at the third request; the digest is the new one's: ok."""

    def behave(exchange: Exchange) -> None:
        is_new = exchange.number >= 3
        exchange.serve(DATA if is_new else OTHER_DATA, etag=etags[is_new], if_range=if_range)

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize(
    ("if_range", "etags"),
    [(True, ('"v1"', '"v2"')), (False, ('"v1"', '"v2"')), (False, (None, None))],
)
def test_file_replaced_between_parts_by_a_wrong_one_is_an_error(
    desk: Desk, server: FaultyServer, if_range: bool, etags: tuple[str | None, str | None]
) -> None:
    """Rows 13, 14, 15: the digest is that of the old file, which is gone: error, nothing kept."""

    def behave(exchange: Exchange) -> None:
        is_new = exchange.number >= 3
        exchange.serve(OTHER_DATA if is_new else DATA, etag=etags[is_new], if_range=if_range)

    server.behave = behave
    with pytest.raises(FetchError, match=f"expected sha256 {SHA256[:8]}, got "):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_etag_that_changes_with_every_answer_ends_in_one_piece(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 14: a balancer's servers make up their own ETags: ok, after a few tries in one piece."""
    server.behave = lambda exchange: exchange.serve(
        DATA, etag=f'"{exchange.number}"', if_range=False
    )
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.requests[-1].span is None


def test_flipped_bit_is_an_error(desk: Desk, server: FaultyServer) -> None:
    """Row 16: one bit flipped, length right: error that names both digests."""
    flipped = bytearray(DATA)
    flipped[K] ^= 1
    server.behave = lambda exchange: exchange.serve(bytes(flipped))
    with pytest.raises(FetchError, match=f"expected sha256 {SHA256[:8]}, got "):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_flipped_bit_is_mended_by_the_next_source(desk: Desk, server: FaultyServer) -> None:
    """Row 16: the same with a second source: ok, with a warning that names the first."""
    flipped = bytearray(DATA)
    flipped[K] ^= 1
    with FaultyServer() as liar:
        liar.behave = lambda exchange: exchange.serve(bytes(flipped))
        fetched = desk.fetch(liar.base, server.base)
        assert fetched.source_url == server.base
        assert any(liar.base in warning and "going on with" in warning for warning in desk.warnings)
    assert is_right(desk)


def test_416_to_a_resume_starts_from_zero(desk: Desk, server: FaultyServer) -> None:
    """Row 18: cut once, then 416 to any range: ok, from zero."""

    def behave(exchange: Exchange) -> None:
        if exchange.span and any(
            other.span and other.span[0] >= 3 * PART_BYTES for other in server.requests[:-1]
        ):
            exchange.answer(416, Content_Range=f"bytes */{len(DATA)}")
        else:
            exchange.serve(DATA, cut_at=first_only(exchange, K))

    server.behave = behave
    desk.fetch(server.base, connections=1)
    assert is_right(desk)
    assert server.requests[-1].span is None
