"""``zoo choose``: the models that nothing beats within given limits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli import output
from zoo.cli.options import AsFormat, AsJson, Measured, Quiet, complete_tasks, examples, new_app

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.chooser import Choice, Cost
    from zoo.cli.tables import Table

app = new_app()
_COSTS: "dict[str, Cost]" = {
    "multiply-adds": "multiply_adds",
    "parameters": "parameters",
    "size": "size",
    "latency": "p50",
}
_DROPPED_FIRST = (
    *("licence", "year", "memory_bytes", "throughput_per_s", "p99_ms", "p90_ms", "top1_error_percent", "size_bytes"),
    *("measured", "parameters", "multiply_adds", "p50_ms"),
)


@app.command(
    epilog=examples(
        "zoo choose",
        "zoo choose --max-parameters 10M --max-top5-error 10",
        "zoo choose --max-size 100MB --cost size",
        "zoo choose --max-multiply-adds 4G --plot choice.html",
        "zoo choose --licence 'none,bsd*,apache*'",
        "zoo choose --latency 'p50<10ms' --bench sweep",
    )
)
def choose(
    max_parameters: Annotated[
        str | None, typer.Option(metavar="COUNT", help="At most so many, as 10M.", show_default=False)
    ] = None,
    max_multiply_adds: Annotated[
        str | None, typer.Option(metavar="COUNT", help="At most so many for one picture, as 4G.", show_default=False)
    ] = None,
    max_top5_error: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="At most this top-5 error.", show_default=False)
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(metavar="BYTES", help="At most this download, as 100MB.", show_default=False)
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERNS",
            help="Licences of the weights, joined by commas; 'none' where none is stated.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[str, typer.Option(metavar="TASK", help="What it must do.", autocompletion=complete_tasks)] = (
        "classification"
    ),
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT", help="As 'p50<10ms', on one picture; p90 and p99 too. Needs --bench.", show_default=False
        ),
    ] = None,
    bench: Measured = None,
    cost: Annotated[
        Literal["multiply-adds", "parameters", "size", "latency"] | None,
        typer.Option(
            help="What to weigh against the error: multiply-adds, or with --bench the measured latency.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw error against cost: .png, .svg or .html.", show_default=False),
    ] = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find the models that nothing beats within your limits.

    Prints the Pareto front: every model that is cheaper than all that err less, and errs less than all that are
    cheaper. All published weights are considered, errors are top-5 as their publishers state them.

    With --bench the cost is the latency on your machine: the median for one picture, of the fastest result of each
    model, as zoo bench measured it.
    """
    from zoo.catalog.chooser import Limits, choose
    from zoo.catalog.quantities import parse_quantity
    from zoo.cli.row_tables import measured_columns
    from zoo.errors import UsageError

    form = output.chosen_format(format, is_json=json)
    if bench is None and (latency or cost == "latency"):
        raise UsageError("latency is a matter of the machine: measure with zoo bench --output sweep, add --bench sweep")
    limits = Limits(
        parameters=parse_quantity("--max-parameters", max_parameters),
        multiply_adds=parse_quantity("--max-multiply-adds", max_multiply_adds),
        top5_error_percent=parse_quantity("--max-top5-error", max_top5_error),
        size_bytes=parse_quantity("--max-size", max_size),
        licence=licence,
        task=task,
        measured=_latency_limit(latency),
    )
    measured, extra = measured_columns(bench)
    choice = choose(limits, _COSTS[cost or ("latency" if bench else "multiply-adds")], extra=extra)
    if plot is not None:
        from zoo.plots.choice import draw_choice

        draw_choice(choice, plot)
        output.talk(f"drew {plot}", is_quiet=quiet)
    _show(choice, measured, form, is_quiet=quiet)


def _latency_limit(given: str | None) -> dict[str, float]:
    if given is None:
        return {}
    from zoo.bench.results import parse_latency

    return dict([parse_latency(given)])


def _show(choice: "Choice", measured: "Sequence[str]", form: output.Format, *, is_quiet: bool) -> None:
    from zoo.catalog import quantities
    from zoo.catalog.chooser import label
    from zoo.cli.row_tables import describe
    from zoo.cli.tables import Column, Table

    names = (*measured, "multiply_adds", "parameters", "size", "top1_error", "top5_error", "year", "licence")
    columns = [describe(name) for name in names]
    rows = [
        [place.row.architecture.name, place.row["weights"], *(place.row[name] for name in names), place.reason]
        for place in choice.places
    ]
    if form in ("table", "markdown"):
        columns = [
            Column("model", "model", quantities.text),
            *columns,
            Column("reason", "why it is here", quantities.text),
        ]
        rows = [[label(place.row), *row[2:]] for place, row in zip(choice.places, rows, strict=True)]
    else:
        columns = [describe("name"), describe("weights"), *columns, Column("reason", "reason", quantities.text)]
    shown = {column.key for column in columns}
    table = Table(tuple(columns), rows, optional=tuple(key for key in _DROPPED_FIRST if key in shown))
    width = output.terminal_width()
    if form == "table" and width and rows:
        _show_with_reasons_below(table, width)
    else:
        output.write_table(table, form)
    fitting, considered = len(choice.fitting), len(choice.considered)
    if not choice.places:
        output.talk(f"none of {considered} sets of weights is within these limits: loosen one", is_quiet=is_quiet)
    else:
        output.talk(f"{len(rows)} on the front of {fitting} that fit, of {considered} considered", is_quiet=is_quiet)


def _show_with_reasons_below(table: "Table", width: int) -> None:
    """Write each row's reason below it: a terminal is not wide enough for both."""
    from functools import partial
    from textwrap import fill

    from zoo.cli.tables import to_lines

    (header, *lines), _ = to_lines(table.without(["reason"]), width, output.paint)
    wrap = partial(fill, width=max(width, 30), initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    reasons = [wrap(str(row[-1])) for row in table.rows]
    pairs = [f"{line}\n{output.paint(reason, 'dim')}" for line, reason in zip(lines, reasons, strict=True)]
    output.write_painted("\n".join([header, *pairs]))
