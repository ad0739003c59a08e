"""``zoo convert``, ``zoo scan`` and ``zoo weights``: what is in a weights file, and its safetensors twin."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import CheckpointError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo.converter import Converted
    from zoo.matcher import Contents, Fit
    from zoo.weights.scans import Scan

convert_app = new_app()
scan_app = new_app()
weights_app = new_app()


@convert_app.command(
    epilog=examples(
        "zoo convert resnet18", "zoo convert mine.pth", "zoo convert mine.ckpt --output weights/mine.safetensors"
    )
)
def convert(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FILE...",
            help="Models, NAME:TAG, or files.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ],
    out: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write; by default beside the file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that holds something else.")] = False,
    mirror: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated.")
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a safetensors twin of a pickle file.

    It is proven equal tensor by tensor. The twin of a model's weights lies beside them in torch's cache; its digest
    goes into zoo.lock, and from then on zoo loads it instead. It loads faster and cannot hold code.
    """
    from pathlib import Path

    from zoo import converter
    from zoo.cli.progress import FetchProgress
    from zoo.weights.options import FetchOptions

    if out is not None and (len(names) != 1 or not Path(names[0]).is_file()):
        raise UsageError(
            "--output takes the twin of one file; name one, as in: zoo convert mine.pth --output mine.safetensors"
        )
    done: list[Converted] = []
    options = FetchOptions(mirrors=tuple(mirror or ()))
    with FetchProgress(is_quiet=quiet) as progress:
        for name in names:
            if Path(name).is_file():
                done.append(converter.convert_file(Path(name), Path(out) if out else None, force=force))
            else:
                done += converter.convert_model(name, force=force, options=options, listener=progress)
    _report_conversions(done, is_json=json, is_quiet=quiet)


@scan_app.command(epilog=examples("zoo scan downloaded.pth", "zoo scan *.ckpt --json"))
def scan(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Weights files.", show_default=False)],
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Say what a file would import, running nothing.

    Looks through pickles of all layouts, zip archives with their checksums, and safetensors headers. Exits with 1 if
    a file holds more than tensors or is damaged: zoo would not load it.
    """
    from pathlib import Path

    paths = [Path(file) for file in files]
    found = _scan_all(paths, is_quiet=quiet)
    if json:
        output.write_json([{"path": str(path), **one.as_dict()} for path, one in found])
    else:
        _print_scans(found)
    unsafe = sum(not one.is_safe for _, one in found)
    if unsafe:
        output.talk(f"{unsafe} of {len(found)} files refused", is_quiet=quiet)
        raise typer.Exit(1)


@weights_app.command(epilog=examples("zoo weights mine.safetensors", "zoo weights mine.pth --json"))
def weights(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A weights file.", show_default=False)],
    values: Annotated[
        bool, typer.Option("--values/--no-values", help="Read the values and count NaN and infinite ones.")
    ] = True,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List a file's tensors and the models it fits.

    The file is looked through first, and refused if it holds more than tensors.
    """
    from pathlib import Path

    from zoo import matcher

    contents, state_dict = matcher.read_contents(Path(file), values=values)
    fits = matcher.find_fits(state_dict)
    if json:
        output.write_json(_contents_as_dict(contents, fits))
        return
    _print_contents(contents, fits, is_quiet=quiet)


def _report_conversions(done: "Sequence[Converted]", *, is_json: bool, is_quiet: bool) -> None:
    """Print where the twins lie."""
    from dataclasses import asdict

    if is_json:
        output.write_json([{**asdict(one), "source": str(one.source), "path": str(one.path)} for one in done])
        return
    output.write("\n".join(str(one.path) for one in done))
    for one in done:
        how = "was there already" if one.was_there else "written"
        use = "; zoo loads it from now on" if one.is_locked else ""
        text = f"{one.path.name}: {how}, {one.tensors} tensors equal to those of {one.source.name}{use}"
        output.talk(text, is_quiet=is_quiet)


def _scan_all(paths: "Sequence[Path]", *, is_quiet: bool) -> "list[tuple[Path, Scan]]":
    """Scan files one after another; one that cannot be opened is as unsafe as one that cannot be read."""
    from zoo.cli.reading import reading_bar
    from zoo.weights import checkpoint
    from zoo.weights.scans import Format, Scan

    total_bytes = sum(path.stat().st_size for path in paths if path.is_file())
    found = []
    with reading_bar("scanning", total_bytes, is_quiet=is_quiet) as advance:
        for path in paths:
            try:
                found.append((path, checkpoint.scan(path, advance=advance)))
            except CheckpointError as error:
                found.append((path, Scan(path.name, Format.UNKNOWN, (), (error.fault,))))
    return found


def _print_scans(found: "Sequence[tuple[Path, Scan]]") -> None:
    """Print a verdict for each file, then its faults, then what it imports."""
    lines = []
    for path, one in found:
        verdict = output.paint("safe", "title") if one.is_safe else output.paint("REFUSED", "error")
        lines.append(f"{output.safe(str(path))}: {one.format.value}, {verdict}")
        lines += [f"  {output.safe(fault)}" for fault in one.faults]
        names = dict.fromkeys(use.name for use in one.imports if use.is_allowed)
        if names:
            lines.append(f"  harmless imports: {output.safe(', '.join(names))}")
    output.write_painted("\n".join(lines))


def _print_contents(contents: "Contents", fits: "Sequence[Fit]", *, is_quiet: bool) -> None:
    """Print the tensors as a table, and talk about the whole."""
    from zoo.catalog import quantities
    from zoo.cli.tables import Column, Table

    columns = (
        Column("name", "tensor", quantities.text),
        Column("dtype", "type", quantities.text),
        Column("shape", "shape", quantities.shape),
        Column("count", "values", quantities.count, is_number=True),
        Column("nan", "NaN", quantities.text, is_number=True),
        Column("infinite", "infinite", quantities.text, is_number=True),
    )
    rows = [[t.name, t.dtype, t.shape, t.count, t.nan, t.infinite] for t in contents.tensors]
    left_out = output.write_table(Table(columns, rows, optional=("count", "infinite", "nan")), "table")
    output.talk_left_out(left_out, "a wider terminal or --json shows them", is_quiet=is_quiet)
    total = f"{contents.file}: {contents.format}, {len(rows)} tensors, {quantities.count(contents.count)} values"
    output.talk(total, is_quiet=is_quiet)
    if contents.bad_count:
        output.warn(f"{contents.bad_count} values are NaN or infinite")
    output.write("fits " + (", ".join(_fit_words(fit) for fit in fits) or "no model of the registry"))


def _fit_words(fit: "Fit") -> str:
    """Name a model, and what must be said or changed to load the file into it."""
    words = [f"{name}={value}" for name, value in fit.options.items()]
    words += [f"after {name}" for name in fit.key_mappings]
    words += [f"but for its type {fit.dtype}"] if fit.dtype else []
    return fit.model + (f" ({', '.join(words)})" if words else "")


def _contents_as_dict(contents: "Contents", fits: "Sequence[Fit]") -> dict[str, Any]:
    """Everything as plain values, for JSON."""
    from dataclasses import asdict

    return {
        **asdict(contents),
        "count": contents.count,
        "bad_count": contents.bad_count,
        "fits": [{**asdict(fit), "is_exact": fit.is_exact} for fit in fits],
    }
