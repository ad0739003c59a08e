"""``zoo list``: the registry as a table."""

from typing import Annotated

import typer

from zoo.cli import output
from zoo.cli.options import (
    AsFormat,
    AsJson,
    Measured,
    Quiet,
    complete_columns,
    complete_families,
    complete_models,
    complete_providers,
    complete_tasks,
    examples,
    new_app,
)

app = new_app()


@app.command(
    epilog=examples(
        "zoo list",
        "zoo list resnet --all-weights",
        "zoo list 'vgg*_bn' --sort -size",
        "zoo list --where 'parameters<10M and top5_error<8' --sort multiply-adds",
        "zoo list --year 2012..2016 --task classification --columns name,year,paper",
        "zoo list --bench sweep --sort p50",
        "zoo list --format csv > models.csv",
    )
)
def list_models(
    pattern: Annotated[
        str | None,
        typer.Argument(
            metavar="PATTERN",
            help="Part of a name, or a pattern such as 'vgg*_bn'.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this family.", autocompletion=complete_families)
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this task.", autocompletion=complete_tasks)
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only models of torchvision, or of zoo.", autocompletion=complete_providers),
    ] = None,
    year: Annotated[str | None, typer.Option(metavar="YEARS", help="2015, 2012..2016, 2015.. or ..2012.")] = None,
    where: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="On columns: < <= > >= = != ~ (contains), and, or, not, parentheses."),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="By this column; with a leading minus, largest first.",
            autocompletion=complete_columns,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most so many rows.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(metavar="COLUMNS", help="Joined by commas; 'all' is every one.", autocompletion=complete_columns),
    ] = None,
    all_weights: Annotated[
        bool, typer.Option("--all-weights", help="One row for each set of weights, not only the default ones.")
    ] = False,
    bench: Measured = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List models: filter, sort, choose columns.

    Errors are percentages on ImageNet's validation pictures, one crop, as the weights' publisher states them. One
    multiply with its add counts once. M is 1,000,000; MB is 1,000,000 bytes. JSON and CSV hold exact numbers.

    --bench adds what zoo bench measured, to sort by and filter on: p50, p90 and p99 (milliseconds for one picture),
    throughput, memory and measured (how). Of several results for a model the fastest counts.
    """
    from zoo.catalog.query import Selection, select
    from zoo.cli.presence import Presence
    from zoo.cli.row_tables import chosen_columns, measured_columns, row_table

    form = output.chosen_format(format, is_json=json)
    selection = Selection(pattern, family, task, provider, year, where, sort, limit, all_weights)
    measured, extra = measured_columns(bench)
    rows = select(selection, is_cached=Presence().has_all, extra=extra)
    is_terminal = output.terminal_width() is not None
    table = row_table(rows, chosen_columns(columns, measured), form, is_terminal=is_terminal, measured=measured)
    left_out = output.write_table(table, form)
    if not quiet:
        models = len({row.architecture.name for row in rows})
        cached = sum(row.is_cached for row in rows)
        noun = "model" if models == 1 else "models"
        rest = f" with {len(rows)} sets of weights" if all_weights else ""
        output.talk(f"{models} {noun}{rest}, {cached} in the cache")
        output.talk_left_out(left_out, "a wider terminal, --columns or a pipe shows them")
