"""The sink: what reaches stdout and stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small_registry import file_of
from zoo.cache import paths
from zoo.cache.paths import cached_path
from zoo.cache.presence import Presence
from zoo.cli.terminal import output
from zoo.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text())
def test_safe_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    """Line ends stay; all else is printable; harmless text is unchanged."""
    safe = output.safe(text)
    assert safe.replace("\n", "").isprintable()
    if text.replace("\n", "").isprintable():
        assert safe == text


@pytest.mark.parametrize(
    "letter", ["\x1b", "\x9b", "\x07", "\r", "\b", "\x7f", "\u202e", "\u2028", "\ud800"]
)
def test_letters_that_move_or_hide_are_escaped(letter: str) -> None:
    """Escape, bell, carriage return, backspace, right-to-left override, lone surrogates."""
    assert letter not in output.safe(f"a{letter}b")


@pytest.mark.parametrize("value", ["ä", "\x1b[31m", "\x9b31m", {"a": ["\u202e", 1.5, None, True]}])
def test_json_stays_json_whatever_it_holds(
    value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Escaped the way JSON escapes, so that it reads back equal."""
    output.write_json(value)
    written = capsys.readouterr().out
    assert json.loads(written) == value
    assert written.replace("\n", "").isprintable()


def test_text_ends_in_one_line_end(capsys: pytest.CaptureFixture[str]) -> None:
    """With or without one in what is written."""
    output.write("a")
    output.write("b\n")
    assert capsys.readouterr().out == "a\nb\n"


def test_talk_goes_to_stderr_and_can_be_silenced(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings and errors cannot."""
    output.talk("hello")
    output.talk("psst", is_quiet=True)
    output.warn("careful")
    output.fail("no")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\nwarning: careful\nerror: no\n"


@pytest.mark.parametrize(
    ("form", "is_json", "expected"),
    [(None, False, "table"), (None, True, "json"), ("json", True, "json"), ("csv", False, "csv")],
)
def test_json_is_short_for_format_json(
    form: output.Format | None, is_json: bool, expected: str
) -> None:
    """Both may be given if they agree."""
    assert output.chosen_format(form, is_json=is_json) == expected


def test_formats_that_contradict_each_other_are_refused() -> None:
    """One of them was meant."""
    with pytest.raises(UsageError, match="contradict"):
        output.chosen_format("csv", is_json=True)


@pytest.mark.parametrize("length", [None, 0, 999, 1000, 1001])
def test_presence_sees_what_the_cache_sees(torch_home: Path, length: int | None) -> None:
    """One look at the folder says what a look at each file says."""
    file = file_of("net", bytes(1000))
    place = paths.target_path(file)
    place.parent.mkdir(parents=True)
    if length is not None:
        place.write_bytes(bytes(length))
    assert Presence().has(file) == (cached_path(file) is not None) == (length == 1000)
    assert str(torch_home) in str(place)


def test_presence_needs_no_folder(tmp_path: Path) -> None:
    """Before the first download there is no cache; a file in its place is none either."""
    assert not Presence(tmp_path / "missing").has(file_of("net", b"x"))
    (tmp_path / "file").write_text("x")
    assert not Presence(tmp_path / "file").has(file_of("net", b"x"))


def test_presence_does_not_count_folders_and_broken_links(torch_home: Path) -> None:
    """Only regular files, also through a link."""
    files = {name: file_of(name, bytes(10)) for name in ("folder", "broken", "linked")}
    folder = paths.checkpoints_folder()
    folder.mkdir(parents=True)
    (folder / files["folder"].file_name).mkdir()
    (folder / files["broken"].file_name).symlink_to(torch_home / "nothing")
    (torch_home / "real").write_bytes(bytes(10))
    (folder / files["linked"].file_name).symlink_to(torch_home / "real")
    assert {name: Presence().has(file) for name, file in files.items()} == {
        "folder": False,
        "broken": False,
        "linked": True,
    }


def test_what_the_package_warns_of_shows_no_place_in_its_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Python's own form stays for others: they are for who works on them."""
    output.show_warning("half a network", UserWarning, output.__file__, 3)
    output.show_warning("odd", UserWarning, "/elsewhere/module.py", 7)
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "warning: half a network"
    assert others[0] == "/elsewhere/module.py:7: UserWarning: odd"
