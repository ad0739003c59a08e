"""What can be answered: bytes, a file that is here, a file that is on its way.

Knows nothing of sockets.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from zoo.errors import PolicyError, SourceError
from zoo.mirror.lookups import TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.errors import ZooError
    from zoo.mirror.downloads import Download
    from zoo.mirror.index import StoredFile

IMMUTABLE = "public, max-age=31536000, immutable"
RETRY_AFTER_S = 10
MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Response:
    """A response without a file."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    """Words beside the status: urllib, requests, wget and others show them to their users."""


@dataclass(frozen=True, slots=True)
class FileResponse:
    """A file that is here, or a part of it."""

    file: StoredFile
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamResponse:
    """A file that is on its way here."""

    download: Download
    headers: Mapping[str, str] = field(default_factory=dict)


AnyResponse = Response | FileResponse | StreamResponse


def text(
    status: int,
    words: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer for people."""
    named = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
    reason = None
    if status >= 400:
        reason = f"{HTTPStatus(status).phrase}: {one_line(words)}"
    return Response(status, f"{words}\n".encode(), named, reason)


def as_json(
    content: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer for programs."""
    named = {"Content-Type": "application/json", **(headers or {})}
    return Response(status, json.dumps(content).encode(), named)


def error(
    status: int,
    code: str | None,
    words: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Refuse in the words that Hugging Face's clients know and print.

    Args:
        status: The HTTP status.
        code: ``RepoNotFound``, ``RevisionNotFound``, ``EntryNotFound`` or ``GatedRepo``, if it is
            one of them.
        words: What to tell the user.
        headers: More headers.
    """
    named = {"X-Error-Message": one_line(words), **(headers or {})}
    if code is not None:
        named["X-Error-Code"] = code
    return as_json({"error": words}, status, named)


def unavailable(
    words: str,
    failure: ZooError | None = None,
) -> Response:
    """Say that something cannot be had now, which is not to say that it does not exist.

    Args:
        words: What, and why not.
        failure: What keeps it from being had.
    """
    if isinstance(failure, PolicyError):  # nor later
        return error(403, None, str(failure))

    status = 503
    wait_s: float = RETRY_AFTER_S
    if isinstance(failure, SourceError):
        status = 504 if failure.status == TIMED_OUT else 503
        wait_s = failure.retry_after_s or RETRY_AFTER_S
    if failure is not None:
        words = f"{words}: {failure}"
    headers = {"Retry-After": str(math.ceil(wait_s)), "X-Error-Message": one_line(words)}
    return text(status, words, headers)


def one_line(words: str) -> str:
    """Make a text fit into a header."""
    printable = [letter if " " <= letter <= "~" else "?" for letter in words]
    return "".join(printable)[:MAX_MESSAGE]
