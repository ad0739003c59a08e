"""Servers and proxies that pack what was asked for plain (N01, row 17 of the fault catalogue)."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.fetch_desk import DATA, NAME, Desk, record_of
from zoo.catalog.records import WeightsFile
from zoo.download import fetcher
from zoo.errors import FetchError

if TYPE_CHECKING:
    from tests.support.faulty_server import Exchange, FaultyServer

PACKED = gzip.compress(DATA)


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


@pytest.mark.parametrize("has_ranges", [True, False])
@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP"])
def test_n01_body_packed_although_identity_was_asked(
    desk: Desk, server: FaultyServer, name: str, has_ranges: bool
) -> None:
    """Row 17, N01: gzip unasked, in one piece or in ranges of packed bytes: ok, unpacked."""
    server.behave = lambda exchange: exchange.serve(
        PACKED, ranges=has_ranges, Content_Encoding=name
    )
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_n01_body_packed_twice(desk: Desk, server: FaultyServer) -> None:
    """Two proxies, each with an encoding of its own."""
    packed = gzip.compress(zlib.compress(DATA))
    server.behave = lambda exchange: exchange.serve(packed, Content_Encoding="deflate, gzip")
    desk.fetch(server.base)
    assert is_right(desk)


def test_n01_packed_body_without_a_length(desk: Desk, server: FaultyServer) -> None:
    """A proxy that packs on the fly knows no length beforehand."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Encoding": "gzip", "Connection": "close"})
        exchange.send(PACKED)
        exchange.stop()

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)


def test_n01_packed_body_that_is_cut_is_fetched_again(desk: Desk, server: FaultyServer) -> None:
    """Half of the packed bytes, once: ok on retry, and never half a file."""

    def behave(exchange: Exchange) -> None:
        exchange.head(200, {"Content-Encoding": "gzip", "Connection": "close"})
        exchange.send(PACKED[: len(PACKED) // 2] if exchange.number == 0 else PACKED)
        exchange.stop()

    server.behave = behave
    desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize("label", ["gzip", "utf-8", "none", "aws-chunked", "something"])
def test_label_that_means_nothing(desk: Desk, server: FaultyServer, label: str) -> None:
    """Plain bytes under a label that does not fit, as object stores keep them: ok."""
    server.behave = lambda exchange: exchange.serve(DATA, ranges=False, Content_Encoding=label)
    desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize("knows_size", [True, False])
def test_file_that_is_published_packed_stays_so(
    desk: Desk, server: FaultyServer, knows_size: bool
) -> None:
    """Apache calls every .tar.gz "Content-Encoding: x-gzip": the digest is of the packed bytes."""
    server.behave = lambda exchange: exchange.serve(PACKED, Content_Encoding="x-gzip")
    record = WeightsFile(
        "weights.tar.gz",
        server.base,
        len(PACKED) if knows_size else None,
        sha256=hashlib.sha256(PACKED).hexdigest(),
    )
    fetched = fetcher.fetch(record, options=desk.options)
    assert fetched.path.read_bytes() == PACKED


def test_n01_wrong_bytes_packed_are_refused(desk: Desk, server: FaultyServer) -> None:
    """The digest is held against what was unpacked."""
    packed = gzip.compress(DATA[::-1])
    server.behave = lambda exchange: exchange.serve(packed, Content_Encoding="gzip")
    with pytest.raises(FetchError, match="expected sha256"):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_packed_bomb_stops_at_the_length_of_the_file(desk: Desk, server: FaultyServer) -> None:
    """64 MiB of zeros in 64 kB: refused where the file should have ended."""
    packed = zlib.compress(bytes(64 << 20))
    server.behave = lambda exchange: exchange.serve(packed, Content_Encoding="deflate")
    with pytest.raises(FetchError, match="expected no byte beyond"):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_unknown_packing_without_a_digest_is_refused(desk: Desk, server: FaultyServer) -> None:
    """Without a digest nothing tells whether an unknown label means something."""
    server.behave = lambda exchange: exchange.serve(DATA, Content_Encoding="compress")
    record = replace(record_of(server.base), sha256_prefix=None, size_bytes=None)
    with pytest.raises(FetchError, match="packed as 'compress'"):
        fetcher.fetch(record, options=desk.options)
    assert desk.holds_only()
