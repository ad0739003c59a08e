"""A watch over what the registry points at: is each address still there, and is it still the same?

Each address is asked with HEAD, each repository for its commit, each package for its newest
version, each host for the end of its certificate (:mod:`zoo.curator.looking`). What was seen is
kept in a file, so that the next watch can say what changed and since when, and an interrupted one
goes on. Requests are spaced out and conditional: a server that has what it had answers 304. An
answer younger than a given age is not asked for again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from zoo import atomic
from zoo.catalog.families import load_families
from zoo.catalog.hub_repositories import load_repositories
from zoo.catalog.index import load_index
from zoo.catalog.records import WeightsFile
from zoo.catalog.registry import load_registry
from zoo.curator import looking
from zoo.curator.looking import Seen
from zoo.curator.plain import to_text
from zoo.documents import parse_document, read_regular_file
from zoo.download import hub
from zoo.errors import DocumentError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights
    from zoo.download.transport import Transport

Recorded = str | WeightsFile
"""What the registry says of an address: a commit, a version, a file with its length."""
SCHEMA_VERSION = 1
LARGEST_BYTES = 64 << 20
PACKAGES = ("torch", "torchvision", "timm")
_SAVE_EVERY = 25
_HTTPS_PORT = 443
_SECONDS = {
    "s": 1,
    "m": 60,
    "h": 3_600,
    "d": 86_400,
}
_AGE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhd])")


@dataclass(frozen=True, slots=True)
class WatchFile:
    """What earlier watches have seen, by address."""

    schema_version: int
    seen: Mapping[str, Seen]


@dataclass(frozen=True, slots=True)
class Pace:
    """How politely servers are asked."""

    per_s: float = 2.0
    """Requests a second, at most."""
    youngest_s: float = 0.0
    """An answer that is younger than this is believed."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def addresses_of(wanted: Iterable[tuple[Architecture, Weights]]) -> list[str]:
    """List what is to be asked, each once: addresses of files, and of repositories on the Hub."""
    found: dict[str, None] = {}
    for _, weights in wanted:
        for file in weights.files:
            if file.hub is not None:
                found[hub_address(file.hub.repository)] = None
            elif file.url is not None:
                found[file.url] = None
    return list(found)


def files_of(wanted: Iterable[tuple[Architecture, Weights]]) -> dict[str, WeightsFile]:
    """Give the files that are asked for at addresses of their own, with their recorded length."""
    found: dict[str, WeightsFile] = {}
    for _, weights in wanted:
        for file in weights.files:
            if file.hub is None and file.url is not None:
                found[file.url] = file
    return found


def hub_address(repository: str) -> str:
    """Return where the Hub says what ``main`` is, at the user's endpoint or the public one."""
    (endpoint,) = hub.endpoints((), upstream=True)
    return f"{endpoint}/api/models/{repository}/revision/main"


def certificates_of(addresses: Iterable[str]) -> list[str]:
    """List the certificates that https addresses depend on, each host once."""
    found: dict[str, None] = {}
    for address in addresses:
        parts = urlsplit(address)
        if parts.scheme != "https":
            continue
        port = parts.port or _HTTPS_PORT
        certificate = f"{looking.CERTIFICATE}{parts.hostname}:{port}"
        found[certificate] = None
    return list(found)


def packages_of(index_url: str) -> dict[str, str]:
    """Give the addresses of the packages that records are made from, with the versions used.

    Args:
        index_url: Where an index answers with JSON under ``/NAME/json``.
    """
    registry = load_registry()
    versions = dict(registry.generated_by)
    for _, family in load_families(load_index()):
        versions |= family.generated_by

    base = index_url.rstrip("/")
    found = {}
    for name in PACKAGES:
        address = f"{base}/{name}/json"
        found[address] = versions[name]
    return found


def repositories_of(api_url: str) -> dict[str, str]:
    """Give where GitHub tells the commits of PyTorch Hub's repositories, with those recorded.

    Args:
        api_url: GitHub's API, or what stands for it.
    """
    base = api_url.rstrip("/")
    found = {}
    for record in load_repositories(load_index()):
        if record.commit is None:
            continue
        ref = quote(record.ref or "HEAD", safe="")
        address = f"{base}/repos/{record.repository}/commits/{ref}"
        found[address] = record.commit
    return found


def read_seen(path: Path) -> dict[str, Seen]:
    """Read what earlier watches have seen; nothing where there is no file.

    Raises:
        UsageError: The file is malformed.
    """
    try:
        data = read_regular_file(path, LARGEST_BYTES)
        return dict(parse_document(data, WatchFile, SCHEMA_VERSION).seen)
    except FileNotFoundError:
        return {}
    except (OSError, DocumentError) as error:
        raise UsageError(f"{path} is no file of a watch: {error}; name another") from error


def watch(
    addresses: Iterable[str],
    transport: Transport,
    path: Path,
    *,
    pace: Pace | None = None,
    progress: Callable[[str], None] = lambda _address: None,
    expected: Mapping[str, Recorded] | None = None,
) -> list[Seen]:
    """Ask for every address and keep what was seen.

    Args:
        addresses: From :func:`addresses_of`.
        transport: Asks.
        path: What earlier watches have seen; written as the work goes on.
        pace: How politely.
        progress: Called with each address that is asked for.
        expected: The commit, version or file that the registry records, by address.

    Returns:
        What is known of each address now, in their order.
    """
    pace = pace or Pace()
    expected = expected or {}
    seen = read_seen(path)
    found = []
    asked = 0
    try:
        for address in addresses:
            before = seen.get(address)
            if before is not None and _is_young(before, pace):
                found.append(before)
                continue

            if asked:
                pace.sleep(1 / pace.per_s)
            progress(address)
            asked += 1
            now = _ask(address, before, transport, pace, expected.get(address))
            seen[address] = now
            found.append(now)

            if asked % _SAVE_EVERY == 0:
                _write(seen, path)
    finally:  # what was seen is kept, whatever ended the work
        if asked:
            _write(seen, path)
    return found


def _is_young(
    before: Seen,
    pace: Pace,
) -> bool:
    age = pace.now() - datetime.fromisoformat(before.checked)
    return age.total_seconds() < pace.youngest_s


def _write(
    seen: Mapping[str, Seen],
    path: Path,
) -> None:
    atomic.write_text(path, to_text(WatchFile(SCHEMA_VERSION, seen)))


def _ask(
    address: str,
    before: Seen | None,
    transport: Transport,
    pace: Pace,
    expected: Recorded | None,
) -> Seen:
    """Ask for one address, and compare with what was there before."""
    moment = pace.now().isoformat(timespec="seconds")
    found = looking.look(address, transport, moment, before)
    now = _held_against(found, expected)
    if before is None:
        return now

    if now.state == "alive" and _is_other(before, now):
        now = replace(now, state="changed")
    if now.state in ("unreachable", "gone"):
        # What was known stays known: a server that is down today has changed nothing, and a file
        # that comes back is held against what it was.
        now = replace(
            now,
            etag=before.etag,
            validator=before.validator,
            size_bytes=before.size_bytes,
            commit=before.commit,
            version=before.version,
            expires=before.expires,
            host=before.host,
        )

    if now.state == before.state:
        return replace(now, since=before.since)
    return now


def _held_against(
    now: Seen,
    expected: Recorded | None,
) -> Seen:
    """Call changed what is another commit, version or length than the registry records."""
    if isinstance(expected, WeightsFile):
        return _held_against_length(now, expected)

    found = now.commit or now.version
    if now.state != "alive" or None in (expected, found) or found == expected:
        return now
    return replace(now, state="changed", fault=f"the registry records {expected}")


def _held_against_length(
    now: Seen,
    file: WeightsFile,
) -> Seen:
    """Call changed what is longer or shorter than it can be."""
    if now.state != "alive" or now.size_bytes is None or file.size_bytes is None:
        return now

    away_bytes = abs(now.size_bytes - file.size_bytes)
    if away_bytes <= file.size_tolerance_bytes:
        return now
    fault = f"it has {now.size_bytes:,} bytes, the registry records {file.size_bytes:,}"
    return replace(now, state="changed", fault=fault)


def _is_other(
    before: Seen,
    now: Seen,
) -> bool:
    """Tell whether something that both state differs."""
    pairs = (
        (before.etag, now.etag),
        (before.size_bytes, now.size_bytes),
        (before.commit, now.commit),
        (before.version, now.version),
        (before.host, now.host),
    )
    for pair in pairs:
        old, new = pair
        if old != new and None not in pair:
            return True
    return False


def parse_age(text: str | None) -> float:
    """Read an age such as ``30m``, ``12h`` or ``7d``; seconds.

    >>> parse_age("12h"), parse_age(None)
    (43200.0, 0.0)

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return 0.0

    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--max-age takes 30m, 12h or 7d, got {text!r:.40}")

    number = float(match["number"])
    unit = match["unit"]
    return number * _SECONDS[unit]


def as_plain(seen: Seen) -> dict[str, object]:
    """Give JSON's values."""
    return asdict(seen)
