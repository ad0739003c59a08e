"""Full, read-only and occupied disks, and what is left over: rows 32 to 35 and 40 to 42.

The file is long because each row has its test, and all share the disks that misbehave.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.fetch_desk import DATA, NAME, OTHER_DATA, PART_BYTES, SHA256, Desk, record_of
from zoo.cache import paths, quarantine
from zoo.catalog.records import WeightsFile
from zoo.download import events, fetcher
from zoo.errors import CacheError, DiskFullError, FetchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.faulty_server import Exchange, FaultyServer

K = 3 * PART_BYTES + 1000
DISK_BYTES = 2 << 20


@pytest.fixture
def small_disk(desk: Desk) -> Iterator[Path]:
    """Mount a file system of 2 MiB over the cache's folder."""
    size = f"size={DISK_BYTES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "none", desk.folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield desk.folder
    subprocess.run(["umount", "-l", desk.folder], check=True)


def is_right(desk: Desk) -> bool:
    """Tell whether the right bytes lie under the final name, and nothing else in the cache."""
    return desk.target.read_bytes() == DATA and desk.holds_only(NAME)


def test_full_disk_is_noticed_before_a_byte_is_fetched(
    desk: Desk, server: FaultyServer, small_disk: Path
) -> None:
    """Row 32: disk full before: error before a byte is fetched."""
    (small_disk / "filler").write_bytes(bytes(DISK_BYTES - len(DATA) // 2))
    with pytest.raises(DiskFullError, match=f"expected {len(DATA)} free bytes .*free some space"):
        desk.fetch(server.base)
    assert server.requests == []


def test_full_disk_of_unknown_length_is_noticed_at_the_first_answer(
    desk: Desk, server: FaultyServer, small_disk: Path
) -> None:
    """Row 32: where only the server knows the length, its headers are enough."""
    (small_disk / "filler").write_bytes(bytes(DISK_BYTES - len(DATA) // 2))
    record = replace(record_of(server.base), size_bytes=None)
    with pytest.raises(DiskFullError):
        fetcher.fetch(record, options=desk.options)
    assert len(server.requests) == 1


def test_disk_that_fills_up_in_the_middle_keeps_what_has_arrived(
    desk: Desk, server: FaultyServer, small_disk: Path
) -> None:
    """Row 32: disk full at K: error, resumable; the next run fetches only the rest."""
    filler = small_disk / "filler"

    def behave(exchange: Exchange) -> None:
        if exchange.span is not None and exchange.span[0] >= 3 * PART_BYTES and not filler.exists():
            with filler.open("wb", buffering=0) as stream:
                while True:
                    try:
                        stream.write(bytes(4096))
                    except OSError:
                        break
        exchange.serve(DATA)

    server.behave = behave
    with pytest.raises(
        DiskFullError,
        match=r"the disk is full; [0-9]+ bytes that have arrived are kept; free some space",
    ):
        desk.fetch(server.base, connections=1)
    assert not desk.target.exists()
    assert len(desk.partials()) == 1
    before = server.body_bytes
    filler.unlink()
    server.behave = lambda exchange: exchange.serve(DATA)
    desk.fetch(server.base, connections=1)
    assert is_right(desk)
    assert server.body_bytes - before <= len(DATA) - 3 * PART_BYTES + PART_BYTES


def test_read_only_disk_with_the_whole_file_is_fine(
    desk: Desk, server: FaultyServer, small_disk: Path
) -> None:
    """Row 33: file system read-only with the file whole: ok, without a request or a warning."""
    desk.fetch(server.base, lock_file=desk.folder.parent / "zoo.lock")
    requests = len(server.requests)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for verify in ("quick", "full"):
        fetched = desk.fetch(server.base, lock_file=desk.folder.parent / "zoo.lock", verify=verify)
        assert fetched.was_cached
    assert len(server.requests) == requests
    assert desk.warnings == []


def test_read_only_disk_without_the_file_is_an_error(
    desk: Desk, server: FaultyServer, small_disk: Path
) -> None:
    """Row 33: read-only without the file: error that says what to do, before a byte is fetched."""
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(CacheError, match=r"user 0 cannot read or write the cache.*TORCH_HOME"):
        desk.fetch(server.base)
    assert server.requests == []


def test_folder_that_may_not_be_written_is_an_error(desk: Desk, server: FaultyServer) -> None:
    """Row 33: folder not writable: error, for a user who is not root."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    desk.folder.chmod(0o555)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for folder in desk.folder.parents:
                if folder.stat().st_mode & 0o055 != 0o055 and "pytest" in str(folder):
                    folder.chmod(0o755)
            os.setuid(65534)
            desk.fetch(server.base)
        except CacheError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    assert "user 65534 cannot read or write the cache" in text
    assert "TORCH_HOME" in text
    assert server.requests == []


DAMAGE: dict[str, Callable[[Path], object]] = {
    "flipped": lambda path: path.write_bytes(bytes([DATA[0] ^ 1]) + DATA[1:]),
    "truncated": lambda path: path.write_bytes(DATA[:K]),
    "longer": lambda path: path.write_bytes(DATA + b"x"),
    "empty": lambda path: path.touch(),
    "broken link": lambda path: path.symlink_to("nowhere"),
    "link to itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file_is_replaced_after_a_warning(
    desk: Desk, server: FaultyServer, damage: str
) -> None:
    """Row 34: the file is damaged, truncated, empty, a broken link: replaced after a warning."""
    DAMAGE[damage](desk.target)
    fetched = desk.fetch(server.base)
    assert is_right(desk)
    assert not fetched.was_cached
    assert not desk.target.is_symlink()
    assert "does not match" in desk.warnings[0]


def test_what_was_replaced_is_kept_aside(desk: Desk, server: FaultyServer) -> None:
    """What does not match may be a person's own: it goes into the quarantine, under a number."""
    for number, content in enumerate((b"an export of my own", b"another one"), start=1):
        desk.target.write_bytes(content)
        desk.fetch(server.base)
        kept = desk.target.parent / "quarantine" / f"{desk.target.name}.{number}"
        assert kept.read_bytes() == content
        assert str(kept) in desk.warnings[-1]
    assert is_right(desk)


@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("has_links", [True, False])
def test_a_disk_that_fails_while_a_file_is_replaced_leaves_the_one_before(
    desk: Desk,
    server: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    has_links: bool,
) -> None:
    """Whichever fsync fails: of the quarantine, of its folder, of the new file, of its name."""
    desk.target.write_bytes(b"an export of my own")
    fsync = os.fsync
    left = iter(range(count - 1, -1, -1))

    def fail(handle: int) -> None:
        if next(left, 0) == 0:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(handle)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CacheError, match=r"the disk (failed|did not keep)"):
        desk.fetch(server.base)
    assert desk.target.read_bytes() == b"an export of my own"
    assert list((desk.folder / "quarantine").iterdir()) == []


def test_a_file_is_kept_once_however_often_a_run_is_ended(desk: Desk, server: FaultyServer) -> None:
    """What a run has kept before it was killed is not kept a second time."""
    desk.target.write_bytes(b"an export of my own")
    kept = quarantine.keep_copy(desk.target)
    desk.fetch(server.base)
    assert is_right(desk)
    assert list((desk.folder / "quarantine").iterdir()) == [kept]


def test_the_same_bytes_are_not_kept_twice(desk: Desk, server: FaultyServer) -> None:
    """A file without a digest is fetched again; nothing is lost where nothing has changed."""
    record = WeightsFile("plain.pth", f"{server.base}/plain.pth", None)
    for _ in range(2):
        (desk.folder.parent / "zoo.lock").unlink(missing_ok=True)
        fetched = fetcher.fetch(record, options=desk.options, listener=desk.events.append)
        assert not fetched.was_cached
    assert not (desk.folder / "quarantine").exists()
    finished = [event for event in desk.events if isinstance(event, events.Finished)]
    assert [event.is_checked for event in finished] == [False, False]


def test_what_cannot_be_replaced_stays(desk: Desk, server: FaultyServer) -> None:
    """Nothing is destroyed because the server is down: neither moved nor changed."""
    desk.target.write_bytes(DATA[:K])
    server.behave = lambda exchange: exchange.answer(404)
    with pytest.raises(FetchError):
        desk.fetch(server.base)
    assert desk.target.read_bytes() == DATA[:K]
    assert not (desk.target.parent / "quarantine").exists()


def test_a_file_without_a_digest_is_taken_offline_and_never_called_verified(
    desk: Desk, server: FaultyServer
) -> None:
    """With no digest and no server it is better than nothing, and that is said."""
    record = WeightsFile("plain.pth", server.base, None)
    path = desk.folder / "plain.pth"
    path.write_bytes(DATA)
    server.behave = lambda exchange: exchange.answer(404)
    fetched = fetcher.fetch(record, options=desk.options, listener=desk.events.append)
    assert fetched.was_cached
    assert fetched.path.read_bytes() == DATA
    assert "taken as it is: no digest is known" in desk.warnings[-1]
    assert not (desk.folder / "quarantine").exists()


def test_what_only_reads_replaces_nothing(desk: Desk, server: FaultyServer) -> None:
    """A program that loads weights stops at a file that does not match, and says how to fix it."""
    desk.target.write_bytes(DATA[:K])
    with pytest.raises(CacheError, match=r"does not match.*left as it is.*zoo cache repair"):
        desk.fetch(server.base, replaces=False)
    assert desk.target.read_bytes() == DATA[:K]
    assert server.requests == []


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo])
def test_folder_or_device_under_the_name_is_an_error(
    desk: Desk, server: FaultyServer, make: Callable[[Path], None]
) -> None:
    """Row 34: folder: error, and it is left alone."""
    make(desk.target)
    with pytest.raises(CacheError, match="got a folder or a device; move it away"):
        desk.fetch(server.base)
    assert server.requests == []
    assert desk.target.exists()


def test_link_to_the_right_bytes_stays(desk: Desk, server: FaultyServer) -> None:
    """Row 34: a link to a whole file is as good as the file."""
    elsewhere = desk.folder.parent / "elsewhere"
    elsewhere.write_bytes(DATA)
    desk.target.symlink_to(elsewhere)
    assert desk.fetch(server.base).was_cached
    assert desk.target.is_symlink()


def leave_partial(desk: Desk, server: FaultyServer, data: bytes = DATA) -> paths.SideFiles:
    """Leave a partial file with the first K bytes, as a failed run does."""
    server.behave = lambda exchange: exchange.serve(data, cut_at=K)
    with pytest.raises(FetchError):
        desk.fetch(server.base, data=data, connections=1, retries=1)
    server.behave = lambda exchange: exchange.serve(DATA)
    server.requests.clear()
    server.body_bytes = 0
    side = paths.side_files(desk.target)
    assert side.partial.stat().st_size >= K
    return side


def test_partial_file_is_gone_on_with(desk: Desk, server: FaultyServer) -> None:
    """Across runs: the second run fetches exactly what the first has not."""
    leave_partial(desk, server)
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes == len(DATA) - K
    assert server.requests[0].headers["if-range"] == '"v1"'


def claim_all(side: paths.SideFiles) -> None:
    """Let a journal say that all bytes are there, while most of them are zeros."""
    os.truncate(side.partial, len(DATA))
    spoil(side, ["span", 0, len(DATA)])


def replace_by_link(path: Path, goal: Path) -> None:
    """Put a link where a file was."""
    path.unlink()
    path.symlink_to(goal)


def spoil(side: paths.SideFiles, entry: list[object]) -> None:
    """Add one line to a journal."""
    with side.journal.open("a") as stream:
        stream.write(json.dumps(entry) + "\n")


SPOILERS: dict[str, Callable[[paths.SideFiles], object]] = {
    "another version": lambda side: side.partial.write_bytes(OTHER_DATA[:K]),
    "shorter than noted": lambda side: os.truncate(side.partial, K - 1),
    "longer than the file": lambda side: side.partial.write_bytes(DATA[:K] + bytes(len(DATA))),
    "no journal": lambda side: side.journal.unlink(),
    "empty journal": lambda side: side.journal.write_bytes(b""),
    "journal of noise": lambda side: side.journal.write_bytes(OTHER_DATA),
    "journal that nests deeply": lambda side: side.journal.write_bytes(b"[" * 100_000 + b"\n"),
    "journal with a huge number": lambda side: spoil(side, ["span", 0, 10**30]),
    "journal beyond the file": lambda side: spoil(side, ["span", 0, len(DATA) + 1]),
    "journal backwards": lambda side: spoil(side, ["span", 10, 5]),
    "journal before zero": lambda side: spoil(side, ["span", -10, 5]),
    "journal with fractions": lambda side: spoil(side, ["span", 0.5, 7.5]),
    "journal that claims too much": claim_all,
    "link to a folder": lambda side: replace_by_link(side.partial, side.partial.parent),
}


@pytest.mark.parametrize("spoiler", SPOILERS)
def test_spoilt_partial_file_is_started_again(
    desk: Desk, server: FaultyServer, spoiler: str
) -> None:
    """Row 35: partial of another version or too long, journal damaged or hostile: ok, from zero."""
    side = leave_partial(desk, server)
    SPOILERS[spoiler](side)
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes >= len(DATA)


def test_partial_file_that_became_a_link_is_not_followed(desk: Desk, server: FaultyServer) -> None:
    """Row 35: nothing is written through a link that someone put in the partial file's place."""
    side = leave_partial(desk, server)
    victim = desk.folder.parent / "victim"
    victim.write_bytes(side.partial.read_bytes())
    before = victim.read_bytes()
    replace_by_link(side.partial, victim)
    desk.fetch(server.base)
    assert is_right(desk)
    assert victim.read_bytes() == before


def test_partial_file_of_an_older_record_is_not_used(desk: Desk, server: FaultyServer) -> None:
    """Row 35: the registry's digest has changed since: from zero."""
    leave_partial(desk, server, OTHER_DATA)
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes == len(DATA)


def test_partial_file_of_another_machine_is_copied_from(desk: Desk, server: FaultyServer) -> None:
    """A partial file that another kernel's process may still write to is only ever read."""
    side = leave_partial(desk, server)
    mine = side.partial.name.removeprefix(f"{NAME}.").removesuffix(paths.PARTIAL_SUFFIX)
    foreign = [
        path.rename(path.with_name(path.name.replace(mine, "0123abcd")))
        for path in (side.partial, side.journal)
    ]
    inode = foreign[0].stat().st_ino
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes == len(DATA) - K
    assert desk.target.stat().st_ino != inode


@pytest.mark.parametrize("days", [-1, 1])
def test_clock_that_jumps_between_runs_changes_nothing(
    desk: Desk, server: FaultyServer, days: int
) -> None:
    """Row 40: clock set back or forward by a day between two runs: ok, resumed."""
    leave_partial(desk, server)
    then = time.time() + days * 86400
    for path in [*desk.folder.iterdir(), *(desk.folder / ".zoo-locks").iterdir()]:
        os.utime(path, (then, then))
    desk.fetch(server.base)
    assert is_right(desk)
    assert server.body_bytes == len(DATA) - K
    os.utime(desk.target, (then, then))
    assert desk.fetch(server.base).was_cached


def test_cache_on_another_device_than_the_temporary_folder(
    desk: Desk,
    server: FaultyServer,
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 41: ok, no rename across devices."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert small_disk.stat().st_dev != tmp_path.stat().st_dev
    desk.fetch(server.base)
    assert is_right(desk)


@pytest.mark.parametrize(
    "name", ["modèle.pth", "网络.pth", "a b.pth", "x" * 196 + ".pth", "no-suffix"]
)
def test_unusual_name_is_kept_exactly(desk: Desk, server: FaultyServer, name: str) -> None:
    """Row 42: not ASCII, or as long as may be: ok, under exactly this name."""
    fetcher.fetch(record_of(server.base, name=name), options=desk.options)
    assert desk.holds_only(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "../x",
        "/x",
        "a/b",
        "C:\\x",
        "a\\b",
        "a\x00b",
        "a\nb",
        "a\x1b[31mb",
        "CON",
        "nul.pth",
        "lpt1.pth",
        "x" * 197 + ".pth",
        "é" * 100 + ".pth",
        "x.",
        "x ",
        "x?",
        "x.zoo-partial",
        "a\u202eb",
        chr(0xD800),
    ],
)
def test_name_that_could_be_another_one_is_an_error(
    desk: Desk, server: FaultyServer, name: str
) -> None:
    """Rows 42 and 45: too long, reserved, or leading elsewhere: error that a terminal can bear."""
    with pytest.raises(CacheError, match="fix the registry") as caught:
        fetcher.fetch(record_of(server.base, name=name), options=desk.options)
    assert str(caught.value).isprintable()
    assert server.requests == []
    assert desk.holds_only()


def test_digest_of_the_usual_file_is_what_sha256sum_says(desk: Desk, server: FaultyServer) -> None:
    """The reported digest is that of the bytes on disk, by another program."""
    fetched = desk.fetch(server.base)
    printed = subprocess.run(
        ["sha256sum", fetched.path], capture_output=True, text=True, check=True
    ).stdout
    assert fetched.sha256 == printed.split()[0] == SHA256 == hashlib.sha256(DATA).hexdigest()
