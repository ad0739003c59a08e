"""One mirror's documents and files: written by many at once, cut off anywhere, damaged, made again."""

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
from zoo.errors import MirrorError
from zoo.mirror import index, layout, manifests, upkeep
from zoo.mirror.index import Index, Item, StoredFile
from zoo.mirror.settings import Settings
from zoo.mirror.store import Store
from zoo.mirror.store.folder import Folder

if TYPE_CHECKING:
    from tests.support.hub_upstream import HubUpstream


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
def empty(tmp_path: Path) -> Store:
    """Make a mirror without upstreams."""
    return Store.create(tmp_path / "m", Settings())


# -- the index over the manifests


def test_what_is_entered_is_seen_by_other_processes_at_once(empty: Store) -> None:
    """Before the index is written again, after it, and when it leaves."""
    other = Store(empty.root)
    assert other.index().items == ()
    item = _put(empty, 1)
    assert other.index().items == (item,)
    empty.fold()
    assert other.index().items == (item,)
    assert json.loads((empty.root / "index.json").read_bytes())["items"][0]["name"] == item.name
    assert not list((empty.root / ".private" / "pending").iterdir())
    empty.forget([item])
    assert (other.index().items, other.index().files) == ((), {})


def test_index_is_written_once_for_many_items(empty: Store) -> None:
    """Entering an item does not touch the index; folding writes it once."""
    before = (empty.root / "index.json").stat().st_ino
    for number in range(20):
        _put(empty, number)
    assert (empty.root / "index.json").stat().st_ino == before
    empty.fold()
    assert len(Store(empty.root).index().items) == 20


def test_one_file_of_two_names_stays_until_both_are_gone(empty: Store) -> None:
    """The table of files knows who holds a file."""
    item = _put(empty, 1)
    twin = Item("weights", "registered:tag", item.files)
    empty.enter(twin)
    empty.forget([item])
    assert list(empty.index().files) == [item.files[0].path]
    upkeep.drop(empty, [twin])
    assert not (empty.root / item.files[0].path).exists()


def test_index_that_is_changed_in_parts_equals_one_that_is_made_whole() -> None:
    """Items come, change and go; the tables are those of an index made from what is left."""
    made = Index()
    for number in range(30):
        made = made.with_item(_item(number % 7, bytes([number])))
    gone = {_item(3).key}
    kept = [_item(number % 7, bytes([number])) for number in range(23, 30) if number % 7 != 3]
    assert made.without(gone) == Index(kept)
    assert made.without(gone).files == Index(kept).files


def test_writers_at_once_lose_nothing(empty: Store) -> None:
    """Eight of them, each with its own view of the mirror, some on one name, one folding all the time."""
    shared = ("repository", "o/r")
    stop = threading.Event()

    def write(writer: int) -> None:
        own = Store(empty.root)
        for number in range(6):
            _put(own, writer * 100 + number)
            commit = f"{writer:020x}{number:020x}"
            file = StoredFile(f"repositories/o/r/{commit}.zip", "https://x", 1, "a" * 64, "2026")
            own.enter(Item("repository", "o/r", (file,), commit, (commit,)))

    def fold() -> None:
        own = Store(empty.root)
        while not stop.is_set():
            own.fold()

    folder = threading.Thread(target=fold)
    folder.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    stop.set()
    folder.join()
    found = Store(empty.root).index()
    assert len(found.versions(*cast("Any", shared))) == 48
    assert len([item for item in found.items if item.kind == "weights"]) == 48
    empty.fold()
    assert index.parse((empty.root / "index.json").read_bytes()) == found


# -- cut off anywhere


def _live(store: Store) -> None:
    """Do everything that changes a mirror."""
    first = _put(store, 1)
    _put(store, 2)
    store.fold()
    _put(store, 2, b"changed")
    upkeep.drop(store, [first])
    _put(store, 3)
    store.fold()


def test_power_cut_at_any_step_leaves_a_valid_mirror(tmp_path: Path) -> None:
    """Every file that the index names is there and right, before and after prune; and life goes on."""
    for steps in range(200):
        root = tmp_path / str(steps)
        store = Store.create(root, Settings())
        dying = DyingObjects(Folder(root), steps)
        with contextlib.suppress(PowerCutError):
            _live(Store(root, objects=cast("Any", dying)))
        assert _faults(store) == [], steps
        upkeep.prune(Store(root))
        assert _faults(store) == [], steps
        assert not [path for path in _content(root) if path not in store.index().files], steps
        _live(Store(root))
        assert set(Store(root).index().files) == {f"weights/host/net{n}.pth" for n in (2, 3)}
        if not dying.has_died:
            assert steps > 15
            return
    pytest.fail("it never came to its end")


def _faults(store: Store) -> list[str]:
    """Find files of the index that are not there, or that have other bytes than it says."""
    faults = []
    for path, file in Store(store.root).index().files.items():
        data = (store.root / path).read_bytes() if (store.root / path).is_file() else b""
        if hashlib.sha256(data).hexdigest() != file.sha256:
            faults.append(path)
    return faults


def _content(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in (root / "weights").rglob("*")
        if path.is_file()
    }


# -- damaged and made again


@pytest.mark.parametrize("damage", ["cut", "lost", "empty"])
def test_damaged_index_is_made_again_from_the_manifests(tmp_path: Path, damage: str) -> None:
    """The error names the command; the command brings everything back."""
    root = fill(
        tmp_path / "m", {"/models/net-5891b5b5.pth": b"hello\n"}, "someone/nets", "hf:org/tiny"
    )
    before = Store(root).index()
    path = root / "index.json"
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:100] if damage == "cut" else b"")
    with pytest.raises(MirrorError, match='run "zoo mirror reindex"'):
        Store(root).index()
    done = upkeep.reindex(Store(root))
    assert (done.recovered, done.faults) == ((), ())
    assert Store(root).index() == before


def test_lost_manifests_are_made_again_from_the_index(tmp_path: Path) -> None:
    """Also the other way round: the two are copies of each other."""
    root = fill(tmp_path / "m", {}, "someone/nets", "hf:org/tiny")
    before = Store(root).index()
    for path in list((root / "manifests").rglob("*.json")):
        path.unlink()
    upkeep.reindex(Store(root))
    assert Store(root).index() == before
    assert len(list((root / "manifests").rglob("*.json"))) == 2


def test_broken_manifest_is_named_moved_aside_and_replaced(tmp_path: Path) -> None:
    """One line for one document; what the index knows of it stands in."""
    root = fill(tmp_path / "m", {}, "someone/nets", "hf:org/tiny")
    before = Store(root).index()
    broken = root / manifests.key_of(manifests.id_of(("huggingface", "org/tiny")))
    broken.write_text("{")
    with pytest.raises(MirrorError, match="no file was removed"):
        upkeep.prune(Store(root))
    done = upkeep.reindex(Store(root))
    assert Store(root).index() == before
    assert done.faults == ()
    upkeep.prune(Store(root))
    assert upkeep.verify(Store(root)) == []


def test_without_index_and_manifests_files_that_prove_themselves_come_back(tmp_path: Path) -> None:
    """Weights by the digits in their name, archives by their commit; others wait for the next sync."""
    root = fill(
        tmp_path / "m", {"/models/net-5891b5b5.pth": b"hello\n"}, "someone/nets", "hf:org/tiny"
    )
    (root / "index.json").unlink()
    for path in list((root / "manifests").rglob("*.json")):
        path.unlink()
    forged = root / "weights" / "download.pytorch.org" / "models" / "net-0badc0de.pth"
    forged.write_bytes(b"other bytes")
    done = upkeep.reindex(Store(root))
    assert {item.kind for item in done.recovered} == {"weights", "repository"}
    (repository,) = Store(root).index().versions("repository", "someone/nets")
    assert (repository.revision, repository.refs) == (MAIN, (MAIN,))
    assert layout.weights_path("https://download.pytorch.org/models/net-0badc0de.pth") not in (
        Store(root).index().files
    )


# -- staging


def test_staging_on_another_disk_works(store: Store, upstream: HubUpstream) -> None:
    """Where a rename cannot cross, the bytes are copied, whole or not at all."""
    elsewhere = Path("/dev/shm")  # noqa: S108 - a disk of its own is what is wanted
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == store.root.stat().st_dev:
        pytest.skip("there is no second file system here")
    staging = elsewhere / f"zoo-test-{os.getpid()}"
    staging.mkdir()
    try:
        (store.root / layout.INCOMING).parent.mkdir(exist_ok=True)
        (store.root / layout.INCOMING).symlink_to(staging)
        url = weights(upstream, bytes(100_000))
        assert run_weights(store, url).failures == []
        assert run(store, "someone/nets", "hf:org/tiny").failures == []
        assert upkeep.verify(store) == []
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


def test_prune_waits_for_a_sync(store: Store, upstream: HubUpstream) -> None:
    """What a resumed sync has in place but not in the index yet is old by its times; nobody takes it away."""
    address = f"/org/tiny/resolve/{'a' * 40}/README.md"
    upstream.faults[address] = lambda exchange: exchange.answer(404)
    run(store, "hf:org/tiny")
    for path in (store.root / "huggingface").rglob("*"):
        os.utime(path, (1, 1))
    impatient = Store(store.root, objects=Folder(store.root, alone_timeout_s=0))
    with store.working(), pytest.raises(MirrorError, match="another process brings files here"):
        upkeep.prune(impatient)
    assert len(store.strays()) == 4
    assert len(upkeep.prune(impatient, min_age_s=86400)) == 4
