"""Fetch for python-tuf, with limits on time, and on how long a chain of roots may be."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuf.api.exceptions import DownloadError, DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface

from zoo.certificates import named_bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

BLOCK_BYTES = 64 << 10
_ROOT = re.compile(r".*/\d+\.root\.json")


class EndlessChainError(DownloadError):
    """Say that a host offers one root after another."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient an update is."""

    connect_s: float = 10.0
    block_s: float = 20.0
    """The longest silence."""
    file_s: float = 120.0
    """For one file, all told: a byte now and then is no life."""
    roots: int = 32
    """How many roots in a row are followed at once."""


class Fetcher(FetcherInterface):
    """Fetch files of one repository."""

    def __init__(self, limits: Limits = Limits()) -> None:
        import requests

        self._limits = limits
        self._session = requests.Session()
        self._session.verify = named_bundle(os.environ) or True
        self._session.headers.update(
            {
                "User-Agent": "zoo",
                "Accept-Encoding": "identity",
            }
        )
        self._roots = 0
        self._responses: list[requests.Response] = []

    def close(self) -> None:
        """Let go of the connections, also of those that were broken off."""
        for response in self._responses:
            response.close()
        self._session.close()

    def _fetch(self, url: str) -> Iterator[bytes]:
        """Yield the blocks of a file."""
        import requests

        limits = self._limits
        began = time.monotonic()
        try:
            response = self._session.get(
                url,
                stream=True,
                timeout=(limits.connect_s, limits.block_s),
            )
        except requests.Timeout as error:
            raise SlowRetrievalError(f"{url}: no answer") from error
        except requests.RequestException as error:
            raise DownloadError(f"{url}: {type(error).__name__}") from error
        if response.status_code != 200:
            response.close()
            text = f"{url}: HTTP status {response.status_code}"
            raise DownloadHTTPError(text, response.status_code)
        self._responses.append(response)
        self._count_root(url)
        return self._blocks(url, response, began)

    def _blocks(
        self,
        url: str,
        response: requests.Response,
        began: float,
    ) -> Iterator[bytes]:
        with response:
            try:
                for block in response.raw.stream(BLOCK_BYTES, decode_content=False):
                    if time.monotonic() - began > self._limits.file_s:
                        raise SlowRetrievalError(f"{url}: not whole in {self._limits.file_s:g} s")
                    yield block
            except SlowRetrievalError:
                raise
            except Exception as error:
                is_late = "timed out" in str(error).lower()
                kind = SlowRetrievalError if is_late else DownloadError
                raise kind(f"{url}: the connection broke") from error

    def _count_root(self, url: str) -> None:
        if not _ROOT.fullmatch(url):
            return
        self._roots += 1
        if self._roots > self._limits.roots:
            raise EndlessChainError(f"{url}: more than {self._limits.roots} roots in a row")
