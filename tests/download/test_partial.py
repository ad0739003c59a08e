"""The journal of a partial file: what is believed, what is not, and what survives."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoo.cache.digests import Expected
from zoo.download.partial import (
    Partial,
    Validator,
    parse_journal,
    read_journal,
    source_key,
    usable_journal,
)

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = Expected("0123abcd", 100)
HEADING = b'["zoo-partial", 1, "0123abcd"]\n'
URL = "https://host.example/x?token=secret"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.fixture
def paths(tmp_path: Path) -> tuple[Path, Path]:
    """Name a partial file and its journal."""
    return tmp_path / "x.zoo-partial", tmp_path / "x.zoo-journal"


@given(st.binary())
@example(b"[" * 100_000 + b"\n")
@example(HEADING + b'["span", 0, ' + b"9" * 5000 + b"]\n")
@example(b'["zoo-partial", 1, "x"]\n["validator", 1, 2, 3]\n')
@example(b"\xff\xfe\n")
def test_any_bytes_are_a_journal_or_none(data: bytes) -> None:
    """A hostile journal raises nothing; what is believed lies inside the file."""
    for noise in (data, HEADING + data, HEADING + data + b"\n"):
        journal = parse_journal(noise)
        assert journal is None or journal.finished.end <= (journal.length_bytes or 1 << 62)


@given(st.lists(json_values, max_size=5))
def test_any_json_is_a_journal_or_none(entries: list[object]) -> None:
    """The same for lines that are JSON of any shape."""
    lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    journal = parse_journal(HEADING + lines)
    assert journal is None or all(0 <= start < end for start, end in journal.finished.parts)


@given(
    spans=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 20)), max_size=10),
    length=st.none() | st.just(100),
    validators=st.dictionaries(
        st.text(max_size=5), st.tuples(st.none() | st.text(), st.none() | st.text()), max_size=3
    ),
)
@settings(max_examples=50)
def test_what_is_noted_is_read_back_after_a_crash(
    paths: tuple[Path, Path],
    spans: list[tuple[int, int]],
    length: int | None,
    validators: dict[str, tuple[str | None, str | None]],
) -> None:
    """What was noted before a crash is known to the next run, which may crash and be read again."""
    for path in paths:
        path.unlink(missing_ok=True)
    partial = Partial(*paths, EXPECTED)
    if length is not None:
        partial.set_length(length)
    for url, (etag, modified) in validators.items():
        partial.set_validator(url, Validator(etag, modified))
    for start, count in spans:
        end = min(start + count, 100)
        partial.write(start, bytes(end - start))
        partial.record(start, end)
    finished = partial.finished
    partial.close()  # writes nothing: a crash would leave the same
    for _ in range(2):
        again = Partial(*paths, EXPECTED)
        again.close()
        assert again.finished == finished
        assert again.length_bytes == length
        assert all(again.validator(url) == Validator(*pair) for url, pair in validators.items())


@given(st.integers(0, 200))
def test_journal_cut_anywhere_is_believed_up_to_its_last_whole_line(cut: int) -> None:
    """A crash in the middle of a line costs that line only."""
    lines = [
        HEADING,
        b'["length", 100]\n',
        b'["span", 0, 10]\n',
        b'["span", 10, 30]\n',
        b'["span", 50, 60]\n',
    ]
    data = b"".join(lines)[:cut]
    whole = data.count(b"\n")
    journal = parse_journal(data)
    if whole == 0:
        assert journal is None
    else:
        assert journal is not None
        assert journal.finished.total_bytes == (0, 0, 0, 10, 30, 40)[whole]


def test_addresses_stay_out_of_the_journal(paths: tuple[Path, Path]) -> None:
    """An address may hold a secret; the journal holds a digest of it."""
    partial = Partial(*paths, EXPECTED)
    partial.set_validator(URL, Validator('"1"', None))
    partial.close()
    assert "secret" not in paths[1].read_text()
    assert source_key(URL) in paths[1].read_text()


def test_closed_partial_takes_no_more_bytes(paths: tuple[Path, Path]) -> None:
    """A late worker cannot write to a published file, nor to one that was given its number."""
    partial = Partial(*paths, EXPECTED)
    assert partial.write(0, b"abc")
    partial.close()
    assert not partial.write(3, b"def")
    assert paths[0].read_bytes() == b"abc"


def test_closed_partial_is_hashed_no_further(paths: tuple[Path, Path]) -> None:
    """The calling thread hashes while a worker starts again: the number may be another file's."""
    partial = Partial(*paths, EXPECTED)
    partial.write(0, b"abc")
    digest, buffer = hashlib.sha256(), memoryview(bytearray(8))
    assert partial.hash_span(digest, 0, 2, buffer)
    partial.close()
    assert not partial.hash_span(digest, 2, 3, buffer)
    assert digest.digest() == hashlib.sha256(b"ab").digest()


def test_new_start_never_writes_to_the_old_inode(paths: tuple[Path, Path]) -> None:
    """Whoever still has the old partial file open writes into the void."""
    old = Partial(*paths, EXPECTED)
    old.write(0, b"old")
    new = Partial(*paths, Expected("ffffffff", 100))
    old.write(0, b"late")
    new.write(0, b"new")
    old.close()
    new.close()
    assert paths[0].read_bytes() == b"new"


def test_published_file_is_the_one_that_was_written(
    paths: tuple[Path, Path], tmp_path: Path
) -> None:
    """Publishing moves the very inode, and leaves neither partial nor journal."""
    partial = Partial(*paths, EXPECTED)
    partial.write(0, b"abc")
    inode = paths[0].stat().st_ino
    partial.publish(tmp_path / "x")
    assert (tmp_path / "x").stat().st_ino == inode
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(
    ("journal", "size", "is_usable"),
    [
        (HEADING + b'["length", 100]\n["span", 0, 50]\n', 50, True),
        (
            HEADING + b'["length", 100]\n["span", 0, 50]\n',
            49,
            False,
        ),  # bytes are noted that are not there
        (HEADING + b'["length", 100]\n["span", 0, 50]\n', 101, False),  # longer than the file
        (HEADING + b'["length", 99]\n["span", 0, 50]\n', 50, False),  # not the length of the record
        (b'["zoo-partial", 1, "other"]\n["span", 0, 50]\n', 50, False),
        (b'["zoo-partial", 2, "0123abcd"]\n["span", 0, 50]\n', 50, False),
    ],
)
def test_journal_must_fit_its_file_and_the_record(
    paths: tuple[Path, Path], journal: bytes, size: int, is_usable: bool
) -> None:
    """A journal is used only with the file it speaks of, for the record it was begun for."""
    paths[0].write_bytes(bytes(size))
    paths[1].write_bytes(journal)
    assert (usable_journal(*paths, EXPECTED) is not None) is is_usable


def test_huge_journal_is_not_read(paths: tuple[Path, Path]) -> None:
    """A journal of gigabytes costs neither memory nor time."""
    with paths[1].open("wb") as stream:
        stream.truncate(1 << 33)
    assert read_journal(paths[1]) is None


@pytest.mark.parametrize(
    ("first", "second", "is_contradiction"),
    [
        (('"1"', None), ('"2"', None), True),
        (('"1"', "Mon"), ('"1"', "Tue"), False),  # the strong validator decides
        ((None, "Mon"), (None, "Tue"), True),
        ((None, None), ('"1"', "Mon"), False),
        (('"1"', None), (None, None), False),
    ],
)
def test_versions_contradict_only_where_both_sides_speak(
    first: tuple[str | None, str | None],
    second: tuple[str | None, str | None],
    is_contradiction: bool,
) -> None:
    """A header that a server leaves out says nothing."""
    assert Validator(*first).contradicts(Validator(*second)) is is_contradiction
