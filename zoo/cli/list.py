"""``zoo list``: the registry as a table."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import (
    AsFormat,
    AsJson,
    Measured,
    Quiet,
    complete_columns,
    complete_families,
    complete_listed_sources,
    complete_models,
    complete_tasks,
    examples,
    new_app,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo.cache.presence import Presence
    from zoo.catalog.query import Selection
    from zoo.catalog.rows import Value

app = new_app()


@app.command(
    epilog=examples(
        "zoo list",
        "zoo list resnet --all-weights",
        "zoo list vgg16 alexnet 'squeezenet*'",
        "zoo list 'vgg*_bn' --sort -size",
        "zoo list --where 'parameters<10M and top5_error<8' --sort multiply-adds",
        "zoo list --year 2012..2016 --task classification --columns name,year,paper",
        "zoo list --bench sweep --sort p50",
        "zoo list --source hub",
        "zoo list --published-speed rtx4090 --sort -published-speed --limit 10",
        "zoo list --format csv > models.csv",
    )
)
def list_models(
    patterns: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATTERN...",
            help="Parts of names, or patterns such as 'vgg*_bn'.",
            autocompletion=complete_models,
            show_default=False,
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this family.", autocompletion=complete_families),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only this task.", autocompletion=complete_tasks),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            "--provider",
            metavar="NAME",
            help=(
                "Only models of torchvision, zoo, timm, your own (local), "
                "or PyTorch Hub's repositories: hub."
            ),
            autocompletion=complete_listed_sources,
        ),
    ] = None,
    year: Annotated[
        str | None, typer.Option(metavar="YEARS", help="2015, 2012..2016, 2015.. or ..2012.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="CONDITION",
            help="On columns: < <= > >= = != ~ (contains), and, or, not, parentheses.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="By this column; with a leading minus, largest first.",
            autocompletion=complete_columns,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Maximum number of rows.")] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMNS",
            help="Joined by commas; 'all' is every one.",
            autocompletion=complete_columns,
        ),
    ] = None,
    all_weights: Annotated[
        bool,
        typer.Option(
            "--all-weights", help="One row for each set of weights, not only the default ones."
        ),
    ] = False,
    bench: Measured = None,
    published_speed: Annotated[
        str | None,
        typer.Option(
            metavar="MACHINE",
            help="Add speeds that timm published: rtx4090, rtx5090, i9-10940x ...",
            show_default=False,
        ),
    ] = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List models: filter, sort, choose columns.

    Errors are percentages on ImageNet's validation images, one crop, as the weights' publisher
    states them; models of other tasks show what is published of those: mAP on COCO, mIoU, accuracy
    on Kinetics-400, end-point errors (EPE) of optical flow. A multiply-add (MAC) is one multiply
    with its add, or two FLOPs. M is 1,000,000; MB is 1,000,000 bytes. JSON and CSV hold exact
    numbers.

    Models of your own (zoo registry add --local) are called local/NAME; no error is published of
    them.

    PyTorch Hub's repositories stand apart, under --source hub: their own code builds the networks,
    so few columns are known before it runs.

    --bench adds what zoo bench measured, to sort by and filter on: p50, p90 and p99 (milliseconds
    for one image), throughput, memory and measured (how). Of several results for a model the
    fastest counts.

    --published-speed adds published_speed (images a second) and published_batch as others measured
    them on a machine of theirs; never beside --bench.
    """
    from zoo.cache.presence import Presence
    from zoo.catalog.query import Selection, select
    from zoo.cli.terminal.row_tables import (
        HUB_COLUMNS,
        chosen_columns,
        measured_columns,
        published_speed_columns,
        row_table,
        used_columns,
    )

    form = output.chosen_format(format, is_json=json)
    _refuse_conditions(patterns or [])
    selection = Selection(patterns, family, task, source, year, where, sort, limit, all_weights)
    if bench is not None and published_speed is not None:
        raise UsageError("--bench and --published-speed are not mixed: leave one out")
    measured, extra = measured_columns(bench)
    if published_speed is not None:
        measured, extra = published_speed_columns(published_speed)
    chosen = chosen_columns(columns, measured)
    if chosen is None and source == "hub" and form in ("table", "markdown"):
        chosen = HUB_COLUMNS
    presence = Presence()
    rows = select(selection, is_cached=presence.has_entry, extra=extra, has_local=True)
    table = row_table(
        rows,
        chosen,
        form,
        is_terminal=output.terminal_width() is not None,
        measured=measured,
        used=used_columns(selection, measured),
    )
    is_empty_table = form == "table" and not rows
    left_out = [] if is_empty_table else output.write_table(table, form)
    if quiet:
        return
    if not rows:
        _say_why_none(selection, presence, extra)
        return

    models = len({row.name for row in rows})
    cached = sum(row.is_cached for row in rows)
    noun = "model" if models == 1 else "models"
    rest = f" with {len(rows)} sets of weights" if all_weights else ""
    output.talk(f"{models} {noun}{rest}, {cached} in the cache")
    output.talk_left_out(left_out, "a wider terminal, --columns or a pipe shows them")


def _say_why_none(
    selection: "Selection", presence: "Presence", extra: "Mapping[str, Mapping[str, Value]]"
) -> None:
    """Name the condition that no model meets."""
    from zoo.catalog.local import SOURCE, read_local
    from zoo.catalog.query import why_none

    if selection.source == SOURCE and not read_local():
        advice = 'add one with "zoo registry add --local FILE"'
        output.talk(f"0 models of your own; {advice}")
        return
    reason = why_none(selection, is_cached=presence.has_entry, extra=extra, has_local=True)
    output.talk(f"0 models: {reason}" if reason else "0 models")


def _refuse_conditions(patterns: "Sequence[str]") -> None:
    """Lead a condition that stands where names do to --where.

    Raises:
        UsageError: There is one.
    """
    conditions = [pattern for pattern in patterns if set(pattern) & set("<>=~")]
    if conditions:
        import shlex

        where = " and ".join(conditions)
        command = shlex.join(["zoo", "list", "--where", where])
        raise UsageError(f'{conditions[0]} is a condition, not a name; type "{command}"')
