"""Options of the commands around ``zoo.lock``, and the lock file that they mean."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.errors import UsageError

Command = Annotated[
    list[str],
    typer.Argument(
        metavar="-- COMMAND...", help="The program with its arguments.", show_default=False
    ),
]
Lock = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The lock file; by default the nearest zoo.lock, else one in this folder.",
        show_default=False,
    ),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Give the program empty caches, so that it asks for everything."),
]
Upstream = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST=ADDRESS", help="Ask another address for what a host has; may be repeated."
    ),
]
LockedWhat = Annotated[
    Path | None,
    typer.Option(
        "--lock",
        metavar="FILE",
        help="Everything that this zoo.lock has, each at its commit.",
        show_default=False,
    ),
]
ARGUMENTS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


def usual_lock() -> Path:
    """Find the project's lock file, or name the one that is to be made here."""
    from zoo.cache import lockfile
    from zoo.config import load_config

    chosen = load_config().lock_file
    if chosen is not None:
        return chosen
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / lockfile.FILE_NAME).is_file():
            return folder / lockfile.FILE_NAME
    return here / lockfile.FILE_NAME


def existing_lock(lock: Path | None) -> Path:
    """Find the lock file that is to be read.

    Raises:
        UsageError: There is none.
    """
    path = lock or usual_lock()
    if not path.is_file():
        raise UsageError(f'there is no lock file {path}: make one with "zoo record -- COMMAND"')
    return path


def locked_specs(lock: Path | None) -> list[str]:
    """Write what a lock file has as a mirror is asked for it; say what no mirror can be asked for.

    Raises:
        UsageError: There is no such file.
    """
    if lock is None:
        return []
    from zoo.cache import lockfile
    from zoo.cli.terminal import output
    from zoo.recorder import locking

    things = lockfile.read_things(existing_lock(lock))
    for thing in locking.without_spec(things):
        output.warn(
            f"{thing.kind} {thing.name} belongs to no repository, model or registered weights"
        )
    return locking.specs(things)
