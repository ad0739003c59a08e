"""``zoo registry``: make ``registry.json``, or check it."""

from typing import Annotated

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Quiet, complete_models, examples, new_app

app = new_app(help="Build registry.json, or check that it is up to date.")


@app.command(epilog=examples("zoo registry build"))
def build(quiet: Quiet = False) -> None:
    """Make registry.json and the layer tables again.

    Joins torchvision's records, the cited facts and figures computed from every built network. Takes a minute; replaces
    the files of this installation.
    """
    from zoo.catalog.registry import find_registry
    from zoo.cli.progress import StepProgress
    from zoo.curator import building

    with StepProgress(is_quiet=quiet) as progress:
        built = building.build_registry(progress=progress)
    path = find_registry()
    building.write(built, path)
    output.talk(f"{len(built.tables)} models", is_quiet=quiet)
    output.write(str(path))


@app.command(epilog=examples("zoo registry check", "zoo registry check lenet5 resnet18", "zoo registry check --json"))
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Only these models; by default all.", autocompletion=complete_models),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Build the registry again and list every difference from the files.

    Takes a minute for all models. Exits with 1 if there is a difference.
    """
    from zoo.cli.progress import StepProgress
    from zoo.curator import building

    with StepProgress(is_quiet=quiet) as progress:
        built = building.build_registry(names or (), progress=progress)
    found = list(building.differences(built))
    if json:
        output.write_json(found)
    elif found:
        output.write("\n".join(found))
    if found:
        output.talk(f'{len(found)} differences; run "zoo registry build" and look at what changed', is_quiet=quiet)
        raise typer.Exit(1)
    output.talk(f"{len(built.tables)} models, no difference", is_quiet=quiet)


@app.command(epilog=examples("zoo registry validate", "zoo registry validate other/registry.json"))
def validate(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="By default the one that zoo uses.", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Read a registry strictly; a fault is named with its place in the file.

    Needs no torch, and compares nothing with the networks: that does check.
    """
    from pathlib import Path

    from zoo.catalog.registry import find_registry, load_registry

    path = Path(file) if file else find_registry()
    registry = load_registry(path)
    sets = sum(len(architecture.weights) for architecture in registry.architectures.values())
    output.talk(f"{path}: {len(registry.architectures)} models, {sets} sets of weights, well-formed", is_quiet=quiet)
