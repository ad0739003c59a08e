"""The one place that turns errors of the network client into ours."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Any

from zoo.download import policy
from zoo.errors import CacheError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.download.sources import Source

_OWN_LIMITS = {
    errno.EMFILE: "this process may open no more files; raise the limit (ulimit -n)",
    errno.ENFILE: "this machine may open no more files",
    errno.ENOMEM: "there is no memory left",
    errno.ENOBUFS: "there is no memory left",
}
"""Faults of this machine: no other source can help."""


class OverdueError(TimeoutError):
    """A handshake or a response took longer than its limit in all."""


@contextlib.contextmanager
def translated(
    source: Source,
    awaited: str,
) -> Iterator[None]:
    """Turn every error of the network client into a SourceError.

    Args:
        source: Who is asked.
        awaited: What the block waits for.

    Raises:
        SourceError: The network or the server failed.
        CacheError: This machine failed, so that no source can help.
    """
    import http.client

    import urllib3

    try:
        yield
    except (
        urllib3.exceptions.HTTPError,
        http.client.HTTPException,
        OSError,
        ValueError,
    ) as error:
        causes = list(_causes(error))
        _raise_own_fault(source, causes)
        fault, is_retryable = _fault_of(causes)
        text = f"waiting for {awaited}: {fault}"
        raise SourceError(source.shown, text, is_retryable=is_retryable) from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and everything that it was raised from or wraps."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        item = waiting.pop(0)
        is_new = not any(item is known for known in seen)
        if isinstance(item, BaseException) and is_new:
            seen.append(item)
            waiting += [
                item.__cause__,
                item.__context__,
                getattr(item, "reason", None),
                *item.args,
            ]
    yield from seen


def _raise_own_fault(
    source: Source,
    causes: list[BaseException],
) -> None:
    """Say that this machine is at its limits, if that is it."""
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _OWN_LIMITS:
            fault = f"cannot ask {source.shown}: {os.strerror(cause.errno)}"
            file_name = source.shown.rpartition("/")[2]
            raise CacheError(file_name, fault, _OWN_LIMITS[cause.errno]) from cause


def _fault_of(causes: list[BaseException]) -> tuple[str, bool]:
    """Say what went wrong and whether trying again can help."""
    from urllib3 import exceptions

    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            fault = f"its certificate is not trusted ({cause.verify_message}); see SSL_CERT_FILE"
            return fault, False
        if isinstance(cause, socket.gaierror):
            return "its name does not resolve", cause.errno == socket.EAI_AGAIN
        if isinstance(cause, OSError) and "407" in str(cause):
            return policy.PROXY_WANTS_PASSWORD, False

    # The more particular kinds first.
    words: list[tuple[type[BaseException], str]] = [
        (OverdueError, "it took too long"),
        (ConnectionRefusedError, "it refuses connections"),
        (ConnectionResetError, "it reset the connection"),
        (TimeoutError, "it took too long"),
        (exceptions.NewConnectionError, "it cannot be reached"),
        (exceptions.TimeoutError, "it took too long"),
        (exceptions.IncompleteRead, "it closed the connection before the end"),
    ]
    for kind, fault in words:
        if any(isinstance(cause, kind) for cause in causes):
            return fault, True

    last = causes[0]
    text = f"{type(last).__name__}: {last}"[:200]
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    is_passing = isinstance(last, (exceptions.ProtocolError, exceptions.ProxyError, OSError))
    return plain, is_passing
