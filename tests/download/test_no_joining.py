"""Without a digest, bytes of two sources or two runs are never joined: no mixture would show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_server import Exchange, FaultyServer
from tests.support.fetch_desk import DATA, OTHER_DATA, PART_BYTES, Desk
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.errors import FetchError

if TYPE_CHECKING:
    from pathlib import Path

K = 3 * PART_BYTES + 1000
STRONG, WEAK = '"one"', 'W/"one"'


def fetch(desk: Desk, *urls: str) -> Path:
    """Fetch a file of which neither length nor digest is known."""
    record = WeightsFile("plain.pth", urls[-1], None)
    options = desk.options
    changed = replace(options, mirrors=tuple(urls[:-1]), retries=0, connections=1)
    return fetcher.fetch(record, options=changed, listener=desk.events.append).path


def breaking(data: bytes, etag: str | None) -> FaultyServer:
    """Serve the beginning of some bytes, then break."""
    server = FaultyServer()
    server.behave = lambda exchange: exchange.serve(data, cut_at=K, etag=etag)
    return server


def test_two_sources_are_not_joined(desk: Desk, server: FaultyServer) -> None:
    """The first breaks in the middle, the second serves other bytes: the second's bytes alone."""
    server.behave = lambda exchange: exchange.serve(OTHER_DATA, etag=STRONG)
    with breaking(DATA, STRONG) as first:
        assert fetch(desk, first.base, server.base).read_bytes() == OTHER_DATA


@pytest.mark.parametrize("etag", [None, WEAK])
def test_two_runs_are_not_joined_without_proof(
    desk: Desk, server: FaultyServer, etag: str | None
) -> None:
    """The file changes between two runs, with no strong validator: the second run begins anew."""
    server.behave = lambda exchange: exchange.serve(DATA, cut_at=K, etag=etag)
    with pytest.raises(FetchError):
        fetch(desk, server.base)
    server.behave = lambda exchange: exchange.serve(OTHER_DATA, etag=etag)
    assert fetch(desk, server.base).read_bytes() == OTHER_DATA


def test_two_runs_are_joined_behind_one_strong_etag(desk: Desk, server: FaultyServer) -> None:
    """The address proves that it serves the same as before: what is there is not fetched again."""
    server.behave = lambda exchange: exchange.serve(DATA, cut_at=K, etag=STRONG)
    with pytest.raises(FetchError):
        fetch(desk, server.base)
    before = server.body_bytes
    asked: list[tuple[int, int] | None] = []

    def behave(exchange: Exchange) -> None:
        asked.append(exchange.span)
        exchange.serve(DATA, etag=STRONG)

    server.behave = behave
    assert fetch(desk, server.base).read_bytes() == DATA
    assert server.body_bytes - before <= len(DATA) - K + PART_BYTES
    assert all(span is not None and span[0] > 0 for span in asked)


def test_two_runs_against_two_addresses_are_not_joined(desk: Desk, server: FaultyServer) -> None:
    """A strong ETag of one address says nothing about another."""
    with breaking(DATA, STRONG) as first, pytest.raises(FetchError):
        fetch(desk, first.base)
    server.behave = lambda exchange: exchange.serve(OTHER_DATA, etag=STRONG)
    assert fetch(desk, server.base).read_bytes() == OTHER_DATA
