"""Which servers were silent lately.

The next download asks them last, instead of waiting for them again.

One small file in the user's own cache, shared by all processes. It is a hint: whoever cannot read
or write it, or finds nonsense in it, waits once more.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.cache import verified
from zoo.documents import read_regular_file
from zoo.download import sources
from zoo.errors import WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.download.sources import Source

FILE_NAME = "silent-servers.json"
FORGET_S = 600.0
"""A server that was silent so long ago gets its place back."""
LARGEST_BYTES = 1 << 16
MOST_SERVERS = 100


def place() -> Path:
    """Return where the file is."""
    return verified.folder().with_name(FILE_NAME)


def in_good_order(wanted: list[Source]) -> list[Source]:
    """Put the sources last whose servers were silent lately; the order is kept otherwise."""
    silent = _read()
    if not silent:
        return wanted
    is_silent = {source.url: _key(source.url) in silent for source in wanted}
    return sorted(wanted, key=lambda source: is_silent[source.url])


def learn(
    silent_urls: Iterable[str],
    good_url: str | None,
) -> None:
    """Remember who was silent, and forget it of who was not.

    Args:
        silent_urls: Addresses that could not be reached or brought nothing.
        good_url: The address that brought the file.
    """
    known = _read()
    now_s = time.time()
    changed = {_key(url): now_s for url in silent_urls}
    good = ""
    if good_url is not None:
        good = _key(good_url)
    if not changed and good not in known:
        return

    fresh = {
        **known,
        **changed,
    }
    fresh.pop(good, None)
    latest = sorted(fresh.items(), key=lambda entry: entry[1])[-MOST_SERVERS:]
    with contextlib.suppress(OSError, WriteError):
        place().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        atomic.write_text(place(), json.dumps(dict(latest)))


def _read() -> dict[str, float]:
    """Return the servers that were silent lately, and when.

    Empty where nothing sensible is there.
    """
    try:
        content = json.loads(read_regular_file(place(), LARGEST_BYTES))
        entries = list(content.items())
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    now_s = time.time()
    lately: dict[str, float] = {}
    for server, moment_s in entries:
        is_number = isinstance(moment_s, int | float) and not isinstance(moment_s, bool)
        # A moment in the future is a clock that was set back.
        if is_number and now_s - FORGET_S < moment_s <= now_s:
            lately[server] = float(moment_s)
    return lately


def _key(url: str) -> str:
    """Return what stands for a server."""
    scheme, host, port = sources.origin(url)
    return f"{scheme}://{host}:{port}"
