"""``zoo download``: weights into torch's cache."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Quiet, complete_families, complete_models, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture, Weights

app = new_app()


@app.command(
    epilog=examples(
        "zoo download resnet18",
        "zoo download resnet50:imagenet1k_v1 squeezenet1_1",
        "zoo download 'mobilenet_v3*' --dry-run",
        "zoo download --all-of efficientnet",
        "zoo download resnet18 --mirror http://mirror.example.org:8080",
    )
)
def download(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models; NAME:TAG for other weights than the default, or a pattern such as 'resnet*'.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    all_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY", help="Every model of a family; may be repeated.", autocompletion=complete_families
        ),
    ] = None,
    all_weights: Annotated[
        bool, typer.Option("--all-weights", help="All weights where no tag is named, not only the default ones.")
    ] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch weights into torch's cache, verified.

    torch.hub and torchvision find them there. A file that is there and right is not fetched again, one that is there in
    part is gone on with. Prints the path of each file.
    """
    from zoo.catalog.wanted import find_wanted

    if not names and not all_of:
        raise UsageError('name a model, as "zoo download resnet18", or a family with --all-of')
    wanted = find_wanted(names or [], all_of or [], has_all_weights=all_weights)
    if dry_run:
        _announce(wanted, is_json=json, is_quiet=quiet)
        return
    _fetch(wanted, mirror or [], is_json=json, is_quiet=quiet)


def _fetch(
    wanted: "Sequence[tuple[Architecture, Weights]]", mirrors: "Sequence[str]", *, is_json: bool, is_quiet: bool
) -> None:
    from zoo.cli.progress import FetchProgress
    from zoo.weights import fetcher
    from zoo.weights.options import FetchOptions

    files = [(a, w, file) for a, w in wanted for file in w.files]
    try:
        with FetchProgress(is_quiet=is_quiet) as progress:
            options = FetchOptions(mirrors=tuple(mirrors))
            fetched = fetcher.fetch_all([file for _, _, file in files], options=options, listener=progress)
    except KeyboardInterrupt as interruption:
        if str(interruption):
            output.fail(str(interruption))
        raise
    if is_json:
        output.write_json(
            [
                {
                    "name": architecture.name,
                    "weights": weights.tag,
                    "path": str(result.path),
                    "sha256": result.sha256,
                    "size_bytes": result.size_bytes,
                    "was_cached": result.was_cached,
                    "source_url": result.source_url,
                }
                for (architecture, weights, _), result in zip(files, fetched, strict=True)
            ]
        )
    else:
        output.write("\n".join(str(path) for path in dict.fromkeys(result.path for result in fetched)))


def _announce(wanted: "Sequence[tuple[Architecture, Weights]]", *, is_json: bool, is_quiet: bool) -> None:
    """Say what a download would do; files in the cache count by their length, nothing is read."""
    from zoo.catalog import quantities
    from zoo.cli.presence import Presence
    from zoo.cli.tables import Column, Table

    presence = Presence()
    files = {file: (a, w) for a, w in wanted for file in w.files}
    columns = (
        Column("name", "name", quantities.text),
        Column("weights", "weights", quantities.text),
        Column("file_name", "file", quantities.text),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("is_cached", "cached", quantities.text),
        Column("url", "from", quantities.text),
    )
    rows = [
        [a.name, w.tag, file.file_name, file.size_bytes, presence.has(file), file.url] for file, (a, w) in files.items()
    ]
    table = Table(columns, rows, optional=("url", "weights", "name"))
    output.write_table(table, "json" if is_json else "table")
    missing = [file for file in files if not presence.has(file)]
    known = sum(file.size_bytes or 0 for file in missing)
    output.talk(f"{len(missing)} of {len(files)} files to fetch, {quantities.size(known)}", is_quiet=is_quiet)
