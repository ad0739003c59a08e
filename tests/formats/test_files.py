"""Weights files of a folder: by name, and by how they begin."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from zoo.errors import UsageError
from zoo.formats.files import find_weights_files

if TYPE_CHECKING:
    from pathlib import Path


def test_weights_are_found_however_deep_and_whatever_their_name(tmp_path: Path) -> None:
    """A pickle that is called like an image is found too; text and images are not."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    wanted = [deep / "net.PTH", deep / "x.safetensors", tmp_path / "cat.jpg"]
    for path in wanted[:2]:
        path.write_bytes(b"x")
    wanted[2].write_bytes(pickle.dumps({}))
    (tmp_path / "notes.txt").write_text("none")
    assert find_weights_files([tmp_path]) == sorted(wanted)


def test_files_stay_as_they_are_named(tmp_path: Path) -> None:
    """In their order, each once; a missing one is for the scan to report."""
    paths = [tmp_path / "z.pth", tmp_path / "a.pth"]
    paths[0].write_bytes(b"x")
    assert find_weights_files([*paths, paths[0]]) == paths
    assert find_weights_files([paths[0], tmp_path]) == paths[:1]


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """Nothing scanned must not look like nothing found."""
    with pytest.raises(UsageError, match="there is no weights file in"):
        find_weights_files([tmp_path])
