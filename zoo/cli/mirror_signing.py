"""``zoo mirror sign``: clients that know the root believe the mirror without trusting its host."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import HERE, AsJson, MirrorFolder, Quiet, examples, new_app
from zoo.cli.terminal.signing import load_signers

app = new_app()


@app.command(
    epilog=examples(
        "zoo mirror sign --dir /srv/mirror --trust site --key targets.key --key online.key",
        "zoo download resnet18 --mirror http://mirror.example:8080 --mirror-root root.json",
    )
)
def sign(
    trust: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="A repository that zoo trust init made and zoo trust sign signed.",
            show_default=False,
        ),
    ],
    key: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE",
            help="A private key of targets, snapshot or timestamp; may be repeated.",
            show_default=False,
        ),
    ],
    folder: MirrorFolder = HERE,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sign the length and digest of every file that the mirror holds.

    Run it again after each sync, and at least as often as the repository's timestamp asks for.
    Clients that have named the root refuse what is not signed, is older than they have seen, or
    that nobody has vouched for lately.
    """
    import tempfile
    from importlib.metadata import version

    from zoo.mirror import signing
    from zoo.mirror.store import Store
    from zoo.trust import publishing

    store = Store(folder)
    index = store.index()
    with tempfile.TemporaryDirectory() as scratch:
        listing = Path(scratch) / signing.LIST
        listing.write_bytes(signing.list_files(index))
        number = publishing.publish(
            trust,
            {signing.LIST: listing},
            load_signers(key),
            zoo_version=version("torch-zoo"),
        )
    signing.put(store, trust / "public")
    if json:
        output.write_json({"state": number, "files": len(index.files)})
    output.talk(f"state {number}: {len(index.files)} files signed", is_quiet=quiet)
