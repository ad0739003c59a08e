"""One mirror's documents and files: written by many, cut off anywhere, damaged, made again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.mirror.conftest import MAIN, fill
from tests.mirror.syncing import run, run_weights, weights
from tests.support.failing_objects import DyingObjects, PowerCutError
from tests.support.mirror_places import again, holds, keys, lose, overwrite, read
from zoo.errors import MirrorError
from zoo.mirror import index, layout, manifests, upkeep
from zoo.mirror.index import Index, Item, StoredFile, entered
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.mirror.store.folder import Folder

if TYPE_CHECKING:
    from tests.support.hub_upstream import HubUpstream
    from tests.support.mirror_places import Places

WEIGHTS = "/models/net-5891b5b5.pth"


def _item(number: int, data: bytes = b"x") -> Item:
    """Describe weights of one file."""
    path = f"weights/host/net{number}.pth"
    digest = hashlib.sha256(data).hexdigest()
    file = StoredFile(path, f"https://host/net{number}.pth", len(data), digest, "2026-01-01")
    return Item("weights", f"https://host/net{number}.pth", (file,))


def _put(store: Store, number: int, data: bytes = b"x") -> Item:
    """Bring a file as a sync does, and enter it."""
    item = _item(number, data)
    staged = store.staged(f"staged-{number}-{os.urandom(4).hex()}")
    staged.write_bytes(data)
    with store.working():
        store.adopt(staged, item.files[0].path, item.files[0].sha256)
        store.enter(item)
    return item


@pytest.fixture
def empty(places: Places) -> Store:
    """Make a mirror without upstreams."""
    return _empty(places)


def _empty(places: Places) -> Store:
    made = Store.create(places.new(), Settings())
    return again(made)


@pytest.fixture
def filled(places: Places) -> Store:
    """Make a mirror of weights, a repository and a model."""
    return fill(places.new(), {WEIGHTS: b"hello\n"}, "someone/nets", "hf:org/tiny")


# -- the index over the manifests


def test_what_is_entered_is_seen_by_other_processes_at_once(empty: Store) -> None:
    """Before the index is written again, after it, and when it leaves."""
    other = again(empty)
    assert other.index().items == ()
    item = _put(empty, 1)
    assert other.index().items == (item,)
    empty.fold()
    assert other.index().items == (item,)
    assert json.loads(read(empty, layout.INDEX))["items"][0]["name"] == item.name
    assert keys(empty, layout.PENDING) == set()
    empty.forget([item])
    assert (other.index().items, other.index().files) == ((), {})


def test_index_is_written_once_for_many_items(empty: Store) -> None:
    """Entering an item does not touch the index; folding writes it once."""
    before = empty.objects.version(layout.INDEX)
    for number in range(20):
        _put(empty, number)
    assert empty.objects.version(layout.INDEX) == before
    empty.fold()
    assert len(again(empty).index().items) == 20


def test_one_file_of_two_names_stays_until_both_are_gone(empty: Store) -> None:
    """The table of files knows who holds a file."""
    item = _put(empty, 1)
    twin = Item("weights", "registered:tag", item.files)
    empty.enter(twin)
    empty.forget([item])
    assert list(empty.index().files) == [item.files[0].path]
    upkeep.drop(empty, [twin])
    assert not holds(empty, item.files[0].path)


def test_index_that_is_changed_in_parts_equals_one_that_is_made_whole() -> None:
    """Items come, change and go; the tables are those of an index made from what is left."""
    made = Index()
    for number in range(30):
        item = _item(number % 7, bytes([number]))
        before = made.versions(item.kind, item.name)
        made = made.replacing({item.place: entered(tuple(before), item)})
    gone = {_item(3).key}
    kept = [_item(number % 7, bytes([number])) for number in range(23, 30) if number % 7 != 3]
    assert made.without(gone) == Index(kept)
    assert made.without(gone).files == Index(kept).files


def test_writers_at_once_lose_nothing(empty: Store) -> None:
    """Eight of them, each with a view of its own, some on one name, one folding all the time."""
    shared = ("repository", "o/r")
    stop = threading.Event()

    def write(writer: int) -> None:
        own = again(empty)
        for number in range(3):
            _put(own, writer * 100 + number)
            commit = f"{writer:020x}{number:020x}"
            file = StoredFile(f"repositories/o/r/{commit}.zip", "https://x", 1, "a" * 64, "2026")
            own.enter(Item("repository", "o/r", (file,), commit, (commit,)))

    def fold() -> None:
        own = again(empty)
        while not stop.is_set():
            own.fold()

    folder = threading.Thread(target=fold)
    folder.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    stop.set()
    folder.join()
    found = again(empty).index()
    assert len(found.versions(*cast("Any", shared))) == 8 * 3
    assert len([item for item in found.items if item.kind == "weights"]) == 8 * 3
    empty.fold()
    assert index.parse(read(empty, layout.INDEX)) == found


# -- cut off anywhere


def _live(store: Store) -> None:
    """Do everything that changes a mirror."""
    first = _put(store, 1)
    store.fold()
    _put(store, 1, b"changed")
    upkeep.drop(store, [first])
    _put(store, 2)
    store.fold()


def test_power_cut_at_any_step_leaves_a_valid_mirror(places: Places) -> None:
    """Every file that the index names is there and right, before and after prune; life goes on."""
    for steps in range(200):
        store = _empty(places)
        dying = DyingObjects(again(store).objects, steps)
        with contextlib.suppress(PowerCutError):
            _live(Store(store.address, objects=cast("Any", dying)))
        assert _faults(store) == [], steps
        upkeep.prune(store)
        assert _faults(store) == [], steps
        assert keys(store, "weights/") == store.index().files.keys(), steps
        after = _put(store, 3)
        assert after in again(store).index().items
        if not dying.has_died:
            assert steps > 12
            return
    pytest.fail("it never came to its end")


def _faults(store: Store) -> list[str]:
    """Find files of the index that are not there, or that have other bytes than it says."""
    faults = []
    for path, file in again(store).index().files.items():
        data = read(store, path) if holds(store, path) else b""
        if hashlib.sha256(data).hexdigest() != file.sha256:
            faults.append(path)
    return faults


# -- damaged and made again


@pytest.mark.parametrize("damage", ["cut", "lost", "empty"])
def test_damaged_index_is_made_again_from_the_manifests(filled: Store, damage: str) -> None:
    """The error names the command; the command brings everything back."""
    before = filled.index()
    if damage == "lost":
        lose(filled, layout.INDEX)
    else:
        kept_bytes = 100 if damage == "cut" else 0
        overwrite(filled, layout.INDEX, read(filled, layout.INDEX)[:kept_bytes])
    with pytest.raises(MirrorError, match='run "zoo mirror reindex"'):
        again(filled).index()
    done = upkeep.reindex(again(filled))
    assert (done.recovered, done.faults) == ((), ())
    assert again(filled).index() == before


def test_lost_manifests_are_made_again_from_the_index(filled: Store) -> None:
    """Also the other way round: the two are copies of each other."""
    before = filled.index()
    manifest_keys = keys(filled, layout.MANIFESTS)
    for key in manifest_keys:
        lose(filled, key)
    upkeep.reindex(again(filled))
    assert again(filled).index() == before
    assert len(manifest_keys) == 3
    assert keys(filled, layout.MANIFESTS) == manifest_keys


def test_broken_manifest_is_named_moved_aside_and_replaced(filled: Store) -> None:
    """One line for one document; what the index knows of it stands in."""
    before = filled.index()
    overwrite(filled, manifests.key_of(manifests.id_of(("huggingface", "org/tiny"))), b"{")
    with pytest.raises(MirrorError, match="no file was removed"):
        upkeep.prune(again(filled))
    done = upkeep.reindex(again(filled))
    assert again(filled).index() == before
    assert done.faults == ()
    upkeep.prune(again(filled))
    assert upkeep.verify(again(filled)) == []


def test_without_index_and_manifests_files_that_prove_themselves_come_back(filled: Store) -> None:
    """Weights by the digits in their name, archives by their commit; others wait for a sync."""
    lose(filled, layout.INDEX)
    for key in keys(filled, layout.MANIFESTS):
        lose(filled, key)
    forged = layout.weights_path("https://download.pytorch.org/models/net-0badc0de.pth")
    overwrite(filled, forged, b"other bytes")
    done = upkeep.reindex(again(filled))
    assert {item.kind for item in done.recovered} == {"weights", "repository"}
    found = again(filled).index()
    (repository,) = found.versions("repository", "someone/nets")
    assert (repository.revision, repository.refs) == (MAIN, (MAIN,))
    assert forged not in found.files


# -- staging


def test_staging_on_another_disk_works(folder_store: Store, upstream: HubUpstream) -> None:
    """Where a rename cannot cross, the bytes are copied, whole or not at all."""
    elsewhere = Path("/dev/shm")  # noqa: S108 - a disk of its own is what is wanted
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == folder_store.root.stat().st_dev:
        pytest.skip("there is no second file system here")
    staging = elsewhere / f"zoo-test-{os.getpid()}"
    staging.mkdir()
    try:
        (folder_store.root / layout.INCOMING).parent.mkdir(exist_ok=True)
        (folder_store.root / layout.INCOMING).symlink_to(staging)
        url = weights(upstream, bytes(100_000))
        assert run_weights(folder_store, url).failures == []
        assert run(folder_store, "someone/nets", "hf:org/tiny").failures == []
        assert upkeep.verify(folder_store) == []
        assert [path.name for path in staging.iterdir() if path.is_file()] == []
    finally:
        for path in sorted(staging.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        staging.rmdir()


def test_file_system_without_links_costs_a_copy(store: Store, upstream: HubUpstream) -> None:
    """A second name for the same bytes is no link out of the mirror, and outlives the first."""
    run(store, "hf:org/tiny")
    source = next(file for path, file in store.index().files.items() if "safetensors" in path)
    store.copy(source, "huggingface/models--a--b/x/model.safetensors")
    store.remove(source.path)
    assert store.read_digest("huggingface/models--a--b/x/model.safetensors") == source.sha256


# -- prune beside others


def test_prune_waits_for_a_sync(folder_store: Store, upstream: HubUpstream) -> None:
    """What a resumed sync has in place but not in the index is old by its times, yet is kept."""
    address = f"/org/tiny/resolve/{'a' * 40}/README.md"
    upstream.faults[address] = lambda exchange: exchange.answer(404)
    run(folder_store, "hf:org/tiny")
    for path in (folder_store.root / "huggingface").rglob("*"):
        os.utime(path, (1, 1))
    impatient = Store(folder_store.root, objects=Folder(folder_store.root, alone_timeout_s=0))
    with (
        folder_store.working(),
        pytest.raises(MirrorError, match="another process brings files here"),
    ):
        upkeep.prune(impatient)
    assert len(folder_store.strays()) == 4
    assert len(upkeep.prune(impatient, min_age_s=86400)) == 4
