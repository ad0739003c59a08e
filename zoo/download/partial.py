"""The unfinished file and its journal: what makes a download survive the death of its process.

The journal is a text file of JSON lists, one a line. A line is appended after the bytes that it
speaks of are in the partial file; a line without its newline was cut off by a crash and counts as
not written. ::

    ["zoo-partial", 1, "f37072fd"]              the digest (or its beginning) that it should get
    ["length", 46830571]                        of the whole file, as a server states it
    ["validator", "9a0c41d2...", "W1", null]    ETag and Last-Modified of one source
    ["span", 0, 1048576]                        these bytes are in the partial file

A journal is believed only as far as it can do no harm: whatever it says, the digest of the whole
file decides.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import disk, paths
from zoo.documents import read_regular_file
from zoo.download.ranges import Spans
from zoo.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.cache.digests import Expected

HEADING = ["zoo-partial", 1]
LARGEST_JOURNAL_BYTES = 8 << 20
LONGEST_FILE_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Validator:
    """What a source says about which version of the file it serves."""

    etag: str | None
    modified: str | None

    def proves_equal(self, other: Validator) -> bool:
        """Tell whether two responses of one address are certainly about the same bytes.

        One strong ETag.
        """
        is_strong = self.etag is not None and not self.etag.startswith("W/")
        return is_strong and self.etag == other.etag

    def contradicts(self, other: Validator) -> bool:
        """Tell whether two responses of one source are about different versions."""
        if self.etag and other.etag:
            return self.etag != other.etag
        return bool(self.modified and other.modified and self.modified != other.modified)


@dataclass(slots=True)
class Journal:
    """What a journal says."""

    sha256: str | None
    length_bytes: int | None = None
    finished: Spans = field(default_factory=Spans)
    validators: dict[str, Validator] = field(default_factory=dict)

    @property
    def is_sane(self) -> bool:
        """Whether all spans lie inside the file."""
        return self.length_bytes is None or self.finished.end <= self.length_bytes


def source_key(url: str) -> str:
    """Return what stands for a source in a journal: addresses may hold secrets."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def parse_journal(data: bytes) -> Journal | None:
    """Read a journal; ``None`` if it is not one, whatever the bytes are."""
    *lines, _cut = data.split(b"\n")
    try:
        entries = [json.loads(line) for line in lines]
        name, schema, sha256 = entries[0]
        if [name, schema] != HEADING or not isinstance(sha256, str | None):
            return None
        journal = Journal(sha256)
        spans: list[tuple[int, int]] = []
        for entry in entries[1:]:
            match entry:
                case ["length", int(length)] if _is_offset(length):
                    journal.length_bytes = length
                case ["validator", str(key), str() | None as etag, str() | None as modified]:
                    journal.validators[key] = Validator(etag, modified)
                case ["span", int(start), int(end)] if (
                    _is_offset(start) and _is_offset(end) and start < end
                ):
                    spans.append((start, end))
                case _:
                    return None
    except (ValueError, TypeError, IndexError, RecursionError):
        return None
    journal.finished = Spans.of(spans)
    if journal.is_sane:
        return journal
    return None


def _is_offset(value: int) -> bool:
    """Tell whether a number can be a place in a file; JSON's true and false cannot."""
    return not isinstance(value, bool) and 0 <= value <= LONGEST_FILE_BYTES


def read_journal(path: Path) -> Journal | None:
    """Read the journal under a path; ``None`` if there is none that can be used."""
    with contextlib.suppress(OSError):
        data = read_regular_file(path, LARGEST_JOURNAL_BYTES, follow_links=False)
        return parse_journal(data)
    return None


def usable_journal(
    partial: Path,
    journal_path: Path,
    expected: Expected,
) -> Journal | None:
    """Read a journal and check that it fits its partial file and the file that is wanted now."""
    journal = read_journal(journal_path)
    if journal is None or journal.sha256 != expected.sha256:
        return None
    try:
        facts = partial.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):  # a link could lead anywhere
        return None
    size_bytes = facts.st_size
    length = journal.length_bytes
    is_right_length = length is None or (expected.allows_size(length) and size_bytes <= length)
    if is_right_length and journal.finished.end <= size_bytes:
        return journal
    return None


class Partial:
    """An open partial file with its journal. Threads may write different spans at once."""

    def __init__(
        self,
        path: Path,
        journal_path: Path,
        expected: Expected,
    ) -> None:
        """Open what an earlier run left, if it can be gone on from, else begin anew."""
        self.path = path
        self.journal_path = journal_path
        kept = usable_journal(path, journal_path, expected)
        self._journal = kept or Journal(expected.sha256)
        self._gate = threading.Condition()
        self._users = 0
        self._is_closed = False
        self._log_is_full = False
        if kept is None:
            # A new inode: who still writes to the old one does no harm, and a planted
            # link is not followed.
            path.unlink(missing_ok=True)
            journal_path.unlink(missing_ok=True)
            self._file = atomic.create_exclusively(path)
        else:
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            # What the disk failed to keep may still be in memory: read back what is really there.
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
        try:
            self._log = _write_journal(journal_path, self._journal)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def finished(self) -> Spans:
        """The bytes that are in the file."""
        return self._journal.finished

    @property
    def length_bytes(self) -> int | None:
        """Length of the whole file as a server stated it."""
        return self._journal.length_bytes

    def validator(self, url: str) -> Validator | None:
        """Return what a source said about its version when it was first asked."""
        return self._journal.validators.get(source_key(url))

    def set_length(self, length_bytes: int) -> None:
        """Note the length of the whole file."""
        self._journal.length_bytes = length_bytes
        self._append(["length", length_bytes])

    def set_validator(
        self,
        url: str,
        validator: Validator,
    ) -> None:
        """Note which version a source serves."""
        self._journal.validators[source_key(url)] = validator
        self._append(
            [
                "validator",
                source_key(url),
                validator.etag,
                validator.modified,
            ]
        )

    def take_validators(self, journal: Journal) -> None:
        """Believe what another partial file's journal notes about versions."""
        for key, validator in journal.validators.items():
            self._journal.validators[key] = validator
            self._append(
                [
                    "validator",
                    key,
                    validator.etag,
                    validator.modified,
                ]
            )

    def write(
        self,
        offset: int,
        data: bytes,
    ) -> bool:
        """Write bytes at their place.

        False, and nothing written, if the file has been closed meanwhile.
        """
        with self._kept_open() as is_open:
            if not is_open:
                return False
            view = memoryview(data)
            while view:
                count = os.pwrite(self._file, view, offset)
                view, offset = view[count:], offset + count
        return True

    @contextlib.contextmanager
    def _kept_open(self) -> Iterator[bool]:
        """Put :meth:`close` off until the block ends; false if it has come already."""
        with self._gate:
            is_open = not self._is_closed
            self._users += is_open
        try:
            yield is_open
        finally:
            with self._gate:
                self._users -= is_open
                self._gate.notify_all()

    def record(
        self,
        start: int,
        end: int,
    ) -> None:
        """Note that a span has been written. One thread at a time."""
        self._journal.finished = self._journal.finished.with_span(start, end)
        self._append(["span", start, end])

    def hash_span(
        self,
        digest: hashlib._Hash,
        start: int,
        end: int,
        buffer: memoryview,
    ) -> bool:
        """Add a span to a digest; false, and nothing added, if the file has been closed meanwhile.

        It is read back from memory as a rule: it has just been written.

        The disk begins to write it too, so that little is left to wait for when the file is whole.

        Raises:
            CacheError: The file ends before the span does.
        """
        with self._kept_open() as is_open:
            if not is_open:
                return False
            disk.begin_writing_back(self._file, start, end - start)
            while start < end:
                count = os.preadv(self._file, [buffer[: end - start]], start)
                if count == 0:
                    fault = "someone else has cut this partial file"
                    advice = "run the same command again"
                    raise CacheError(self.path.name, fault, advice)
                digest.update(buffer[:count])
                start += count
        return True

    def close(self) -> None:
        """Wait for threads in the middle of a block, then close; the files stay."""
        # A descriptor that is closed under a thread may be another file's by the time it writes.
        with self._gate:
            if self._is_closed:
                return
            self._is_closed = True
            while self._users:
                self._gate.wait()
        os.close(self._file)
        os.close(self._log)

    def discard(self) -> None:
        """Close and remove both files."""
        self.close()
        self.path.unlink(missing_ok=True)
        self.journal_path.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        """Give the file its final name; a crash at any moment leaves the old state or the new.

        Raises:
            CacheError: The disk did not take the bytes. They may be whole in memory and wrong on
                the disk, and a second fsync would not say so: nothing of them is kept.
        """
        try:
            os.fsync(self._file)
        except OSError as error:
            self.discard()
            raise disk.lost(error, target.name) from error
        self.close()
        self.path.replace(target)
        self.journal_path.unlink(missing_ok=True)
        try:
            atomic.sync_folder(target.parent)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise disk.lost(error, target.name) from error

    def _append(self, entry: list[object]) -> None:
        """Add one line; after a line that did not fit whole, no other may follow."""
        if self._log_is_full:
            return
        line = json.dumps(entry).encode() + b"\n"
        try:
            self._log_is_full = os.write(self._log, line) < len(line)
        except OSError:
            self._log_is_full = True
            raise
        if self._log_is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _write_journal(
    path: Path,
    journal: Journal,
) -> int:
    """Write a journal afresh, short, and return it open for appending."""
    lines = [json.dumps(entry).encode() + b"\n" for entry in _entries(journal)]
    # A name that nobody can guess: in a shared folder a link could wait under one that is known.
    temporary = paths.temporary_journal(path)
    handle = atomic.create_exclusively(temporary)
    try:
        os.write(handle, b"".join(lines))
        temporary.replace(path)
    except BaseException:
        os.close(handle)
        temporary.unlink(missing_ok=True)
        raise
    return handle


def _entries(journal: Journal) -> Iterator[list[object]]:
    """Turn a journal into its lines."""
    yield [*HEADING, journal.sha256]
    if journal.length_bytes is not None:
        yield ["length", journal.length_bytes]
    for key, validator in journal.validators.items():
        yield [
            "validator",
            key,
            validator.etag,
            validator.modified,
        ]
    for start, end in journal.finished.parts:
        yield ["span", start, end]
