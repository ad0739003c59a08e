"""One file on its way into the mirror, which any number of clients read while it arrives.

Clients read what has arrived so far; the end of a file is held back until its digest was found
right, so that no client ever has a whole file that is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from typing import TYPE_CHECKING

from zoo.cache import disk
from zoo.errors import DiskFullError, SourceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from zoo.mirror.published import RemoteFile

HELD_BACK_BYTES = 1024
BLOCK_BYTES = 256 << 10
RESERVED_BYTES = 64 << 20
"""What stays free on the mirror's disk: its documents have to be written too."""


class Download:
    """A staged file that grows.

    Args:
        file: What is fetched.
        size_bytes: Its length as the upstream promises it, if it does.
        staged: Where it is written.
    """

    def __init__(
        self,
        file: RemoteFile,
        size_bytes: int | None,
        staged: Path,
    ) -> None:
        self.file = file
        self.size_bytes = size_bytes
        self.staged = staged
        self.done_bytes = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with disk.translating(file.path):
            self._handle = os.open(staged, flags, 0o644)
        self._close = weakref.finalize(self, os.close, self._handle)
        self._is_over = False
        self._error: BaseException | None = None
        self._news = asyncio.Event()

    @property
    def missing_bytes(self) -> int:
        """How much of the disk it will still take, as far as that is known."""
        if self._is_over:
            return 0

        size_bytes = self.size_bytes or 0
        return max(0, size_bytes - self.done_bytes)

    def write(self, block: bytes) -> None:
        """Add bytes at the end.

        Raises:
            CacheError: The disk is full or failed.
        """
        view = memoryview(block)
        with disk.translating(self.file.path):
            while view:
                count = os.pwrite(self._handle, view, self.done_bytes)
                view, self.done_bytes = view[count:], self.done_bytes + count
        self._tell()

    def succeed(self) -> None:
        """Let the clients have the end: the file is right and in its place."""
        self._is_over = True
        self._tell()

    def fail(self, error: BaseException) -> None:
        """Tell the clients that there is no end.

        The space is given back at once, whoever still reads.
        """
        self._is_over = True
        self._error = error
        with contextlib.suppress(OSError):
            os.ftruncate(self._handle, 0)
        self._close()
        self.staged.unlink(missing_ok=True)
        self._tell()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Yield the file from its start, as fast as it arrives.

        Raises:
            SourceError: It never became right.
        """
        position = 0
        while True:
            news = self._news
            self._check()
            end = self.done_bytes - (0 if self._is_over else HELD_BACK_BYTES)
            if position < end:
                # the descriptor reads on when the file is moved into its place
                block = os.pread(self._handle, min(BLOCK_BYTES, end - position), position)
                position += len(block)
                yield block
            elif self._is_over:
                return
            else:
                await news.wait()

    async def ended(self) -> None:
        """Wait until the file is right and in its place.

        Raises:
            SourceError: It never became right.
        """
        while not self._is_over:
            await self._news.wait()
        self._check()

    def _check(self) -> None:
        """Raise if the download has failed: the descriptor is closed then."""
        if self._error is not None:
            failure = SourceError(self.file.origin, "the download failed", is_retryable=True)
            raise failure from self._error

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def check_room(
    folder: Path,
    path: str,
    size_bytes: int,
    others: Iterable[Download],
) -> None:
    """Refuse a file that does not fit on the disk beside those that are on their way.

    Raises:
        DiskFullError: It does not fit.
    """
    promised_bytes = sum(download.missing_bytes for download in others)
    with disk.translating(path):
        facts = os.statvfs(folder)
    free_bytes = facts.f_bavail * facts.f_frsize
    needed_bytes = size_bytes + promised_bytes + RESERVED_BYTES
    if needed_bytes > free_bytes:
        fault = f"the mirror's disk is full: expected {needed_bytes} free bytes, got {free_bytes}"
        raise DiskFullError(path, fault, "free some space there")
