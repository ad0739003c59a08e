"""What an answer is worth, and how long to wait after a bad one: decisions without state."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.weights.digests import Expected
    from zoo.weights.ranges import Span
    from zoo.weights.transport import Head

FIRST_PAUSE_S = 0.5


def length_of_range(head: Head, asked: Span, expected: Expected) -> int | None:
    """Return the length of the whole file that a 206 answer states, ``None`` if the answer is not the range asked for.

    A shorter range than asked for is fine: the rest is asked for again.
    """
    content = head.content_range
    if head.status != 206 or content is None or content.start != asked[0] or content.end > asked[1]:
        return None
    if content.total_bytes is None and not expected.size_tolerance_bytes:
        return expected.size_bytes
    return content.total_bytes


def length_fault(length: int | None, head: Head, expected: Expected) -> str | None:
    """Say why an answer of this length cannot be the file; ``None`` if it can."""
    is_wrong = length is not None and not expected.allows_size(length)
    if head.is_web_page and (is_wrong or length is None):
        return "expected the file, got a web page (does it want a login?)"
    return f"expected {expected.size_words}, it offers {length}" if is_wrong else None


def pause_s(tries: int, asked_s: float | None, longest_s: float, jitter: float) -> float:
    """Return how long to wait before the next try: as a server asks, else twice as long each time; within bounds.

    Args:
        tries: Failed tries so far, from 1.
        asked_s: The server's ``Retry-After``.
        longest_s: The upper bound.
        jitter: Where in the upper half of the pause, 0 to 1; so that not all clients come back at once.

    >>> pause_s(3, None, longest_s=60, jitter=1)
    2.0
    """
    if asked_s is not None:
        return min(longest_s, asked_s)
    return min(longest_s, FIRST_PAUSE_S * 2.0 ** min(tries - 1, 60)) * (0.5 + jitter / 2)
