"""``zoo mirror``: fill a mirror, look after it.

The file is long because it holds one function a command, and most of a function is its options;
what serves, signs and admits is beside it.
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import mirror_serving, mirror_signing, mirror_tokens
from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import LockedWhat, locked_specs
from zoo.cli.terminal.options import (
    HERE,
    AsFormat,
    AsJson,
    MirrorFolder,
    Quiet,
    complete_models,
    examples,
    new_app,
)
from zoo.errors import UsageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.download import events
    from zoo.mirror.index import Item
    from zoo.mirror.planning import Plan
    from zoo.mirror.store import Store
    from zoo.mirror.sync import Summary, Sync

app = new_app(help="Run a local mirror of weights, torch.hub repositories and Hugging Face models.")

WHAT_HELP = (
    "A model of the registry (resnet50, resnet50:imagenet1k_v1, 'resnet*'), "
    "a hub repository (owner/repo:ref), "
    "a Hugging Face model (hf:organisation/model@revision), "
    "a ModelScope model (ms:owner/name), or the address of weights."
)
Whats = Annotated[
    list[str], typer.Argument(metavar="WHAT...", help=WHAT_HELP, autocompletion=complete_models)
]


def _open(folder: str) -> "Store":
    from zoo.mirror.store import Store

    return Store(folder)


@app.command(
    epilog=examples(
        "zoo mirror init /srv/mirror",
        "zoo mirror init here --upstream mirror=http://up.example",
        "zoo mirror init s3://bucket/mirror --endpoint http://minio.example:9000",
    )
)
def init(
    folder: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="A new or empty folder, or s3://, gs:// or az://bucket/prefix.",
            show_default=False,
        ),
    ],
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="The bucket's server, where it is not the provider's own."
        ),
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=ADDRESS",
            help=(
                "Where to fetch from: github, github-api, pytorch, huggingface, modelscope, "
                "or mirror for all."
            ),
        ),
    ] = None,
    send_tokens: Annotated[
        bool,
        typer.Option(
            "--send-tokens", help="Send GitHub and Hugging Face tokens to these upstreams as well."
        ),
    ] = False,
    ca_key: Annotated[
        Path | None,
        typer.Option(
            "--ca-key",
            metavar="FILE",
            help=(
                "Where to put the private key of the proxy's own CA, outside of DIR; "
                "a bucket's certificate (ca.pem) goes beside it."
            ),
            show_default="~/.local/state/zoo/mirror-keys/",
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Create an empty mirror and its certificate authority (CA)."""
    from zoo.mirror.ecosystems.known import parse_upstreams
    from zoo.mirror.serve import ca
    from zoo.mirror.settings import Settings
    from zoo.mirror.store import Store

    ca.require()
    ca.check_place(folder, ca_key)
    upstreams = parse_upstreams(upstream or [], sends_tokens=send_tokens)
    store = Store.create(folder, Settings(upstreams=upstreams), endpoint)
    key_path = ca.create(store, ca_key)
    place = folder if store.is_local else shlex.quote(store.address)
    if json:
        output.write_json({"path": store.address, "ca_key": str(key_path)})
    text = (
        f"{store.address} is a mirror; the key of its certificate authority is {key_path}; "
        f'next: "zoo mirror add --dir {place} resnet18"'
    )
    output.talk(text, is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo mirror add resnet50 'mobilenet*'",
        "zoo mirror add pytorch/vision:v0.20.0",
        "zoo mirror add hf:timm/resnet18.a1_in1k",
        "zoo mirror add --all",
        "zoo mirror add --lock zoo.lock",
    )
)
def add(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT...", help=WHAT_HELP, autocompletion=complete_models, show_default=False
        ),
    ] = None,
    all_models: Annotated[
        bool, typer.Option("--all", help="All weights of all models of the registry.")
    ] = False,
    lock: LockedWhat = None,
    folder: MirrorFolder = HERE,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Name what the mirror shall hold; sync fetches it."""
    from zoo.mirror import specs
    from zoo.mirror.ecosystems import known as ecosystems

    store = _open(folder)
    what = [*(what or []), *locked_specs(lock)]
    if not what and not all_models:
        raise UsageError('name what to hold, as "zoo mirror add resnet50", or give --all')
    wanted = [
        str(spec)
        for spec in [
            *ecosystems.parse_all(what),
            *(specs.list_models() if all_models else []),
        ]
    ]
    known = set(store.settings().wanted)
    store.change_settings(lambda old: old.with_wanted([*old.wanted, *wanted]))
    fresh = sorted(set(wanted) - known)
    if json:
        output.write_json({"added": fresh, "known": sorted(set(wanted) & known)})
    for spec in fresh:
        output.talk(f"added {spec}", is_quiet=quiet)
    output.talk(
        f'{len(fresh)} added, {len(set(wanted) & known)} known already; next: "zoo mirror sync"',
        is_quiet=quiet,
    )


@app.command(
    epilog=examples(
        "zoo mirror sync --dry-run",
        "zoo mirror sync --limit-rate 20MB",
        "zoo mirror sync --every 6h --jitter 30m",
    )
)
def sync(
    folder: MirrorFolder = HERE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")
    ] = False,
    limit_rate: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES", help="Bytes a second for all downloads together, such as 20MB."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="Files at once.")] = 3,
    retries: Annotated[
        int, typer.Option(min=0, max=100, help="Tries of one part before it is given up.")
    ] = 5,
    every: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Do it again and again, such as every 6h, until ended."),
    ] = None,
    jitter: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="With --every: begin each round up to so much later."),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch what is missing, damaged or changed.

    What has arrived is kept, whatever happens.
    """
    from zoo.catalog.quantities import parse_quantity
    from zoo.download.options import FetchOptions
    from zoo.mirror.sync import Sync, wanted_of

    store = _open(folder)
    limit = parse_quantity("--limit-rate", limit_rate)
    if limit == 0:
        raise UsageError("--limit-rate takes a rate above 0")
    if (every is not None and dry_run) or (every is None and jitter is not None):
        raise UsageError("--jitter goes with --every, which does not go with --dry-run")
    options = FetchOptions(files_at_once=jobs, retries=retries)

    def once() -> bool:
        with Sync(store, options=options, limit_bytes_per_s=limit) as run:
            items = run.resolve(wanted_of(store))
            items += run.held_beyond(items)
            decided = run.plan(items)
            if dry_run:
                _show_plan(decided, is_json=json)
                summary = run.nothing(decided)
            else:
                summary = run_with_bars(run, items, decided, is_quiet=quiet)
        _show_summary(summary, is_json=json and not dry_run, is_quiet=quiet)
        if not dry_run:
            _make_room(store, is_quiet=quiet)
        return not summary.failures

    if every is not None:
        _repeat(once, every, jitter or "1s", is_quiet=quiet)
    elif not once():
        raise typer.Exit(1)


def _make_room(store: "Store", *, is_quiet: bool) -> None:
    """Remove what the policy allows no more; say if what was added by name is too much for it."""
    from zoo.catalog import quantities
    from zoo.mirror import quota, upkeep

    for item in upkeep.enforce_policy(store):
        output.talk(f"{item.kind} {item.name} left to make room", is_quiet=is_quiet)
    most_bytes = store.settings().policy.max_size_bytes
    size_bytes = quota.size_bytes(store.index())
    if most_bytes is not None and size_bytes > most_bytes:
        sizes = f"{quantities.size(size_bytes)} of {quantities.size(most_bytes)}"
        advice = 'remove something, or raise it with "zoo mirror policy --max-size SIZE"'
        output.fail(f"what was added by name is more than the mirror may hold ({sizes}): {advice}")


def _repeat(once: "Callable[[], bool]", every: str, jitter: str, *, is_quiet: bool) -> None:
    """Sync again and again; what goes wrong in one round is said, and tried again in the next."""
    import random
    import threading
    import time

    from zoo.mirror import schedule

    every_s = schedule.parse_duration("--every", every)
    jitter_s = schedule.parse_duration("--jitter", jitter)

    def work() -> None:
        try:
            once()
        except ZooError as error:
            output.fail(error)

    def next_pause_s(took_s: float) -> float:
        pause_s = schedule.pause_s(every_s, jitter_s, took_s, random.random())  # noqa: S311 - no secret
        output.talk(f"next sync in {pause_s / 60:.0f} minutes", is_quiet=is_quiet)
        return pause_s

    schedule.repeat(work, next_pause_s, threading.Event().wait, time.monotonic)


def run_with_bars(run: "Sync", items: Any, decided: "Plan", *, is_quiet: bool) -> "Summary":
    """Fetch with one bar for all and one for each file."""
    from zoo.cli.terminal.progress import FetchProgress
    from zoo.download import events

    done: dict[str, int] = {}
    with FetchProgress(is_quiet=is_quiet) as progress:

        def listen(event: "events.Event", /) -> None:
            if isinstance(event, events.Started | events.Advanced):
                done[event.file_name] = event.done_bytes
            elif isinstance(event, events.Finished):
                done[event.file_name] = event.size_bytes
            progress(events.Advanced("all files", sum(done.values()), decided.size_bytes or None))
            progress(event)

        run.listener = listen
        return run.run(items)


def _show_plan(decided: "Plan", *, is_json: bool) -> None:
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("path", "path", quantities.text),
        Column("reason", "reason", quantities.text),
        Column("size_bytes", "size", quantities.size, is_number=True),
    )
    rows = [[step.file.path, step.reason, step.file.size_bytes] for step in decided.steps]
    output.write_table(Table(columns, rows), "json" if is_json else "table")


def _show_summary(summary: "Summary", *, is_json: bool, is_quiet: bool) -> None:
    from zoo.catalog import quantities

    for name, error in summary.failures:
        output.fail(f"{name} is refused: {error}")
    if is_json:
        content = {
            "fetched": [
                {"path": file.path, "size_bytes": file.size_bytes} for file in summary.fetched
            ],
            "fetched_bytes": summary.fetched_bytes,
            "kept": summary.kept,
            "failures": [{"name": name, "fault": str(error)} for name, error in summary.failures],
        }
        output.write_json(content)
    size = quantities.size(summary.fetched_bytes)
    fetched = f"{len(summary.fetched)} fetched ({size})"
    text = f"{fetched}, {summary.kept} there already, {len(summary.failures)} failed"
    output.talk(text, is_quiet=is_quiet)


@app.command("list", epilog=examples("zoo mirror list", "zoo mirror list --format csv"))
def list_items(folder: MirrorFolder = HERE, format: AsFormat = None, json: AsJson = False) -> None:
    """List what a mirror holds."""
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("kind", "kind", quantities.text),
        Column("name", "name", quantities.text),
        Column("revision", "revision", _short),
        Column("refs", "refs", quantities.text),
        Column("files", "files", quantities.count, is_number=True),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("license", "license", quantities.text),
        Column("fetched_at", "fetched", quantities.text),
    )
    rows = [
        [
            item.kind,
            item.name,
            item.revision,
            " ".join(_short(ref) for ref in item.refs) or None,
            len(item.files),
            item.size_bytes,
            item.license,
            max(file.fetched_at for file in item.files) if item.files else None,
        ]
        for item in _open(folder).index().items
    ]
    table = Table(columns, rows, optional=("fetched_at", "license", "files"))
    output.write_table(table, output.chosen_format(format, is_json=json))


def _short(text: str | None) -> str:
    """Shorten commits."""
    return "-" if text is None else text[:12] if len(text) == 40 else text


@app.command(epilog=examples("zoo mirror status"))
def status(folder: MirrorFolder = HERE, format: AsFormat = None, json: AsJson = False) -> None:
    """Compare what is wanted with what is here.

    Needs no network. What is not here is incomplete, missing, or denied by the policy, with the
    reason as far as it is known: licenses and files of a repository or model since the last sync.
    Exits with 1 unless all is here.
    """
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table
    from zoo.mirror.status import State, list_status

    found = list_status(_open(folder))
    rows = []
    for entry in found:
        revision = entry.items[0].revision if entry.items else None
        rows.append([str(entry.spec), entry.state, revision, entry.size_bytes, entry.reason])

    columns = (
        Column("name", "name", quantities.text),
        Column("state", "state", quantities.text),
        Column("revision", "revision", _short),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("reason", "reason", quantities.text),
    )
    table = Table(columns, rows, sentences=frozenset({"reason"}))
    chosen = output.chosen_format(format, is_json=json)
    if chosen == "table" and not any(entry.reason for entry in found):
        table = table.without(["reason"])
    output.write_table(table, chosen)

    states = {entry.state for entry in found}
    if not states.isdisjoint({State.MISSING, State.INCOMPLETE}):
        output.talk('to fetch what is missing, run "zoo mirror sync"')
    if State.DENIED in states:
        output.talk(
            'what is denied leaves the list with "zoo mirror remove NAME";'
            ' "zoo mirror policy" shows what is allowed'
        )
    if states - {State.HERE}:
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "zoo mirror remove resnet50:imagenet1k_v1", "zoo mirror remove hf:timm/resnet18.a1_in1k"
    )
)
def remove(
    what: Whats, folder: MirrorFolder = HERE, json: AsJson = False, quiet: Quiet = False
) -> None:
    """Remove models or repositories with their files.

    What is gone already is no mistake.
    """
    from zoo.mirror import upkeep
    from zoo.mirror.ecosystems import known as ecosystems

    store = _open(folder)
    wanted = ecosystems.parse_all(what)
    known = set(store.settings().wanted)
    removed = upkeep.remove(store, wanted)
    if json:
        output.write_json([_as_plain(item) for item in removed])
    for item in removed:
        output.talk(f"removed {item.kind} {item.name} {_short(item.revision)}", is_quiet=quiet)
    for spec in wanted:
        if str(spec) in known:
            output.talk(f"{spec} is not wanted any more", is_quiet=quiet)
    if not removed and not known.intersection(map(str, wanted)):
        output.talk('nothing of it is here; to see what is, run "zoo mirror list"', is_quiet=quiet)


def _as_plain(item: "Item") -> dict[str, str | None]:
    """Name an item for JSON."""
    return {"kind": item.kind, "name": item.name, "revision": item.revision}


@app.command(
    epilog=examples(
        "zoo mirror verify",
        "zoo mirror verify && zoo mirror sync",
        "zoo mirror verify --quarantine",
    )
)
def verify(
    folder: MirrorFolder = HERE,
    quarantine: Annotated[
        bool,
        typer.Option(
            "--quarantine", help="Move damaged files to where no client is served from them."
        ),
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Verify every file against the index.

    Exits with 1 if a file differs; zoo mirror sync repairs it.
    """
    from zoo.cli.terminal.progress import StepProgress
    from zoo.mirror import upkeep

    store = _open(folder)
    total = len(store.index().files)
    with StepProgress(is_quiet=quiet, steps="files") as progress:
        done = iter(range(1, total + 1))
        damages = upkeep.verify(store, advance=lambda _: progress("files", next(done), total))
    if json:
        output.write_json([{"path": damage.file.path, "fault": damage.fault} for damage in damages])
    for damage in damages:
        fault = f"{damage.file.path} is damaged: {damage.fault}"
        output.fail(f'{fault}; to fetch it again, run "zoo mirror sync"')
    if quarantine:
        for path in upkeep.quarantine(store, damages):
            output.talk(f"moved to {path}", is_quiet=quiet)
    output.talk(f"{total - len(damages)} of {total} files are right", is_quiet=quiet)
    if damages:
        raise typer.Exit(1)


@app.command(epilog=examples("zoo mirror reindex"))
def reindex(folder: MirrorFolder = HERE, json: AsJson = False, quiet: Quiet = False) -> None:
    """Make the index again from what the mirror holds.

    For an index that is damaged or lost.
    """
    from zoo.mirror import upkeep

    done = upkeep.reindex(_open(folder))
    if json:
        content = {
            "items": done.items,
            "recovered": [item.name for item in done.recovered],
            "faults": [str(fault) for fault in done.faults],
        }
        output.write_json(content)
    for fault in done.faults:
        output.fail(fault)
    for item in done.recovered:
        output.talk(f"recovered {item.kind} {item.name} {_short(item.revision)}", is_quiet=quiet)
    output.talk(f'the index names {done.items} items; next: "zoo mirror sync"', is_quiet=quiet)
    if done.faults:
        raise typer.Exit(1)


@app.command(epilog=examples("zoo mirror prune --dry-run", "zoo mirror prune --older-than 0"))
def prune(
    folder: MirrorFolder = HERE,
    older_than: Annotated[
        float,
        typer.Option(
            min=0, metavar="HOURS", help="Leave younger files: a sync may go on with them."
        ),
    ] = 24,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove files that nothing refers to.

    Those are files of old commits and unfinished downloads, and what the mirror's policy
    (zoo mirror policy) allows no more.
    """
    from zoo.catalog import quantities
    from zoo.mirror import upkeep

    store = _open(folder)
    for item in upkeep.enforce_policy(store, is_dry_run=dry_run):
        verb = "would leave" if dry_run else "left"
        output.talk(f"{item.kind} {item.name} {_short(item.revision)} {verb}", is_quiet=quiet)
    removed = upkeep.prune(store, min_age_s=older_than * 3600, is_dry_run=dry_run)
    if json:
        content = [{"path": path, "size_bytes": size_bytes} for path, size_bytes in removed]
        output.write_json(content)
    elif removed:
        output.write("\n".join(path for path, _ in removed))
    size = quantities.size(sum(size_bytes for _, size_bytes in removed))
    verb = "would go" if dry_run else "removed"
    output.talk(f"{len(removed)} files, {size} {verb}", is_quiet=quiet)


Patterns = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN", help="A name or pattern; given again, one more.", show_default=False
    ),
]


@app.command(
    epilog=examples(
        "zoo mirror policy",
        "zoo mirror policy --max-size 500GB --only-safetensors",
        "zoo mirror policy --allow 'hf:timm/*' --allow 'pytorch/*' --deny-license 'cc-by-nc*'",
        "zoo mirror policy --clear",
    )
)
def policy(
    folder: MirrorFolder = HERE,
    max_size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Of all files, such as 500GB; none for no limit.",
            show_default=False,
        ),
    ] = None,
    allow: Patterns = None,
    deny: Patterns = None,
    allow_license: Patterns = None,
    deny_license: Patterns = None,
    only_safetensors: Annotated[
        bool | None,
        typer.Option(
            "--only-safetensors/--any-file", help="Keep out files from which a loader may run code."
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Allow everything again first.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show or change what the mirror may hold.

    Lists are replaced by the ones given. What was added by name is never removed to make room.
    """
    from dataclasses import asdict

    from zoo.mirror.policy import parse_size

    store = _open(folder)
    changes: dict[str, Any] = {
        "allow": allow and tuple(allow),
        "deny": deny and tuple(deny),
        "allow_licenses": allow_license and tuple(allow_license),
        "deny_licenses": deny_license and tuple(deny_license),
        "only_safetensors": only_safetensors,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if max_size is not None:
        given["max_size_bytes"] = parse_size("--max-size", max_size)
    settings = store.settings()
    if given or clear:
        settings = store.change_settings(lambda old: old.with_policy(given, is_cleared=clear))
    content = asdict(settings.policy)
    if json:
        output.write_json(content)
    else:
        lines = [f"{name}: {_shown(value)}" for name, value in content.items()]
        output.write("\n".join(lines))
    if given or clear:
        output.talk('to remove what it allows no more, run "zoo mirror prune"', is_quiet=quiet)


def _shown(value: Any) -> str:
    """Write a value of the policy for people."""
    if isinstance(value, list | tuple):
        return ", ".join(value) or "-"
    return "-" if value is None else str(value).lower()


@app.command(
    "import",
    epilog=examples(
        "zoo mirror import resnet18-f37072fd.pth",
        "zoo mirror import vision.zip --as pytorch/vision:v0.20.0",
        "zoo mirror import snapshot/ --as hf:timm/resnet18.a1_in1k@"
        "491b427b45c94c7fb0e78b5474cc919aff584bbf",
    ),
)
def import_files(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files carried in by hand; they are copied."),
    ],
    named: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="WHAT", help="What it is, where its file name does not say so."
        ),
    ] = None,
    folder: MirrorFolder = HERE,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Import files that were carried in by hand.

    They are verified like fetched ones.
    """
    from zoo.mirror import imports

    store = _open(folder)
    if named is not None and len(files) > 1:
        raise UsageError("--as names one file; import the others by themselves")
    imported = []
    for file in files:
        item = imports.import_file(store, file, named)
        imported.append(_as_plain(item))
        output.talk(f"imported {item.kind} {item.name} {_short(item.revision)}", is_quiet=quiet)
    if json:
        output.write_json(imported)


app.registered_commands += mirror_serving.app.registered_commands
app.registered_commands += mirror_signing.app.registered_commands
app.add_typer(mirror_tokens.app, name="token")
