"""Mirrors, parts and connections that fail while others work: rows 29 to 31 and 46."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, PART_BYTES, Desk, record_of
from zoo.download import fetcher
from zoo.errors import FetchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

K = 3 * PART_BYTES + 1000


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


FAULTS: dict[str, Callable[[Exchange], None]] = {
    "dead": lambda exchange: exchange.stop("reset"),
    "refusing": lambda exchange: exchange.answer(404),
    "stalling": lambda exchange: exchange.serve(DATA, cut_at=K, end="stall"),
    "breaking": lambda exchange: exchange.serve(DATA, cut_at=K),
    "breaking without ranges": lambda exchange: exchange.serve(DATA, ranges=False, cut_at=K),
    "lying": lambda exchange: exchange.serve(OTHER_DATA),
    "longer": lambda exchange: exchange.serve(DATA + b"x"),
    "not HTTP": lambda exchange: exchange.send(b"220 mail.example ESMTP\r\n"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_second_source_finishes_what_the_first_cannot(
    desk: Desk, server: FaultyServer, fault: str
) -> None:
    """Row 29: first source dead, slow or lying, second good: ok, a warning names the first."""
    desk.limit(stall_s=1.0)
    with FaultyServer() as bad:
        bad.behave = FAULTS[fault]
        fetched = desk.fetch(bad.base, server.base, retries=1)
        assert any(bad.base in warning for warning in desk.warnings)
        if fault.startswith(
            "breaking"
        ):  # the bytes before K were good, so only the rest is asked of the second
            assert server.body_bytes <= len(DATA) - K
    assert fetched.source_url == server.base
    assert is_right(desk)


def test_mirror_serves_the_file_under_weights(desk: Desk, server: FaultyServer) -> None:
    """A mirror is asked first, for <base>/weights/<host><path> of the publisher's address."""
    with FaultyServer() as publisher:
        desk.fetch(f"{server.base}/zoo/", f"{publisher.base}/models/{NAME}")
        assert publisher.requests == []
    port = publisher.base.rpartition(":")[2]
    assert {exchange.target for exchange in server.requests} == {
        f"/zoo/weights/127.0.0.1_{port}/models/{NAME}"
    }


def test_mirrors_come_from_options_then_environment_then_config(
    desk: Desk, server: FaultyServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All mirrors are tried in order, then the publisher; each that fails is named."""
    asked: list[str] = []

    def behave(exchange: Exchange) -> None:
        asked.append(exchange.target.split("/")[1])
        exchange.answer(404)

    server.behave = behave
    monkeypatch.setenv("ZOO_MIRROR", f"{server.base}/two {server.base}/three")
    config = tmp_path / "xdg_config_home" / "zoo" / "config.toml"
    config.parent.mkdir()
    config.write_text(f'mirrors = ["{server.base}/four"]\n')
    with pytest.raises(FetchError, match=r"one.*two.*three.*four.*five"):
        desk.fetch(f"{server.base}/one", f"{server.base}/five")
    assert asked == ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize("end", ["close", "reset", "stall"])
def test_one_failing_part_is_fetched_again(desk: Desk, server: FaultyServer, end: str) -> None:
    """Row 30: parallel ranges, one of the parts breaks or stalls once: ok."""
    desk.limit(stall_s=0.5)
    lock = threading.Lock()
    failed: list[int] = []

    def behave(exchange: Exchange) -> None:
        with lock:
            is_chosen = (
                exchange.span is not None and exchange.span[0] == 3 * PART_BYTES and not failed
            )
            failed.extend([1] if is_chosen else [])
        exchange.serve(DATA, cut_at=K if is_chosen else None, end=end)

    server.behave = behave
    desk.fetch(server.base, connections=8)
    assert is_right(desk)
    assert failed


def test_one_lying_part_is_found_out(desk: Desk, server: FaultyServer) -> None:
    """Row 30: parallel ranges, one part brings other bytes: ok, once more in one piece."""
    server.behave = lambda exchange: exchange.serve(
        OTHER_DATA if exchange.span is not None and exchange.span[0] == 3 * PART_BYTES else DATA
    )
    desk.fetch(server.base, connections=8)
    assert is_right(desk)
    assert server.requests[-1].span is None


def test_one_part_that_always_fails_goes_to_the_next_source(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 30: a range that the first source cannot deliver, and it alone, comes from the second."""
    with FaultyServer() as bad:
        bad.behave = lambda exchange: (
            exchange.answer(500)
            if exchange.span is not None and exchange.span[0] == 3 * PART_BYTES
            else exchange.serve(DATA)
        )
        desk.fetch(bad.base, server.base, connections=8)
        assert bad.body_bytes > 0
    assert is_right(desk)
    assert 0 < server.body_bytes < len(DATA)


@pytest.mark.parametrize("status", [429, 503])
def test_server_that_allows_one_connection_gets_one(
    desk: Desk, server: FaultyServer, status: int
) -> None:
    """Row 31: server allows one connection; answers 429 to the second: ok, falls back."""
    lock = threading.Lock()
    busy: list[int] = []

    def behave(exchange: Exchange) -> None:
        with lock:
            is_free = not busy
            if is_free:
                busy.append(exchange.number)
        if not is_free:
            exchange.answer(status)
            return
        exchange.serve(DATA)
        with lock:
            busy.clear()

    server.behave = behave
    desk.fetch(server.base, connections=8)
    assert is_right(desk)


def test_small_file_takes_one_request(desk: Desk, server: FaultyServer) -> None:
    """A file that fits into one part costs one request and one connection."""
    desk.fetch(server.base, part_bytes=len(DATA))
    assert len(server.requests) == 1
    assert is_right(desk)


def test_large_file_comes_over_several_connections(desk: Desk, server: FaultyServer) -> None:
    """A file of several parts is fetched over several connections, each byte once."""
    together = threading.Barrier(3)

    def behave(exchange: Exchange) -> None:
        if exchange.number in (1, 2, 3):
            together.wait(timeout=60)  # all three must be under way at once
        exchange.serve(DATA)

    server.behave = behave
    server.throttle = lambda _count: server.closing.wait(
        0.001
    )  # a fast connection would get one companion only
    desk.fetch(server.base, connections=4)
    assert is_right(desk)
    assert server.body_bytes == len(DATA)


def test_several_files_are_fetched_at_once(desk: Desk, server: FaultyServer) -> None:
    """Two files are under way together; results come in the order of the records, doubles once."""
    together = threading.Barrier(2)

    def behave(exchange: Exchange) -> None:
        if exchange.span is not None and exchange.span[0] == 0:
            together.wait(timeout=60)
        exchange.serve(DATA if exchange.target == "/one" else OTHER_DATA)

    server.behave = behave
    one, two = (
        record_of(f"{server.base}/one"),
        record_of(f"{server.base}/two", OTHER_DATA, "other.pth"),
    )
    fetched = fetcher.fetch_all([one, two, one], options=desk.options, listener=desk.events.append)
    assert [file.path.name for file in fetched] == [NAME, "other.pth", NAME]
    assert desk.target.read_bytes() == DATA
    assert (desk.folder / "other.pth").read_bytes() == OTHER_DATA
    assert desk.holds_only(NAME, "other.pth")


def test_failure_of_one_file_does_not_stop_the_others(desk: Desk, server: FaultyServer) -> None:
    """All files are tried; the failure is raised at the end."""
    server.behave = lambda exchange: (
        exchange.serve(DATA) if exchange.target == "/one" else exchange.answer(404)
    )
    one, two = (
        record_of(f"{server.base}/one"),
        record_of(f"{server.base}/two", OTHER_DATA, "other.pth"),
    )
    with pytest.raises(FetchError, match=r"cannot fetch other\.pth"):
        fetcher.fetch_all([two, one], options=desk.options)
    assert is_right(desk)


def test_credentials_in_a_registry_address_are_dropped_and_said(
    desk: Desk, server: FaultyServer
) -> None:
    """Row 46: URL with user and password: stripped, and said, without showing them."""
    desk.fetch(server.base.replace("http://", "http://user:secret@"))
    assert is_right(desk)
    assert all("authorization" not in exchange.headers for exchange in server.requests)
    assert any(
        "user and password in the registry's address are not used" in warning
        for warning in desk.warnings
    )
    assert "secret" not in repr(desk.events)


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://host.example/x", "net.pth", "http:///x", "https://[::1", ""],
)
def test_address_that_is_not_http_is_an_error(desk: Desk, url: str) -> None:
    """Row 46: file://, ftp://, and what is no address: error, nothing fetched."""
    with pytest.raises(FetchError, match="expected an http"):
        desk.fetch(url)
    assert desk.holds_only()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.1.2.3",
        "192.168.0.1",
        "169.254.169.254",
        "[::1]",
        "[fd00::1]",
        "build.internal",
    ],
)
def test_private_address_in_the_registry_is_an_error(desk: Desk, host: str) -> None:
    """Row 46: private address from a public registry: error that names the setting."""
    with pytest.raises(FetchError, match="allow_private_addresses"):
        desk.fetch(f"http://{host}:1/x", allow_private_addresses=False)


def test_mirror_may_lie_in_a_private_network(desk: Desk, server: FaultyServer) -> None:
    """Row 46: the user's own mirrors are the user's own business."""
    desk.fetch(server.base, "http://10.0.0.1/x", allow_private_addresses=False)
    assert is_right(desk)


def test_no_source_at_all_is_an_error(desk: Desk) -> None:
    """A record without an address and no mirror: error that says so."""
    with pytest.raises(FetchError, match="it has no source"):
        fetcher.fetch(record_of(None), options=desk.options)
