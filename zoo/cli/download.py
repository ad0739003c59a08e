"""``zoo download``: weights into torch's cache."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import (
    AsJson,
    Quiet,
    complete_families,
    complete_models,
    examples,
    new_app,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.records import Architecture, Weights, WeightsFile

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
            help=(
                "Models; NAME:TAG for other weights than the default, "
                "or a pattern such as 'resnet*'."
            ),
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    all_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FAMILY",
            help="Every model of a family; may be repeated.",
            autocompletion=complete_families,
        ),
    ] = None,
    all_weights: Annotated[
        bool,
        typer.Option(
            "--all-weights", help="All weights where no tag is named, not only the default ones."
        ),
    ] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated."),
    ] = None,
    mirror_root: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The root of the mirror's signatures; from then on the mirror must be signed.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be fetched, and fetch nothing.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Download weights into torch's cache and verify them.

    torch.hub and torchvision find them there. A file that is there and right is not fetched again,
    one that is there in part is gone on with. Prints the path of each file.

    A mirror whose root was once named with --mirror-root is believed as far as it has signed what
    it holds.
    """
    from zoo.catalog.wanted import find_wanted

    if not names and not all_of:
        raise UsageError('name a model, as "zoo download resnet18", or a family with --all-of')
    wanted = find_wanted(names or [], all_of or [], has_all_weights=all_weights)
    if dry_run:
        _announce(wanted, is_json=json, is_quiet=quiet)
        return
    mirrors = mirror or []
    if mirror_root is not None and len(mirrors) != 1:
        raise UsageError("--mirror-root is about one mirror: name it with --mirror URL")
    _fetch(wanted, mirrors, mirror_root, is_json=json, is_quiet=quiet)


def _fetch(
    wanted: "Sequence[tuple[Architecture, Weights]]",
    mirrors: "Sequence[str]",
    mirror_root: "Path | None",
    *,
    is_json: bool,
    is_quiet: bool,
) -> None:
    from zoo.cli.terminal.progress import FetchProgress
    from zoo.download import fetcher
    from zoo.download.options import FetchOptions

    named = [(a, w, file) for a, w in wanted for file in w.files]
    confirmed = _confirmed([file for _, _, file in named], mirrors, mirror_root)
    with FetchProgress(is_quiet=is_quiet) as progress:
        options = FetchOptions(mirrors=tuple(mirrors))
        fetched = fetcher.fetch_all(confirmed, options=options, listener=progress)
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
                for (architecture, weights, _), result in zip(named, fetched, strict=True)
            ]
        )
    else:
        output.write(
            "\n".join(str(path) for path in dict.fromkeys(result.path for result in fetched))
        )


def _confirmed(
    files: "Sequence[WeightsFile]", mirrors: "Sequence[str]", root: "Path | None"
) -> "Sequence[WeightsFile]":
    """Hold the files against what mirrors have signed, those whose root is known."""
    from zoo.config import load_config
    from zoo.trust import mirrors as signed_mirrors

    for base in dict.fromkeys([*mirrors, *load_config().mirrors]):
        named_root = root if base in mirrors else None
        if named_root is not None or signed_mirrors.must_be_signed(base):
            signed = signed_mirrors.signed_files(base, named_root)
            files = signed_mirrors.confirm(files, base, signed)
    return files


def _announce(
    wanted: "Sequence[tuple[Architecture, Weights]]", *, is_json: bool, is_quiet: bool
) -> None:
    """Say what a download would do; files in the cache count by their length, nothing is read."""
    from zoo.cache.presence import Presence
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    presence = Presence()
    files = {file: (a, w) for a, w in wanted for file in w.files}
    columns: tuple[Column, ...] = (
        Column("name", "name", quantities.text),
        Column("weights", "weights", quantities.text),
        Column("file_name", "file", quantities.text),
        Column("size_bytes", "size", quantities.size, is_number=True),
        Column("is_cached", "cached", quantities.text),
        Column("url", "from", quantities.text),
    )
    rows = []
    for file, (a, w) in files.items():
        about = _about_size(file, w)
        size = quantities.About(about) if about and not is_json else file.size_bytes
        row = [a.name, w.tag, file.file_name, size, presence.has(file), file.url]
        rows.append([*row, about] if is_json else row)
    if is_json:
        columns += (Column("about_size_bytes", "about size", quantities.size, is_number=True),)
    table = Table(columns, rows, optional=("url", "weights", "name"))
    output.write_table(table, "json" if is_json else "table")
    missing = [file for file in files if not presence.has(file)]
    known = sum(file.size_bytes or 0 for file in missing)
    estimates = [_about_size(file, files[file][1]) for file in missing]
    about = sum(estimate or 0 for estimate in estimates)
    unknown = sum(
        file.size_bytes is None and not estimate
        for file, estimate in zip(missing, estimates, strict=True)
    )
    total = quantities.size(quantities.About(known + about) if about else known)
    summary = f"{len(missing)} of {output.counted(len(files), 'file')} to fetch, {total}"
    if unknown:
        noun = "file" if unknown == 1 else "files"
        summary += f" and {unknown} {noun} of unknown size"
    output.talk(summary, is_quiet=is_quiet)


def _about_size(file: "WeightsFile", weights: "Weights") -> int | None:
    """Tell about how long a file is, where that is not known and it is the only one of its set."""
    is_only = len(weights.files) == 1
    return weights.about_size_bytes if is_only and file.size_bytes is None else None
