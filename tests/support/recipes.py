"""Follow the recipes of CONTRIBUTING.md.

Apply the changes that they show to a copy of the repository.

A ``diff`` block names a file (``--- zoo/errors.py``; ``--- /dev/null`` and ``+++ FILE`` for a new
one) and shows, without line numbers, which lines come below or in place of which: what is marked
with a space or a minus must stand in the file exactly once, or is the first place below the change
before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SECTION = re.compile(r"^## (?P<title>Add .+)\n(?P<body>(?:(?!## ).*\n)*)", re.MULTILINE)
_DIFF = re.compile(r"^```diff\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Hunk:
    """Lines that a file has, and what they become."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


@dataclass
class Change:
    """What a recipe does to one file; a new file has one hunk with nothing before it."""

    file: str
    hunks: list[Hunk] = field(default_factory=list)


def sections(page: str) -> dict[str, str]:
    """Split a page into its recipes, by title."""
    return {match["title"]: match["body"] for match in _SECTION.finditer(page)}


def changes(recipe: str) -> list[Change]:
    """Read what the diff blocks of a recipe change."""
    found: list[Change] = []

    for block in _DIFF.finditer(recipe):
        for line in block["body"].splitlines():
            _read(line, found)

    return found


def _read(line: str, found: list[Change]) -> None:
    if line.startswith("--- "):
        file = line.removeprefix("--- ")
        found.append(Change(file))
        return
    if line.startswith("+++ "):
        found[-1].file = line.removeprefix("+++ ")
        return

    mark = line[:1]
    words = line[1:]
    hunks = found[-1].hunks
    last = hunks[-1] if hunks else None
    is_addition = mark == "+"
    if last is None or (last.after and not is_addition and not _is_open(last)):
        last = Hunk()
        hunks.append(last)

    if not is_addition:
        last.before.append(words)
    if mark != "-":
        last.after.append(words)


def _is_open(hunk: Hunk) -> bool:
    """Tell whether lines may still join a hunk: it adds nothing yet."""
    return hunk.after == hunk.before[: len(hunk.after)]


def apply(change: Change, folder: Path) -> None:
    """Make a change to a copy of the repository.

    Raises:
        LookupError: What stands before a change is not in the file.
    """
    file = folder / change.file
    rest = ""
    if file.is_file():
        rest = file.read_text(encoding="utf-8")

    done = ""
    for hunk in change.hunks:
        before = _lines(hunk.before)
        passed, found, behind = rest.partition(before) if before else ("", before, rest)
        if found != before:
            raise LookupError(f"{change.file} has no lines\n{before}")
        done += passed + _lines(hunk.after)
        rest = behind

    file.write_text(done + rest, encoding="utf-8")


def _lines(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
