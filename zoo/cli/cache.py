"""``zoo cache``: what lies in torch's cache, whether it is right, and how to keep it small.

The file is long because it holds one function a command, and most of a function is its options.
"""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsFormat, AsJson, Quiet, complete_cached, examples, new_app
from zoo.errors import RegistryError, UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.cache.huggingface import HubSnapshot
    from zoo.cache.inventory import CachedFile
    from zoo.cache.prune import Removal
    from zoo.cache.verify import Finding
    from zoo.cli.terminal.tables import Table
    from zoo.download.repair import Repaired

app = new_app(help="List, verify, repair and prune weights in the cache.")
_AGES_S = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0, "y": 365 * 86_400.0}

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="Files, models, NAME:TAG, or patterns of one of these; by default everything.",
        autocompletion=complete_cached,
        show_default=False,
    ),
]
NamesAsked = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...",
        help="Files, models, NAME:TAG, or patterns of one of these.",
        autocompletion=complete_cached,
        show_default=False,
    ),
]
HuggingFace = Annotated[
    bool,
    typer.Option(
        "--huggingface",
        help="Look at the cache of huggingface_hub instead; it is never written to.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        help="Files read at the same time; by default one a processor.", min=1, show_default=False
    ),
]


@app.command(
    "list",
    epilog=examples(
        "zoo cache list", "zoo cache list 'resnet*' --json", "zoo cache list --huggingface"
    ),
)
def list_(
    names: Names = None,
    huggingface: HuggingFace = False,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the files in torch's cache.

    Weights, their safetensors copies, strangers and unfinished downloads. Reads no file. A file is
    "verified" if it was read whole once, has the digest that is demanded, and nothing has touched
    it since.
    """
    from zoo.cache import hub_files, paths
    from zoo.cache import prune as pruning
    from zoo.catalog import quantities
    from zoo.cli.terminal import cache_tables

    form = output.chosen_format(format, is_json=json)
    if huggingface:
        snapshots = _chosen_snapshots(names)
        _show(cache_tables.snapshots_table(snapshots), form, is_quiet=quiet)
        total = quantities.size(sum(snapshot.size_bytes for snapshot in snapshots))
        output.talk(
            f"{hub_files.default_folder()}: {output.counted(len(snapshots), 'snapshot')}, {total}",
            is_quiet=quiet,
        )
        return
    files = _chosen_files(names)
    _show(cache_tables.inventory_table(files), form, is_quiet=quiet)
    total = quantities.size(pruning.stored_bytes(files))
    output.talk(
        f"{paths.checkpoints_folder()}: {output.counted(len(files), 'file')}, {total}",
        is_quiet=quiet,
    )


@app.command(epilog=examples("zoo cache path", "zoo cache path resnet18"))
def path(names: Names = None, json: AsJson = False) -> None:
    """Print where the cache or a model's files are."""
    from zoo.cache import paths
    from zoo.cache.inventory import Role

    if names:
        places = [str(file.path) for file in _chosen_files(names) if file.role is not Role.PARTIAL]
    else:
        places = [str(paths.checkpoints_folder())]
    if json:
        output.write_json(places)
    else:
        output.write("\n".join(places))


@app.command(
    epilog=examples(
        "zoo cache verify", "zoo cache verify resnet18", "zoo cache verify --huggingface --json"
    )
)
def verify(
    names: Names = None,
    huggingface: HuggingFace = False,
    quarantine: Annotated[
        bool,
        typer.Option("--quarantine", help="Move damaged files out of torch's reach."),
    ] = False,
    jobs: Jobs = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify files by their digests; needs no network.

    A file is compared with what the registry and zoo.lock know. Lists the files that are not whole,
    whose they are, and the command that fixes them; with --json and in other formats all files. A
    stranger is judged by its own format, as zoo scan does. Exits with 1 if a file is damaged: torch
    would still load it until it is repaired or, with --quarantine, moved aside. Also if one is
    suspect: it holds more than tensors, and zoo would not load it.
    """
    from zoo.cache import huggingface as huggingface_cache
    from zoo.cache.verify import Verdict
    from zoo.cli.terminal import cache_tables
    from zoo.cli.terminal.reading import reading_bar

    form = output.chosen_format(format, is_json=json)
    if huggingface:
        snapshots = _chosen_snapshots(names)
        total_bytes = sum(snapshot.size_bytes for snapshot in snapshots)
        with reading_bar("verifying", total_bytes, is_quiet=quiet) as advance:
            hub_findings = huggingface_cache.verify(snapshots, jobs=jobs, advance=advance)
        states = [finding.verdict for finding in hub_findings]
        shown = [
            f
            for f in hub_findings
            if form != "table" or f.verdict not in (Verdict.WHOLE, Verdict.UNKNOWN)
        ]
        table = cache_tables.hub_findings_table(shown)
    else:
        findings = _verify(_chosen_files(names), jobs, is_quiet=quiet)
        states = [finding.verdict for finding in findings]
        damaged = [found.file for found in findings if found.verdict is Verdict.DAMAGED]
        table = cache_tables.findings_table(
            f
            for f in findings
            if form != "table" or f.verdict not in (Verdict.WHOLE, Verdict.SOUND)
        )
    if table.rows or form != "table":
        _show(table, form, is_quiet=quiet)
    counts = ", ".join(
        f"{states.count(state)} {state.value}" for state in Verdict if state in states
    )
    output.talk(
        f"{output.counted(len(states), 'file')}: {counts}" if states else "nothing to verify",
        is_quiet=quiet,
    )
    is_damaged = Verdict.DAMAGED in states
    is_suspect = Verdict.SUSPECT in states
    if is_suspect:
        output.talk(
            "zoo would not load suspect files: look at each before a program does",
            is_quiet=quiet,
        )
    if is_damaged and not huggingface:
        _move_or_advise(damaged, quarantine=quarantine, is_quiet=quiet)
    if is_damaged or is_suspect:
        raise typer.Exit(1)


def _move_or_advise(
    damaged: "Sequence[CachedFile]",
    *,
    quarantine: bool,
    is_quiet: bool,
) -> None:
    """Move damaged files aside where that was asked for, else say how to."""
    if quarantine:
        _quarantine(damaged, is_quiet=is_quiet)
        return
    output.talk(
        "torch still loads damaged files: repair them, or move them out of its reach with "
        '"zoo cache verify --quarantine"',
        is_quiet=is_quiet,
    )


@app.command(epilog=examples("zoo cache quarantine resnet18-f37072fd.pth"))
def quarantine(names: NamesAsked, json: AsJson = False, quiet: Quiet = False) -> None:
    """Move files out of torch's reach.

    Nothing is removed: they go to quarantine/ beside the cached files; "zoo cache list" shows them
    there.
    """
    _quarantine(_chosen_files(names), is_json=json, is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo cache repair", "zoo cache repair resnet18 --mirror http://mirror.example.org:8080"
    )
)
def repair(
    names: Names = None,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated."),
    ] = None,
    jobs: Jobs = None,
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Repair damaged files by fetching them again.

    Only the blocks that differ are fetched where a mirror says which. Files that nobody publishes
    are left as they are, and named. Exits with 1 if a file could not be fixed.
    """
    from zoo.cache.verify import Verdict
    from zoo.cli.terminal import cache_tables
    from zoo.cli.terminal.progress import FetchProgress
    from zoo.download import repair as repairing
    from zoo.download.options import FetchOptions

    damaged = [
        found
        for found in _verify(_chosen_files(names, needs_registry=True), jobs, is_quiet=quiet)
        if found.verdict is Verdict.DAMAGED
    ]
    curable = [found for found in damaged if found.file.record is not None]
    if dry_run:
        _show(cache_tables.findings_table(damaged), "json" if json else "table", is_quiet=quiet)
        found_damaged = output.counted(len(damaged), "damaged file")
        output.talk(f"{len(curable)} of {found_damaged} would be fetched again", is_quiet=quiet)
        return
    done: list[Repaired] = []
    failures = [
        f"{f.file.name}: {f.fault}; fix it with: {f.advice}"
        for f in damaged
        if f.file.record is None
    ]
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
        typer.Option(
            metavar="AGE",
            help="Remove what was last used longer ago: 12h, 90d, 8w, 1y.",
            show_default=False,
        ),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove the least recently used until this is left: 10GB.",
            show_default=False,
        ),
    ] = None,
    foreign: Annotated[
        bool,
        typer.Option(
            "--foreign",
            help="Remove files that the registry does not know, too; they may be yours.",
        ),
    ] = False,
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove unfinished, old and excess files.

    Orphaned downloads always go; by age and size only what can be had again. A file counts as used
    when it was last read or written, as far as the file system notes reads.
    """
    from zoo.cache import prune as pruning
    from zoo.catalog import quantities

    limit = quantities.parse_quantity("--max-size", max_size)
    files = _chosen_files(None)
    plan = pruning.plan_prune(
        files,
        now_s=time.time(),
        older_than_s=None if older_than is None else _parse_age(older_than),
        most_bytes=None if limit is None else int(limit),
        foreign=foreign,
    )
    _remove(plan, is_dry_run=dry_run, is_json=json, is_quiet=quiet)
    if limit is not None:
        _say_what_stays(files, plan, int(limit), has_foreign=foreign)


def _say_what_stays(
    files: "Sequence[CachedFile]", plan: "Sequence[Removal]", most_bytes: int, *, has_foreign: bool
) -> None:
    """Warn where the size asked for is out of reach, and say what is in the way."""
    from zoo.cache import prune as pruning
    from zoo.catalog import quantities

    going = {removal.file.path for removal in plan}
    left_bytes = pruning.stored_bytes(file for file in files if file.path not in going)
    if left_bytes <= most_bytes:
        return
    sizes = f"{quantities.size(left_bytes)} stay, more than {quantities.size(most_bytes)}"
    reason = "nothing else can be fetched or made again"
    advice = (
        "" if has_foreign else "; to remove files that the registry does not know, add --foreign"
    )
    output.warn(f"{sizes}: {reason}{advice}")


@app.command(epilog=examples("zoo cache remove resnet18", "zoo cache remove 'vgg*' --dry-run"))
def remove(
    names: NamesAsked,
    dry_run: DryRun = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove files by name.

    A model's name stands for its files, their safetensors copies and unfinished downloads.
    """
    from zoo.cache.prune import Removal

    plan = [Removal(file, "named") for file in _chosen_files(names)]
    _remove(plan, is_dry_run=dry_run, is_json=json, is_quiet=quiet)


@app.command(epilog=examples("zoo cache dedupe --dry-run"))
def dedupe(dry_run: DryRun = False, json: AsJson = False, quiet: Quiet = False) -> None:
    """Store equal files once.

    All but one become hard links. Reads only files of equal length.
    """
    from zoo.cache.dedupe import digest_of, link, plan_dedupe
    from zoo.catalog import quantities
    from zoo.cli.terminal import cache_tables

    links = plan_dedupe(_chosen_files(None), digest_of)
    _show(cache_tables.links_table(links), "json" if json else "table", is_quiet=quiet)
    files = output.counted(len(links), "file")
    if dry_run:
        at_most = quantities.size(sum(pair.replace.size_bytes for pair in links))
        output.talk(f"{files} would become links, freeing up to {at_most}", is_quiet=quiet)
        return
    freed = quantities.size(link(links))
    output.talk(f"{files} became links, {freed} freed", is_quiet=quiet)


def _chosen_files(
    names: "Sequence[str] | None", *, needs_registry: bool = False
) -> "list[CachedFile]":
    """List the files that are meant.

    What a damaged registry knew of them is left out, with a warning.
    """
    from zoo.cache import inventory
    from zoo.catalog.registry import empty_registry, load_registry

    try:
        registry = load_registry()
    except RegistryError as error:
        if needs_registry:
            raise
        output.warn(f"{error}; files are shown without what it knows of them")
        registry = empty_registry()
    return inventory.select(inventory.take_inventory(registry=registry), names or [])


def _chosen_snapshots(names: "Sequence[str] | None") -> "list[HubSnapshot]":
    from fnmatch import fnmatchcase

    from zoo.cache import huggingface as huggingface_cache
    from zoo.catalog.nearness import nearest
    from zoo.errors import UnknownNameError

    snapshots = huggingface_cache.list_snapshots()
    for name in names or []:
        if not any(fnmatchcase(snapshot.repository, name) for snapshot in snapshots):
            near = nearest(name, {snapshot.repository for snapshot in snapshots})
            raise UnknownNameError(
                "repository in the cache", name, near, 'run "zoo cache list --huggingface"'
            )
    return [
        s for s in snapshots if not names or any(fnmatchcase(s.repository, name) for name in names)
    ]


def _verify(files: "Sequence[CachedFile]", jobs: int | None, *, is_quiet: bool) -> "list[Finding]":
    from zoo.cache.verify import verify_files
    from zoo.cli.terminal.reading import reading_bar

    with reading_bar(
        "verifying", sum(file.size_bytes for file in files), is_quiet=is_quiet
    ) as advance:
        return verify_files(files, jobs=jobs, advance=advance)


def _quarantine(
    files: "Sequence[CachedFile]", *, is_json: bool = False, is_quiet: bool = False
) -> None:
    """Move files aside and say where they are."""
    from zoo.cache import quarantine as aside
    from zoo.cache.inventory import Role

    places = []
    for file in files:
        if file.role in (Role.PARTIAL, Role.QUARANTINED):
            continue
        kept = aside.move_aside(file.path)
        places.append({"file_name": file.name, "path": str(kept) if kept else None})
    if is_json:
        output.write_json(places)
        return
    for place in places:
        where = place["path"] or "nowhere: it was empty, and is removed"
        output.talk(f"{place['file_name']} is now {where}", is_quiet=is_quiet)


def _report_repairs(done: "Sequence[Repaired]", *, is_json: bool, is_quiet: bool) -> None:
    """Print the paths of the repaired files, and what of them was not fetched again."""
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
    output.talk(
        f"{output.counted(len(done), 'file')} repaired, {reused} not fetched again",
        is_quiet=is_quiet,
    )


def _remove(plan: "Sequence[Removal]", *, is_dry_run: bool, is_json: bool, is_quiet: bool) -> None:
    """Carry out a plan, or only show it."""
    from zoo.cache import prune as pruning
    from zoo.catalog import quantities
    from zoo.cli.terminal import cache_tables

    files = [removal.file for removal in plan]
    done = pruning.Removed(files) if is_dry_run else pruning.remove(files)
    gone = {file.path for file in done.files}
    shown = [removal for removal in plan if removal.file.path in gone]
    form: output.Format = "json" if is_json else "table"
    _show(cache_tables.removals_table(shown), form, is_quiet=is_quiet)

    for file in done.busy:
        output.warn(f"{file.name} is being fetched by another process and was left alone")
    for failure in done.failures:
        output.fail(failure)
    word = "would be removed" if is_dry_run else "removed"
    size = quantities.size(pruning.stored_bytes(done.files))
    output.talk(f"{output.counted(len(done.files), 'file')} {word}, {size}", is_quiet=is_quiet)
    if done.failures:
        raise typer.Exit(1)


def _show(table: "Table", form: output.Format, *, is_quiet: bool) -> None:
    """Write a table, and say what had no room; an empty one shows nothing to people."""
    if not table.rows and form == "table":
        return
    left_out = output.write_table(table, form)
    output.talk_left_out(left_out, "a wider terminal or --json shows them", is_quiet=is_quiet)


def _parse_age(given: str) -> float:
    """Read an age such as 12h, 90d, 8w or 1y; seconds."""
    number, unit = given[:-1], given[-1:]
    if unit not in _AGES_S or not number.isascii() or not number.isdigit():
        raise UsageError(f"--older-than takes an age such as 12h, 90d, 8w or 1y, got {given!r:.40}")
    return int(number) * _AGES_S[unit]
