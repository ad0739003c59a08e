"""The few headers of a response that matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.download import decoding, ranges

if TYPE_CHECKING:
    from collections.abc import Mapping

    import urllib3

_LONGEST_ETAG = 1000


@dataclass(frozen=True, slots=True)
class Head:
    """What the headers of a response say; everything else in them is ignored."""

    status: int
    """200 whole file, 206 one range, 416 no such range."""
    length_bytes: int | None
    """Length of the body as it is sent, if it is stated."""
    content_range: ranges.ContentRange | None
    etag: str | None
    """Strong validator."""
    modified: str | None
    """``Last-Modified``, as it stands there."""
    is_web_page: bool
    packings: tuple[str, ...] = ()
    """Encodings of the body, in the order in which they were applied."""
    next_url: str | None = None
    """Where a list goes on: the ``Link`` header with ``rel="next"``."""
    validator: str | None = None
    """The ETag, also a weak one: what a response of today is compared with another day."""


def read(raw: urllib3.BaseHTTPResponse) -> Head:
    """Read what matters of the headers."""
    headers = raw.headers
    transfer_codings = headers.get("Transfer-Encoding")
    content_type = headers.get("Content-Type", "").lower()
    return Head(
        status=raw.status,
        length_bytes=None if transfer_codings else _stated_length(raw),
        content_range=ranges.parse_content_range(headers.get("Content-Range")),
        etag=_strong_etag(headers),
        modified=headers.get("Last-Modified"),
        is_web_page=content_type.startswith("text/html"),
        packings=decoding.packings(headers.get("Content-Encoding"), transfer_codings),
        next_url=_next_url(headers),
        validator=_etag(headers),
    )


def _stated_length(raw: urllib3.BaseHTTPResponse) -> int | None:
    """Return the length of the body; a response to HEAD states one and has none."""
    return raw.length_remaining or ranges.parse_length(raw.headers.get("Content-Length"))


def _strong_etag(headers: Mapping[str, str]) -> str | None:
    """Return an ETag that stands for the very bytes, ``None`` for a weak or odd one."""
    etag = _etag(headers)
    is_strong = etag is not None and etag.startswith('"')
    return etag if is_strong else None


def _etag(headers: Mapping[str, str]) -> str | None:
    """Return an ETag as it stands there, ``None`` for an odd one."""
    etag = headers.get("ETag", "").strip()
    is_plain = etag.isascii() and etag.isprintable() and len(etag) <= _LONGEST_ETAG
    if is_plain and etag.startswith(('"', 'W/"')):
        return etag
    return None


def _next_url(headers: Mapping[str, str]) -> str | None:
    """Return where a list goes on."""
    if "Link" not in headers:
        return None
    from requests import utils

    for link in utils.parse_header_links(headers["Link"]):
        if link.get("rel") == "next":
            return link.get("url")
    return None
