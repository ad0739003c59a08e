"""The one policy towards servers.

What a response is worth, how long to wait after a bad one, where to follow, who gets a token.

Decisions only: nothing here reads the network, the disk or a clock but to read a date.
"""

from __future__ import annotations

import email.utils
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from zoo.download import decoding, ranges, sources
from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.cache.digests import Expected
    from zoo.download.headers import Head
    from zoo.download.ranges import Span
    from zoo.download.sources import Source

FIRST_PAUSE_S = 0.5
MOST_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
WHOLE = frozenset({200, 203})
"""203: the whole file, through a proxy that may have changed it; its digest tells."""
PARTIAL = 206
NO_SUCH_RANGE = 416
_FORBIDDEN = 403

_PASSING = frozenset({202, 408, 425, 429})
"""What may be better in a moment, besides 5xx. 202: some archives first have to fetch the file
themselves."""
_ABOUT_THE_RANGE = frozenset({400, 405, 406, 412, 416, 417, 501})
"""What servers say that answer the same request well when it asks for no range."""
_NEVER_ABOUT_THE_RANGE = frozenset({401, 404, 407, 410, 429, 451})
"""What is as true of the whole file."""
_MAY_HAVE_EXPIRED = frozenset({401, 403, 404, 410})
"""What a signed address says when its time is over."""
_ADVICE = {
    401: "it wants a user and password or a token: see ~/.netrc, GITHUB_TOKEN and HF_TOKEN",
    403: (
        "it refuses access: check that you may have the file, "
        "and ~/.netrc, GITHUB_TOKEN and HF_TOKEN"
    ),
    404: "it does not have the file",
    407: "the proxy wants a user and password: put them into the proxy's address",
    410: "it has removed the file",
    429: "it gets too many requests: wait, or set GITHUB_TOKEN or HF_TOKEN",
}
PROXY_WANTS_PASSWORD = _ADVICE[407]


# -- tries and pauses


@dataclass(frozen=True, slots=True)
class Tries:
    """How often to ask again, and how long to wait before."""

    most: int = 3
    """Tries in all."""
    longest_wait_s: float = 30.0
    """A server that asks for more is not asked again."""

    def pause_s(
        self,
        failure: SourceError,
        tries: int,
        jitter: float,
    ) -> float | None:
        """Return how long to wait before the next try; ``None`` to give up.

        Args:
            failure: What the last try has come to.
            tries: Failed tries so far, from 1.
            jitter: See :func:`pause_s`.
        """
        asked_s = failure.retry_after_s
        is_too_long = asked_s is not None and asked_s > self.longest_wait_s
        if not failure.is_retryable or is_too_long or tries >= self.most:
            return None
        return pause_s(tries, asked_s, self.longest_wait_s, jitter)


def pause_s(
    tries: int,
    asked_s: float | None,
    longest_s: float,
    jitter: float,
) -> float:
    """Return how long to wait before the next try.

    As a server asks, else twice as long each time; within bounds.

    Args:
        tries: Failed tries so far, from 1.
        asked_s: The server's ``Retry-After``.
        longest_s: The upper bound.
        jitter: Where in the upper half of the pause, 0 to 1; so that not all clients come back at
            once.

    >>> pause_s(3, None, longest_s=60, jitter=1)
    2.0
    """
    if asked_s is not None:
        return min(longest_s, asked_s)

    doublings = min(tries - 1, 60)
    whole_pause_s = min(longest_s, FIRST_PAUSE_S * 2.0**doublings)
    return whole_pause_s * (0.5 + jitter / 2)


# -- responses that are refusals


def is_wanted(
    status: int,
    *,
    was_ranged: bool,
) -> bool:
    """Tell whether this status means bytes of the file, or that there is no such range."""
    if status == NO_SUCH_RANGE:
        return was_ranged
    return status in WHOLE or status == PARTIAL


def refusal(
    source: Source,
    status: int,
    headers: Mapping[str, str],
) -> SourceError:
    """Say what a response without the file means, and whether to ask again.

    Args:
        source: Who answers.
        status: HTTP status.
        headers: Of the response.
    """
    wait_s = retry_after_s(headers)
    # GitHub says 403 where others say 429.
    is_out_of_requests = headers.get("X-RateLimit-Remaining") == "0" and status in (403, 429)
    is_passing = may_pass(status)
    if is_out_of_requests:
        status = 429
        advice = _ADVICE[status]
        is_passing = wait_s is not None
    elif status in _ADVICE:
        advice = _ADVICE[status]
    else:
        advice = "try another source"
        if is_passing:
            advice = "it may work later"

    return SourceError(
        source.shown,
        f"expected the file, got HTTP status {status}; {advice}",
        is_retryable=is_passing,
        retry_after_s=wait_s,
        status=status,
    )


def may_pass(status: int) -> bool:
    """Tell whether what a server says may be better in a moment."""
    return status in _PASSING or status >= 500


def may_have_expired(status: int) -> bool:
    """Tell whether the address that a redirect led to before may have to be asked for anew."""
    return status in _MAY_HAVE_EXPIRED


def may_be_about_the_range(failure: SourceError) -> bool:
    """Tell whether the server may give the whole file although it refuses a part of it."""
    return failure.status in _ABOUT_THE_RANGE


def may_give_the_whole(
    failure: SourceError,
    *,
    has_bytes: bool,
) -> bool:
    """Tell whether it is worth it, before a source is given up, to ask it for the whole file once.

    Gateways and filters that choke on a range answer with nearly any status. Most that say 403 or
    5xx mean the file, though: bytes that are there already are not risked for them.
    """
    if failure.status is None or failure.status in _NEVER_ABOUT_THE_RANGE:
        return False
    is_doubtful = failure.is_retryable or failure.status == _FORBIDDEN
    return not (is_doubtful and has_bytes)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read a ``Retry-After`` header: seconds, or a date."""
    text = headers.get("Retry-After")
    seconds = ranges.parse_length(text)
    if seconds is not None or text is None:
        return seconds
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError, OSError):
        return None
    return max(0.0, moment - time.time())


# -- responses that bring bytes


def length_of_range(
    head: Head,
    asked: Span,
    expected: Expected,
) -> int | None:
    """Return the length of the file as a 206 states it, ``None`` for another range.

    A shorter range than asked for is fine: the rest is asked for again. Part of a packed file is of
    no use, since ranges count packed bytes.
    """
    content = head.content_range
    if head.status != PARTIAL or content is None or head.packings:
        return None
    if content.start != asked[0] or content.end > asked[1]:
        return None
    if content.total_bytes is None and not expected.size_tolerance_bytes:
        return expected.size_bytes
    return content.total_bytes


def is_whole(head: Head) -> bool:
    """Tell whether a response says that it brings the whole file.

    200, or a 206 from the first byte to the last.
    """
    if head.status in WHOLE:
        return True
    content = head.content_range
    is_all = content is not None and content.start == 0 and content.end == content.total_bytes
    return head.status == PARTIAL and is_all


def is_mere_part(
    head: Head,
    asked: Span,
    expected: Expected,
) -> bool:
    """Tell whether a response that says 200 to a request for a range looks like the range alone.

    Some gateways before object stores answer so. Without a range they answer well.
    """
    length = head.length_bytes
    if head.packings or head.is_web_page or length is None:
        return False
    if not expected.allows_size(length):
        return True
    is_known = expected.size_bytes is not None
    return not is_known and (head.content_range is not None or length == asked[1] - asked[0])


def is_packed(
    head: Head,
    expected: Expected,
) -> bool:
    """Tell whether a body is to be unpacked.

    Many servers call a file packed that is published so (``.tar.gz``): then its length is right
    as it is. And what they call it may mean nothing at all: then the digest decides, if there is
    one.
    """
    if expected.sha256 is not None and not all(map(decoding.is_known, head.packings)):
        return False
    is_exact = expected.size_bytes is not None and not expected.size_tolerance_bytes
    is_right_as_it_is = is_exact and head.length_bytes == expected.size_bytes
    return bool(head.packings) and not is_right_as_it_is


def length_fault(
    length: int | None,
    head: Head,
    expected: Expected,
) -> str | None:
    """Say why a response of this length cannot be the file; ``None`` if it can."""
    is_wrong = length is not None and not expected.allows_size(length)
    if head.is_web_page and (is_wrong or length is None):
        return "expected the file, got a web page (does it want a login?)"
    if is_wrong:
        return f"expected {expected.size_words}, it offers {length}"
    return None


# -- redirects


def redirected(
    source: Source,
    url: str,
    location: str,
) -> str:
    """Return where a redirect leads, if it may be followed.

    Never to a weaker scheme, nor into a private network.

    Args:
        source: What was asked for.
        url: Who answered with the redirect.
        location: Its ``Location`` header.

    Raises:
        SourceError: It may not be followed.
    """
    try:
        target = urljoin(url, location)
        sources.check_address(target, may_be_private=source.may_be_private)
    except (SourceError, ValueError) as error:
        fault = f"it redirects to an address that is not followed: {error}"
        raise SourceError(source.shown, fault) from error

    was_secure = sources.split(url).scheme == "https"
    if was_secure and sources.split(target).scheme != "https":
        fault = f"it redirects from https to {sources.shown(target)}, which is not followed"
        raise SourceError(source.shown, fault)
    return target


# -- tokens and passwords


def authorization(
    source: Source,
    url: str,
    tokens: Mapping[tuple[str, str, int], str],
    netrc: tuple[str, str] | None,
) -> str | None:
    """Return the credentials for an address, as the ``Authorization`` header carries them.

    A token goes to its own origin only, a password to the origin of its source only.

    Args:
        source: What was asked for.
        url: Who is asked now; after redirects it may be someone else.
        tokens: By origin.
        netrc: What the user's ``~/.netrc`` has for the host of ``url``.
    """
    token = tokens.get(sources.origin(url))
    if token:
        return f"Bearer {token}"
    if not _is_same_origin(source.url, url):
        return None
    credentials = source.credentials or netrc
    if credentials:
        return sources.basic_authorization(*credentials)
    return None


def _is_same_origin(
    first: str,
    second: str,
) -> bool:
    """Tell whether credentials for one address may go to another.

    The same origin, or its move to https.
    """
    one = sources.origin(first)
    other = sources.origin(second)
    is_move_to_https = one == ("http", other[1], 80) and other == ("https", one[1], 443)
    return one == other or is_move_to_https
