"""``zoo bom``: a bill of materials of models, weights and repositories."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import Quiet, complete_models, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bom.parts import Part

app = new_app()

BillFormat = Literal["cyclonedx", "spdx"]


@app.command(
    epilog=examples(
        "zoo bom resnet18 squeezenet1_1",
        "zoo bom 'resnet*' --format spdx --output models.spdx.json",
        "zoo bom --lock zoo.lock",
        "zoo bom --mirror /srv/mirror",
    )
)
def bom(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Models; NAME:TAG for other weights than the default, or a pattern.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="List what this zoo.lock pins.", show_default=False),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE",
            help="List what a mirror holds: a folder or an address.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        BillFormat,
        typer.Option("--format", help="CycloneDX 1.6 (ML-BOM) or SPDX 3.0 JSON."),
    ] = "cyclonedx",
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file.", show_default=False),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON, which both formats are anyway.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a bill of materials (CycloneDX, SPDX).

    Lists models, weights, digests, licenses, papers and training data: of named models, of what a
    lock file pins, or of what a mirror holds. What is not known is left out; a digest of which only
    the beginning is published is no digest but a note. The time is now, or $SOURCE_DATE_EPOCH.
    """
    from json import dumps

    from zoo.bom import cyclonedx, spdx

    del json
    parts = _parts(names or [], lock, mirror)
    write = cyclonedx.to_cyclonedx if form == "cyclonedx" else spdx.to_spdx
    bill = write(parts, _now())
    if out is None:
        output.write_json(bill)
    else:
        from zoo import atomic

        text = dumps(bill, indent=2, ensure_ascii=False)
        atomic.write_text(out, f"{text}\n")
        output.write(str(out))
    files = sum(len(part.files) for part in parts)
    counts = f"{output.counted(len(parts), 'part')}, {output.counted(files, 'file')}"
    output.talk(counts, is_quiet=quiet)


def _parts(names: "Sequence[str]", lock: Path | None, mirror: str | None) -> "Sequence[Part]":
    """Gather the parts from the one source that is named."""
    from zoo.bom import parts
    from zoo.cache import lockfile, paths
    from zoo.errors import UsageError

    sources = [bool(names), lock is not None, mirror is not None]
    if sum(sources) > 1:
        raise UsageError("name models, a --lock or a --mirror, not several of them")
    if mirror is not None:
        from zoo.auditor.holdings import read_mirror

        found = parts.of_mirror(read_mirror(mirror).held)
        return parts.require_some(found, mirror)

    usual = lockfile.default_path(paths.checkpoints_folder())
    if names:
        from zoo.catalog.wanted import find_wanted

        return parts.of_weights(find_wanted(names), lockfile.read_things(usual))
    if lock is not None and not lock.is_file():
        raise UsageError(f"there is no lock file {lock}")
    path = lock or usual
    return parts.require_some(parts.of_lock(lockfile.read_things(path)), str(path))


def _now() -> str:
    """Write the time, or the one that makes a bill again byte by byte."""
    import os
    from datetime import UTC, datetime

    from zoo.errors import UsageError

    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        moment = datetime.now(UTC)
    elif epoch.isdecimal():
        moment = datetime.fromtimestamp(int(epoch), UTC)
    else:
        raise UsageError(f"SOURCE_DATE_EPOCH is a number of seconds, got {epoch!r:.40}")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
