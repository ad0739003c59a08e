"""Tell weights files by their names, and find those of a folder."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import UsageError
from zoo.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIXES = frozenset(chain.from_iterable(FORMATS.values()))
_PICKLE_STARTS = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))


def names_a_file(name: str) -> bool:
    """Tell a weights file of one's own, there or not, from the name of a model.

    >>> names_a_file("best.safetensors"), names_a_file("resnet18"), names_a_file("resnet18.a1_in1k")
    (True, False, False)
    """
    path = Path(name)
    if path.suffix.lower() in SUFFIXES:
        return True
    looks_like_a_path = bool(path.suffix) or len(path.parts) > 1
    return path.is_file() and looks_like_a_path


def find_weights_files(places: Iterable[Path]) -> list[Path]:
    """List files as they are, and what lies in folders as far as it may be weights.

    What is called like weights, or begins like a pickle whatever its name; links are not followed
    into other folders.

    Raises:
        UsageError: A folder holds none.
    """
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            found.append(place)
            continue

        inside = sorted(_files_below(place))
        if not inside:
            raise UsageError(f"there is no weights file in {place}")
        found += inside
    return list(dict.fromkeys(found))


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            is_named_so = path.suffix.lower() in SUFFIXES
            if path.is_file() and (is_named_so or _begins_like_a_pickle(path)):
                yield path


def _begins_like_a_pickle(path: Path) -> bool:
    """Tell by the first bytes; a file that cannot be read is for the scan to report."""
    try:
        with path.open("rb") as stream:
            return stream.read(2) in _PICKLE_STARTS
    except OSError:
        return True
