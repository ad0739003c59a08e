"""``zoo convert``: a safetensors copy of pickled weights."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.loader.converter import Converted

app = new_app()


@app.command(
    epilog=examples(
        "zoo convert resnet18",
        "zoo convert mine.pth",
        "zoo convert mine.ckpt --output weights/mine.safetensors",
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
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write; by default beside the file."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that holds something else.")
    ] = False,
    mirror: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A mirror to try before the publisher; may be repeated."),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Convert pickled weights to safetensors.

    The copy is proven equal tensor by tensor. That of a model's weights lies beside them in torch's
    cache; its digest goes into zoo.lock, and from then on zoo loads it instead. It loads faster and
    cannot hold code.
    """
    from pathlib import Path

    from zoo.cli.terminal.progress import FetchProgress
    from zoo.download.options import FetchOptions
    from zoo.formats.files import names_a_file
    from zoo.loader import converter

    if out is not None and (len(names) != 1 or not Path(names[0]).is_file()):
        raise UsageError(
            "--output takes the copy of one file; "
            'name one, as in "zoo convert mine.pth --output mine.safetensors"'
        )
    done: list[Converted] = []
    options = FetchOptions(mirrors=tuple(mirror or ()))
    with FetchProgress(is_quiet=quiet) as progress:
        for name in names:
            if names_a_file(name):
                done.append(
                    converter.convert_file(Path(name), Path(out) if out else None, force=force)
                )
            else:
                done += converter.convert_model(
                    name, force=force, options=options, listener=progress
                )
    _report_conversions(done, is_json=json, is_quiet=quiet)


def _report_conversions(done: "Sequence[Converted]", *, is_json: bool, is_quiet: bool) -> None:
    """Print where the copies lie."""
    from dataclasses import asdict

    if is_json:
        output.write_json(
            [{**asdict(one), "source": str(one.source), "path": str(one.path)} for one in done]
        )
        return
    output.write("\n".join(str(one.path) for one in done))
    for one in done:
        how = "was there already" if one.was_there else "written"
        use = "; zoo loads it from now on" if one.is_locked else ""
        proof = f"{one.tensors} tensors equal to those of {one.source.name}"
        output.talk(f"{one.path.name}: {how}, {proof}{use}", is_quiet=is_quiet)
