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
        if line.startswith(_ALONE):
            lines.append(line)
        else:
            lines += _parted(line, width)
    return lines


def _parted(line: str, width: int) -> list[str]:
    """Part a line before and behind each command."""
    commands = list(_COMMAND.finditer(line))
    if not commands:
        return _folded(line, width)

    indent = _indent_of(line)
    lines: list[str] = []
    position = 0

    for found in commands:
        before = line[position : found.start()]
        words = before.strip(_MARKS_BETWEEN) if position else before.rstrip()
        if words:
            lines += _folded(words, width)
        command = found["quoted"] or found["bare"]
        lines.append(indent + _INDENT + command)
        position = found.end()

    rest = line[position:].strip(_MARKS_BETWEEN)
    if rest:
        lines += _folded(rest, width)
    return lines


def _indent_of(line: str) -> str:
    words = line.lstrip()
    return line.removesuffix(words) if words else line


def _folded(line: str, width: int) -> list[str]:
    """Fold a line that is too wide; what goes on below an indented one is indented more."""
    if cell_width(line) <= width:
        return [line]

    indent = _indent_of(line)
    deeper = indent + _INDENT if indent else ""
    first, *rest = fold(line.lstrip(), width - len(deeper))
    return [indent + first, *[deeper + one for one in rest]]
