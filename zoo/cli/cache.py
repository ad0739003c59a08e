"""``zoo cache``: what lies in torch's cache, whether it is right, and how to keep it small."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import output
from zoo.cli.options import AsFormat, AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.cli.tables import Table
    from zoo.weights.huggingface_cache import HubSnapshot
    from zoo.weights.inventory import CachedFile
    from zoo.weights.repair import Repaired
    from zoo.weights.upkeep import Finding, Removal

app = new_app(help="List, verify, repair and prune what lies in torch's cache.")
_AGES_S = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="Files, models, NAME:TAG, or patterns of one of these; by default everything.",
        autocompletion=complete_models,
        show_default=False,
    ),
]
HuggingFace = Annotated[
    bool, typer.Option("--huggingface", help="Look at the cache of huggingface_hub instead; it is never written to.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Jobs = Annotated[
    int | None,
    typer.Option(help="Files read at the same time; by default one a processor.", min=1, show_default=False),
]


@app.command(
    "list", epilog=examples("zoo cache list", "zoo cache list 'resnet*' --json", "zoo cache list --huggingface")
)
def list_(
    names: Names = None,
    huggingface: HuggingFace = False,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the files in torch's cache.

    Weights, their safetensors twins, strangers and unfinished downloads. Reads no file. A file is "verified" if it
    was read whole once and nothing has touched it since.
    """
    from zoo.catalog import quantities
    from zoo.cli import cache_tables
    from zoo.weights import cache, huggingface_cache, upkeep

    form = output.chosen_format(format, is_json=json)
    if huggingface:
        snapshots = _chosen_snapshots(names)
        _show(cache_tables.snapshots_table(snapshots), form, is_quiet=quiet)
        total = quantities.size(sum(snapshot.size_bytes for snapshot in snapshots))
        output.talk(
            f"{huggingface_cache.default_folder()}: {_count(len(snapshots), 'snapshot')}, {total}", is_quiet=quiet
        )
        return
    files = _chosen_files(names)
    _show(cache_tables.inventory_table(files), form, is_quiet=quiet)
    total = quantities.size(upkeep.stored_bytes(files))
    output.talk(f"{cache.checkpoints_folder()}: {_count(len(files), 'file')}, {total}", is_quiet=quiet)


@app.command(epilog=examples("zoo cache path", "zoo cache path resnet18"))
def path(names: Names = None, json: AsJson = False) -> None:
    """Print where the cache or a model's files are."""
    from zoo.weights import cache
    from zoo.weights.inventory import Role

    if names:
        places = [str(file.path) for file in _chosen_files(names) if file.role is not Role.PARTIAL]
    else:
        places = [str(cache.checkpoints_folder())]
    if json:
        output.write_json(places)
    else:
        output.write("\n".join(places))


@app.command(epilog=examples("zoo cache verify", "zoo cache verify resnet18", "zoo cache verify --huggingface --json"))
def verify(
    names: Names = None,
    huggingface: HuggingFace = False,
    jobs: Jobs = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Hash every file and compare; no network needed.

    A file is compared with what the registry and zoo.lock know. Lists the files that are not whole, whose they are,
    and the command that mends them; with --json and in other formats all files. A stranger is judged by its own
    format. Exits with 1 if a file is damaged.
    """
    from zoo.cli import cache_tables
    from zoo.cli.reading import reading_bar
    from zoo.weights import huggingface_cache, upkeep
    from zoo.weights.upkeep import State

    form = output.chosen_format(format, is_json=json)
    if huggingface:
        snapshots = _chosen_snapshots(names)
        total_bytes = sum(snapshot.size_bytes for snapshot in snapshots)
        with reading_bar("verifying", total_bytes, is_quiet=quiet) as advance:
            hub_findings = huggingface_cache.verify(snapshots, jobs=jobs, advance=advance)
        states = [finding.state for finding in hub_findings]
        shown = [f for f in hub_findings if form != "table" or f.state not in (State.WHOLE, State.UNKNOWN)]
        table = cache_tables.hub_findings_table(shown)
    else:
        findings = _verify(_chosen_files(names), jobs, is_quiet=quiet)
        states = [finding.state for finding in findings]
        table = cache_tables.findings_table(
            f for f in findings if form != "table" or f.state not in (State.WHOLE, State.SOUND)
        )
    if table.rows or form != "table":
        _show(table, form, is_quiet=quiet)
    counts = ", ".join(f"{states.count(state)} {state.value}" for state in upkeep.State if state in states)
    output.talk(f"{_count(len(states), 'file')}: {counts}" if states else "nothing to verify", is_quiet=quiet)
    if State.DAMAGED in states:
        raise typer.Exit(1)


@app.command(epilog=examples("zoo cache repair", "zoo cache repair resnet18 --mirror http://mirror.example.org:8080"))
def repair(
    names: Names = None,
    mirror: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated.")
    ] = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch damaged files again, or their bad blocks.

    Only the blocks that differ are fetched where a mirror says which. Files that nobody publishes are left as they
    are, and named. Exits with 1 if a file could not be mended.
    """
    from zoo.cli import cache_tables
    from zoo.cli.progress import FetchProgress
    from zoo.weights import repair as repairing
    from zoo.weights.options import FetchOptions
    from zoo.weights.upkeep import State

    damaged = [found for found in _verify(_chosen_files(names), jobs, is_quiet=quiet) if found.state is State.DAMAGED]
    curable = [found for found in damaged if found.file.record is not None]
    if dry_run:
        _show(cache_tables.findings_table(damaged), "json" if json else "table", is_quiet=quiet)
        output.talk(f"{len(curable)} of {_count(len(damaged), 'damaged file')} would be fetched again", is_quiet=quiet)
        return
    done: list[Repaired] = []
    failures = [f"{f.file.name}: {f.fault}; mend it with: {f.advice}" for f in damaged if f.file.record is None]
    with FetchProgress(is_quiet=quiet) as progress:
        options = FetchOptions(mirrors=tuple(mirror or ()))
        for found in curable:
            try:
                done.append(repairing.repair(found.file, options=options, listener=progress))
            except ZooError as error:
                failures.append(str(error))
    _report_repairs(done, is_json=json, is_quiet=quiet)
    for failure in failures:
        output.fail(failure)
    if failures:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "zoo cache prune --dry-run",
        "zoo cache prune --older-than 90d",
        "zoo cache prune --max-size 10GB",
    )
)
def prune(
    older_than: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Remove what was last used longer ago: 12h, 90d, 8w, 1y.", show_default=False),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE", help="Remove the least recently used until this is left: 10GB.", show_default=False
        ),
    ] = None,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Remove files that the registry does not know, too; they may be yours.")
    ] = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove what is unfinished, old or too much.

    Orphaned downloads always go; by age and size only what can be had again. A file counts as used when it was last
    read or written, as far as the file system notes reads.
    """
    from zoo.catalog import quantities
    from zoo.weights import upkeep

    limit = quantities.parse_quantity("--max-size", max_size)
    plan = upkeep.plan_prune(
        _chosen_files(None),
        now_s=time.time(),
        older_than_s=None if older_than is None else _parse_age(older_than),
        most_bytes=None if limit is None else int(limit),
        foreign=foreign,
    )
    _remove(plan, is_dry_run=dry_run, is_json=json, is_quiet=quiet)


@app.command(epilog=examples("zoo cache rm resnet18", "zoo cache rm 'vgg*' --dry-run"))
def rm(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Files, models, NAME:TAG, or patterns of one of these.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ],
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove files by name.

    A model's name stands for its files, their twins and unfinished downloads.
    """
    from zoo.weights.upkeep import Removal

    plan = [Removal(file, "named") for file in _chosen_files(names)]
    _remove(plan, is_dry_run=dry_run, is_json=json, is_quiet=quiet)


@app.command(epilog=examples("zoo cache dedupe --dry-run"))
def dedupe(dry_run: DryRun = False, json: AsJson = False, quiet: Quiet = False) -> None:
    """Store files of equal bytes once.

    All but one become hard links. Reads only files of equal length.
    """
    from zoo.catalog import quantities
    from zoo.cli import cache_tables
    from zoo.weights import upkeep

    links = upkeep.plan_dedupe(_chosen_files(None), upkeep.digest_of)
    _show(cache_tables.links_table(links), "json" if json else "table", is_quiet=quiet)
    if dry_run:
        freed = sum(pair.replace.size_bytes for pair in links)
        output.talk(
            f"{_count(len(links), 'file')} would become links, freeing up to {quantities.size(freed)}", is_quiet=quiet
        )
        return
    output.talk(
        f"{_count(len(links), 'file')} became links, {quantities.size(upkeep.link(links))} freed", is_quiet=quiet
    )


def _chosen_files(names: "Sequence[str] | None") -> "list[CachedFile]":
    from zoo.weights import inventory

    return inventory.select(inventory.take_inventory(), names or [])


def _chosen_snapshots(names: "Sequence[str] | None") -> "list[HubSnapshot]":
    from fnmatch import fnmatchcase

    from zoo.catalog.resolver import nearest
    from zoo.errors import UnknownNameError
    from zoo.weights import huggingface_cache

    snapshots = huggingface_cache.list_snapshots()
    for name in names or []:
        if not any(fnmatchcase(snapshot.repository, name) for snapshot in snapshots):
            near = nearest(name, {snapshot.repository for snapshot in snapshots})
            raise UnknownNameError("repository in the cache", name, near, 'run "zoo cache list --huggingface"')
    return [s for s in snapshots if not names or any(fnmatchcase(s.repository, name) for name in names)]


def _verify(files: "Sequence[CachedFile]", jobs: int | None, *, is_quiet: bool) -> "list[Finding]":
    from zoo.cli.reading import reading_bar
    from zoo.weights import upkeep

    with reading_bar("verifying", sum(file.size_bytes for file in files), is_quiet=is_quiet) as advance:
        return upkeep.verify(files, jobs=jobs, advance=advance)


def _report_repairs(done: "Sequence[Repaired]", *, is_json: bool, is_quiet: bool) -> None:
    """Print the paths of the mended files, and what of them was not fetched again."""
    from zoo.catalog import quantities

    if is_json:
        output.write_json(
            [
                {
                    "path": str(one.fetched.path),
                    "sha256": one.fetched.sha256,
                    "size_bytes": one.fetched.size_bytes,
                    "reused_bytes": one.reused_bytes,
                }
                for one in done
            ]
        )
    elif done:
        output.write("\n".join(str(one.fetched.path) for one in done))
    reused = quantities.size(sum(one.reused_bytes for one in done))
    output.talk(f"{_count(len(done), 'file')} mended, {reused} not fetched again", is_quiet=is_quiet)


def _remove(plan: "Sequence[Removal]", *, is_dry_run: bool, is_json: bool, is_quiet: bool) -> None:
    """Carry out a plan, or only show it."""
    from zoo.catalog import quantities
    from zoo.cli import cache_tables
    from zoo.weights import upkeep

    files = [removal.file for removal in plan]
    removed = files if is_dry_run else upkeep.remove(files)
    gone = {file.path for file in removed}
    _show(
        cache_tables.removals_table(removal for removal in plan if removal.file.path in gone),
        "json" if is_json else "table",
        is_quiet=is_quiet,
    )
    for file in files:
        if file.path not in gone:
            output.warn(f"{file.name} is being fetched by another process and was left alone")
    word = "would be removed" if is_dry_run else "removed"
    output.talk(
        f"{_count(len(removed), 'file')} {word}, {quantities.size(upkeep.stored_bytes(removed))}", is_quiet=is_quiet
    )


def _show(table: "Table", form: output.Format, *, is_quiet: bool) -> None:
    """Write a table, and say what had no room; an empty one shows nothing to people."""
    if not table.rows and form == "table":
        return
    left_out = output.write_table(table, form)
    output.talk_left_out(left_out, "a wider terminal or --json shows them", is_quiet=is_quiet)


def _count(number: int, thing: str) -> str:
    """Write how many there are of something.

    >>> _count(1, "file"), _count(2, "file")
    ('1 file', '2 files')
    """
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _parse_age(given: str) -> float:
    """Read an age such as 12h, 90d, 8w or 1y; seconds."""
    number, unit = given[:-1], given[-1:]
    if unit not in _AGES_S or not number.isascii() or not number.isdigit():
        raise UsageError(f"--older-than takes an age such as 12h, 90d, 8w or 1y, got {given!r:.40}")
    return int(number) * _AGES_S[unit]
