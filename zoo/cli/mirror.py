"""``zoo mirror``: fill a mirror, look after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import mirror_serving, output
from zoo.cli.options import AsFormat, AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.mirror.store import Store
    from zoo.mirror.sync import Plan, Summary, Sync
    from zoo.mirror.wants import Want
    from zoo.weights import events

app = new_app(help="One place for weights and hub repositories, for clients that know nothing of it.")

WHAT_HELP = (
    "A model of the registry (resnet50, resnet50:imagenet1k_v1, 'resnet*'), a hub repository (owner/repo:ref), "
    "or a Hugging Face model (hf:organisation/model@revision)."
)
Folder = Annotated[
    Path, typer.Option("--dir", "-d", envvar="ZOO_MIRROR_DIR", help="The mirror's folder.", show_default="here")
]
Whats = Annotated[list[str], typer.Argument(metavar="WHAT...", help=WHAT_HELP, autocompletion=complete_models)]
HERE = Path()


def _open(folder: Path) -> "Store":
    from zoo.mirror.store import Store

    return Store(folder)


@app.command(epilog=examples("zoo mirror init /srv/mirror", "zoo mirror init here --upstream mirror=http://up.example"))
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.", show_default=False)],
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND=ADDRESS",
            help="Where to fetch from: github, github-api, pytorch, huggingface, or mirror for all of them.",
        ),
    ] = None,
    send_tokens: Annotated[
        bool, typer.Option("--send-tokens", help="Send GitHub and Hugging Face tokens to these upstreams as well.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Make an empty mirror and its proxy's own certificate authority."""
    from zoo.mirror import authority
    from zoo.mirror.settings import Settings, parse_upstreams
    from zoo.mirror.store import Store

    authority.require()
    store = Store.create(folder, Settings(upstreams=parse_upstreams(upstream or [], sends_tokens=send_tokens)))
    authority.create(store.root)
    output.talk(f"{store.root} is a mirror; next: zoo mirror add --dir {folder} resnet18", is_quiet=quiet)


@app.command(
    epilog=examples(
        "zoo mirror add resnet50 'mobilenet*'",
        "zoo mirror add pytorch/vision:v0.20.0",
        "zoo mirror add hf:timm/resnet18.a1_in1k",
        "zoo mirror add --all",
    )
)
def add(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="WHAT...", help=WHAT_HELP, autocompletion=complete_models, show_default=False),
    ] = None,
    all_models: Annotated[bool, typer.Option("--all", help="All weights of all models of the registry.")] = False,
    folder: Folder = HERE,
    quiet: Quiet = False,
) -> None:
    """Ask a mirror to hold something; ``zoo mirror sync`` fetches it."""
    from zoo.mirror import wants

    store = _open(folder)
    if not what and not all_models:
        raise UsageError('name what to hold, as "zoo mirror add resnet50", or give --all')
    wanted = [str(want) for want in [*wants.parse_all(what or []), *(wants.every_model() if all_models else [])]]
    known = set(store.settings().wanted)
    store.change_settings(lambda old: old.with_wanted([*old.wanted, *wanted]))
    fresh = sorted(set(wanted) - known)
    for want in fresh:
        output.talk(f"added {want}", is_quiet=quiet)
    output.talk(f"{len(fresh)} added, {len(set(wanted) & known)} known already; next: zoo mirror sync", is_quiet=quiet)


@app.command(epilog=examples("zoo mirror sync --dry-run", "zoo mirror sync --limit-rate 20MB", "zoo mirror sync -j 8"))
def sync(
    folder: Folder = HERE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")] = False,
    limit_rate: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Bytes a second for all downloads together, such as 20MB.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=32, help="Files at once.")] = 3,
    retries: Annotated[int, typer.Option(min=0, max=100, help="Tries of one part before it is given up.")] = 5,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch what is missing, damaged or changed. What has arrived is kept, whatever happens."""
    from zoo.catalog.quantities import parse_quantity
    from zoo.mirror.sync import Sync, wanted_of
    from zoo.weights.options import FetchOptions

    store = _open(folder)
    limit = parse_quantity("--limit-rate", limit_rate)
    if limit == 0:
        raise UsageError("--limit-rate takes a rate above 0")
    options = FetchOptions(files_at_once=jobs, retries=retries)
    with Sync(store, options=options, limit_bytes_per_s=limit) as run:
        items = run.resolve(wanted_of(store))
        decided = run.plan(items)
        if dry_run:
            _show_plan(decided, is_json=json)
            summary = run.nothing(decided)
        else:
            summary = run_with_bars(run, items, decided, is_quiet=quiet)
    _show_summary(summary, is_json=json and not dry_run, is_quiet=quiet)
    if summary.failures:
        raise typer.Exit(1)


def run_with_bars(run: "Sync", items: Any, decided: "Plan", *, is_quiet: bool) -> "Summary":
    """Fetch with one bar for all and one for each file."""
    from zoo.cli.progress import FetchProgress
    from zoo.weights import events

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
    from zoo.cli.tables import Column, Table

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
            "fetched": [{"path": file.path, "size_bytes": file.size_bytes} for file in summary.fetched],
            "fetched_bytes": summary.fetched_bytes,
            "kept": summary.kept,
            "failures": [{"name": name, "fault": str(error)} for name, error in summary.failures],
        }
        output.write_json(content)
    size = quantities.size(summary.fetched_bytes)
    text = f"{len(summary.fetched)} fetched ({size}), {summary.kept} there already, {len(summary.failures)} failed"
    output.talk(text, is_quiet=is_quiet)


@app.command("list", epilog=examples("zoo mirror list", "zoo mirror list --format csv"))
def list_items(folder: Folder = HERE, format: AsFormat = None, json: AsJson = False) -> None:
    """List what a mirror holds."""
    from zoo.catalog import quantities
    from zoo.cli.tables import Column, Table

    columns = (
        Column("kind", "kind", quantities.text),
        Column("name", "name", quantities.text),
        Column("revision", "revision", _short),
        Column("refs", "refs", quantities.text),
        Column("files", "files", quantities.count, is_number=True),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("licence", "licence", quantities.text),
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
            item.licence,
            max(file.fetched_at for file in item.files) if item.files else None,
        ]
        for item in _open(folder).catalogue().items
    ]
    table = Table(columns, rows, optional=("fetched_at", "licence", "files"))
    output.write_table(table, output.chosen_format(format, is_json=json))


def _short(text: str | None) -> str:
    """Shorten commits."""
    return "-" if text is None else text[:12] if len(text) == 40 else text


@app.command(epilog=examples("zoo mirror status"))
def status(folder: Folder = HERE, format: AsFormat = None, json: AsJson = False) -> None:
    """Compare what is wanted with what is here; nobody is asked. Exit code 1 if something is missing."""
    from zoo.catalog import quantities
    from zoo.cli.tables import Column, Table
    from zoo.mirror.sync import wanted_of
    from zoo.mirror.upkeep import items_of

    store = _open(folder)
    catalogue = store.catalogue()
    rows = []
    for want in wanted_of(store):
        items = items_of(catalogue, want)
        is_whole = bool(items) and all(
            not item.is_partial and all(store.whole(file) for file in item.files) for item in items
        )
        state = "here" if is_whole else "incomplete" if items else "missing"
        revision = items[0].revision if items else None
        rows.append([str(want), state, revision, sum(item.size_bytes for item in items) if items else None])
    columns = (
        Column("name", "name", quantities.text),
        Column("state", "state", quantities.text),
        Column("revision", "revision", _short),
        Column("size_bytes", "size", quantities.size, is_number=True),
    )
    output.write_table(Table(columns, rows), output.chosen_format(format, is_json=json))
    if any(row[1] != "here" for row in rows):
        output.talk("run zoo mirror sync to fetch what is missing")
        raise typer.Exit(1)


@app.command(epilog=examples("zoo mirror remove resnet50:imagenet1k_v1", "zoo mirror remove hf:timm/resnet18.a1_in1k"))
def remove(what: Whats, folder: Folder = HERE, quiet: Quiet = False) -> None:
    """Stop holding something and remove its files."""
    from zoo.errors import MirrorError
    from zoo.mirror import upkeep

    store = _open(folder)
    wanted = _known(store, what)
    removed = upkeep.remove(store, wanted)
    if not wanted:
        raise MirrorError(" ".join(what), "the mirror does not hold it", "run zoo mirror status to see what it holds")
    for item in removed:
        output.talk(f"removed {item.kind} {item.name} {_short(item.revision)}", is_quiet=quiet)


def _known(store: "Store", texts: "Sequence[str]") -> "list[Want]":
    """Read wants, and keep those that the mirror knows of."""
    from zoo.mirror import wants
    from zoo.mirror.upkeep import items_of

    catalogue, known = store.catalogue(), set(store.settings().wanted)
    return [want for want in wants.parse_all(texts) if str(want) in known or items_of(catalogue, want)]


@app.command(epilog=examples("zoo mirror verify", "zoo mirror verify && zoo mirror sync"))
def verify(folder: Folder = HERE, json: AsJson = False, quiet: Quiet = False) -> None:
    """Read every file and compare it with the catalogue. Exit code 1 on a difference; ``sync`` repairs it."""
    from zoo.cli.progress import StepProgress
    from zoo.mirror import upkeep

    store = _open(folder)
    total = len(store.catalogue().files)
    with StepProgress(is_quiet=quiet) as progress:
        done = iter(range(1, total + 1))
        damages = upkeep.verify(store, advance=lambda _: progress("files", next(done), total))
    if json:
        output.write_json([{"path": damage.file.path, "fault": damage.fault} for damage in damages])
    for damage in damages:
        output.fail(f"{damage.file.path} is damaged: {damage.fault}; run zoo mirror sync to fetch it again")
    output.talk(f"{total - len(damages)} of {total} files are right", is_quiet=quiet)
    if damages:
        raise typer.Exit(1)


@app.command(epilog=examples("zoo mirror gc --dry-run", "zoo mirror gc --older-than 0"))
def gc(
    folder: Folder = HERE,
    older_than: Annotated[
        float, typer.Option(min=0, metavar="HOURS", help="Leave younger files: a sync may be about to enter them.")
    ] = 24,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove files that the catalogue does not name: old commits, unfinished downloads."""
    from zoo.catalog import quantities
    from zoo.mirror import upkeep

    removed = upkeep.collect_garbage(_open(folder), min_age_s=older_than * 3600, is_dry_run=dry_run)
    if json:
        output.write_json([{"path": path, "size_bytes": size_bytes} for path, size_bytes in removed])
    elif removed:
        output.write("\n".join(path for path, _ in removed))
    size = quantities.size(sum(size_bytes for _, size_bytes in removed))
    output.talk(f"{len(removed)} files, {size}{' would go' if dry_run else ' removed'}", is_quiet=quiet)


@app.command(
    "import",
    epilog=examples(
        "zoo mirror import resnet18-f37072fd.pth",
        "zoo mirror import vision.zip --as pytorch/vision:v0.20.0",
        "zoo mirror import snapshot/ --as hf:timm/resnet18.a1_in1k@491b427b45c94c7fb0e78b5474cc919aff584bbf",
    ),
)
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files carried in by hand; they are copied.")],
    named: Annotated[
        str | None, typer.Option("--as", metavar="WHAT", help="What it is, where its file name does not say so.")
    ] = None,
    folder: Folder = HERE,
    quiet: Quiet = False,
) -> None:
    """Take in files that were carried here by hand, verified like fetched ones."""
    from zoo.mirror import upkeep

    store = _open(folder)
    if named is not None and len(files) > 1:
        raise UsageError("--as names one file; import the others by themselves")
    for file in files:
        item = upkeep.import_file(store, file, named)
        output.talk(f"imported {item.kind} {item.name} {_short(item.revision)}", is_quiet=quiet)


app.registered_commands += mirror_serving.app.registered_commands
