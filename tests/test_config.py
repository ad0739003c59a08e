"""The config file and the environment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.cache.paths import checkpoints_folder
from zoo.config import Config, config_path, expanded, load_config, own_folder, user_folder
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from tests.support.fetch_desk import Desk


def write(text: str | bytes) -> None:
    """Write the config file."""
    config_path().parent.mkdir(parents=True, exist_ok=True)
    config_path().write_bytes(text if isinstance(text, bytes) else text.encode())


def test_folders_of_the_user_are_those_of_xdg() -> None:
    """A variable that is empty names none; zoo's own files lie below a folder of its name."""
    home = expanded("~")
    assert user_folder("state", {}) == home / ".local" / "state"
    assert user_folder("data", {"XDG_DATA_HOME": ""}) == home / ".local" / "share"
    assert own_folder("cache", {"XDG_CACHE_HOME": "/big"}) == Path("/big/zoo")


def test_no_config_file_means_the_defaults(desk: Desk) -> None:
    """Nothing is written and nothing is read: the publisher only."""
    assert load_config() == Config()


def test_every_key_is_read(desk: Desk) -> None:
    """The example of the module's docstring, with other values."""
    write(
        'mirrors = ["https://a.example"]\nupstream = false\nconnections = 3\n'
        'lock_file = "~/zoo.lock"\nallow_private_addresses = true\n'
    )
    assert load_config() == Config(("https://a.example",), False, 3, Path.home() / "zoo.lock", True)


def test_environment_goes_before_the_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirrors of the environment come first; its lock file replaces the other."""
    write('mirrors = ["https://a.example"]\nlock_file = "/a/zoo.lock"\n')
    monkeypatch.setenv("ZOO_MIRROR", " https://b.example  https://c.example ")
    monkeypatch.setenv("ZOO_LOCK", "~/b/zoo.lock")
    config = load_config()
    assert config.mirrors == ("https://b.example", "https://c.example", "https://a.example")
    assert config.lock_file == Path.home() / "b" / "zoo.lock"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mirrors = [", "expected a TOML file"),
        (b"\xff", "expected a TOML file"),
        (
            'mirror = "https://a.example"',
            "the key 'mirror' is not known, expected one of mirrors, ",
        ),
        (
            'mirrors = "https://a.example"',
            "mirrors should be a list of addresses, got 'https://a.example'",
        ),
        ("mirrors = [1]", "mirrors should be a list"),
        ("upstream = 1", "upstream should be true or false, got 1"),
        ("connections = 0", "connections should be a whole number from 1 to 64, got 0"),
        ("connections = true", "connections should be a whole number"),
        ("lock_file = 1", "lock_file should be a path"),
        ("[table]\nx = 1", "the key 'table' is not known"),
    ],
)
def test_setting_that_cannot_be_used_is_an_error(desk: Desk, text: str | bytes, fault: str) -> None:
    """The error names the file, the key, what was expected and what stands there."""
    write(text)
    with pytest.raises(ConfigError, match=r"config\.toml cannot be used") as caught:
        load_config()
    assert fault in str(caught.value)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_config_file_or_an_error(desk: Desk, data: bytes) -> None:
    """Nothing else is raised."""
    write(data)
    try:
        load_config()
    except ConfigError as error:
        assert error.subject == str(config_path())  # noqa: PT017  (both outcomes are right; this one is looked at)


def test_config_file_that_is_a_folder_is_an_error(desk: Desk) -> None:
    """What cannot be read is not ignored."""
    config_path().mkdir(parents=True)
    with pytest.raises(ConfigError):
        load_config()


def test_an_unknown_home_stays_as_it_is_as_torch_leaves_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No user of that name, or no home at all: no error, and the path that torch.hub would take."""
    assert expanded("~nosuchuser/x") == Path("~nosuchuser/x")
    monkeypatch.setenv("TORCH_HOME", "~nosuchuser/torch")
    monkeypatch.delitem(sys.modules, "torch.hub", raising=False)
    assert checkpoints_folder() == Path("~nosuchuser/torch/hub/checkpoints")
