"""Options and arguments that several commands share, and what completes them."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.output import Format


def new_app(*, help: str | None = None) -> typer.Typer:
    """Make the app of one command or one group of commands; ``zoo.cli.main`` lists its module."""
    return typer.Typer(help=help, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def examples(*lines: str) -> str:
    """Make the end of a help page from command lines."""
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in lines)


def complete_models(incomplete: str) -> list[str]:
    """Complete the name of a model, and after a colon the tag of its weights."""
    from zoo.catalog.registry import load_registry

    architectures = load_registry().architectures
    name, colon, _ = incomplete.partition(":")
    if colon and name in architectures:
        return [f"{name}:{tag}" for tag in architectures[name].weights]
    return [name for name in architectures if name.startswith(incomplete)]


def complete_families(incomplete: str) -> list[str]:
    """Complete the name of a family."""
    return _complete_attribute("family", incomplete)


def complete_tasks(incomplete: str) -> list[str]:
    """Complete the name of a task."""
    return _complete_attribute("task", incomplete)


def complete_providers(incomplete: str) -> list[str]:
    """Complete the name of a provider."""
    return _complete_attribute("provider", incomplete)


def complete_columns(incomplete: str) -> list[str]:
    """Complete the name of a column."""
    from zoo.catalog.rows import COLUMNS

    return [name for name in COLUMNS if name.startswith(incomplete)]


def _complete_attribute(attribute: str, incomplete: str) -> list[str]:
    from zoo.catalog.registry import load_registry

    values = {getattr(architecture, attribute) for architecture in load_registry().architectures.values()}
    return sorted(value for value in values if value.startswith(incomplete))


Model = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A model, or NAME:TAG.", autocompletion=complete_models, show_default=False),
]
Models = Annotated[
    list[str],
    typer.Argument(metavar="NAME", help="Models; NAME:TAG names weights.", autocompletion=complete_models),
]
Measured = Annotated[
    Path | None,
    typer.Option(
        "--bench", metavar="FILE", help="A result file of zoo bench, or a folder of them.", show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; the same as --format json.")]
AsFormat = Annotated[
    Format | None,
    typer.Option("--format", help="How to print: table (the default), json, csv or markdown.", show_default=False),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print data and errors, nothing else.")]
