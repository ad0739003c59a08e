"""Digests of blocks beside a mirror's weights: made, served, kept right, used, and removed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import fill
from tests.mirror.syncing import WEIGHTS_URL, run, run_weights, weights
from tests.support.faulty_server import FaultyServer
from tests.support.mirror_places import flip, holds, keys, lose, overwrite, read
from tests.support.mirror_server import ask, serving
from tests.support.small_registry import file_of, registry_of
from zoo.cache import block_hashes
from zoo.cache.block_hashes import BLOCK_BYTES, BlockHashes
from zoo.cache.inventory import take_inventory
from zoo.download import repair
from zoo.download.options import FetchOptions
from zoo.errors import MirrorError
from zoo.mirror import imports, layout, remotes, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.faulty_server import Exchange
    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places
    from tests.support.mirror_server import RunningMirror
    from zoo.mirror.store import Store

DATA = hashlib.shake_256(b"blocks").digest(5 * BLOCK_BYTES + 12_345)
EXPECTED = BlockHashes(
    len(DATA),
    hashlib.sha256(DATA).hexdigest(),
    BLOCK_BYTES,
    tuple(
        hashlib.sha256(DATA[start : start + BLOCK_BYTES]).hexdigest()
        for start in range(0, len(DATA), BLOCK_BYTES)
    ),
)


def _hold(store: Store, upstream: HubUpstream) -> tuple[str, str, str]:
    """Bring the usual file into a mirror; return its address, its path and that of its digests."""
    url = weights(upstream, DATA)
    assert run_weights(store, url).failures == []
    path = layout.weights_path(url)
    return url, path, f"{path}.blocks.json"


def _served(store: Store) -> dict[str, tuple[object, float]]:
    """List the files that a mirror serves with what changes when one is written."""
    entries = [entry for entry in store.objects.listed() if layout.PRIVATE not in entry.key]
    return {entry.key: (store.objects.version(entry.key), entry.modified_s) for entry in entries}


def _digests(store: Store, path: str) -> BlockHashes | None:
    """Read digests of blocks."""
    return block_hashes.parse(read(store, path))


# -- they come
# --------------------------------------------------------------------------------------------------


def test_sync_writes_the_digests_of_every_block(store: Store, upstream: HubUpstream) -> None:
    """Of five whole blocks and a shorter one; they are no file of the index."""
    _, path, beside = _hold(store, upstream)
    assert _digests(store, beside) == EXPECTED
    assert set(store.index().files) == {path}


def test_digests_of_blocks_can_be_read_by_a_web_server(
    folder_store: Store, upstream: HubUpstream
) -> None:
    """It is another user, for whom files have modes; objects of a bucket have none."""
    _, path, beside = _hold(folder_store, upstream)
    modes = [(folder_store.root / name).stat().st_mode & 0o777 for name in (path, beside)]
    assert modes == [0o644, 0o644]


def test_a_file_of_one_block_has_no_digests(store: Store, upstream: HubUpstream) -> None:
    """One block is fetched whole anyway; one byte more is two blocks."""
    run_weights(
        store, weights(upstream, bytes(BLOCK_BYTES)), weights(upstream, bytes(BLOCK_BYTES + 1))
    )
    (beside,) = [key for key in keys(store, "weights/") if key.endswith(".blocks.json")]
    assert len(read(store, beside.removesuffix(".blocks.json"))) == BLOCK_BYTES + 1


def test_import_writes_the_digests_of_blocks(store: Store, tmp_path: Path) -> None:
    """A file that was carried in by hand is described like one that was fetched."""
    carried = tmp_path / "carried.pth"
    carried.write_bytes(DATA)
    url = WEIGHTS_URL.format(f"net-{EXPECTED.sha256[:8]}.pth")
    imports.import_file(store, carried, url)
    assert _digests(store, f"{layout.weights_path(url)}.blocks.json") == EXPECTED


def test_pull_through_writes_and_serves_the_digests_of_blocks(
    store: Store, upstream: HubUpstream
) -> None:
    """Before the file has been pulled there are none, and nobody upstream is asked for them."""
    path = "/" + layout.weights_path(weights(upstream, DATA))
    with serving(store, "--pull-through") as running:
        assert ask(running, path + ".blocks.json").status == 404
        assert upstream.paths == []
        assert ask(running, path).body == DATA
        assert block_hashes.parse(ask(running, path + ".blocks.json").body) == EXPECTED


def test_a_second_sync_writes_nothing(store: Store, upstream: HubUpstream, tmp_path: Path) -> None:
    """Neither with the receipts of the first nor without them, as another user has none."""
    url, _, _ = _hold(store, upstream)
    before = _served(store)
    upstream.requests.clear()
    run_weights(store, url)
    assert (_served(store), upstream.paths) == (before, [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path / "of-another-user"))
        run_weights(store, url)
    assert (_served(store), upstream.paths) == (before, [])


# -- they are kept right
# --------------------------------------------------------------------------------------------------


def _lie(text: str) -> str:
    """Change one digit of the last block's digest: the file's own length and digest still fit."""
    digit = EXPECTED.block_sha256[-1][-1]
    return text.replace(f'{digit}"]', f'{"1" if digit == "0" else "0"}"]')


@pytest.mark.parametrize("change", [_lie, lambda _: "", lambda text: text[:100], lambda _: "[]"])
def test_verify_finds_wrong_digests_of_blocks_and_sync_makes_them_again(
    store: Store, upstream: HubUpstream, change: Callable[[str], str]
) -> None:
    """The weights stay; a sync of anything makes the digests again and fetches nothing for it."""
    url, _, beside = _hold(store, upstream)
    good = read(store, beside)
    bad = change(good.decode()).encode()
    assert bad != good
    overwrite(store, beside, bad)
    (damage,) = upkeep.verify(store)
    assert damage.file.path == layout.weights_path(url) + ".blocks.json"
    upstream.requests.clear()
    assert run(store).fetched == []
    assert (read(store, beside), upstream.paths) == (good, [])
    assert upkeep.verify(store) == []


def test_sync_makes_the_digests_that_an_older_mirror_lacks(
    store: Store, upstream: HubUpstream
) -> None:
    """Their absence is no damage: they are a hint."""
    url, _, beside = _hold(store, upstream)
    lose(store, beside)
    assert upkeep.verify(store) == []
    assert run_weights(store, url).fetched == []
    assert _digests(store, beside) == EXPECTED


def test_sync_describes_a_whole_file_that_it_finds_in_its_place(
    store: Store, upstream: HubUpstream
) -> None:
    """What a dead sync left is taken as it is, and has its digests before the index names it."""
    url = weights(upstream, DATA)
    path = layout.weights_path(url)
    staged = store.staged("arrived")
    staged.write_bytes(DATA)
    store.objects.take(staged, path, EXPECTED.sha256)
    run_weights(store, url)
    assert upstream.paths == []
    assert _digests(store, f"{path}.blocks.json") == EXPECTED


def test_a_damaged_file_is_never_described(store: Store, upstream: HubUpstream) -> None:
    """Digests made from the damage would vouch for it."""
    _, path, beside = _hold(store, upstream)
    lose(store, beside)
    flip(store, path)
    assert run(store).failures == []
    assert not holds(store, beside)


# -- they go
# --------------------------------------------------------------------------------------------------


def test_digests_of_blocks_are_no_strays_while_their_file_is_held(
    store: Store, upstream: HubUpstream
) -> None:
    """Others are: beside nothing, or beside a file that needs none."""
    _, _, beside = _hold(store, upstream)
    run_weights(store, small := weights(upstream, b"small"))
    odd = [f"{layout.weights_path(small)}.blocks.json", "weights/gone.pth.blocks.json"]
    for path in odd:
        overwrite(store, path, b"{}")
    assert sorted(path for path, _ in upkeep.prune(store)) == sorted(odd)
    assert holds(store, beside)
    assert upkeep.prune(store) == []


def test_digests_of_blocks_leave_with_their_file(store: Store, upstream: HubUpstream) -> None:
    """Once the index does not name the file, prune takes both."""
    _hold(store, upstream)
    store.forget(store.index().items)
    assert len(upkeep.prune(store)) == 2
    assert keys(store, "weights/") == set()


def test_remove_takes_the_digests_of_blocks_too(store: Store, upstream: HubUpstream) -> None:
    """Nothing is left to prune."""
    name = "resnet18:imagenet1k_v1"
    with Sync(store) as sync:
        assert (
            sync.run(
                [replace(remotes.unregistered_weights(weights(upstream, DATA)), name=name)]
            ).failures
            == []
        )
    assert len(keys(store, "weights/")) == 2
    assert len(upkeep.remove(store, ecosystems.parse(name))) == 1
    assert keys(store, "weights/") == set()


# -- they are served and used
# --------------------------------------------------------------------------------------------------


def test_weights_cannot_take_the_name_of_digests(store: Store, upstream: HubUpstream) -> None:
    """A publisher's file of that name would be overwritten by ours."""
    upstream.weights["/models/net.pth.blocks.json"] = DATA
    with pytest.raises(MirrorError, match=r"names that end with \.blocks\.json are kept"):
        run_weights(store, WEIGHTS_URL.format("net.pth.blocks.json"))
    assert layout.path_fault(f"huggingface/models--org--tiny/{'a' * 40}/net.blocks.json") is None


def test_server_hides_digests_that_belong_to_nothing(store: Store, upstream: HubUpstream) -> None:
    """Only those beside a file that the index names, while they are there."""
    _, _, beside = _hold(store, upstream)
    overwrite(store, "weights/loose.pth.blocks.json", b"{}")
    with serving(store) as running:
        assert ask(running, f"/{beside}").headers["content-type"] == "application/json"
        assert ask(running, "/weights/loose.pth.blocks.json").status == 404
        lose(store, beside)
        assert ask(running, f"/{beside}").status == 404


def test_server_hides_digests_beside_a_lost_file_or_behind_a_link(
    folder_store: Store, upstream: HubUpstream
) -> None:
    """Links are a folder's; a lost file is looked for on a disk only, a bucket is believed."""
    _, path, name = _hold(folder_store, upstream)
    beside, outside = folder_store.root / name, folder_store.root.parent / "outside.json"
    with serving(folder_store) as running:
        beside.rename(outside)
        beside.symlink_to(outside)
        assert ask(running, f"/{name}").status == 404
        beside.unlink()
        outside.rename(beside)
        assert ask(running, f"/{name}").status == 200
        (folder_store.root / path).unlink()
        assert ask(running, f"/{name}").status == 404


def test_repair_fetches_only_the_damaged_block_from_a_mirror(
    places: Places, tmp_path: Path
) -> None:
    """A flipped byte in the third block, repaired from the server: 1 MiB of 5 crosses the wire."""
    record = file_of("net", DATA)
    store = fill(places.new(), {f"/models/{record.file_name}": DATA})
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    cached = folder / record.file_name
    damaged = bytearray(DATA)
    damaged[2 * BLOCK_BYTES + 7] ^= 1
    cached.write_bytes(damaged)
    with serving(store) as running, FaultyServer() as wire:
        wire.behave = lambda exchange: _pass_on(exchange, running)
        options = FetchOptions(folder=folder, mirrors=(wire.base,), upstream=False)
        (found,) = take_inventory(folder, registry=registry_of({"resnet18": record}))
        repaired = repair.repair(found, options=options)
    assert cached.read_bytes() == DATA
    assert repaired.reused_bytes == len(DATA) - BLOCK_BYTES
    assert wire.body_bytes == BLOCK_BYTES + len(EXPECTED.to_text())


def _pass_on(exchange: Exchange, mirror: RunningMirror) -> None:
    """Ask the mirror what was asked here, and count what its answer brings."""
    asked: dict[str, str] = {
        name: exchange.headers[name] for name in ("range", "if-range") if name in exchange.headers
    }
    answer = ask(mirror, exchange.target, headers=asked)
    exchange.head(answer.status, {**answer.headers, "connection": "close"})
    exchange.body(answer.body)
