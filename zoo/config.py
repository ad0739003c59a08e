"""Settings: what the environment and the config file choose.

The config file is ``$XDG_CONFIG_HOME/zoo/config.toml`` (``~/.config/zoo/config.toml``). Every key
is optional::

    mirrors = ["https://mirror.example.org/zoo"]   # tried in this order, before the publisher
    upstream = true                                # false: mirrors only, never the publisher
    connections = 8                                # to one server, for one file
    lock_file = "~/project/zoo.lock"               # where digests are remembered
    allow_private_addresses = false                # may a registry's URL lead to a private host?
    verify_after_days = 30                         # hash a cached file again after these; 0: never

``$ZOO_MIRROR`` holds one or several mirrors, separated by spaces; ``$ZOO_LOCK`` the path of the
lock file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.documents import read_regular_file
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_BYTES = 1 << 20
FolderKind = Literal["cache", "config", "data", "state"]
_FOLDERS: dict[FolderKind, tuple[str, str]] = {
    "cache": ("XDG_CACHE_HOME", "~/.cache"),
    "config": ("XDG_CONFIG_HOME", "~/.config"),
    "data": ("XDG_DATA_HOME", "~/.local/share"),
    "state": ("XDG_STATE_HOME", "~/.local/state"),
}
"""The variable that names the folder of a kind, and where it is without one."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the config file and the environment say."""

    mirrors: tuple[str, ...] = ()
    upstream: bool = True
    connections: int | None = None
    lock_file: Path | None = None
    allow_private_addresses: bool = False
    verify_after_days: int = 30


def config_path() -> Path:
    """Return where the config file is, whether or not it exists."""
    return own_folder("config") / "config.toml"


def own_folder(kind: FolderKind, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of the user's files of a kind that is zoo's own: ``~/.cache/zoo``."""
    return user_folder(kind, environment) / "zoo"


def user_folder(kind: FolderKind, environment: Mapping[str, str] = os.environ) -> Path:
    """Return where programs keep the user's files of a kind, on every system as XDG says."""
    variable, usual = _FOLDERS[kind]
    return expanded(environment.get(variable) or usual)


def expanded(path: str) -> Path:
    """Put the home folder in the place of ``~``; where there is none, it stays as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's raises where there is no home


def load_config() -> Config:
    """Read the config file, then let the environment go first.

    Raises:
        ConfigError: The file is not TOML, or a key is unknown or has the wrong type.
    """
    path = config_path()
    table = _read_table(path)
    config = _config_of(table, str(path))

    mirrors = os.environ.get("ZOO_MIRROR", "")
    first_mirrors = tuple(mirrors.split())
    config = replace(config, mirrors=first_mirrors + config.mirrors)

    lock_file = os.environ.get("ZOO_LOCK")
    if lock_file:
        config = replace(config, lock_file=expanded(lock_file))
    return config


def _read_table(path: Path) -> dict[str, Any]:
    """Read the config file; a table without keys where there is none.

    Raises:
        ConfigError: It is not TOML.
    """
    if not path.exists():
        return {}  # as for most people, who need no parser then

    import tomllib

    try:
        data = read_regular_file(path, LARGEST_BYTES)
        text = data.decode("utf-8")
        return tomllib.loads(text)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # also a number too long, lists too deep
        fault = f"expected a TOML file, got: {error}"
        raise ConfigError(str(path), fault) from error


def _config_of(
    table: dict[str, Any],
    place: str,
) -> Config:
    """Check the keys and types of the config file."""
    readers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "mirrors": ("a list of addresses", _texts),
        "upstream": ("true or false", _truth),
        "connections": ("a whole number from 1 to 64", _connections),
        "lock_file": ("a path", _path),
        "allow_private_addresses": ("true or false", _truth),
        "verify_after_days": ("a whole number of days", _days),
    }
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in readers:
            known = ", ".join(readers)
            fault = f"the key {key!r} is not known, expected one of {known}"
            raise ConfigError(place, fault)
        wanted, reader = readers[key]
        try:
            values[key] = reader(value)
        except TypeError as error:
            fault = f"{key} should be {wanted}, got {value!r:.80}"
            raise ConfigError(place, fault) from error
    return Config(**values)


def _texts(value: object) -> tuple[str, ...]:
    """Read a list of strings."""
    if not isinstance(value, list):
        raise TypeError
    for item in value:
        if not isinstance(item, str):
            raise TypeError
    return tuple(value)


def _truth(value: object) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def _connections(value: object) -> int:
    """Read a number of connections."""
    return _whole_number(value, 1, 64)


def _days(value: object) -> int:
    """Read a number of days."""
    return _whole_number(value, 0, 36_500)


def _whole_number(
    value: object,
    least: int,
    most: int,
) -> int:
    """Read a number from a range; true and false are numbers of Python, but none of ours."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    if not least <= value <= most:
        raise TypeError
    return value


def _path(value: object) -> Path:
    """Read a path, with ``~`` for the home folder."""
    if not isinstance(value, str):
        raise TypeError
    if value == "" or "\0" in value:
        raise TypeError
    return expanded(value)
