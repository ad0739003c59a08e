"""Conditional requests and byte ranges as RFC 9110 defines them (sections 13, 14).

Pure: headers in, decision out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ETAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_RANGE = re.compile(r"(\d*)-(\d*)", re.ASCII)
MOST_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Decision:
    """How to answer: 200, 206, 304, 412 or 416, and with which bytes ``(start, end)``."""

    status: int
    start: int
    end: int

    @property
    def length_bytes(self) -> int:
        """Length of the body."""
        return self.end - self.start


def decide(
    method: str,
    headers: Mapping[str, str],
    *,
    etag: str,
    size_bytes: int,
    modified: datetime | None = None,
) -> Decision:
    """Decide how to answer a GET or HEAD.

    Args:
        method: Ranges count for GET only.
        headers: Of the request; looked up by their usual names.
        etag: Strong validator of the file, with its quotes.
        size_bytes: Length of the file.
        modified: When it was last modified, to the second; ``None`` where that is not known.
    """
    whole = Decision(200, 0, size_bytes)
    nothing = Decision(412, 0, 0)
    if (condition := headers.get("If-Match")) is not None:
        if not _matches(condition, etag, is_weak_allowed=False):
            return nothing
    elif (
        (limit := _date(headers.get("If-Unmodified-Since"))) is not None
        and modified
        and modified > limit
    ):
        return nothing
    if (condition := headers.get("If-None-Match")) is not None:
        if _matches(condition, etag, is_weak_allowed=True):
            return Decision(304, 0, 0)
    elif (
        (limit := _date(headers.get("If-Modified-Since"))) is not None
        and modified
        and modified <= limit
    ):
        return Decision(304, 0, 0)
    text = headers.get("Range")
    if (
        method != "GET"
        or text is None
        or not _is_range_current(headers.get("If-Range"), etag, modified)
    ):
        return whole
    return _range(text, size_bytes) or whole


def _matches(
    condition: str,
    etag: str,
    *,
    is_weak_allowed: bool,
) -> bool:
    """Compare a list of entity tags with ours."""
    if condition.strip() == "*":
        return True
    for weak, tag in _ETAG.findall(condition):
        is_strong_enough = is_weak_allowed or not weak
        if is_strong_enough and f'"{tag}"' == etag:
            return True
    return False


def _is_range_current(
    if_range: str | None,
    etag: str,
    modified: datetime | None,
) -> bool:
    """Tell whether the file is still the one that a range is asked of.

    Anything unclear means no.
    """
    if if_range is None:
        return True
    if if_range.strip().startswith(('"', "W/")):
        return if_range.strip() == etag
    date = _date(if_range)
    return date is not None and date == modified


def _range(
    text: str,
    size_bytes: int,
) -> Decision | None:
    """Read a range; ``None`` where the header does not count.

    That is: another unit, malformed, or several ranges.
    """
    unit, equals, ranges = text.partition("=")
    if unit.strip().lower() != "bytes" or not equals:
        return None

    parts = [part.strip() for part in ranges.split(",") if part.strip()]
    if len(parts) != 1:
        return None

    match = _RANGE.fullmatch(parts[0])
    if match is None or match[0] == "-":
        return None

    first, last = map(_number, match.groups())
    start = 0
    end = size_bytes
    if first is None:
        start = max(0, size_bytes - (last or 0))
    elif last is None:
        start = first
    elif last < first:
        return None
    else:
        start = first
        end = min(last + 1, size_bytes)

    if start >= end:
        return Decision(416, 0, 0)
    return Decision(206, start, end)


def _number(digits: str | None) -> int | None:
    """Read a number, of absurdly many digits the first."""
    if not digits:
        return None
    return int(digits[:MOST_DIGITS])


def _date(text: str | None) -> datetime | None:
    """Read an HTTP date; ``None`` for anything else."""
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo:
        return date
    return date.replace(tzinfo=UTC)


def http_date(moment: datetime) -> str:
    """Write an HTTP date."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
