"""``zoo record``: what a program fetches, written into ``zoo.lock``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import ARGUMENTS, Command, Fresh, Lock, Upstream, usual_lock
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.recorder.locking import Difference

app = new_app()


@app.command(
    context_settings=ARGUMENTS,
    epilog=examples(
        "zoo record -- python train.py",
        "zoo record --fresh --lock zoo.lock -- python train.py --epochs 1",
        "zoo record --update -- python train.py",
    ),
)
def record(
    command: Command,
    lock: Lock = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Replace lines of the lock file that say otherwise."),
    ] = False,
    fresh: Fresh = False,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a program and write what it fetches into zoo.lock.

    Repositories at their commit, weights, files of Hugging Face at their revision, and every other
    address, each with length and SHA-256. Works with unmodified torch.hub, torchvision, timm,
    huggingface_hub and requests, and with the program's children. What its caches hold already is
    not asked for: --fresh records that as well.

    The exit code is the program's.
    """
    from zoo.recorder import locking, running

    path = lock or usual_lock()
    options = running.RunOptions(fresh, running.parse_upstreams(upstream or []))
    recorded = running.record(command, options)
    for note in recorded.notes:
        output.warn(note)
    changes = locking.add(path, recorded.things, replaces=update)
    if json:
        output.write_json(_record_as_dict(path, recorded.things, changes))
    total = f"{len(recorded.things)} things fetched, {len(changes)} lines of {path} changed"
    hint = "" if recorded.things or fresh else "; with --fresh the caches count for nothing"
    output.talk(f"{total}{hint}", is_quiet=quiet)
    if recorded.exit_code:
        raise typer.Exit(recorded.exit_code)


def _record_as_dict(
    path: Path, things: "Sequence[Any]", changes: "Sequence[Difference]"
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "lock_file": str(path),
        "things": [asdict(thing) for thing in things],
        "changes": [{"change": one.change, "name": one.name} for one in changes],
    }
