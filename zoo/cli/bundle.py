"""``zoo bundle``: carry models, repositories and weights to a machine without a network."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.mirror import WHAT_HELP
from zoo.cli.terminal import output
from zoo.cli.terminal.lock_options import LockedWhat, locked_specs
from zoo.cli.terminal.options import AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import FetchError, MirrorError, UsageError

app = new_app(help="Pack models for a machine without a network, and unpack them there.")


@app.command(
    epilog=examples(
        "zoo bundle create out.zip resnet18 pytorch/vision:v0.20.0 hf:timm/resnet18.a1_in1k",
        "zoo bundle create out.zip resnet18 --from /srv/mirror",
        "zoo bundle create out.zip --lock zoo.lock",
    )
)
def create(
    out: Annotated[Path, typer.Argument(metavar="OUT.zip", help="The archive to write.")],
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WHAT...", help=WHAT_HELP, autocompletion=complete_models, show_default=False
        ),
    ] = None,
    lock: LockedWhat = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DIR",
            help="Take everything from this mirror (a folder or bucket); fetch nothing.",
        ),
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND=ADDRESS", help="Where to fetch from, as in zoo mirror init."),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Pack models into an archive.

    It fills the caches of torch.hub, torchvision and Hugging Face's clients elsewhere.
    """
    from zoo.catalog import quantities
    from zoo.mirror import bundle
    from zoo.mirror.ecosystems import known as ecosystems
    from zoo.mirror.ecosystems.known import parse_upstreams
    from zoo.mirror.settings import Settings
    from zoo.mirror.store import Store

    specs = [*(what or []), *locked_specs(lock)]
    if not specs:
        raise UsageError('name what to pack, as in "zoo bundle create out.zip resnet18"')
    wanted, at_hand = ecosystems.parse_offline(specs)
    for spec in at_hand:
        output.talk(f"{spec} ships inside the package: there is nothing to carry", is_quiet=quiet)
    if mirror is not None:
        files = bundle.create(Store(mirror), wanted, out)
    else:
        with tempfile.TemporaryDirectory(prefix=".zoo-bundle-", dir=out.parent) as folder:
            store = Store.create(
                Path(folder, "mirror"), Settings(upstreams=parse_upstreams(upstream or []))
            )
            _fetch(store, wanted, is_quiet=quiet)
            files = bundle.create(store, wanted, out)
    if json:
        output.write_json(
            [{"path": path, "size_bytes": size_bytes} for path, size_bytes in files.items()]
        )
    total = quantities.size(sum(files.values()))
    output.talk(
        f'{out} holds {len(files)} files, {total}; next, over there: "zoo bundle apply {out.name}"',
        is_quiet=quiet,
    )


def _fetch(store: object, wanted: object, *, is_quiet: bool) -> None:
    from zoo.cli.mirror import run_with_bars
    from zoo.mirror.sync import Sync

    with Sync(store) as run:  # type: ignore[arg-type]  # the types are imported where they are used
        items = run.resolve(wanted)  # type: ignore[arg-type]  # likewise
        summary = run_with_bars(run, items, run.plan(items), is_quiet=is_quiet)
    if summary.failures:
        name, error = summary.failures[0]
        raise (
            error
            if isinstance(error, FetchError)
            else MirrorError(name, str(error), "nothing was written")
        )


@app.command(
    epilog=examples("zoo bundle apply out.zip", "zoo bundle apply out.zip --torch-home /opt/torch")
)
def apply(
    archive: Annotated[
        Path, typer.Argument(metavar="OUT.zip", help="What zoo bundle create has written.")
    ],
    torch_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead of $TORCH_HOME.")
    ] = None,
    hf_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Instead of $HF_HOME.")
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill the caches from an archive.

    Every file is verified before it gets its name.
    """
    from zoo.mirror import bundle

    if not archive.is_file():
        raise MirrorError(str(archive), "expected a bundle, there is none", "check the path")
    applied = bundle.apply(archive, torch_home, hf_home / "hub" if hf_home else None)
    if json:
        output.write_json(
            {"written": [str(p) for p in applied.written], "kept": [str(p) for p in applied.kept]}
        )
    text = f"{len(applied.written)} files written, {len(applied.kept)} there already"
    output.talk(f'{text}; next: "zoo doctor NAME"', is_quiet=quiet)
