"""Servers that refuse, redirect, dawdle or are not there: rows 19 to 26 of the fault catalogue."""

from __future__ import annotations

import email.utils
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, NAME, PART_BYTES, Desk, record_of
from zoo.download import fetcher
from zoo.errors import FetchError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.download.options import FetchOptions

K = 3 * PART_BYTES + 1000


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


def refuse_first(server: FaultyServer, times: int, status: int, **headers: str) -> None:
    """Let a server answer with a status a few times, then well."""

    def behave(exchange: Exchange) -> None:
        if exchange.number < times:
            exchange.answer(status, b"not now", **headers)
        else:
            exchange.serve(DATA)

    server.behave = behave


def test_503_with_retry_after_waits_as_asked(desk: Desk, server: FaultyServer) -> None:
    """Row 19: 503 with Retry-After twice, then fine: ok, waits as asked."""
    refuse_first(server, 2, 503, Retry_After="7")
    desk.fetch(server.base)
    assert is_right(desk)
    assert desk.pauses_s == [7, 7]


def test_retry_after_may_be_a_date(desk: Desk, server: FaultyServer) -> None:
    """Row 19: the other form of Retry-After."""
    refuse_first(server, 1, 503, Retry_After=email.utils.formatdate(time.time() + 30, usegmt=True))
    desk.fetch(server.base)
    assert is_right(desk)
    assert 0 < desk.pauses_s[0] <= 30


def test_retry_after_of_a_day_is_bounded(desk: Desk, server: FaultyServer) -> None:
    """Row 19: a server that asks for a day waits for us, not we for it."""
    refuse_first(server, 1, 503, Retry_After="86400")
    desk.fetch(server.base)
    assert is_right(desk)
    assert desk.pauses_s == [desk.options.timeouts.longest_wait_s]


@pytest.mark.parametrize("headers", [{}, {"Retry_After": "3"}])
def test_429_is_tried_again(desk: Desk, server: FaultyServer, headers: dict[str, str]) -> None:
    """Row 20: 429 twice, with and without Retry-After: ok."""
    refuse_first(server, 2, 429, **headers)
    desk.fetch(server.base)
    assert is_right(desk)
    assert len(desk.pauses_s) == 2
    assert (
        desk.pauses_s == [3, 3] if headers else 0 < desk.pauses_s[0] <= 0.5 <= desk.pauses_s[1] <= 1
    )


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504])
def test_passing_server_error_is_tried_again(desk: Desk, server: FaultyServer, status: int) -> None:
    """Row 21: 502, 504 and the like twice: ok."""
    refuse_first(server, 2, status)
    desk.fetch(server.base)
    assert is_right(desk)


def test_lasting_server_error_is_given_up(desk: Desk, server: FaultyServer) -> None:
    """Row 21: 500 always: error after the limit, with longer pauses each time."""
    refuse_first(server, 1 << 30, 500)
    with pytest.raises(FetchError, match=r"HTTP status 500.*try again later"):
        desk.fetch(server.base, jitter=lambda: 1.0)
    in_one_piece = 1
    assert len(server.requests) == 1 + desk.options.retries + in_one_piece
    assert desk.pauses_s == [0.5, 1, 2]
    assert desk.holds_only()


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "netrc"), (403, "refuses access"), (404, "does not have"), (410, "has removed")],
)
def test_refusal_is_an_error_at_once(
    desk: Desk, server: FaultyServer, status: int, advice: str
) -> None:
    """Row 22: 401, 403, 404, 410: error at once, no retry, says which URL and what to do.

    Some filters say 403 to what asks for a part: the whole is asked for once.
    """
    refuse_first(server, 1 << 30, status)
    with pytest.raises(FetchError, match=f"{server.base}.*HTTP status {status}.*{advice}"):
        desk.fetch(server.base)
    assert len(server.requests) == (2 if status == 403 else 1)
    assert desk.pauses_s == []
    assert desk.holds_only()


@pytest.mark.parametrize("has_length", [True, False])
def test_login_page_is_an_error(desk: Desk, server: FaultyServer, has_length: bool) -> None:
    """Row 23: 200 with an HTML login page: error that says so."""
    page = b"<html>Please log in</html>"

    def behave(exchange: Exchange) -> None:
        if has_length:
            exchange.answer(200, page, Content_Type="text/html; charset=utf-8")
        else:
            exchange.head(200, {"Content-Type": "text/html", "Connection": "close"})
            exchange.send(page)
            exchange.stop()

    server.behave = behave
    with pytest.raises(FetchError, match="got a web page"):
        desk.fetch(server.base)
    assert len(server.requests) == 1
    assert desk.holds_only()


def test_redirect_loop_is_an_error(desk: Desk, server: FaultyServer) -> None:
    """Row 24: redirect loop: error."""
    server.behave = lambda exchange: exchange.answer(302, Location=f"/{exchange.number}")
    with pytest.raises(FetchError, match="after at most 10 redirects"):
        desk.fetch(server.base)
    assert len(server.requests) == 11


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "chrome://x", "http://[::1"]
)
def test_redirect_into_another_scheme_is_an_error(
    desk: Desk, server: FaultyServer, location: str
) -> None:
    """Row 24: redirect to file:// and the like, or to no address at all: error."""
    server.behave = lambda exchange: exchange.answer(302, Location=location)
    with pytest.raises(FetchError, match="redirects to an address that is not followed"):
        desk.fetch(server.base)
    assert len(server.requests) == 1


def test_redirect_is_followed_once_for_all_parts(desk: Desk, server: FaultyServer) -> None:
    """A redirect that may be followed is, and later requests go straight to where it led."""
    server.behave = lambda exchange: (
        exchange.serve(DATA)
        if exchange.target == "/real"
        else exchange.answer(302, Location="/real")
    )
    desk.fetch(f"{server.base}/asked", connections=1)
    assert is_right(desk)
    assert [exchange.target for exchange in server.requests].count("/asked") == 1


def test_signed_address_that_runs_out_is_asked_for_again(desk: Desk, server: FaultyServer) -> None:
    """A redirect's target that answers 403 later is asked for anew."""
    signed: list[str] = []

    def behave(exchange: Exchange) -> None:
        if exchange.target == "/asked":
            signed.append(f"/signed/{len(signed)}")
            exchange.answer(302, Location=signed[-1])
        elif exchange.number > 5 and exchange.target == "/signed/0":
            exchange.answer(403)
        else:
            exchange.serve(DATA)

    server.behave = behave
    desk.fetch(f"{server.base}/asked", connections=1)
    assert is_right(desk)
    assert signed == ["/signed/0", "/signed/1"]


def test_credentials_stay_with_their_host(desk: Desk, server: FaultyServer) -> None:
    """Row 24: a redirect to another host is followed without the credentials."""
    with FaultyServer() as other:
        other.behave = lambda exchange: exchange.serve(DATA)
        server.behave = lambda exchange: exchange.answer(302, Location=f"{other.base}/x")
        mirror = server.base.replace("http://", "http://user:secret@")
        fetcher.fetch(
            record_of(None), options=_with_mirror(desk, mirror), listener=desk.events.append
        )
        assert (
            server.requests[0].headers["authorization"] == "Basic dXNlcjpzZWNyZXQ="
        )  # user:secret
        assert all("authorization" not in exchange.headers for exchange in other.requests)
    assert is_right(desk)
    assert "secret" not in repr(desk.events)


def test_netrc_is_used_for_the_host_it_names(
    desk: Desk, server: FaultyServer, tmp_path: Path
) -> None:
    """Credentials from ~/.netrc go to the host of the address and not to that of a redirect."""
    (tmp_path / "home" / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    with FaultyServer(host="127.0.0.2") as other:
        other.behave = lambda exchange: exchange.serve(DATA)
        server.behave = lambda exchange: exchange.answer(302, Location=f"{other.base}/x")
        desk.fetch(server.base)
        assert (
            server.requests[0].headers["authorization"] == "Basic dXNlcjpzZWNyZXQ="
        )  # user:secret
        assert all("authorization" not in exchange.headers for exchange in other.requests)


def _with_mirror(desk: Desk, mirror: str) -> FetchOptions:
    """Return the desk's options with one mirror."""
    return replace(desk.options, mirrors=(mirror,))


def test_dripping_headers_do_not_hang(desk: Desk, server: FaultyServer) -> None:
    """Row 25: header bytes one at a time for ever: error after the deadline of the whole answer."""
    desk.limit(answer_s=1.0)

    def behave(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not exchange.server.closing.wait(0.02):
            exchange.send(b"x")

    server.behave = behave
    with pytest.raises(FetchError, match="it took too long"):
        desk.fetch(server.base, retries=1)
    assert len(server.requests) == 2
    assert desk.holds_only()


def test_silent_server_does_not_hang(desk: Desk, server: FaultyServer) -> None:
    """Row 25: no answer at all."""
    desk.limit(answer_s=0.2)
    server.behave = lambda exchange: exchange.stop("stall")
    with pytest.raises(FetchError, match="it took too long"):
        desk.fetch(server.base, retries=1)


def test_body_that_stalls_once_is_resumed(desk: Desk, server: FaultyServer) -> None:
    """Row 25: body stalls at K once: ok after the timeout, bytes before K are not fetched again."""
    desk.limit(stall_s=2.0)  # nobody else may seem to stall where the machine is busy
    stalled: list[int] = []

    def behave(exchange: Exchange) -> None:
        has_k = exchange.span is not None and exchange.span[0] <= K < exchange.span[1]
        is_first = has_k and not stalled
        stalled.extend([exchange.number] if is_first else [])
        exchange.serve(DATA, cut_at=K if is_first else None, end="stall")

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes == len(DATA)


def test_body_that_always_stalls_is_an_error_that_keeps_the_partial_file(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 25: body stalls at K for ever: error, resumable, and the next run goes on."""
    desk.limit(stall_s=1.0)
    server.behave = lambda exchange: exchange.serve(DATA, cut_at=K, end="stall")
    with pytest.raises(
        FetchError, match=r"it took too long.*bytes are kept, the next run goes on"
    ) as caught:
        desk.fetch(server.base, retries=1)
    assert caught.value.kept_bytes >= K
    assert not desk.target.exists()
    before = server.body_bytes
    server.behave = lambda exchange: exchange.serve(DATA)
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes - before == len(DATA) - caught.value.kept_bytes


def test_body_that_drips_counts_as_stalled(desk: Desk, server: FaultyServer) -> None:
    """Row 25: a byte now and then is no sign of life."""
    desk.limit(stall_s=0.3)

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Length": str(len(DATA))})
        while not exchange.server.closing.wait(0.05):
            exchange.send(b"x")

    server.behave = behave
    with pytest.raises(FetchError, match="it took too long"):
        desk.fetch(server.base, retries=1)
    assert desk.holds_only()


def test_name_that_does_not_resolve_is_an_error(desk: Desk) -> None:
    """Row 26: name does not resolve: error that says so (RFC 6761 keeps .invalid free)."""
    with pytest.raises(FetchError, match=r"its name does not resolve|it took too long"):
        desk.fetch("http://no-such-host.invalid/x")
    assert desk.holds_only()


def test_refused_connection_is_an_error(desk: Desk) -> None:
    """Row 26: refused: error after the limit."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(FetchError, match="it refuses connections"):
        desk.fetch(f"http://127.0.0.1:{port}/x")
    assert len(desk.pauses_s) == desk.options.retries
    assert desk.holds_only()


def test_refused_ipv6_falls_back_to_ipv4(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 26: unreachable IPv6, working IPv4: ok; the name server's answer alone is made up."""
    real = socket.getaddrinfo

    def both(host: str, port: int, *args: object, **kwargs: object) -> object:
        if host != "two-addresses.example":
            return real(host, port, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        first = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            for address in ("2001:db8::1", "::1")
        ]
        return [*first, (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    desk.limit(connect_s=1.0)
    desk.fetch(f"http://two-addresses.example:{server.port}/x")
    assert is_right(desk)


def test_ipv6_address_works(desk: Desk) -> None:
    """Row 26: a literal IPv6 address."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with FaultyServer(host="::1") as server:
        server.behave = lambda exchange: exchange.serve(DATA)
        desk.fetch(server.base)
    assert is_right(desk)
