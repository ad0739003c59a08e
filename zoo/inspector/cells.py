"""The cells that a searched network is stacked from: finding them, drawing them."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from html import escape
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.errors import MissingProgramError, UsageError
from zoo.loader.construction import find_builder
from zoo.models.genotype import Genotype

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture

_LONGEST_DRAWING_S = 60
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{svg}
</body>
</html>
"""


def find_genotype(architecture: Architecture) -> Genotype:
    """Find the genotype that an architecture's builder uses unless it is told another.

    Raises:
        UsageError: The architecture is not built from cells.
    """
    parameters = inspect.signature(find_builder(architecture)).parameters.values()
    for parameter in parameters:
        if isinstance(parameter.default, Genotype):
            return parameter.default
    raise UsageError(
        f"{architecture.name} is not built from cells: try nasnet_a_large or pnasnet_5_large"
    )


def draw_cells(
    genotype: Genotype,
    file: Path,
) -> None:
    """Draw both cells into a file; its ending says what kind: ``.svg``, or ``.html`` for a page.

    Raises:
        UsageError: Another ending.
        MissingProgramError: Graphviz's ``dot`` is not installed.
        WriteError: The file cannot be written.
    """
    kind = file.suffix.lower()
    if kind == ".svg":
        draw_svg(genotype, file)
        return
    if kind != ".html":
        raise UsageError(f"a drawing of cells ends in .svg or .html, got {file.name!r}")

    drawing = svg_of(genotype)
    begin = drawing.index("<svg")
    page = _PAGE.format(title=escape(genotype.name), svg=drawing[begin:])
    atomic.write_text(file, page)


def draw_svg(
    genotype: Genotype,
    file: Path,
) -> None:
    """Draw both cells into an SVG file with Graphviz.

    Raises:
        MissingProgramError: Graphviz's ``dot`` is not installed.
        WriteError: The file cannot be written.
    """
    drawing = svg_of(genotype)
    atomic.write_text(file, drawing)


def svg_of(genotype: Genotype) -> str:
    """Draw both cells as the text of an SVG file.

    Raises:
        MissingProgramError: Graphviz's ``dot`` is not installed.
    """
    program = shutil.which("dot")
    if program is None:
        raise MissingProgramError(
            "dot",
            "drawing cells",
            "install Graphviz: apt install graphviz, brew install graphviz or dnf install graphviz",
        )
    done = subprocess.run(  # noqa: S603 - the program is dot and its input is our own text
        [program, "-Tsvg"],
        input=genotype.to_dot(),
        capture_output=True,
        text=True,
        check=True,
        timeout=_LONGEST_DRAWING_S,
    )
    return done.stdout
