"""Look after a mirror: verify, repair, remove, import."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import MODEL_COMMIT, TAGGED
from tests.mirror.syncing import WEIGHTS_URL, run, run_weights, weights
from zoo.errors import MirrorError
from zoo.mirror import upkeep, wants

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hub_upstream import HubUpstream
    from zoo.mirror.store import Store


def test_verify_finds_a_flipped_byte_in_any_file_and_sync_repairs_it(store: Store, upstream: HubUpstream) -> None:
    """Every stored file in turn gets one flipped byte, with its times set back."""
    url = weights(upstream, bytes(10_000))
    wanted = ("someone/nets:v1", "hf:org/tiny")
    run(store, *wanted)
    run_weights(store, url)
    assert upkeep.verify(store) == []
    for path, file in store.catalogue().files.items():
        place = store.root / path
        good, times = place.read_bytes(), place.stat()
        place.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
        (damage,) = upkeep.verify(store)
        assert (damage.file, damage.fault[:22]) == (file, "expected sha256 " + file.sha256[:6])
        summary = run_weights(store, url) if path.startswith("weights/") else run(store, *wanted)
        assert [fetched.path for fetched in summary.fetched] == [path]
        assert place.read_bytes() == good
        assert upkeep.verify(store) == []


def test_sync_that_dies_leaves_a_valid_mirror(store: Store, upstream: HubUpstream) -> None:
    """What one sync could not finish is not in the catalogue; the next one takes what has arrived and goes on."""
    address = f"/org/tiny/resolve/{MODEL_COMMIT}/README.md"
    upstream.faults[address] = lambda exchange: exchange.answer(404)
    run(store, "hf:org/tiny")
    assert store.catalogue().items == ()
    assert upkeep.verify(store) == []
    del upstream.faults[address]
    upstream.requests.clear()
    assert run(store, "hf:org/tiny").failures == []
    assert not [path for path in upstream.paths if "cdn" in path]
    assert upkeep.verify(store) == []


def test_remove_takes_the_files_that_nothing_else_needs(store: Store, upstream: HubUpstream) -> None:
    """The other item and its files stay."""
    run(store, "someone/nets", "hf:org/tiny")
    upkeep.remove(store, wants.parse("hf:org/tiny"))
    assert [item.name for item in store.catalogue().items] == ["someone/nets"]
    assert not (store.root / "huggingface").exists()
    assert upkeep.verify(store) == []


def test_files_carried_in_by_hand_are_verified(store: Store, upstream: HubUpstream, tmp_path: Path) -> None:
    """An archive with its commit, a snapshot folder, and weights by their address."""
    archive = tmp_path / "nets.zip"
    archive.write_bytes(upstream.repositories["someone/nets"].archives[TAGGED])
    assert upkeep.import_file(store, archive, "someone/nets:v1").revision == TAGGED
    snapshot = tmp_path / "snapshot"
    (snapshot / "sub").mkdir(parents=True)
    (snapshot / "config.json").write_bytes(b"{}")
    (snapshot / "sub" / "x.txt").write_bytes(b"x")
    assert len(upkeep.import_file(store, snapshot, f"hf:org/other@{MODEL_COMMIT}").files) == 2
    named = tmp_path / "net.pth"
    named.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    upkeep.import_file(store, named, WEIGHTS_URL.format(f"net-{digest}.pth"))
    with pytest.raises(MirrorError, match="expected sha256 0123abcd"):
        upkeep.import_file(store, named, WEIGHTS_URL.format("net-0123abcd.pth"))
    with pytest.raises(MirrorError, match="say what it is with --as"):
        upkeep.import_file(store, named)
    assert upkeep.verify(store) == []
    assert len(store.catalogue().items) == 3
