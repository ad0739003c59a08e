"""``zoo sync``: what ``zoo.lock`` says, brought into the caches."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import Lock, Upstream, existing_lock
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.recorder.syncing import Synced

app = new_app()


@app.command(epilog=examples("zoo sync", "zoo sync --lock other.lock --mirror http://mirror"))
def sync(
    lock: Lock = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated."),
    ] = None,
    upstream: Upstream = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch what zoo.lock says into the caches.

    Those of torch and Hugging Face; exactly these bytes, or an error. Afterwards a program finds
    them without a network, by the refs that were recorded. Addresses that belong to no cache are
    listed: the program fetches them.
    """
    from zoo.cache import lockfile
    from zoo.cli.terminal.progress import FetchProgress
    from zoo.recorder import running, syncing

    path = existing_lock(lock)
    things = lockfile.read_things(path)
    with FetchProgress(is_quiet=quiet) as progress:
        options = syncing.SyncOptions(
            tuple(mirror or ()), running.parse_upstreams(upstream or []), progress
        )
        synced = syncing.sync(things, options)
    _report_sync(synced, is_json=json, is_quiet=quiet)


def _report_sync(synced: "Sequence[Synced]", *, is_json: bool, is_quiet: bool) -> None:
    from zoo.cache.lock_lines import format_line
    from zoo.recorder.syncing import Outcome

    if is_json:
        rows = [
            {
                "kind": one.thing.kind,
                "name": one.thing.name,
                "outcome": one.outcome.value,
                "path": None if one.path is None else str(one.path),
            }
            for one in synced
        ]
        output.write_json(rows)
    else:
        paths = dict.fromkeys(str(one.path) for one in synced if one.path is not None)
        if paths:
            output.write("\n".join(paths))
    for one in synced:
        if one.outcome is Outcome.NO_CACHE:
            output.talk(f"no cache holds this: {format_line(one.thing)}", is_quiet=is_quiet)
    fetched = sum(one.outcome is Outcome.FETCHED for one in synced)
    output.talk(f"{len(synced)} lines, {fetched} fetched", is_quiet=is_quiet)
