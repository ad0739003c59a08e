"""Questions to GitHub and Hugging Face: JSON answers, and files too small or too plain for the parallel fetcher."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import SourceError
from zoo.mirror.settings import GITHUB, GITHUB_API, HUGGINGFACE
from zoo.weights import sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    from zoo.mirror.settings import Upstreams

LARGEST_ANSWER_BYTES = 64 << 20
BLOCK_BYTES = 1 << 18
TIMEOUTS_S = (10, 30)
TOTAL_S = 120
"""An answer of the API takes at most this long in all, however slowly it drips."""
TRIES = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer and where the list that it is part of goes on."""

    content: Any
    next_url: str | None


def bearer_tokens(upstreams: Upstreams) -> tuple[tuple[str, str], ...]:
    """Find the user's tokens and the addresses that they may go to: their own, and others only if that was set."""
    pairs = [
        ((GITHUB_API, GITHUB), (upstreams.github_api, upstreams.github), _github_token()),
        ((HUGGINGFACE,), (upstreams.huggingface,), _huggingface_token()),
    ]
    return tuple(
        (base, token)
        for owners, bases, token in pairs
        for base in dict.fromkeys(bases)
        if token and (base in owners or upstreams.sends_tokens)
    )


def _github_token() -> str | None:
    return os.environ.get("GITHUB_TOKEN") or os.environ.get("GH_TOKEN")


def _huggingface_token() -> str | None:
    named = os.environ.get("HF_TOKEN_PATH")
    home = Path(os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    path = Path(named) if named else home / "token"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return os.environ.get("HF_TOKEN") or path.expanduser().read_text(encoding="utf-8").strip() or None
    return None


class Client:
    """Ask the upstreams of one mirror. Close it at the end."""

    def __init__(self, upstreams: Upstreams, sleep: Callable[[float], None] = time.sleep) -> None:
        import requests

        self.upstreams = upstreams
        self._sleep = sleep
        self._tokens = {sources.origin(base): token for base, token in bearer_tokens(upstreams)}
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "zoo-mirror", "Accept-Encoding": "identity"})

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    def json(self, url: str) -> Answer:
        """Get JSON.

        Raises:
            SourceError: There is no such answer; ``status`` says which HTTP status came instead, if one did.
        """
        with self._answered(url) as response:
            body = b"".join(self._blocks(url, response, LARGEST_ANSWER_BYTES, TOTAL_S))
            next_link = response.links.get("next", {}).get("url")
        try:
            return Answer(json.loads(body), next_link)
        except (ValueError, RecursionError) as error:
            raise SourceError(sources.shown(url), f"expected JSON, got {body[:40]!r}") from error

    def is_there(self, url: str) -> bool:
        """Tell whether an address answers 200 rather than 404.

        Raises:
            SourceError: It answers neither.
        """
        try:
            with self._answered(url):
                return True
        except SourceError as error:
            if error.status == 404:
                return False
            raise

    def download(self, url: str, target: Path, most_bytes: int, pace: Callable[[int], None] | None = None) -> str:
        """Write an answer to a file and return its SHA-256.

        Raises:
            SourceError: It did not come whole, or is longer than it may be.
        """
        digest = hashlib.sha256()
        with self._answered(url) as response, target.open("wb") as stream:
            for block in self._blocks(url, response, most_bytes, None):
                stream.write(block)
                digest.update(block)
                if pace is not None:
                    pace(len(block))
        return digest.hexdigest()

    @contextlib.contextmanager
    def _answered(self, url: str) -> Iterator[requests.Response]:
        """Send a request, again where that can help, and yield the answer with its body unread."""
        import requests

        shown = sources.shown(url)
        for tries_left in reversed(range(TRIES)):
            try:
                response = self._send(url)
            except requests.RequestException as error:
                failure = SourceError(shown, f"expected an answer, got {_words(error)}", is_retryable=True)
                failure.__cause__ = error
            else:
                if response.status_code == 200:
                    try:
                        yield response
                    finally:
                        response.close()
                    return
                failure = _refusal(shown, response)
                response.close()
            if not failure.is_retryable or not tries_left:
                raise failure
            self._sleep(min(30.0, failure.retry_after_s if failure.retry_after_s is not None else 1.0))

    def _send(self, url: str) -> requests.Response:
        """Send one request; requests drops the token when a redirect leaves the host."""
        token = self._tokens.get(sources.origin(url))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self._session.get(url, headers=headers, stream=True, timeout=TIMEOUTS_S)
        if url.startswith("https:") and not response.url.startswith("https:"):
            response.close()
            raise SourceError(sources.shown(url), "it redirects from https to another scheme, which is not followed")
        return response

    def _blocks(self, url: str, response: requests.Response, most_bytes: int, total_s: float | None) -> Iterator[bytes]:
        """Yield a body as it comes, no more and no longer than allowed, and all that was promised."""
        import urllib3

        shown, done, start = sources.shown(url), 0, time.monotonic()
        promised = response.headers.get("Content-Length")
        try:
            while block := response.raw.read1(BLOCK_BYTES):
                done += len(block)
                if done > most_bytes:
                    raise SourceError(shown, f"expected at most {most_bytes} bytes, got more")
                if total_s is not None and time.monotonic() - start > total_s:
                    raise SourceError(shown, f"expected an answer within {total_s} seconds", is_retryable=True)
                yield block
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceError(shown, f"the body broke off: {_words(error)}", is_retryable=True) from error
        if promised is not None and promised.isdigit() and done != int(promised):
            raise SourceError(shown, f"expected {promised} bytes, got {done}", is_retryable=True)


def _refusal(shown: str, response: requests.Response) -> SourceError:
    """Say what an answer other than 200 means."""
    status = response.status_code
    is_rate_limit = status == 429 or (status == 403 and response.headers.get("X-RateLimit-Remaining") == "0")
    waits = response.headers.get("Retry-After", "")
    advice = {
        401: "set GITHUB_TOKEN or HF_TOKEN",
        403: "set GITHUB_TOKEN or HF_TOKEN to a token that may read it",
        404: "check the name",
    }.get(status, "try again later")
    if is_rate_limit:
        advice = "its limit of requests is reached: set GITHUB_TOKEN or HF_TOKEN, or wait an hour"
    return SourceError(
        shown,
        f"expected an answer, got HTTP status {status}; {advice}",
        is_retryable=(status == 429 and waits.isdigit() and int(waits) <= 30) or status in (500, 502, 503, 504),
        retry_after_s=float(waits) if waits.isdigit() else None,
        status=status,
    )


def _words(error: BaseException) -> str:
    """Describe an error of the network client without the address, which may hold a secret."""
    text = type(error).__name__
    cause = error.__cause__ or error.__context__
    return f"{text} ({type(cause).__name__})" if cause is not None else text
