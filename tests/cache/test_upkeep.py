"""Order in the cache: files are judged by what is known; only what can be had again goes.

The file is long because verify, prune, remove and dedupe are tested on one kind of cache.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import filelock
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_files import ATTACKS, write_zip
from tests.support.small_registry import file_of, registry_of
from zoo import atomic
from zoo.cache import dedupe, inventory, lockfile, paths, prune, quarantine, verified, verify
from zoo.cache.digests import Expected
from zoo.cache.inventory import CachedFile, Role, take_inventory
from zoo.cache.prune import DAY_S
from zoo.cache.verify import Verdict
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fetch_desk import Desk
    from zoo.catalog.records import WeightsFile
    from zoo.catalog.registry import Registry

DATA = b"resnet " * 1000
OTHER = b"vgg16. " * 500


@dataclass
class Cache:
    """A folder of checkpoints with two models' weights in it."""

    folder: Path
    registry: Registry
    resnet: WeightsFile
    vgg: WeightsFile

    def files(self) -> list[CachedFile]:
        """Take the inventory."""
        return take_inventory(self.folder, registry=self.registry)

    def file(self, name: str) -> CachedFile:
        """Find one file of the inventory."""
        return next(file for file in self.files() if file.name == name)

    def path(self, file: WeightsFile) -> Path:
        """Return where a file lies."""
        return self.folder / file.file_name

    def touch(self, name: str, days_ago: float, now_s: float, data: bytes = b"x" * 100) -> Path:
        """Write a file that was last used some days ago."""
        path = self.folder / name
        path.write_bytes(data)
        os.utime(path, (now_s - days_ago * DAY_S,) * 2)
        return path


@pytest.fixture
def small(desk: Desk) -> Cache:
    """Return a cache that holds whole files of two models."""
    resnet, vgg = file_of("resnet18", DATA), file_of("vgg16", OTHER)
    made = Cache(desk.folder, registry_of({"resnet18": resnet, "vgg16": vgg}), resnet, vgg)
    made.path(resnet).write_bytes(DATA)
    made.path(vgg).write_bytes(OTHER)
    return made


def test_an_inventory_knows_owner_and_role_of_each_file(small: Cache) -> None:
    """Weights, safetensors copies, unfinished downloads and strangers are told apart by name."""
    stem = small.resnet.file_name.removesuffix(".pth")
    for name in (f"{stem}.safetensors", "mine.pth", ".hidden"):
        (small.folder / name).write_bytes(b"x")
    paths.side_files(small.path(small.vgg)).partial.write_bytes(b"x")
    (small.folder / f"{small.vgg.file_name}.{'0f' * 16}.partial").write_bytes(b"x")
    (small.folder / "a folder").mkdir()
    roles = {
        (file.name.partition("-")[0].partition(".")[0], file.role, file.owner)
        for file in small.files()
    }
    assert roles == {
        ("resnet18", Role.WEIGHTS, "resnet18:imagenet1k_v1"),
        ("resnet18", Role.SAFETENSORS_COPY, "resnet18:imagenet1k_v1"),
        ("vgg16", Role.WEIGHTS, "vgg16:imagenet1k_v1"),
        ("vgg16", Role.PARTIAL, "vgg16:imagenet1k_v1"),
        ("mine", Role.FOREIGN, None),
    }
    assert len(small.files()) == 6


def test_an_absent_folder_is_an_empty_cache(tmp_path: Path) -> None:
    """Nothing was downloaded yet."""
    assert take_inventory(tmp_path / "nowhere") == []


def test_every_file_of_the_registry_has_an_owner(small: Cache) -> None:
    """Files that two sets of weights share have both."""
    owners = inventory.owners_of(small.registry)
    assert owners == {
        small.resnet.file_name: ("resnet18:imagenet1k_v1",),
        small.vgg.file_name: ("vgg16:imagenet1k_v1",),
    }


def test_whole_files_are_found_whole_and_remembered(small: Cache) -> None:
    """A full check leaves a receipt, so that the next load need not read the file."""
    assert not any(file.is_verified for file in small.files())
    blocks: list[int] = []
    findings = verify.verify_files(small.files(), jobs=2, advance=blocks.append)
    assert [finding.verdict for finding in findings] == [Verdict.WHOLE, Verdict.WHOLE]
    assert sum(blocks) == len(DATA) + len(OTHER)
    assert {finding.sha256 for finding in findings} == {
        hashlib.sha256(data).hexdigest() for data in (DATA, OTHER)
    }
    assert all(file.is_verified for file in small.files())


def test_a_changed_byte_is_found_and_the_command_that_mends_it_named(small: Cache) -> None:
    """The length is right; only reading shows it."""
    small.path(small.resnet).write_bytes(DATA[:-1] + b"!")
    finding = verify.verify_files([small.file(small.resnet.file_name)])[0]
    assert finding.verdict is Verdict.DAMAGED
    assert finding.file.owner == "resnet18:imagenet1k_v1"
    assert finding.fault == f"expected sha256 {small.resnet.sha256_prefix}, got {finding.sha256}"
    assert finding.advice == f"zoo cache repair {small.resnet.file_name}"
    assert verified.recall(small.path(small.resnet)) is None


@pytest.mark.parametrize("content", [b"", DATA[:-1], DATA + b"x"])
def test_a_file_of_the_wrong_length_is_damaged(small: Cache, content: bytes) -> None:
    """It is not even read."""
    small.path(small.resnet).write_bytes(content)
    finding = verify.verify_files([small.file(small.resnet.file_name)])[0]
    assert finding.verdict is Verdict.DAMAGED
    assert finding.sha256 is None
    assert f"expected {len(DATA)} bytes, got {len(content)}" in (finding.fault or "")


def test_a_link_to_nothing_is_damaged(small: Cache) -> None:
    """It is listed, with no bytes."""
    small.path(small.resnet).unlink()
    small.path(small.resnet).symlink_to(small.folder / "gone")
    assert verify.verify_files([small.file(small.resnet.file_name)])[0].verdict is Verdict.DAMAGED


def test_the_lock_file_counts_beyond_the_eight_digits(small: Cache) -> None:
    """A file with the published digits but not the digest that was learnt is damaged."""
    learnt = (small.resnet.sha256_prefix or "").ljust(64, "0")
    lockfile.write(
        small.folder.parent / "zoo.lock",
        {small.resnet.file_name: lockfile.LockedFile(learnt, len(DATA))},
    )
    assert verify.verify_files([small.file(small.resnet.file_name)])[0].verdict is Verdict.DAMAGED


def test_a_foreign_file_is_judged_by_its_own_format(small: Cache) -> None:
    """Sound, broken by its checksum, hostile, and no weights at all."""
    torch.save({"a": torch.arange(100.0)}, small.folder / "sound.pth")
    broken = bytearray((small.folder / "sound.pth").read_bytes())
    broken[broken.index(torch.arange(100.0).numpy().tobytes()) + 7] ^= 1
    (small.folder / "broken.pth").write_bytes(broken)
    write_zip(small.folder / "hostile.pth", ATTACKS["os.system"](small.folder / "canary").pickled)
    (small.folder / "notes.txt").write_text("hello", encoding="utf-8")
    states = {
        f.file.name: f.verdict
        for f in verify.verify_files(f for f in small.files() if f.role is Role.FOREIGN)
    }
    assert states == {
        "sound.pth": Verdict.SOUND,
        "broken.pth": Verdict.DAMAGED,
        "hostile.pth": Verdict.SUSPECT,
        "notes.txt": Verdict.SUSPECT,
    }
    assert not (small.folder / "canary").exists()


def test_a_read_only_cache_can_be_verified(small: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written into it, and a receipt that cannot be written is no error."""
    before = {path.name: path.stat() for path in small.folder.iterdir()}
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert {finding.verdict for finding in verify.verify_files(small.files())} == {Verdict.WHOLE}
    assert {path.name: path.stat() for path in small.folder.iterdir()} == before


def test_files_are_chosen_by_model_tag_name_or_pattern(small: Cache) -> None:
    """Whatever a user may call them."""
    files = small.files()
    resnet = [small.file(small.resnet.file_name)]
    for name in ("resnet18", "resnet18:imagenet1k_v1", small.resnet.file_name, "resnet*"):
        assert inventory.select(files, [name]) == resnet
    assert inventory.select(files, []) == files
    assert inventory.select(files, ["*", "vgg16"]) == files


def test_a_name_that_nothing_in_the_cache_has_offers_the_nearest(small: Cache) -> None:
    """With the command that lists them."""
    with pytest.raises(
        UnknownNameError, match=r"'resnet19'; did you mean resnet18.*zoo cache list"
    ):
        inventory.select(small.files(), ["resnet19"])


def test_pruning_removes_only_orphans_unless_told_more(small: Cache) -> None:
    """An unfinished download of today may be somebody's; one of last week is nobody's."""
    now_s = 1_800_000_000.0
    side = paths.side_files(small.path(small.vgg))
    small.touch(side.partial.name, 0.5, now_s)
    small.touch(side.journal.name, 3, now_s)
    small.touch(f"other.pth.{'0f' * 16}.partial", 7, now_s)
    plan = prune.plan_prune(small.files(), now_s=now_s)
    assert sorted(removal.file.name for removal in plan) == sorted(
        [side.journal.name, f"other.pth.{'0f' * 16}.partial"]
    )


def test_pruning_by_age_spares_what_cannot_be_had_again(small: Cache) -> None:
    """A stranger's file goes only when that is asked for."""
    now_s = 1_800_000_000.0
    small.touch(small.resnet.file_name, 40, now_s, DATA)
    small.touch(small.vgg.file_name, 20, now_s, OTHER)
    small.touch("mine.pth", 400, now_s)
    plan = prune.plan_prune(small.files(), now_s=now_s, older_than_s=30 * DAY_S)
    assert [(removal.file.name, removal.reason) for removal in plan] == [
        (small.resnet.file_name, "not used for 40 days")
    ]
    plan = prune.plan_prune(small.files(), now_s=now_s, older_than_s=30 * DAY_S, foreign=True)
    assert {removal.file.name for removal in plan} == {small.resnet.file_name, "mine.pth"}


def cached(
    number: int, size_bytes: int, last_used_s: float, *, inode: int, is_known: bool
) -> CachedFile:
    """Describe a file that need not exist."""
    from pathlib import Path

    record = file_of("net", bytes([number]))
    return CachedFile(
        path=Path(f"/cache/{number}"),
        role=Role.WEIGHTS if is_known else Role.FOREIGN,
        size_bytes=size_bytes,
        last_used_s=last_used_s,
        inode=(0, inode),
        owners=(),
        expected=Expected(None),
        record=record if is_known else None,
        is_verified=False,
    )


CACHED = st.builds(
    lambda size, used, known: (size, used, known),
    st.integers(0, 50),
    st.integers(0, 100),
    st.booleans(),
)


@given(st.lists(CACHED, max_size=8), st.integers(0, 200))
def test_a_size_limit_removes_the_least_recently_used_and_no_more_than_needed(
    facts: list[tuple[int, int, bool]], most_bytes: int
) -> None:
    """What stays was used later than what goes, and one removal less would break the limit."""
    files = [
        cached(n, size, used, inode=n, is_known=known)
        for n, (size, used, known) in enumerate(facts)
    ]
    plan = prune.plan_prune(files, now_s=1000, most_bytes=most_bytes)
    gone = [removal.file for removal in plan]
    kept = [file for file in files if file not in gone]
    assert all(file.record is not None for file in gone)
    removable = [file for file in kept if file.record is not None]
    assert prune.stored_bytes(kept) <= most_bytes or not removable
    assert all(file.last_used_s <= other.last_used_s for file in gone for other in removable)
    if gone:
        assert prune.stored_bytes([*kept, gone[-1]]) > most_bytes


def test_files_that_are_stored_once_count_once() -> None:
    """Removing one name of two frees nothing, so both go before the limit holds."""
    files = [cached(n, 100, n, inode=7, is_known=True) for n in (1, 2)] + [
        cached(3, 50, 3, inode=3, is_known=True)
    ]
    assert prune.stored_bytes(files) == 150
    assert [r.file.path.name for r in prune.plan_prune(files, now_s=10, most_bytes=60)] == [
        "1",
        "2",
    ]


def test_removing_leaves_alone_what_a_process_is_fetching(small: Cache) -> None:
    """The lock says so."""
    side = paths.side_files(small.path(small.vgg))
    side.partial.write_bytes(b"x")
    lock = paths.lock_path(small.path(small.vgg))
    lock.parent.mkdir()
    partial = small.file(side.partial.name)
    with filelock.FileLock(lock):
        assert prune.remove([partial]).busy == [partial]
        assert side.partial.exists()
    assert prune.remove([partial, small.file(small.resnet.file_name)]).files
    assert not side.partial.exists()
    assert not small.path(small.resnet).exists()


def test_removing_from_a_folder_that_cannot_be_written_is_a_plain_error(small: Cache) -> None:
    """Here the name is a folder that is not empty, which no user may unlink, root included."""
    file = small.file(small.resnet.file_name)
    small.path(small.resnet).unlink()
    small.path(small.resnet).mkdir()
    (failure,) = prune.remove([file]).failures
    assert failure.subject == small.resnet.file_name


def test_equal_files_become_one_and_stay_verified(small: Cache) -> None:
    """A copy under another name is replaced by a link; different files of one length are not."""
    (small.folder / "copy.pth").write_bytes(DATA)
    (small.folder / "other.pth").write_bytes(DATA[::-1])
    links = dedupe.plan_dedupe(small.files(), dedupe.digest_of)
    assert [(link.keep.name, link.replace.name) for link in links] == [
        (small.resnet.file_name, "copy.pth")
    ]
    assert dedupe.link(links) == len(DATA)
    assert small.path(small.resnet).samefile(small.folder / "copy.pth")
    assert small.path(small.resnet).read_bytes() == DATA
    assert small.file(small.resnet.file_name).is_verified
    assert dedupe.plan_dedupe(small.files(), dedupe.digest_of) == []
    assert not list(small.folder.glob(".*.link"))


def test_a_file_that_changed_after_it_was_read_is_not_linked(small: Cache) -> None:
    """The plan may be old by the time it is carried out."""
    (small.folder / "copy.pth").write_bytes(DATA)
    links = dedupe.plan_dedupe(small.files(), dedupe.digest_of)
    (small.folder / "copy.pth").write_bytes(OTHER)
    assert dedupe.link(links) == 0
    assert small.path(small.resnet).read_bytes() == DATA


def test_only_files_of_equal_length_are_read_to_find_equals(small: Cache) -> None:
    """Two models' weights differ in length, so none is opened."""
    read: list[str] = []
    dedupe.plan_dedupe(small.files(), lambda file: read.append(file.name) or "")  # type: ignore[func-returns-value]  # notes the call
    assert read == []


def test_an_inventory_can_be_described_for_a_record_without_url(small: Cache) -> None:
    """A file that ships with the package is never pruned."""
    packaged = replace(small.resnet, url=None, packaged="models/lenet5.safetensors")
    file = replace(small.file(small.resnet.file_name), record=packaged)
    assert prune.plan_prune([file], now_s=1e12, older_than_s=1.0, most_bytes=0) == []


def test_what_was_kept_aside_goes_last(small: Cache) -> None:
    """However old it is, everything that can be had again goes before it."""
    own = small.folder / "own.pth"
    own.write_bytes(b"precious")
    kept = quarantine.move_aside(own)
    assert kept is not None
    os.utime(kept, (0, 0))
    files = small.files()
    plan = prune.plan_prune(files, now_s=1e12, most_bytes=0)
    assert plan[-1].file.path == kept
    assert plan[-1].file.role is Role.QUARANTINED


def test_a_file_that_vanishes_or_loops_ends_only_its_own_line(small: Cache) -> None:
    """A link to itself has no bytes, is damaged, and goes; the others are judged as ever."""
    loop = small.path(small.vgg)
    loop.unlink()
    loop.symlink_to(loop)
    files = small.files()
    assert [file.size_bytes for file in files] == [len(DATA), 0]
    assert [found.verdict for found in verify.verify_files(files)] == [
        Verdict.WHOLE,
        Verdict.DAMAGED,
    ]

    small.path(small.resnet).unlink()  # after the inventory was taken
    assert [found.verdict for found in verify.verify_files(files)] == [Verdict.DAMAGED] * 2
    assert prune.remove(files).failures == []
    assert small.files() == []


def test_one_file_that_cannot_be_removed_stops_no_other(small: Cache) -> None:
    """The failure is named at the end."""
    folder = small.folder / "a folder.pth"
    folder.mkdir()
    file = small.file(small.resnet.file_name)
    done = prune.remove([replace(file, path=folder), file])
    assert done.files == [file]
    assert [error.subject for error in done.failures] == ["a folder.pth"]


def test_what_torch_is_downloading_is_never_removed(small: Cache) -> None:
    """It holds no lock: a file counts as alive while it is open, or was written to just now."""
    now_s = time.time()
    name = f"{small.vgg.file_name}.{'0f' * 16}.partial"
    path = small.touch(name, 30, now_s)
    with path.open("ab"):
        file = small.file(name)
        assert prune.remove([file]).busy == [file]
    os.utime(path)
    file = small.file(name)
    assert prune.remove([file]).busy == [file]
    os.utime(path, (now_s - 30 * DAY_S,) * 2)
    assert prune.remove([small.file(name)]).files
    assert not path.exists()


def test_private_and_foreign_partials_of_the_living_are_never_removed(small: Cache) -> None:
    """Without locks the name says which process writes; of another machine only the time counts."""
    now_s = time.time()
    kernel = paths.kernel()
    stem = small.vgg.file_name
    mine = small.touch(f"{stem}.{kernel}-{os.getpid()}-0a0b.zoo-partial", 30, now_s)
    gone = small.touch(f"{stem}.{kernel}-4194304-0a0b.zoo-partial", 30, now_s)
    elsewhere = small.touch(f"{stem}.00000000.zoo-partial", 0, now_s)
    done = prune.remove(file for file in small.files() if file.role is Role.PARTIAL)
    assert {file.path for file in done.busy} == {mine, elsewhere}
    assert [file.path for file in done.files] == [gone]


def test_what_the_atomic_writer_leaves_behind_is_an_orphan_unless_it_lives(small: Cache) -> None:
    """It is listed as unfinished; while its writer holds the lock it stays."""
    target = small.folder / "made.safetensors"
    with atomic.replacing(target) as temporary:
        temporary.write_bytes(b"x")
        file = small.file(temporary.name)
        assert file.role is Role.PARTIAL
        assert prune.remove([file]).busy == [file]
    assert target.read_bytes() == b"x"
    left = small.folder / f".made.safetensors.{'0f' * 8}.partial"
    left.write_bytes(b"x")
    assert prune.remove([small.file(left.name)]).files
