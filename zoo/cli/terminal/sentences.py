"""Sentences on a terminal: folded between words, each command to copy alone on its line."""

from __future__ import annotations

import re

from zoo.cli.terminal.tables import cell_width, fold

_COMMAND = re.compile(
    r'"(?P<quoted>(?:zoo|pip|python|accelerate) [^"]*)"'  # run "zoo list"
    r'|(?P<bare>pip install (?:-e )?"[^"]*")'  # run pip install "torch-zoo[plot]"
)
_INDENT = "  "
_ALONE = (f"{_INDENT}zoo ", f"{_INDENT}pip ")
_MARKS_BETWEEN = " ,;."


def lay_out(text: str, width: int) -> list[str]:
    """Write a text in lines of a width; a command is never folded, and nothing stands beside it.

    >>> lay_out('no model is called "x"; to see all, run "zoo list"', 40)
    ['no model is called "x"; to see all, run', '  zoo list']
    """
    lines: list[str] = []
    for line in text.split("\n"):
        lines += [line] if line.startswith(_ALONE) else _parted(line, width)
    return lines


def _parted(line: str, width: int) -> list[str]:
    """Part a line before and behind each command."""
    indent = line[: len(line) - len(line.lstrip())]
    lines: list[str] = []
    position = 0

    for found in _COMMAND.finditer(line):
        before = line[position : found.start()]
        words = before.strip(_MARKS_BETWEEN) if position else before.rstrip()
        lines += _folded(words, width) if words else []
        lines.append(f"{indent}{_INDENT}{found['quoted'] or found['bare']}")
        position = found.end()

    rest = line[position:]
    words = rest.strip(_MARKS_BETWEEN) if position else rest
    return lines + (_folded(words, width) if words or not position else [])


def _folded(line: str, width: int) -> list[str]:
    """Fold a line that is too wide; what goes on below an indented one is indented more."""
    if cell_width(line) <= width:
        return [line]
    words = line.lstrip()
    indent = line[: len(line) - len(words)]
    deeper = indent + _INDENT if indent else ""
    first, *rest = fold(words, width - len(deeper))
    return [indent + first, *(deeper + one for one in rest)]
