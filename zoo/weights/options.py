"""What a caller, the environment and the config file may choose about fetching.

The config file is ``$XDG_CONFIG_HOME/zoo/config.toml`` (``~/.config/zoo/config.toml``). Every key is optional::

    mirrors = ["https://mirror.example.org/zoo"]   # tried in this order, before the publisher
    upstream = true                                # false: mirrors only, never the publisher
    connections = 8                                # to one server, for one file
    lock_file = "~/project/zoo.lock"               # where digests are remembered
    allow_private_addresses = false                # may a registry's own URL lead into a private network?

``$ZOO_MIRROR`` holds one or several mirrors, separated by spaces; ``$ZOO_LOCK`` the path of the lock file.
"""

from __future__ import annotations

import os
import random
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a server may take; seconds."""

    connect_s: float = 10.0
    """To connect to one address."""
    answer_s: float = 30.0
    """From the request to the end of the answer's headers, and for the handshake before it, all told."""
    stall_s: float = 30.0
    """Without ``stall_bytes`` more of a body."""
    stall_bytes: int = 16 << 10
    """What counts as life: less in ``stall_s`` is a stall."""
    longest_wait_s: float = 60.0
    """The longest pause between two tries, whatever a server asks for."""


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """Everything that a fetch can be told beyond the record of the file."""

    mirrors: tuple[str, ...] = ()
    """Base addresses, tried before those of the environment, the config file and the publisher."""
    upstream: bool = True
    """Whether the publisher's own address may be used."""
    folder: Path | None = None
    """Another folder than torch's checkpoints."""
    lock_file: Path | None = None
    """Another ``zoo.lock`` than the one that :func:`zoo.weights.lockfile.default_path` finds."""
    verify: Literal["full", "quick"] = "quick"
    """How to check a file that is there: read it, or trust an earlier full check if nothing touched it since."""
    allow_private_addresses: bool = False
    """Whether a registry's own URL may lead into a private network; mirrors always may."""
    connections: int = 8
    """To one server, for one file."""
    files_at_once: int = 3
    part_bytes: int = 8 * MIB
    """Length of one range request; also the most that a killed run has to fetch again."""
    retries: int = 5
    """Tries of one part without progress before its source is dropped."""
    timeouts: Timeouts = Timeouts()
    sleep: Callable[[float], None] | None = None
    """How to wait between tries, seconds; by default on a clock, until the fetch is interrupted."""
    jitter: Callable[[], float] = random.random
    """Where in 0..1 of the longest pause to wait."""
    pace: Callable[[int], None] | None = None
    """Called with the length of every block that arrives; waits, where the rate is limited."""
    bearer_tokens: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """(address, token): the token goes to that address's scheme, host and port, and nowhere else."""


DEFAULTS = FetchOptions()


@dataclass(frozen=True, slots=True)
class Config:
    """What the config file and the environment say."""

    mirrors: tuple[str, ...] = ()
    upstream: bool = True
    connections: int | None = None
    lock_file: Path | None = None
    allow_private_addresses: bool = False


def config_path() -> Path:
    """Return where the config file is, whether or not it exists."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "zoo" / "config.toml"


def load_config() -> Config:
    """Read the config file, then let the environment go first.

    Raises:
        ConfigError: The file is not TOML, or a key is unknown or has the wrong type.
    """
    path = config_path()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        table = {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), f"expected a TOML file, got: {error}") from error
    config = _config_of(table, str(path))
    mirrors = tuple(os.environ.get("ZOO_MIRROR", "").split())
    lock_file = os.environ.get("ZOO_LOCK")
    return Config(
        mirrors + config.mirrors,
        config.upstream,
        config.connections,
        Path(lock_file).expanduser() if lock_file else config.lock_file,
        config.allow_private_addresses,
    )


def _config_of(table: dict[str, Any], place: str) -> Config:
    """Check the keys and types of the config file."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "mirrors": ("a list of addresses", _texts),
        "upstream": ("true or false", _truth),
        "connections": ("a whole number from 1 to 64", _connections),
        "lock_file": ("a path", _path),
        "allow_private_addresses": ("true or false", _truth),
    }
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in readers:
            raise ConfigError(place, f"the key {key!r} is not known, expected one of {', '.join(readers)}")
        wanted, reader = readers[key]
        try:
            values[key] = reader(value)
        except TypeError as error:
            raise ConfigError(place, f"{key} should be {wanted}, got {value!r}") from error
    return Config(**values)


def _texts(value: object) -> tuple[str, ...]:
    """Read a list of strings."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return tuple(value)


def _truth(value: object) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def _connections(value: object) -> int:
    """Read a number of connections."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 64:
        raise TypeError
    return value


def _path(value: object) -> Path:
    """Read a path, with ``~`` for the home folder."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise TypeError
    return Path(value).expanduser()
