"""The cells that a searched network is stacked from: finding them, drawing them."""

from __future__ import annotations

import inspect
import shutil
import subprocess
from typing import TYPE_CHECKING

from zoo import whole_files
from zoo.errors import MissingProgramError, UsageError
from zoo.loader.construction import find_builder
from zoo.models.genotype import Genotype

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture

_LONGEST_DRAWING_S = 60


def find_genotype(architecture: Architecture) -> Genotype:
    """Find the genotype that an architecture's builder uses unless it is told another.

    Raises:
        UsageError: The architecture is not built from cells.
    """
    parameters = inspect.signature(find_builder(architecture)).parameters.values()
    for parameter in parameters:
        if isinstance(parameter.default, Genotype):
            return parameter.default
    raise UsageError(f"{architecture.name} is not built from cells: try nasnet_a_large or pnasnet_5_large")


def draw_svg(genotype: Genotype, file: Path) -> None:
    """Draw both cells into an SVG file with Graphviz.

    Raises:
        MissingProgramError: Graphviz's ``dot`` is not installed.
        WriteError: The file cannot be written.
    """
    program = shutil.which("dot")
    if program is None:
        raise MissingProgramError(
            "dot",
            "drawing cells",
            "install Graphviz: apt install graphviz, brew install graphviz or dnf install graphviz",
        )
    drawing = subprocess.run(  # noqa: S603 - the program is dot and its input is our own text
        [program, "-Tsvg"],
        input=genotype.to_dot(),
        capture_output=True,
        text=True,
        check=True,
        timeout=_LONGEST_DRAWING_S,
    ).stdout
    whole_files.write_text(file, drawing)
