"""``zoo doctor``: will it work without a network?"""

from typing import Annotated

import typer

from zoo.cli import output
from zoo.cli.mirror import WHAT_HELP
from zoo.cli.options import AsFormat, AsJson, complete_models, examples, new_app
from zoo.errors import UsageError

app = new_app()


@app.command(epilog=examples("zoo doctor --offline resnet18 pytorch/vision:v0.20.0 hf:timm/resnet18.a1_in1k"))
def doctor(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help=WHAT_HELP, autocompletion=complete_models)],
    offline: Annotated[
        bool, typer.Option("--offline", help="Replay what the clients look for without a network.")
    ] = False,
    format: AsFormat = None,
    json: AsJson = False,
) -> None:
    """Say what unmodified clients would miss without a network. Exit code 1 if anything is missing."""
    from zoo.catalog import quantities
    from zoo.cli.tables import Column, Table
    from zoo.mirror import wants
    from zoo.mirror.offline import look_up

    if not offline:
        raise UsageError('the doctor examines the offline case only: type "zoo doctor --offline NAME..."')
    found = look_up(wants.parse_all(names))
    columns = (
        Column("want", "wanted", quantities.text),
        Column("client", "client", quantities.text),
        Column("fault", "state", lambda fault: fault or "ok"),
        Column("path", "looked for", quantities.text),
    )
    rows = [[entry.want, entry.client, entry.fault, entry.path] for entry in found]
    output.write_table(Table(columns, rows, optional=("client",)), output.chosen_format(format, is_json=json))
    if faults := [entry for entry in found if entry.fault]:
        output.talk(
            f"{len(faults)} of {len(found)} look-ups fail; zoo bundle apply or zoo download brings what is missing"
        )
        raise typer.Exit(1)
