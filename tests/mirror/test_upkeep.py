"""Look after a mirror: verify, repair, remove, import."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.mirror.conftest import MODEL_COMMIT, TAGGED
from tests.mirror.syncing import QUICK, WEIGHTS_URL, run, run_weights, weights
from tests.support.failing_objects import BadSectorObjects
from tests.support.mirror_places import flip, holds, keys, overwrite, read
from zoo.errors import DiskFullError, MirrorError, UsageError
from zoo.mirror import imports, upkeep
from zoo.mirror.ecosystems import known as ecosystems
from zoo.mirror.store import Store
from zoo.mirror.sync import Sync

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.hub_upstream import HubUpstream


def test_verify_finds_a_flipped_byte_in_any_file_and_sync_repairs_it(
    store: Store, upstream: HubUpstream
) -> None:
    """Every stored file in turn gets one flipped bit, which on a disk leaves no other trace."""
    url = weights(upstream, bytes(10_000))
    wanted = ("someone/nets:v1", "hf:org/tiny")
    run(store, *wanted)
    run_weights(store, url)
    assert upkeep.verify(store) == []
    for path, file in store.index().files.items():
        good = flip(store, path)
        (damage,) = upkeep.verify(store)
        assert (damage.file, damage.fault[:22]) == (file, "expected sha256 " + file.sha256[:6])
        summary = run_weights(store, url) if path.startswith("weights/") else run(store, *wanted)
        assert [fetched.path for fetched in summary.fetched] == [path]
        assert read(store, path) == good
    assert upkeep.verify(store) == []


def test_sync_that_dies_leaves_a_valid_mirror(store: Store, upstream: HubUpstream) -> None:
    """What a sync could not finish is not in the index; the next takes what came and goes on."""
    address = f"/org/tiny/resolve/{MODEL_COMMIT}/README.md"
    upstream.faults[address] = lambda exchange: exchange.answer(404)
    run(store, "hf:org/tiny")
    assert store.index().items == ()
    assert upkeep.verify(store) == []
    del upstream.faults[address]
    upstream.requests.clear()
    assert run(store, "hf:org/tiny").failures == []
    assert not [path for path in upstream.paths if "cdn" in path]
    assert upkeep.verify(store) == []


def test_remove_takes_the_files_that_nothing_else_needs(
    store: Store, upstream: HubUpstream
) -> None:
    """The other item and its files stay."""
    run(store, "someone/nets", "hf:org/tiny")
    upkeep.remove(store, ecosystems.parse("hf:org/tiny"))
    assert [item.name for item in store.index().items] == ["someone/nets"]
    assert keys(store, "huggingface/") == set()
    assert upkeep.verify(store) == []


def test_files_carried_in_by_hand_are_verified(
    store: Store, upstream: HubUpstream, tmp_path: Path
) -> None:
    """An archive with its commit, a snapshot folder, and weights by their address."""
    archive = tmp_path / "nets.zip"
    archive.write_bytes(upstream.repositories["someone/nets"].archives[TAGGED])
    assert imports.import_file(store, archive, "someone/nets:v1").revision == TAGGED
    snapshot = tmp_path / "snapshot"
    (snapshot / "sub").mkdir(parents=True)
    (snapshot / "config.json").write_bytes(b"{}")
    (snapshot / "sub" / "x.txt").write_bytes(b"x")
    assert len(imports.import_file(store, snapshot, f"hf:org/other@{MODEL_COMMIT}").files) == 2
    named = tmp_path / "net.pth"
    named.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    imports.import_file(store, named, WEIGHTS_URL.format(f"net-{digest}.pth"))
    with pytest.raises(MirrorError, match="expected sha256 0123abcd"):
        imports.import_file(store, named, WEIGHTS_URL.format("net-0123abcd.pth"))
    with pytest.raises(MirrorError, match="say what it is with --as"):
        imports.import_file(store, named)
    assert upkeep.verify(store) == []
    assert len(store.index().items) == 3


def test_files_that_nobody_wants_are_repaired_too(
    store: Store, upstream: HubUpstream, tmp_path: Path
) -> None:
    """Carried in or pulled through: verify finds a flipped bit, the next sync repairs it."""
    data = os.urandom(20_000)
    url = weights(upstream, data)
    carried = tmp_path / "net.pth"
    carried.write_bytes(data)
    item = imports.import_file(store, carried, url)
    (file,) = item.files
    flip(store, file.path)
    (damage,) = upkeep.verify(store)
    assert damage.file == file
    with Sync(store, options=QUICK) as sync:
        summary = sync.run(sync.held_beyond([]))
    assert (summary.failures, [file.path for file in summary.fetched]) == ([], [damage.file.path])
    assert read(store, file.path) == data
    assert upkeep.verify(store) == []


def test_what_moved_on_is_not_repaired_beside_its_successor(
    store: Store, upstream: HubUpstream
) -> None:
    """A branch that names another commit takes its name along, whatever of the old is damaged."""
    run(store, "someone/nets")
    (old,) = store.index().items
    overwrite(store, old.files[0].path, b"damaged")
    upstream.repositories["someone/nets"].branches["main"] = TAGGED
    with Sync(store, options=QUICK) as sync:
        items = sync.resolve(ecosystems.parse("someone/nets"))
        assert sync.held_beyond(items) == []
        assert sync.run(items).failures == []
    assert [item.revision for item in store.index().items] == [TAGGED]


def test_weights_are_wanted_and_removed_by_their_address(
    store: Store, upstream: HubUpstream
) -> None:
    """An address is a spec like any other; the registry's own goes by its name there."""
    url = weights(upstream, b"weights")
    assert run(store, url).failures == []
    assert [str(spec) for spec in ecosystems.parse(url)] == [url]
    known = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert [str(spec) for spec in ecosystems.parse(known)] == ["resnet18:imagenet1k_v1"]
    assert [item.name for item in upkeep.remove(store, ecosystems.parse(url))] == [url]
    assert upkeep.remove(store, ecosystems.parse(url)) == []
    assert keys(store, "weights/") == set()


@pytest.mark.parametrize(
    "url", ["https://", "https://u:p@h/x.pth", "https://h/x?y", "http://h/../x"]
)
def test_addresses_that_no_mirror_can_hold_are_refused(url: str) -> None:
    """No host, a password, a query, a path that leads elsewhere."""
    with pytest.raises(UsageError):
        ecosystems.parse(url)


def test_one_unreadable_file_is_one_line(store: Store, upstream: HubUpstream) -> None:
    """The disk fails under one of five files: it is named, the others checked, sync replaces it."""
    run(store, "hf:org/tiny")
    path = next(path for path in store.index().files if path.endswith("README.md"))
    failing = Store(store.address, objects=cast("Any", BadSectorObjects(store.objects, path)))
    (damage,) = upkeep.verify(failing)
    assert (damage.file.path, "it cannot be read" in damage.fault) == (path, True)


def test_damaged_files_leave_service_on_request(store: Store, upstream: HubUpstream) -> None:
    """They lie in quarantine, the next sync brings good ones, prune removes them."""
    run(store, "hf:org/tiny")
    path = next(path for path in store.index().files if path.endswith("README.md"))
    overwrite(store, path, b"# evil\n")
    (moved,) = upkeep.quarantine(store, upkeep.verify(store))
    assert not holds(store, path)
    assert read(store, moved) == b"# evil\n"
    assert run(store, "hf:org/tiny").failures == []
    assert upkeep.verify(store) == []
    assert [entry for entry, _ in upkeep.prune(store)] == [moved]


def test_import_on_a_full_disk_blames_the_disk_and_leaves_nothing(
    store: Store, tmp_path: Path
) -> None:
    """Noticed before a byte is written, and while it is written."""
    incoming = store.staged("x").parent
    options = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(incoming)]
    if subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("a small file system cannot be mounted here")
    try:
        carried = tmp_path / "net.pth"
        carried.write_bytes(bytes(1_000_000))
        with pytest.raises(DiskFullError, match="expected 1000000 free bytes"):
            imports.import_file(store, carried, WEIGHTS_URL.format("plain.pth"))
        assert (list(incoming.iterdir()), store.index().items) == ([], ())
    finally:
        subprocess.run(["umount", "-l", incoming], check=True)


@pytest.mark.parametrize("device", [None, "/dev/zero"])
def test_import_waits_for_no_pipe_and_reads_no_device(
    store: Store, tmp_path: Path, device: str | None
) -> None:
    """Neither has an end: it is said at once."""
    place = tmp_path / "net.pth"
    if device is None:
        os.mkfifo(place)
    else:
        place.symlink_to(device)
    with pytest.raises(MirrorError, match="it is a pipe or a device"):
        imports.import_file(store, place, "https://example.org/net.pth")


def test_import_of_what_cannot_be_read_blames_that(store: Store, tmp_path: Path) -> None:
    """A folder where a file should be is no fault of the mirror's disk."""
    with pytest.raises(MirrorError, match="it cannot be read: Is a directory"):
        imports.import_file(store, tmp_path, WEIGHTS_URL.format("plain.pth"))
