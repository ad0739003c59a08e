"""``zoo lock``: compare lock files, check one, renew one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import (
    ARGUMENTS,
    Command,
    Lock,
    Upstream,
    existing_lock,
    usual_lock,
)
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.recorder.locking import Difference

app = new_app(help="Compare lock files, check one, renew one.")


@app.command(
    epilog=examples("zoo lock diff old.lock zoo.lock", "git show HEAD:zoo.lock > old.lock")
)
def diff(
    before: Annotated[Path, typer.Argument(metavar="OLD", help="A lock file.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="NEW", help="Another.", show_default=False)],
    json: AsJson = False,
) -> None:
    """List what two lock files do not have alike.

    Who asked, when, and licenses make no difference. Exits with 1 if there is one.
    """
    from zoo.cache import lockfile
    from zoo.recorder import locking

    for path in (before, after):
        if not path.is_file():
            raise UsageError(f"there is no lock file {path}")
    found = locking.differences(lockfile.read_things(before), lockfile.read_things(after))
    _print_differences(found, is_json=json)
    if found:
        raise typer.Exit(1)


@app.command(
    context_settings=ARGUMENTS,
    epilog=examples("zoo lock update -- python train.py"),
)
def update(
    command: Command,
    lock: Lock = None,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a program with empty caches, and lock what it fetches today.

    Branches and tags are followed to where they are now; lines that say otherwise are replaced,
    lines that the program did not ask for stay. Prints what has changed. Nothing is changed if the
    program fails.
    """
    from zoo.recorder import locking, running

    path = lock or usual_lock()
    options = running.RunOptions(is_fresh=True, upstreams=running.parse_upstreams(upstream or []))
    recorded = running.record(command, options)
    for note in recorded.notes:
        output.warn(note)
    if recorded.exit_code:
        output.fail(f"the program ended with {recorded.exit_code}; {path} is as it was")
        raise typer.Exit(recorded.exit_code)
    found = locking.add(path, recorded.things, replaces=True)
    _print_differences(found, is_json=json)
    output.talk(f"{len(recorded.things)} things, {len(found)} changes", is_quiet=quiet)


@app.command(epilog=examples("zoo lock check", "zoo lock check --lock zoo.lock"))
def check(lock: Lock = None, json: AsJson = False, quiet: Quiet = False) -> None:
    """Check a lock file, and the caches against it.

    Reads it strictly, finds refs at two commits, compares digests. Needs no network. Exits with 1
    if something contradicts it; what no cache holds is only counted.
    """
    from zoo.cache import lockfile
    from zoo.recorder import checking, locking

    path = existing_lock(lock)
    things = lockfile.read_things(path)
    twice = locking.contradictions(things)
    checked = checking.check(things)
    faults = [*twice, *checked.faults]
    if json:
        output.write_json({"lines": len(things), "cached": checked.cached, "faults": faults})
    elif faults:
        output.write("\n".join(faults))
    text = f"{path}: {len(things)} lines, {checked.cached} in the caches, {len(faults)} faults"
    output.talk(text, is_quiet=quiet)
    if faults:
        raise typer.Exit(1)


def _print_differences(found: "Sequence[Difference]", *, is_json: bool) -> None:
    from zoo.cache.lock_lines import format_line

    if is_json:
        output.write_json([_as_dict(one) for one in found])
        return
    lines = []
    for one in found:
        if one.before is not None:
            lines.append(output.paint(f"- {format_line(one.before)}", "error"))
        if one.after is not None:
            lines.append(output.paint(f"+ {format_line(one.after)}", "marked"))
    if lines:
        output.write_painted("\n".join(lines))


def _as_dict(one: "Difference") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "change": one.change,
        "before": None if one.before is None else asdict(one.before),
        "after": None if one.after is None else asdict(one.after),
    }
