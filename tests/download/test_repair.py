"""Mending a damaged file: only blocks that differ are fetched, and only right bytes count."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, SHA256, Desk, record_of
from tests.support.small_registry import registry_of
from zoo.cache import block_hashes
from zoo.cache.block_hashes import BlockHashes, equal_spans, hash_blocks
from zoo.cache.inventory import CachedFile, take_inventory
from zoo.download import repair
from zoo.errors import CacheError, FetchError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.faulty_server import Exchange, FaultyServer
    from zoo.download.repair import Repaired

BLOCK_BYTES = 1 << 16


@pytest.fixture
def sidecar(tmp_path: Path) -> str:
    """Return the block digests of the usual file as a mirror serves them."""
    whole = tmp_path / "whole"
    whole.write_bytes(DATA)
    return hash_blocks(whole, BLOCK_BYTES).to_text()


def damage(desk: Desk, *places: int) -> None:
    """Put a copy with some changed bytes into the cache."""
    content = bytearray(DATA)
    for place in places:
        content[place] ^= 1
    desk.target.write_bytes(content)


def repaired_from(desk: Desk, server: FaultyServer) -> Repaired:
    """Repair the file in the cache from a mirror."""
    options = replace(desk.options, mirrors=(server.base,), upstream=False)
    return repair.repair(cached(desk), options=options, listener=desk.events.append)


def cached(desk: Desk) -> CachedFile:
    """Find the usual file in the cache, as a weights file of a registry."""
    registry = registry_of({"resnet18": record_of("https://publisher.example.org/models/" + NAME)})
    return next(
        file for file in take_inventory(desk.folder, registry=registry) if file.name == NAME
    )


def mirror(sidecar: str | None, data: bytes = DATA) -> Callable[[Exchange], None]:
    """Make a behaviour that serves the file and, beside it, block digests."""

    def behave(exchange: Exchange) -> None:
        if not exchange.target.endswith(block_hashes.SUFFIX):
            exchange.serve(data)
        elif sidecar is None:
            exchange.answer(404)
        else:
            exchange.answer(200, sidecar.encode())

    return behave


def test_only_the_damaged_block_is_fetched(desk: Desk, server: FaultyServer, sidecar: str) -> None:
    """One byte of the third block differs: 64 KiB cross the wire, not 667 kB."""
    damage(desk, 2 * BLOCK_BYTES + 5)
    server.behave = mirror(sidecar)
    repaired = repaired_from(desk, server)
    assert desk.target.read_bytes() == DATA
    assert repaired.reused_bytes == len(DATA) - BLOCK_BYTES
    assert server.body_bytes == BLOCK_BYTES
    assert desk.holds_only(NAME)


def test_a_shortened_file_is_gone_on_with(desk: Desk, server: FaultyServer, sidecar: str) -> None:
    """What is there is right; the rest is fetched."""
    desk.target.write_bytes(DATA[: 4 * BLOCK_BYTES + 100])
    server.behave = mirror(sidecar)
    assert repaired_from(desk, server).reused_bytes == 4 * BLOCK_BYTES
    assert desk.target.read_bytes() == DATA
    assert server.body_bytes == len(DATA) - 4 * BLOCK_BYTES


def test_a_file_that_is_too_long_loses_its_end(
    desk: Desk, server: FaultyServer, sidecar: str
) -> None:
    """What follows the blocks is cut off; at most the last, short one is fetched."""
    desk.target.write_bytes(DATA + b"more")
    server.behave = mirror(sidecar)
    assert repaired_from(desk, server).reused_bytes >= len(DATA) - BLOCK_BYTES
    assert desk.target.read_bytes() == DATA


def test_without_block_digests_the_whole_file_is_fetched(desk: Desk, server: FaultyServer) -> None:
    """A plain mirror has none."""
    damage(desk, 5)
    server.behave = mirror(None)
    assert repaired_from(desk, server).reused_bytes == 0
    assert desk.target.read_bytes() == DATA
    assert server.body_bytes == len(DATA)


def test_block_digests_of_another_file_are_not_used(
    desk: Desk, server: FaultyServer, tmp_path: Path
) -> None:
    """They belong to a file with another digest than the one that is wanted."""
    damage(desk, 5)
    other = tmp_path / "other"
    other.write_bytes(OTHER_DATA)
    server.behave = mirror(hash_blocks(other, BLOCK_BYTES).to_text())
    assert repaired_from(desk, server).reused_bytes == 0
    assert desk.target.read_bytes() == DATA


def test_lying_block_digests_cost_time_and_nothing_else(
    desk: Desk, server: FaultyServer, sidecar: str
) -> None:
    """They vouch for the damage, the file's digest does not, so the file is fetched from zero."""
    damage(desk, 2 * BLOCK_BYTES + 5)
    lie = json.loads(sidecar)
    lie["block_sha256"][2] = hashlib.sha256(
        desk.target.read_bytes()[2 * BLOCK_BYTES : 3 * BLOCK_BYTES]
    ).hexdigest()
    server.behave = mirror(json.dumps(lie))
    assert repaired_from(desk, server).reused_bytes == len(DATA)
    assert desk.target.read_bytes() == DATA
    assert server.body_bytes >= len(DATA)
    assert desk.holds_only(NAME)


def test_a_whole_file_is_left_alone(desk: Desk, server: FaultyServer, sidecar: str) -> None:
    """Nobody is asked anything."""
    desk.target.write_bytes(DATA)
    server.behave = mirror(sidecar)
    assert repaired_from(desk, server).fetched.was_cached
    assert server.requests == []


def test_a_mirror_that_cannot_mend_leaves_the_good_blocks_for_the_next(
    desk: Desk, server: FaultyServer, sidecar: str
) -> None:
    """The fetch fails; what was right of the file is kept to go on from."""
    damage(desk, 5)
    server.behave = lambda exchange: (
        exchange.answer(200, sidecar.encode())
        if exchange.target.endswith(".json")
        else exchange.answer(404)
    )
    with pytest.raises(FetchError) as caught:
        repaired_from(desk, server)
    assert caught.value.kept_bytes == len(DATA) - BLOCK_BYTES
    server.behave = mirror(sidecar)
    desk.fetch(server.base + "/" + NAME)
    assert server.body_bytes == BLOCK_BYTES


def test_a_file_that_the_registry_does_not_know_cannot_be_mended(desk: Desk) -> None:
    """It says what can be done instead."""
    desk.target.write_bytes(DATA)
    foreign = next(iter(take_inventory(desk.folder)))
    with pytest.raises(CacheError, match=f"the registry does not know it.*zoo cache remove {NAME}"):
        repair.repair(foreign)


def test_block_digests_are_those_of_the_blocks(tmp_path: Path) -> None:
    """Three blocks, the last one short."""
    path = tmp_path / "file"
    path.write_bytes(DATA[: 2 * BLOCK_BYTES + 10])
    parts = (
        DATA[:BLOCK_BYTES],
        DATA[BLOCK_BYTES : 2 * BLOCK_BYTES],
        DATA[2 * BLOCK_BYTES : 2 * BLOCK_BYTES + 10],
    )
    assert hash_blocks(path, BLOCK_BYTES) == BlockHashes(
        size_bytes=2 * BLOCK_BYTES + 10,
        sha256=hashlib.sha256(b"".join(parts)).hexdigest(),
        block_bytes=BLOCK_BYTES,
        block_sha256=tuple(hashlib.sha256(part).hexdigest() for part in parts),
    )
    assert hash_blocks(path, BLOCK_BYTES).span(2) == (2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 10)


@given(st.lists(st.integers(0, len(DATA) - 1), max_size=4), st.integers(0, len(DATA)))
def test_equal_blocks_are_exactly_those_without_a_change(
    tmp_path_factory: pytest.TempPathFactory, changed: list[int], length: int
) -> None:
    """Any bytes changed, any length cut off."""
    folder = tmp_path_factory.getbasetemp()
    whole, copy = folder / "whole", folder / "copy"
    whole.write_bytes(DATA)
    content = bytearray(DATA)
    for place in set(changed):
        content[place] ^= 1
    copy.write_bytes(content[:length])
    hashes = hash_blocks(whole, BLOCK_BYTES)
    spans = [hashes.span(index) for index in range(len(hashes.block_sha256))]
    right = [
        (a, b) for a, b in spans if b <= length and not any(a <= place < b for place in changed)
    ]
    assert equal_spans(copy, hashes) == right


def test_block_digests_survive_writing_and_reading(sidecar: str) -> None:
    """What a mirror writes, a client reads."""
    hashes = block_hashes.parse(sidecar.encode())
    assert hashes is not None
    assert hashes.sha256 == SHA256
    assert hashes.to_text() == sidecar


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"size_bytes": -1},
        {"size_bytes": True},
        {"size_bytes": len(DATA) + BLOCK_BYTES},
        {"block_bytes": 0},
        {"block_bytes": 1},
        {"block_bytes": 1 << 40},
        {"sha256": "0" * 63},
        {"block_sha256": None},
        {"block_sha256": []},
        {"block_sha256": ["x"] * 11},
    ],
)
def test_a_sidecar_that_does_not_add_up_is_ignored(sidecar: str, change: dict[str, object]) -> None:
    """It is a hint; a bad one is none."""
    assert block_hashes.parse(json.dumps({**json.loads(sidecar), **change}).encode()) is None


@given(st.binary(max_size=100) | st.sampled_from([b"[]", b"null", b"{}", b"[" * 100_000]))
def test_any_bytes_are_a_sidecar_or_ignored(data: bytes) -> None:
    """Whatever a mirror sends."""
    assert block_hashes.parse(data) is None
