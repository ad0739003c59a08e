"""``zoo doctor``: will it work without a network?"""

from typing import Annotated

import typer

from zoo.cli.mirror import WHAT_HELP
from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsFormat, AsJson, complete_models, examples, new_app

app = new_app()


@app.command(epilog=examples("zoo doctor resnet18 pytorch/vision:v0.20.0 hf:timm/resnet18.a1_in1k"))
def doctor(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help=WHAT_HELP, autocompletion=complete_models)
    ],
    format: AsFormat = None,
    json: AsJson = False,
) -> None:
    """Check what works without a network.

    Replays what torch.hub, torchvision and Hugging Face's clients look for in their caches. Exits
    with 1 if anything is missing.
    """
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table
    from zoo.mirror.ecosystems import known as ecosystems
    from zoo.mirror.offline import look_up

    to_bring, at_hand = ecosystems.parse_offline(names)
    found = look_up([*at_hand, *to_bring])
    columns = (
        Column("spec", "spec", quantities.text),
        Column("client", "client", quantities.text),
        Column("fault", "state", lambda fault: fault or "ok"),
        Column("path", "looked for", quantities.text),
    )
    rows = [[entry.spec, entry.client, entry.fault, entry.path] for entry in found]
    output.write_table(
        Table(columns, rows, optional=("client",)), output.chosen_format(format, is_json=json)
    )
    if faults := [entry for entry in found if entry.fault]:
        output.talk(
            f"{len(faults)} of {len(found)} look-ups fail; to bring what is missing, "
            'run "zoo download NAME" or "zoo bundle apply FILE"'
        )
        raise typer.Exit(1)
