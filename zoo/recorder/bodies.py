"""The body of a response on its way through the proxy: hashed, and held against the lock file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

from zoo.recorder import addresses, trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from zoo.cache.lock_lines import LockedThing
    from zoo.recorder.observing import Exchange

BLOCK_BYTES = 64 << 10
LARGEST_JSON_BYTES = 4 << 20


class UnprovenError(Exception):
    """Say that bytes are not those of the lock file."""


class Body:
    """The body of one response, whose end is held back until it is proven.

    Args:
        exchange: The request and how it was answered; complete after :meth:`pass_through`.
        expected: What the lock file demands, if anything.
        length: Of the body in bytes, where it was said.
        spool: Keeps what is read again when it is over: archives and short JSON.
    """

    def __init__(
        self,
        exchange: Exchange,
        expected: LockedThing | None,
        length: int | None,
        spool: IO[bytes],
    ) -> None:
        self.exchange = exchange
        self._expected = expected
        self._length = length
        self._spool = spool
        self._digest = hashlib.sha256()
        self._count = 0
        asked = addresses.read(exchange.url)
        self._is_archive = asked.meaning == "archive"
        kind = exchange.headers.get("content-type", "")
        self._is_json = kind.startswith("application/json")

    def pass_through(self, response: requests.Response) -> Iterator[bytes]:
        """Yield the blocks to send; the last one only when the whole was found right.

        Raises:
            ConnectionError: It ended early.
            UnprovenError: It is not what the lock file has.
        """
        import urllib3

        held = b""
        try:
            for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                self._count += len(block)
                self._digest.update(block)
                is_short = self._count <= LARGEST_JSON_BYTES
                is_fact = self._is_json and is_short
                if self._is_archive or is_fact:
                    self._spool.write(block)
                if held:
                    yield held
                held = block
        except (urllib3.exceptions.HTTPError, OSError) as error:
            story = f"{self.exchange.url}: {error}"
            raise ConnectionError(story) from error
        if self._length not in (None, self._count):
            url = self.exchange.url
            fault = f"expected {self._length} bytes, the connection broke at {self._count}"
            raise ConnectionError(f"{url}: {fault}")
        self._finish()
        if held:
            yield held

    def _finish(self) -> None:
        """Complete what is known of the exchange, and hold it against the lock file."""
        facts: dict[str, Any] = {
            "sha256": self._digest.hexdigest(),
            "size_bytes": self._count,
        }
        self._spool.seek(0)
        was_sent = self.exchange.status == 200
        is_short = self._count <= LARGEST_JSON_BYTES
        if self._is_archive and was_sent:
            facts |= self._archive_facts()
        elif self._is_json and is_short:
            data = self._spool.read()
            facts["text"] = data.decode(errors="replace")
        self.exchange = replace(self.exchange, **facts)
        if self._expected is not None:
            self._prove(self._expected)

    def _archive_facts(self) -> dict[str, Any]:
        try:
            commit, tree_sha256 = trees.commit_and_digest(self._spool)
        except trees.ArchiveError as error:
            story = f"{self.exchange.url}: {error}"
            raise UnprovenError(story) from error
        return {
            "commit": commit,
            "tree_sha256": tree_sha256,
        }

    def _prove(self, expected: LockedThing) -> None:
        """Hold the body against its line."""
        wanted = expected.sha256
        got = self.exchange.sha256
        if expected.kind == "github":
            got = self.exchange.tree_sha256
        if wanted in (None, got):
            return

        what = f"{expected.kind} {expected.name}"
        fault = f"expected sha256 {wanted}, got {got}"
        raise UnprovenError(f"{what}: {fault}")
