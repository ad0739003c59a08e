"""The index as a file: written, read strictly, and read for its names alone."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest

from zoo.catalog.entries import COLUMNS, Entry, IndexedFile
from zoo.catalog.index import index_of, index_text, read_index, read_names
from zoo.catalog.places import find_index
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIGEST = "0" * 64
FILE = IndexedFile("small.pth", 9, 1)
SMALL = Entry("small", "v1", True, "zoo", "f", "classification", "Small", files=(FILE,))
OTHER = SMALL._replace(tag="v2", is_default=False, top5_error=7.5, parameters=100)
BARE = Entry("bare", None, True, "timm", "f", "classification", "Bare")
NOT_A_NUMBER = math.nan


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index of three entries, two of them of one architecture."""
    file = tmp_path / "index.json"
    index = index_of([SMALL, OTHER, BARE], aliases={"tiny": "small:v2"})
    file.write_text(index_text(index, DIGEST, {"command": "a test"}), encoding="utf-8")
    return file


def test_what_is_written_is_read_again(path: Path) -> None:
    """Entries, aliases and the digest of ``registry.json``."""
    index, digest = read_index(path)
    assert index.entries == (SMALL, OTHER, BARE)
    assert list(index.by_name) == ["small", "bare"]
    assert index.default("small") == SMALL
    assert index.aliases == {"tiny": "small:v2"}
    assert digest == DIGEST


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("parameters", -1),
        ("parameters", 1.5),
        ("parameters", 2**63),
        ("parameters", True),
        ("top5_error", NOT_A_NUMBER),
        ("top5_error", math.inf),
        ("top5_error", "7.5"),
        ("is_default", 1),
        ("name", None),
        ("files", None),
    ],
)
def test_a_value_that_cannot_be_is_refused_at_its_place(
    path: Path, column: str, value: object
) -> None:
    """Columns are checked as wholes; the message still names the entry."""

    def spoil(entries: list[list[Any]]) -> None:
        entries[1][COLUMNS.index(column)] = value

    change(path, spoil)
    with pytest.raises(RegistryError, match=rf"\$\.entries\[1\]\.{column}"):
        read_index(path)


@pytest.mark.parametrize("files", [[["a.pth"]], [[None, 9, 1, None, None]], ["a.pth"], [None]])
def test_a_file_that_cannot_be_is_refused_at_its_place(path: Path, files: object) -> None:
    """Files are arrays of five."""

    def spoil(entries: list[list[Any]]) -> None:
        entries[2][-1] = files

    change(path, spoil)
    with pytest.raises(RegistryError, match=r"\$\.entries\[2\]\.files"):
        read_index(path)


def test_names_are_those_of_the_entries(path: Path) -> None:
    """Each once, in their order."""
    assert read_names(path) == ["small", "bare"]


def test_names_are_read_from_a_file_that_was_laid_out_anew(path: Path) -> None:
    """An editor, or jq, may have put each value on a line of its own."""
    change(path, lambda _entries: None)
    assert "\n    [" in path.read_text()
    assert read_names(path) == ["small", "bare"]


def test_the_names_that_ship_are_those_of_the_index() -> None:
    """The short way and the whole one agree on the file that users have."""
    index, _ = read_index(find_index())
    assert read_names(find_index()) == list(index.by_name)


def change(path: Path, spoil: Callable[[list[list[Any]]], None]) -> None:
    """Change the entries of an index; the file is laid out anew."""
    content = json.loads(path.read_text())
    spoil(content["entries"])
    path.write_text(json.dumps(content, indent=2).replace("Infinity", "1e999"))
