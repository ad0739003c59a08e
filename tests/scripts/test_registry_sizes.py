"""The registries of three sizes that the command line is timed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scripts import registry_sizes
from zoo.catalog.index import MAIN_SOURCES, list_names, load_index, read_index

if TYPE_CHECKING:
    from pathlib import Path


def test_three_registries_are_made_that_zoo_can_read(tmp_path: Path) -> None:
    """133 models, what ships, and 8,000 sets of weights, no two of one name and tag."""
    folders = registry_sizes.make_folders(tmp_path)
    counts = {}
    for name, folder in folders.items():
        index, _ = read_index(folder / "registry" / "index.json")
        counts[name] = len(index.entries)
        keys = {(entry.name, entry.tag) for entry in index.entries}
        assert len(keys) == len(index.entries)
    shipped = load_index().entries
    main = [entry for entry in shipped if entry.source in MAIN_SOURCES]
    assert list(counts.values()) == [len(main), len(shipped), 8000]


def test_names_for_completion_are_those_of_the_index() -> None:
    """Read without the rest, in the same order."""
    assert list_names() == list(load_index().by_name)
