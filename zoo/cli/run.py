"""``zoo run``: a program that gets what ``zoo.lock`` says, and nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import ARGUMENTS, Command, Fresh, Lock, Upstream, existing_lock
from zoo.cli.terminal.options import Quiet, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.recorder.running import Held

app = new_app()


@app.command(
    context_settings=ARGUMENTS,
    epilog=examples("zoo run --locked -- python train.py"),
)
def run(
    command: Command,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse what the lock file has no line for.")
    ] = False,
    lock: Lock = None,
    fresh: Fresh = False,
    upstream: Upstream = None,
    quiet: Quiet = False,
) -> None:
    """Run a program that gets what zoo.lock says, nothing else.

    Branches and tags lead to the commits that are locked. What has no line is refused, and what
    comes with other bytes is broken off; both are named at the end, and the exit code is 1.
    """
    from zoo.cache import lockfile
    from zoo.recorder import running

    options = running.RunOptions(fresh, running.parse_upstreams(upstream or []))
    if not locked:
        raise UsageError('--locked is missing, as in "zoo run --locked -- COMMAND"')
    path = existing_lock(lock)
    held = running.run_locked(command, lockfile.read_things(path), path.name, options)
    _report_run(held, path, is_quiet=quiet)
    if held.exit_code or not held.is_as_locked:
        raise typer.Exit(held.exit_code or 1)


def _report_run(held: "Held", path: Path, *, is_quiet: bool) -> None:
    """Say what was refused or broken off; what a client merely tried matters if it failed."""
    for fault in held.faults:
        output.warn(f"broken off: {fault}")
    for line in held.missing:
        output.warn(f"refused: {path.name} has no line for {line}")
    if held.exit_code:
        for line in held.absent:
            output.warn(f"asked for and not locked: {line}")
    if held.is_as_locked:
        output.talk(f"all as {path.name} says", is_quiet=is_quiet)
    else:
        output.talk('record what is missing with "zoo record -- COMMAND"', is_quiet=is_quiet)
