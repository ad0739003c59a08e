"""Read the code cells of a Jupyter notebook."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo.auditor import python_code
from zoo.auditor.python_code import Source, SourceFaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.auditor.findings import Use

_MAGIC = re.compile(r"^(\s*)([%!?].*|.*\?)$")
_CAPTURED = re.compile(r"^(\s*[\w, ]+=\s*)[%!].*$")


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell with code."""

    number: int
    """Counted from 1 over all cells, as notebooks show them."""
    text: str
    file_lines: tuple[int | None, ...]
    """The line of the notebook's own text that holds each line of the cell."""


def read(text: str, file: str) -> tuple[list[Use], list[str]]:
    """List what a notebook would fetch, and the faults of the cells that cannot be parsed.

    Raises:
        SourceFaultError: It is no notebook.
    """
    uses: list[Use] = []
    faults: list[str] = []

    for cell in code_cells(text):
        plain = without_magics(cell.text)
        source = Source(plain, file, cell.number)
        try:
            found = python_code.read(source)
        except SourceFaultError as fault:
            faults.append(f"cell {cell.number}, {fault}")
            continue
        uses += [_with_file_line(use, cell) for use in found]

    return uses, faults


def code_cells(text: str) -> Iterator[Cell]:
    """Yield the cells with Python.

    Raises:
        SourceFaultError: It is no notebook.
    """
    content = parse(text)
    raw_lines = text.split("\n")
    position = 0  # the cells stand in the file in their order: each line is looked for from here

    for number, cell in enumerate(content["cells"], start=1):
        is_code = isinstance(cell, dict) and cell.get("cell_type") == "code"
        if not is_code:
            continue

        code = source_of(cell)
        file_lines: list[int | None] = []
        for line in code.split("\n"):
            index = _find_line(raw_lines, line, position)
            if index is None:
                file_lines.append(None)
                continue
            position = index + 1
            file_lines.append(position)

        unindented = code.lstrip()
        is_another_language = unindented.startswith("%%")
        if not is_another_language:
            yield Cell(number, code, tuple(file_lines))


def parse(text: str) -> dict[str, Any]:
    """Parse the JSON of a notebook.

    Raises:
        SourceFaultError: It is no notebook of version 4, which has been written since 2015.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceFaultError(f"no JSON: {error}") from error

    cells = None
    if isinstance(content, dict):
        cells = content.get("cells")
    if not isinstance(cells, list):
        raise SourceFaultError("no notebook of version 4: it has no list of cells")
    notebook: dict[str, Any] = content
    return notebook


def source_of(cell: dict[str, Any]) -> str:
    """Return the text of a cell, which notebooks keep whole or in lines."""
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]

    texts = [line for line in lines if isinstance(line, str)]
    return "".join(texts)


def without_magics(text: str) -> str:
    """Put a statement in the place of what only a notebook understands, character by character.

    >>> without_magics("%pip install timm")
    'pass             '
    """
    lines = text.split("\n")
    return "\n".join(map(_plain_line, lines))


def _plain_line(line: str) -> str:
    captured = _CAPTURED.match(line)
    if captured is not None:
        assignment = f"{captured[1]}0"
        return assignment.ljust(len(line))

    magic = _MAGIC.match(line)
    if magic is None:
        return line

    before, _, _ = line.partition("?")
    is_in_comment = "#" in before
    if is_in_comment:
        return line
    statement = f"{magic[1]}pass"
    return statement.ljust(len(line))


def _find_line(raw_lines: list[str], line: str, start: int) -> int | None:
    """Find the line of JSON that holds one line of code; notebooks are written with one on each."""
    wanted = []
    whole_line = f"{line}\n"
    for text in (line, whole_line):
        escaped = json.dumps(text)
        plain = json.dumps(text, ensure_ascii=False)
        wanted += [escaped, plain]

    for number in range(start, len(raw_lines)):
        raw = raw_lines[number]
        if any(text in raw for text in wanted):
            return number
    return None


def _with_file_line(use: Use, cell: Cell) -> Use:
    """Add the line of the notebook's own text to the place of a use."""
    index = use.place.line - 1
    if index >= len(cell.file_lines):
        return use

    file_line = cell.file_lines[index]
    place = replace(use.place, file_line=file_line)
    return replace(use, place=place)
