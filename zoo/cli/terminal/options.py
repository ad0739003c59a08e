"""Options and arguments that several commands share, and what completes them."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.terminal.output import Format


def new_app(*, help: str | None = None) -> typer.Typer:
    """Make the app of one command or one group of commands; ``zoo.cli.main`` lists its module."""
    return typer.Typer(
        help=help, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
    )


def examples(*lines: str) -> str:
    """Make the end of a help page from command lines."""
    return "\b\nExamples:\n" + "".join(f"  {line}\n" for line in lines)


def complete_models(incomplete: str) -> list[str]:
    """Complete the name of a model, and after a colon the tag of its weights."""
    from zoo.catalog.index import list_names, load_index

    name, colon, _ = incomplete.partition(":")
    if colon:
        by_name = load_index().by_name
        specs = [f"{name}:{entry.tag}" for entry in by_name.get(name, ()) if entry.tag]
        return [spec for spec in specs if spec.startswith(incomplete)]
    names = [*list_names(), *_own_names()]
    return [name for name in names if name.startswith(incomplete)]


def _own_names() -> list[str]:
    """Name the models of the user's own registry."""
    from zoo.catalog.local import PREFIX, read_local

    return [f"{PREFIX}{model.name}" for model in read_local()]


def complete_repositories(incomplete: str) -> list[str]:
    """Complete the name of a repository of PyTorch Hub that the registry knows."""
    from zoo.catalog.hub_repositories import PREFIX
    from zoo.catalog.index import load_index

    known = [name.removeprefix(PREFIX) for name in load_index().by_name if name.startswith(PREFIX)]
    wanted = incomplete.lower()
    return [name for name in known if name.lower().startswith(wanted)]


def complete_cached(incomplete: str) -> list[str]:
    """Complete what lies in the cache: names of files, and of the models that they belong to."""
    from zoo.cache.inventory import take_inventory

    names: dict[str, None] = {}
    for file in take_inventory():
        names.update(dict.fromkeys([*file.owners, file.name]))
    return [name for name in names if name.startswith(incomplete)]


def complete_families(incomplete: str) -> list[str]:
    """Complete the name of a family."""
    return _complete_attribute("family", incomplete)


def complete_tasks(incomplete: str) -> list[str]:
    """Complete the name of a task."""
    return _complete_attribute("task", incomplete)


def complete_sources(incomplete: str) -> list[str]:
    """Complete the name of a source of records."""
    return _complete_attribute("source", incomplete)


def complete_listed_sources(incomplete: str) -> list[str]:
    """Complete the name of a source of records, or of one's own models."""
    from zoo.catalog.local import SOURCE

    own = [SOURCE] if SOURCE.startswith(incomplete) else []
    return sorted([*complete_sources(incomplete), *own])


def complete_columns(incomplete: str) -> list[str]:
    """Complete the name of a column."""
    from zoo.catalog.rows import COLUMNS, OTHER_TASKS

    return [name for name in (*COLUMNS, *OTHER_TASKS) if name.startswith(incomplete)]


def _complete_attribute(attribute: str, incomplete: str) -> list[str]:
    from zoo.catalog.index import load_index

    values = {getattr(entry, attribute) for entry in load_index().entries}
    return sorted(value for value in values if value.startswith(incomplete))


Model = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model, or NAME:TAG.",
        autocompletion=complete_models,
        show_default=False,
    ),
]
Models = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME", help="Models; NAME:TAG names weights.", autocompletion=complete_models
    ),
]
Measured = Annotated[
    Path | None,
    typer.Option(
        "--bench",
        metavar="FILE",
        help="A result file of zoo bench, or a folder of them.",
        show_default=False,
    ),
]
Subject = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model, NAME:TAG, or a weights file of your own.",
        autocompletion=complete_models,
        show_default=False,
    ),
]
Signed = Annotated[
    str,
    typer.Argument(
        metavar="FILE|NAME",
        help="A weights file, or a model whose weights are cached.",
        autocompletion=complete_models,
        show_default=False,
    ),
]
MirrorFolder = Annotated[
    str,
    typer.Option(
        "--dir",
        "-d",
        envvar="ZOO_MIRROR_DIR",
        help="The mirror: a folder, or s3://bucket/prefix.",
        show_default="here",
    ),
]
HERE = "."
"""The mirror of a command that is told none."""
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="Weights of your own instead of published ones.",
    ),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        "--architecture",
        metavar="NAME",
        help="What a file is, where it does not reveal it.",
        autocompletion=complete_models,
        show_default=False,
    ),
]
NumClasses = Annotated[
    int | None,
    typer.Option(
        "--num-classes",
        help="Outputs of a file's network, where it does not reveal them.",
        min=1,
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Names of the classes, one a line in the order of the outputs.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Batch = Annotated[
    int,
    typer.Option(
        "--batch",
        help="How many images go through the network at once.",
        min=1,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="COUNT",
        help="Threads that decode images; by default one a CPU.",
        min=0,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; the same as --format json.")]
AsFormat = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="How to print: table (the default), json, csv or markdown.",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print data and errors, nothing else.")]
