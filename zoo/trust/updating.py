"""Fetch a registry, believe it only if it is signed, install it in one step."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.cache import locks
from zoo.catalog import installed
from zoo.catalog.installed import Current
from zoo.catalog.registry import load_registry
from zoo.documents import read_regular_file
from zoo.errors import RegistryError, TrustError
from zoo.trust import keys
from zoo.trust.reading import LARGEST_METADATA_BYTES, download, keep_metadata, refreshed

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from zoo.trust.fetching import Limits

ROOT = "root.json"
"""The root that the user trusts, as it was first named."""
SOURCE = "source.json"
LIST = "files.json"
MOST_FILES = 10_000
KEPT_STATES = 3


@dataclass(frozen=True, slots=True)
class Updated:
    """What an update has done."""

    current: Current
    is_new: bool
    """Whether another state is in use than before."""


def update(
    address: str | None = None,
    root: Path | None = None,
    limits: Limits | None = None,
) -> Updated:
    """Bring the registry up to date.

    Args:
        address: Where a repository of ``zoo trust`` is served; by default that of the last update.
        root: The root to trust; needed once, for the first update.
        limits: How patient to be.

    Raises:
        TrustError: What is offered is not believed, or no address or root is known. Nothing was
            changed.
        MissingPackageError: python-tuf is not installed.
    """
    keys.require()
    with alone():
        return _update(address, root, limits)


def alone() -> AbstractContextManager[None]:
    """Keep other processes from changing what is installed."""
    return locks.held_for(installed.folder() / installed.POINTER)


def _update(
    address: str | None,
    root: Path | None,
    limits: Limits | None,
) -> Updated:
    from zoo.trust.fetching import Fetcher
    from zoo.trust.fetching import Limits as Usual

    place = installed.folder()
    current = installed.read_current()
    if current is not None and current.is_pinned:
        fault = f"it is held at state {current.number} of {current.published_at}"
        raise TrustError("the registry", fault, 'release it with "zoo registry hold --off"')
    base = address or _known_source(place)
    trusted = _trusted_root(place, root)

    place.mkdir(parents=True, exist_ok=True)
    fetcher = Fetcher(limits or Usual())
    try:
        with tempfile.TemporaryDirectory(prefix=".update-", dir=place) as scratch:
            staging = _Staging(
                Path(scratch),
                base.rstrip("/"),
                trusted,
                current,
            )
            return staging.run(fetcher)
    finally:
        fetcher.close()


class _Staging:
    """One update, prepared beside what is installed."""

    def __init__(
        self,
        scratch: Path,
        base: str,
        trusted: bytes,
        current: Current | None,
    ) -> None:
        self._scratch = scratch
        self._base = base
        self._trusted = trusted
        self._current = current
        self._place = installed.folder()
        self._metadata = scratch / "metadata"
        self._files = scratch / "state" / "files"

    def run(self, fetcher: Any) -> Updated:
        """Fetch and check, then install."""
        from tuf.api.exceptions import DownloadError, RepositoryError

        from zoo.trust.refusals import refusal

        seen = self._place / "metadata"
        if seen.is_dir():
            shutil.copytree(seen, self._metadata)
        else:
            self._metadata.mkdir()
        self._files.mkdir(parents=True)
        try:
            facts, number, expires_at = self._fetch(fetcher)
        except (RepositoryError, DownloadError) as error:
            raise refusal(self._base, error, self._seen()) from error
        digests: dict[str, str] = {}
        for name in facts["files"]:
            digests[name] = _sha256(self._files / name)

        self._check_registry()
        return self._install(
            facts,
            digests,
            number,
            expires_at,
        )

    def _fetch(self, fetcher: Any) -> tuple[dict[str, Any], int, str]:
        """Fetch metadata and files; python-tuf checks every one of them."""
        updater = refreshed(self._base, self._metadata, self._trusted, fetcher)
        listing = download(updater, self._base, LIST, self._scratch / LIST)
        facts = _read_list(self._base, listing)
        for name in facts["files"]:
            download(updater, self._base, name, self._files / name)
        number, expires_at = _facts_of_snapshot(self._metadata)
        return facts, number, expires_at

    def _check_registry(self) -> None:
        """Read the registry as zoo will, before it is installed."""
        path = self._files / installed.REGISTRY
        try:
            load_registry(path)
        except RegistryError as error:
            fault = f"what it has signed is no registry that this zoo can read ({error.fault})"
            advice = "update torch-zoo, or ask its publisher"
            raise TrustError(self._base, f"{fault}; nothing was changed", advice) from error

    def _install(
        self,
        facts: dict[str, Any],
        digests: dict[str, str],
        number: int,
        expires_at: str,
    ) -> Updated:
        """Put files and metadata in place, then turn the pointer in one step."""
        before = self._current
        state = _state_name(number, digests)
        now = datetime.now(UTC)
        installed_at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        is_same = before is not None and before.state == state
        if before is not None and is_same:
            installed_at = before.installed_at
        current = Current(
            state=state,
            digests=digests,
            zoo_version=facts["zoo_version"],
            published_at=facts["published_at"],
            expires_at=expires_at,
            installed_at=installed_at,
            source=self._base,
            number=number,
            before=_state_before(before, state),
        )
        states = self._place / "states"
        states.mkdir(parents=True, exist_ok=True)
        target = states / state
        if not target.is_dir():
            (self._scratch / "state").rename(target)
        _write_json(target / "state.json", asdict(current))
        keep_metadata(self._metadata, self._place / "metadata")
        atomic.write_bytes(self._place / ROOT, self._trusted)
        _write_json(self._place / SOURCE, {"source": self._base})
        write_current(current)
        remove_old_states()
        return Updated(current, not is_same)

    def _seen(self) -> datetime | None:
        if self._current is None:
            return None
        return datetime.fromisoformat(self._current.published_at)


def write_current(current: Current) -> None:
    """Turn the pointer to a state."""
    pointer = installed.folder() / installed.POINTER
    content = asdict(current)
    _write_json(pointer, content)


def read_state(name: str) -> Current:
    """Read what was known of a state when it was installed.

    Raises:
        TrustError: It is gone.
    """
    state = installed.folder() / "states" / name
    path = state / "state.json"
    try:
        text = path.read_text()
        content = json.loads(text)
        return Current(**content)
    except (OSError, ValueError, TypeError) as error:
        advice = 'fetch one with "zoo registry update"'
        raise TrustError("the registry", f"the state {name} is gone", advice) from error


def remove_old_states() -> None:
    """Keep the states that the pointer and its rollbacks lead to."""
    kept: list[str] = []
    current = installed.read_current()
    while current is not None and len(kept) < KEPT_STATES:
        kept.append(current.state)
        name = current.before
        if name is None or name in kept:
            break
        try:
            current = read_state(name)
        except TrustError:
            break

    states = installed.folder() / "states"
    for entry in os.scandir(states):
        if entry.name not in kept:
            shutil.rmtree(entry.path, ignore_errors=True)


def _state_name(
    number: int,
    digests: dict[str, str],
) -> str:
    """Name a state by its number and by what it consists of."""
    whole = hashlib.sha256()
    for name, digest in sorted(digests.items()):
        line = f"{name} {digest}\n"
        whole.update(line.encode())
    beginning = whole.hexdigest()[:12]
    return f"{number}-{beginning}"


def _state_before(before: Current | None, state: str) -> str | None:
    """Name the state that a rollback returns to."""
    if before is None:
        return None
    if before.state == state:
        return before.before
    return before.state


def _known_source(place: Path) -> str:
    try:
        content = json.loads((place / SOURCE).read_text())
        return str(content["source"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        advice = 'name it once with "zoo registry update --from URL --root FILE"'
        raise TrustError("the registry", "no address is known to update from", advice) from error


def _trusted_root(place: Path, root: Path | None) -> bytes:
    """Return the root to begin with: the one that is named, else the one that was named before."""
    path = root or place / ROOT
    try:
        return read_regular_file(path, LARGEST_METADATA_BYTES)
    except OSError as error:
        advice = "get the root from its publisher by another way, and name it with --root FILE"
        fault = f"no root to trust: {path} cannot be read ({error.strerror or error})"
        raise TrustError("the registry", fault, advice) from error


def _read_list(base: str, path: Path) -> dict[str, Any]:
    """Read the list of files, and refuse names that lead elsewhere."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        names = content["files"]
        version = content["zoo_version"]
        published_at = content["published_at"]
        datetime.fromisoformat(published_at)  # refuses what is no text, too
        is_short = len(names) <= MOST_FILES
        has_registry = installed.REGISTRY in names
        is_sound = is_short and has_registry and isinstance(version, str)
        if not is_sound or not all(map(_is_inside, names)):
            raise ValueError("expected plain names, registry.json among them")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        fault = f"its list of files cannot be read: {error}; nothing was changed"
        raise TrustError(base, fault, "ask its publisher") from error
    return content


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    is_plain = name.isprintable() and "\\" not in name
    is_normal = name == str(path) and ".." not in path.parts
    return is_plain and is_normal and not path.is_absolute()


def _facts_of_snapshot(metadata: Path) -> tuple[int, str]:
    """Return the number of the state, and when the timestamp that vouches for it expires."""
    snapshot = _signed_part(metadata / "snapshot.json")
    timestamp = _signed_part(metadata / "timestamp.json")
    number = int(snapshot["version"])
    expires_at = str(timestamp["expires"])
    return number, expires_at


def _signed_part(path: Path) -> dict[str, Any]:
    text = path.read_text()
    content: dict[str, dict[str, Any]] = json.loads(text)
    return content["signed"]


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    atomic.write_text(path, json.dumps(content, indent=1) + "\n")
