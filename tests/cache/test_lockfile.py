"""zoo.lock: digests learnt once and demanded ever after."""

from __future__ import annotations

import hashlib
import os
import string
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.fetch_desk import DATA, NAME, SHA256, Desk, record_of
from zoo.cache import lockfile
from zoo.cache.lock_lines import KINDS, LockedThing, format_line
from zoo.cache.lockfile import HEADER, HEADER_1, LockedFile
from zoo.download import fetcher
from zoo.errors import CacheError, FetchError, LockFileError

if TYPE_CHECKING:
    from tests.support.faulty_server import FaultyServer

REPOSITORY = Path(__file__).parents[2]
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
names = st.text(string.ascii_letters + "é-_. ", min_size=1, max_size=20).map(
    lambda text: f"net-{text}n.pth"  # no device of Windows begins so
)
entries = st.dictionaries(names, st.builds(LockedFile, digests, st.integers(0, 10**12)), max_size=8)


@given(entries)
def test_what_is_written_is_read_back(table: dict[str, LockedFile]) -> None:
    """Writing and reading are inverse, and lines are sorted for version control."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.lock"
        lockfile.write(path, table)
        assert lockfile.read(path) == table
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        names_written = [unquote(line.split(" ")[1]) for line in lines]
        assert names_written == sorted(table)


commits = st.text("0123456789abcdef", min_size=40, max_size=40)
words = st.text(string.ascii_letters + "é-_. %,/", min_size=1, max_size=12)
fields = {
    "sha256": digests,
    "size_bytes": st.integers(0, 10**12),
    "refs": st.lists(words, max_size=3).map(tuple),
    "license": st.none() | words,
    "asked_by": st.lists(words, max_size=3).map(tuple),
    "recorded_on": st.none() | st.dates().map(str),
}
things = st.one_of(
    st.builds(LockedThing, st.just("file"), names, **fields),
    st.builds(LockedThing, st.just("github"), commits.map("owner/re.po@{}".format), **fields),
    st.builds(
        LockedThing,
        st.just("huggingface"),
        st.builds("org/name@{}/a%20b/{}".format, commits, names),
        **fields,
    ),
    st.builds(LockedThing, st.just("url"), words.map("https://a.example.org/{}".format), **fields),
)


@given(st.lists(things, max_size=8, unique_by=lambda thing: thing.key))
def test_every_kind_of_thing_is_written_on_one_line_and_read_back(table: list[LockedThing]) -> None:
    """Whatever the names and fields hold, and sorted by kind and name."""
    in_order = tuple(sorted(table, key=lambda thing: thing.key))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "zoo.lock"
        lockfile.write_things(path, table)
        assert lockfile.read_things(path) == in_order
        assert len(path.read_text(encoding="utf-8").splitlines()) == 1 + len(table)


@given(st.binary())
@example(f"{HEADER_1}\nsha256:{'0' * 64} 1 ../x\n".encode())
@example(f"{HEADER_1}\nsha256:{'0' * 64} 1 a\x1b[31m\n".encode())
@example(f"{HEADER_1}\nsha256:{'0' * 64} {'9' * 5000} a\n".encode())
@example(f"{HEADER_1}\nsha256:{'0' * 64} \u0661 a\n".encode())
@example(f"{HEADER}\nfile a%1b[31m sha256={'0' * 64} size=1\n".encode())
@example(f"{HEADER}\nfile a%ff sha256={'0' * 64} size=1\n".encode())
@example(f"{HEADER}\nfile a sha256={'0' * 64} size={'9' * 5000}\n".encode())
@example(f"{HEADER}\nfile a sha256={'0' * 64} size=1 url=%07\n".encode())
def test_any_bytes_are_a_lock_file_or_a_readable_error(data: bytes) -> None:
    """Hostile bytes raise nothing but an error that names the line and that a terminal can bear."""
    headings = (b"", HEADER.encode() + b"\n", HEADER_1.encode() + b"\n")
    for heading in headings:
        try:
            lockfile.parse_things(heading + data)
        except LockFileError as error:
            assert error.line_number >= 1  # noqa: PT017  (both outcomes are right; this one is looked at)
            assert str(error).isprintable()  # noqa: PT017  (as above)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("sha256:123 5 a.pth", "expected 'sha256:DIGEST SIZE NAME'"),
        (f"sha256:{'A' * 64} 5 a.pth", "expected 'sha256:DIGEST SIZE NAME'"),
        (f"md5:{'0' * 64} 5 a.pth", "expected 'sha256:DIGEST SIZE NAME'"),
        (f"sha256:{'0' * 64} -5 a.pth", "expected 'sha256:DIGEST SIZE NAME'"),
        (
            f"sha256:{'0' * 64} 5 a.pth\nsha256:{'1' * 64} 5 a.pth",
            "a second, different line is about a.pth",
        ),
        ("<<<<<<< HEAD", "expected 'sha256:DIGEST SIZE NAME'"),
    ],
)
def test_malformed_line_of_version_1_is_named(line: str, fault: str) -> None:
    """The error says which line, and what is expected there."""
    with pytest.raises(LockFileError, match=fault) as caught:
        lockfile.parse(f"{HEADER_1}\n\n{line}\n".encode())
    assert caught.value.line_number == 2 + line.count("\n") + 1


ZEROS = "0" * 64
COMMIT = "0" * 40


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("<<<<<<< HEAD", "expected a line that begins with file, github"),
        (f"file a.pth sha256={ZEROS}", "expected sha256=DIGEST and size=BYTES for 'a.pth'"),
        ("file a.pth size=5", "expected sha256=DIGEST and size=BYTES for 'a.pth'"),
        (f"file a.pth sha256={'A' * 64} size=5", "expected 64 lower-case hex digits"),
        (f"file a.pth sha256={ZEROS} size=-5", "expected a number of bytes, got '-5'"),
        (f"file a.pth sha256={ZEROS} size=5 size=5", "expected FIELD=VALUE, each once"),
        (f"file a.pth sha256={ZEROS} size=5 md5=1", "unknown field 'md5'; update torch-zoo"),
        (f"file a.pth sha256={ZEROS} size=5 on=today", "expected a day such as 2026-11-29"),
        (f"file ../a.pth sha256={ZEROS} size=5", "expected a plain file name"),
        ("github pytorch/vision@main", "expected owner/repository@commit, got"),
        (f"huggingface a/b@{COMMIT} sha256={ZEROS} size=1", "expected organization/model@commit/"),
        (f"huggingface a/b@{COMMIT}/../x sha256={ZEROS} size=1", "expected organization/model@"),
        (f"url ftp://a/b sha256={ZEROS} size=1", "expected an http or https address"),
        (
            f"file a.pth sha256={ZEROS} size=5\nfile a.pth sha256={ZEROS} size=6",
            "a second, different line is about a.pth",
        ),
    ],
)
def test_malformed_line_is_named(line: str, fault: str) -> None:
    """The error says which line, and what is expected there."""
    with pytest.raises(LockFileError, match=fault) as caught:
        lockfile.parse(f"{HEADER}\n\n{line}\n".encode())
    assert caught.value.line_number == 2 + line.count("\n") + 1


def test_version_1_is_read_and_becomes_version_2_with_the_next_line(tmp_path: Path) -> None:
    """A project's lock file of before keeps what it demands."""
    path = tmp_path / "zoo.lock"
    path.write_text(f"{HEADER_1}\nsha256:{ZEROS} 5 a b.pth\n", encoding="utf-8")
    assert lockfile.read(path) == {"a b.pth": LockedFile(ZEROS, 5)}
    lockfile.learn(path, "c.pth", LockedFile("1" * 64, 6))
    assert path.read_text(encoding="utf-8") == (
        f"{HEADER}\nfile a%20b.pth sha256={ZEROS} size=5\nfile c.pth sha256={'1' * 64} size=6\n"
    )


def test_learning_a_file_keeps_what_else_is_recorded(tmp_path: Path) -> None:
    """A repository and a model of Hugging Face stay on their lines."""
    path = tmp_path / "zoo.lock"
    recorded = [
        LockedThing("github", f"pytorch/vision@{COMMIT}", refs=("v0.20.0",)),
        LockedThing("huggingface", f"timm/a.b@{COMMIT}/c.json", sha256=ZEROS, size_bytes=1),
    ]
    lockfile.write_things(path, recorded)
    lockfile.learn(path, "a.pth", LockedFile(ZEROS, 5))
    _, *others = lockfile.read_things(path)
    assert others == recorded


def test_a_thing_names_its_parts() -> None:
    """Repositories and models have a commit, models a path as well."""
    model = LockedThing("huggingface", f"timm/a.b@{COMMIT}/onnx/model.onnx")
    assert (model.subject, model.revision, model.path) == ("timm/a.b", COMMIT, "onnx/model.onnx")
    repository = LockedThing("github", f"pytorch/vision@{COMMIT}")
    assert (repository.subject, repository.revision) == ("pytorch/vision", COMMIT)
    file = LockedThing("file", "a@b.pth")
    assert (file.subject, file.revision, file.path) == ("a@b.pth", None, None)
    assert set(KINDS) == {"file", "github", "huggingface", "url"}
    assert format_line(repository) == f"github pytorch/vision@{COMMIT}"


def test_other_heading_is_an_error() -> None:
    """A lock file of a later version, or no lock file at all."""
    with pytest.raises(LockFileError, match="line 1: expected the heading"):
        lockfile.parse(b"# zoo.lock 3\n")


def test_digest_is_learnt_on_first_download(desk: Desk, server: FaultyServer) -> None:
    """The registry knows 8 digits; all 64 stand in the cache's lock file afterwards."""
    desk.fetch(server.base)
    assert lockfile.read(desk.folder.parent / "zoo.lock") == {NAME: LockedFile(SHA256, len(DATA))}


def test_digest_is_learnt_from_a_file_that_was_there(desk: Desk, server: FaultyServer) -> None:
    """What torchvision has left and the 8 digits approve is noted as well."""
    desk.target.write_bytes(DATA)
    assert desk.fetch(server.base).was_cached
    assert lockfile.read(desk.folder.parent / "zoo.lock") == {NAME: LockedFile(SHA256, len(DATA))}


def test_lock_file_of_the_working_folder_is_found_from_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest zoo.lock from the working folder up, as Git would look; else the cache's own."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    cache = tmp_path / "hub" / "checkpoints"
    assert lockfile.default_path(cache) == tmp_path / "hub" / "zoo.lock"
    (tmp_path / "zoo.lock").touch()
    assert lockfile.default_path(cache) == tmp_path / "zoo.lock"
    (tmp_path / "a" / "zoo.lock").touch()
    assert lockfile.default_path(cache) == tmp_path / "a" / "zoo.lock"


def test_other_bytes_than_those_learnt_are_refused(desk: Desk, server: FaultyServer) -> None:
    """A lock file demands another digest with the same beginning: error, no file is published."""
    lock = desk.folder.parent / "zoo.lock"
    other = SHA256[:8] + "0" * 56
    lockfile.write(lock, {NAME: LockedFile(other, len(DATA))})
    with pytest.raises(FetchError, match=f"expected sha256 {other}, got {SHA256}"):
        desk.fetch(server.base)
    assert desk.holds_only()


def test_registry_and_lock_file_that_contradict_each_other_are_an_error(
    desk: Desk, server: FaultyServer
) -> None:
    """Nobody is asked who is right, and nothing is fetched."""
    lockfile.write(desk.folder.parent / "zoo.lock", {NAME: LockedFile("f" * 64, len(DATA))})
    with pytest.raises(CacheError, match=r"zoo\.lock demands sha256 ffff.*, the registry"):
        desk.fetch(server.base)
    assert server.requests == []


def test_file_whose_whole_digest_is_published_is_not_noted(
    desk: Desk, server: FaultyServer
) -> None:
    """The lock file holds what the registry does not know, and only that."""
    record = replace(record_of(server.base), sha256=SHA256, sha256_prefix=None)
    fetcher.fetch(record, options=desk.options)
    assert not (desk.folder.parent / "zoo.lock").exists()


def test_file_without_any_digest_is_fetched_once_and_noted(
    desk: Desk, server: FaultyServer
) -> None:
    """What lies there is not trusted, what is fetched is, and from then on its digest is known."""
    desk.target.write_bytes(b"left by somebody")
    record = replace(record_of(server.base), sha256_prefix=None, size_bytes=None)
    assert not fetcher.fetch(record, options=desk.options).was_cached
    assert desk.target.read_bytes() == DATA
    assert lockfile.read(desk.folder.parent / "zoo.lock") == {NAME: LockedFile(SHA256, len(DATA))}
    assert fetcher.fetch(record, options=desk.options).was_cached


def test_lock_file_that_cannot_be_written_is_a_warning(desk: Desk, server: FaultyServer) -> None:
    """The download counts; that its digest is not remembered is said."""
    desk.fetch(server.base, lock_file=Path("/proc/zoo.lock"))  # a folder that takes no files
    assert desk.target.read_bytes() == DATA
    assert any("its digest is not remembered" in warning for warning in desk.warnings)


def test_processes_that_learn_at_once_lose_no_line(tmp_path: Path) -> None:
    """Eight processes add twelve files each; all 96 are there."""
    lock = tmp_path / "zoo.lock"
    program = (
        "import sys; from pathlib import Path; from zoo.cache.lockfile import LockedFile, learn\n"
        "lock, process = Path(sys.argv[1]), sys.argv[2]\n"
        "for n in range(12): learn(lock, f'f{process}-{n}.pth', LockedFile('0' * 64, n))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, lock, str(number)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        for number in range(8)
    ]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    assert len(lockfile.read(lock)) == 96


def test_learning_the_same_twice_changes_nothing_and_another_digest_is_an_error(
    tmp_path: Path,
) -> None:
    """A line is never overwritten."""
    lock = tmp_path / "zoo.lock"
    entry = LockedFile(hashlib.sha256(b"a").hexdigest(), 1)
    lockfile.learn(lock, "a.pth", entry)
    before = lock.stat().st_mtime_ns
    lockfile.learn(lock, "a.pth", entry)
    assert lock.stat().st_mtime_ns == before
    with pytest.raises(CacheError, match="but the file has"):
        lockfile.learn(lock, "a.pth", LockedFile(hashlib.sha256(b"b").hexdigest(), 1))


def test_nothing_is_left_beside_the_lock_file(tmp_path: Path, desk: Desk) -> None:
    """The folder may be a repository: no guard, no temporary file."""
    folder = tmp_path / "project"
    folder.mkdir()
    lockfile.learn(folder / "zoo.lock", "a.pth", LockedFile("0" * 64, 1))
    assert [path.name for path in folder.iterdir()] == ["zoo.lock"]


def test_a_lock_that_ends_in_the_middle_of_a_number_is_an_error(tmp_path: Path) -> None:
    """A length without its last digits is a length, too, and would demand other bytes."""
    path = tmp_path / "zoo.lock"
    lockfile.learn(path, "a.pth", LockedFile("0" * 64, 5009567))
    whole = path.read_bytes()
    for cut in (1, 3):
        path.write_bytes(whole[:-cut])
        with pytest.raises(LockFileError, match=r"line 2: its end is missing"):
            lockfile.read(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"# zoo.lo"])
def test_an_emptied_or_shortened_lock_is_an_error(tmp_path: Path, content: bytes) -> None:
    """A power cut may have taken its content: that must not mean that nothing is pinned."""
    path = tmp_path / "zoo.lock"
    path.write_bytes(content)
    with pytest.raises(LockFileError, match="expected the heading"):
        lockfile.read(path)
