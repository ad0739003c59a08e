"""All formats of weights files, and the one that a file has."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING

from zoo.formats import FORMATS
from zoo.formats.record import HEAD_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.formats.record import FileFormat


@cache
def known_formats() -> tuple[FileFormat, ...]:
    """List every format in the order of :data:`zoo.formats.FORMATS`."""
    found = []
    for name in FORMATS:
        module = importlib.import_module(f"zoo.formats.{name}")
        found.append(module.FORMAT)
    return tuple(found)


def find_format(path: Path) -> FileFormat:
    """Find the format of a file by its first bytes; what is of no other is for the last to refuse.

    A file that cannot be read is so, too: the last says what keeps it from being read.
    """
    *others, last = known_formats()
    try:
        with path.open("rb") as stream:
            start = stream.read(HEAD_BYTES)
    except OSError:
        return last

    for candidate in others:
        if candidate.begins(start):
            return candidate
    return last
