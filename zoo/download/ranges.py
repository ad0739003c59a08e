"""Byte ranges: arithmetic on half-open spans, and the two HTTP headers that carry them.

A span is ``(start, end)`` with ``0 <= start < end``: ``(0, 3)`` holds the bytes 0, 1 and 2. HTTP
writes the same range as ``bytes=0-2``, with the last byte included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Span = tuple[int, int]
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Spans:
    """A set of bytes of a file: sorted spans that neither overlap nor touch."""

    parts: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Spans:
        """Make a set from spans in any order, overlapping or not."""
        merged: list[Span] = []
        for start, end in sorted(spans):
            last_start, last_end = merged[-1] if merged else (0, -1)
            if start <= last_end:
                merged[-1] = (last_start, max(last_end, end))
            elif start < end:
                merged.append((start, end))
        return cls(tuple(merged))

    def with_span(
        self,
        start: int,
        end: int,
    ) -> Spans:
        """Add one span."""
        return Spans.of((*self.parts, (start, end)))

    def missing(
        self,
        start: int,
        end: int,
    ) -> Spans:
        """Return the bytes of ``(start, end)`` that are not in this set."""
        left: list[Span] = []
        for have_start, have_end in self.parts:
            until = min(have_start, end)
            if start < until:
                left.append((start, until))
            start = max(start, have_end)
        if start < end:
            left.append((start, end))
        return Spans.of(left)

    @property
    def total_bytes(self) -> int:
        """How many bytes are in the set."""
        return sum(end - start for start, end in self.parts)

    @property
    def prefix_bytes(self) -> int:
        """How many bytes from the start of the file are in the set without a gap."""
        if self.parts and self.parts[0][0] == 0:
            return self.parts[0][1]
        return 0

    @property
    def end(self) -> int:
        """One past the last byte of the set; 0 if it is empty."""
        if self.parts:
            return self.parts[-1][1]
        return 0


@dataclass(frozen=True, slots=True)
class ContentRange:
    """What a 206 response says it holds."""

    start: int
    end: int
    """One past the last byte."""
    total_bytes: int | None
    """Length of the whole file; ``None`` if the server does not know."""


def range_header(span: Span) -> str:
    """Write the value of a ``Range`` header.

    >>> range_header((0, 3))
    'bytes=0-2'
    """
    return f"bytes={span[0]}-{span[1] - 1}"


def parse_content_range(text: str | None) -> ContentRange | None:
    """Read a ``Content-Range`` header; ``None`` for anything that makes no sense.

    >>> parse_content_range("bytes 0-2/10")
    ContentRange(start=0, end=3, total_bytes=10)
    """
    match = _CONTENT_RANGE.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    start = int(match[1])
    last = int(match[2])
    total = None if match[3] == "*" else int(match[3])
    if start > last or (total is not None and last >= total):
        return None
    return ContentRange(start, last + 1, total)


def parse_length(text: str | None) -> int | None:
    """Read a ``Content-Length`` header; ``None`` if it is missing or no number."""
    if text and re.fullmatch(r"\d{1,18}", text.strip(), re.ASCII):
        return int(text)
    return None
