"""Requests to GitHub and Hugging Face; files too small or too plain for the parallel fetcher.

The network client is that of every download (:mod:`zoo.download.transport`); here are the addresses
that tokens may go to, and the words of a mirror.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from zoo.download import sources
from zoo.download.options import Timeouts
from zoo.download.transport import Transport
from zoo.errors import SourceError
from zoo.mirror.store import folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.download.responses import JsonDocument
    from zoo.mirror.settings import Upstreams

USER_AGENT = "zoo-mirror"
_NOT_FOUND = 404


class Client:
    """Ask the upstreams of one mirror. Threads may share it; close it at the end.

    Args:
        upstreams: Where they are asked.
        tokens: The user's tokens, and the addresses that they may go to.
        timeouts: How long to wait.
        sleep: How to wait between tries.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        tokens: tuple[tuple[str, str], ...] = (),
        timeouts: Timeouts | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self.upstreams = upstreams
        self._transport = Transport(
            timeouts or Timeouts(),
            USER_AGENT,
            tokens,
            sleep=sleep or time.sleep,
        )

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def abort(self) -> None:
        """Break every connection, so that threads which wait for one wake up."""
        self._transport.abort()

    def json(self, url: str) -> JsonDocument:
        """Get JSON, and where the list that it is part of goes on.

        Raises:
            SourceError: There is no such answer; ``status`` says which HTTP status came instead, if
                one did.
        """
        try:
            return self._transport.json(sources.trusted(url))
        except SourceError as error:
            if error.status != _NOT_FOUND:
                raise
            fault = f"expected an answer, got HTTP status {_NOT_FOUND}; check the name"
            raise SourceError(sources.shown(url), fault, status=_NOT_FOUND) from error

    def is_there(self, url: str) -> bool:
        """Tell whether an address answers 200 rather than 404.

        Raises:
            SourceError: It answers neither.
        """
        return self._transport.exists(sources.trusted(url))

    def download(
        self,
        url: str,
        target: Path,
        most_bytes: int,
        pace: Callable[[int], None] | None = None,
    ) -> str:
        """Write a response to a file and return its SHA-256.

        Raises:
            SourceError: It did not come whole, or is longer than it may be.
            CacheError: It cannot be written.
        """
        with folder.translating(target.name):
            return self._transport.save(sources.trusted(url), target, most_bytes, pace)
