"""What a server answers: its headers, judged, and the body as it arrives."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from zoo.download import decoding, headers, network_errors, policy
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import urllib3

    from zoo.download.headers import Head
    from zoo.download.options import Timeouts
    from zoo.download.sources import Source

BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Document:
    """A response that was read whole."""

    data: bytes
    head: Head


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A JSON response, and where the list that it is part of goes on."""

    content: Any
    next_url: str | None
    validator: str | None
    """Its ETag."""


class Response:
    """A response whose headers are read and whose body is not."""

    def __init__(
        self,
        head: Head,
        source: Source,
        raw: urllib3.BaseHTTPResponse,
        timeouts: Timeouts,
    ) -> None:
        self.head = head
        self._source = source
        self._raw = raw
        self._timeouts = timeouts

    def header(self, name: str) -> str | None:
        """Return one header more, which only who asks for it knows."""
        return self._raw.headers.get(name)

    def blocks(self, *, unpacks: bool = False) -> Iterator[bytes]:
        """Yield the body as it arrives.

        Args:
            unpacks: Undo the encodings that the headers name.

        Raises:
            SourceError: The connection broke, stalled, ended before the length that was
                promised, or brought damaged packed bytes.
        """
        if not unpacks:
            yield from self._as_sent()
            return
        try:
            yield from decoding.unpacked(self._as_sent(), self.head.packings)
        except decoding.PackedWronglyError as error:
            fault = f"expected the plain file, got it {self._packing_words()}: {error}"
            raise SourceError(self._source.shown, fault, is_retryable=True) from error

    def _as_sent(self) -> Iterator[bytes]:
        """Yield the body; give up a connection on which too little comes."""
        window_start_s = time.monotonic()
        window_bytes = 0
        with network_errors.translated(self._source, "the body"):
            while block := self._raw.read1(BLOCK_BYTES):
                yield block

                window_bytes += len(block)
                now_s = time.monotonic()
                if window_bytes >= self._timeouts.stall_bytes:
                    window_start_s = now_s
                    window_bytes = 0
                elif now_s - window_start_s > self._timeouts.stall_s:
                    raise TimeoutError

    def _packing_words(self) -> str:
        """Name the encodings."""
        return f"packed as {', '.join(self.head.packings)[:40]!a}"

    def __enter__(self) -> Self:
        """Return the response itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        *_: object,
    ) -> None:
        """Keep the connection if the body was read to its end, else close it."""
        if kind is None and self._raw.length_remaining == 0:
            self._raw.release_conn()
        else:
            self._raw.close()


def read_head(
    source: Source,
    raw: urllib3.BaseHTTPResponse,
    *,
    was_ranged: bool,
) -> Head:
    """Read what matters of the headers.

    Args:
        source: Who was asked.
        raw: The response.
        was_ranged: Whether a part of the file was asked for.

    Raises:
        SourceError: The response brings no bytes of the file.
    """
    if not policy.is_wanted(raw.status, was_ranged=was_ranged):
        raise policy.refusal(source, raw.status, raw.headers)
    return headers.read(raw)
