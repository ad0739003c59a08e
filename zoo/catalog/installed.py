"""Where ``zoo registry update`` installs a registry, and whether it goes before the wheel's.

::

    $XDG_DATA_HOME/zoo/registry/current.json            which state is in use, with digests
    $XDG_DATA_HOME/zoo/registry/states/7-1f0c9a2e/files/registry.json ...
    $XDG_DATA_HOME/zoo/registry/metadata/               the newest signed metadata that was seen

Reading verifies nothing but a digest: signatures were checked when the state was installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from zoo.catalog.reading import naming
from zoo.config import own_folder
from zoo.documents import parse_document, read_regular_file
from zoo.errors import DocumentError

POINTER = "current.json"
REGISTRY = "registry.json"
INDEX = "registry/index.json"
LARGEST_POINTER_BYTES = 1 << 20
LARGEST_FILE_BYTES = 64 << 20
ADVICE = 'to fetch it again, run "zoo registry update"; for the one before, "zoo registry rollback"'


@dataclass(frozen=True, slots=True)
class Current:
    """What the pointer says."""

    state: str
    """Name of the folder of the state in use."""
    digests: Mapping[str, str]
    """SHA-256 of each file of the state."""
    zoo_version: str
    """The version of zoo that made these files."""
    published_at: str
    """UTC: ``2026-11-29T12:00:00Z``."""
    expires_at: str
    installed_at: str
    source: str
    """The address that it came from."""
    number: int
    """The number of the signed state."""
    is_pinned: bool = False
    before: str | None = None
    """The pointer's state before this one, which a rollback returns to."""


def folder() -> Path:
    """Return where installed registries lie, whether or not there are any."""
    return own_folder("data") / "registry"


def read_current() -> Current | None:
    """Read what is installed; ``None`` if nothing is.

    Raises:
        RegistryError: The pointer cannot be read.
    """
    path = folder() / POINTER
    with naming(path, ADVICE):
        try:
            data = read_regular_file(path, LARGEST_POINTER_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            return None
        current = parse_document(data, Current)
        state = current.state
        is_hidden = state.startswith(".")
        if is_hidden or "/" in state:
            fault = f"expected a name, got {state!r}"
            raise DocumentError("$.state", fault)

    return current


def state_folder(current: Current) -> Path:
    """Return the folder with the files of a state."""
    return folder() / "states" / current.state / "files"


def find_installed() -> Path | None:
    """Find the installed ``registry.json``, unless there is none or the wheel's is newer.

    Raises:
        RegistryError: It is not the file that was installed.
    """
    current = read_current()
    if current is None or is_older_than_wheel(current):
        return None
    files = state_folder(current)
    # The index names the digests of the other files, which are checked when they are read.
    for name in (REGISTRY, INDEX):
        expected = current.digests.get(name)
        if expected is not None:
            _check(files / name, expected)
    return files / REGISTRY


def _check(path: Path, expected: str) -> None:
    """Refuse a file that is not the one that was installed."""
    import hashlib  # late: most have the wheel's registry alone

    with naming(path, ADVICE):
        data = read_regular_file(path, LARGEST_FILE_BYTES)
        got = hashlib.sha256(data).hexdigest()
        if got != expected:
            fault = f"expected the installed file with sha256 {expected}, got {got}"
            raise DocumentError("$", fault)


def is_older_than_wheel(current: Current) -> bool:
    """Tell whether a state was made by an older zoo than the one that runs."""
    from importlib.metadata import version

    return _numbers(current.zoo_version) < _numbers(version("torch-zoo"))


def _numbers(version: str) -> tuple[int, ...]:
    """Turn a version into numbers that can be compared; what is no number ends it."""
    parts = version.split(".")
    leading = takewhile(str.isdecimal, parts)
    return tuple(map(int, leading))
