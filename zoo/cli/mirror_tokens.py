"""``zoo mirror token``: who may read a mirror that is not for everybody."""

from typing import Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import HERE, AsFormat, AsJson, MirrorFolder, Quiet, examples, new_app

app = new_app(help="Let only those read a mirror who have a token.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is.", show_default=False)]


@app.command(
    epilog=examples(
        "zoo mirror token add cluster --dir /srv/mirror",
        "zoo mirror token add research --gated 'hf:meta-llama/*' --dir /srv/mirror",
    )
)
def add(
    name: Name,
    folder: MirrorFolder = HERE,
    gated: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Gated models that it may read as well: 'hf:org/*', or '*' for all.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Make a token and print it once.

    From the first one on, the mirror is for its readers only, and gated models are for those whose
    token says so.

    Clients send it as HF_TOKEN, from ~/.netrc, or in the mirror's address:
    http://any:TOKEN@HOST:PORT.
    """
    from zoo.mirror.serve import readers
    from zoo.mirror.store import Store

    token = readers.add(Store(folder), name, gated or ())
    if json:
        output.write_json({"name": name, "token": token})
    else:
        output.write(token)
    output.talk("the token is not shown again; the mirror keeps its digest only", is_quiet=quiet)


@app.command("list", epilog=examples("zoo mirror token list --dir /srv/mirror"))
def list_tokens(folder: MirrorFolder = HERE, format: AsFormat = None, json: AsJson = False) -> None:
    """List who may read.

    Nobody in the list means everybody.
    """
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table
    from zoo.mirror.serve import readers
    from zoo.mirror.store import Store

    columns = (
        Column("name", "name", quantities.text),
        Column("created_at", "created", quantities.text),
        Column("gated", "gated models", quantities.text),
    )
    rows = [
        [reader.name, reader.created_at, ", ".join(reader.gated) or None]
        for reader in readers.load(Store(folder))
    ]
    output.write_table(Table(columns, rows), output.chosen_format(format, is_json=json))


@app.command(epilog=examples("zoo mirror token remove cluster --dir /srv/mirror"))
def remove(
    name: Name, folder: MirrorFolder = HERE, json: AsJson = False, quiet: Quiet = False
) -> None:
    """Make a token useless, within seconds also for a server that runs."""
    from zoo.mirror.serve import readers
    from zoo.mirror.store import Store

    store = Store(folder)
    readers.remove(store, name)
    left = len(readers.load(store))
    if json:
        output.write_json({"removed": name, "left": left})
    words = f"{left} left" if left else "none left, so the mirror is for everybody"
    output.talk(f"removed {name}; {words}", is_quiet=quiet)
