"""``zoo choose``: the models that nothing beats within given limits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import (
    AsFormat,
    AsJson,
    Measured,
    Quiet,
    complete_sources,
    complete_tasks,
    examples,
    new_app,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo.catalog.chooser import Choice, Cost, Limits
    from zoo.catalog.rows import Value

app = new_app()
_COSTS: "dict[str, Cost]" = {
    "multiply-adds": "multiply_adds",
    "parameters": "parameters",
    "size": "size",
    "latency": "p50",
}
_PUBLISHED = "published_ms"
_OPTIONS = {
    "parameters": "--max-parameters",
    "multiply_adds": "--max-multiply-adds",
    "top5_error_percent": "--max-top5-error",
    "size_bytes": "--max-size",
    "license": "--license",
    "dataset": "--dataset",
    "measured": "--latency",
}
"""The options that set the limits."""
_DROPPED_FIRST = (
    *(
        "license",
        "year",
        "memory_bytes",
        "throughput_per_s",
        "p99_ms",
        "p90_ms",
        "top1_error_percent",
        "size_bytes",
        "published_batch",
        "published_speed_per_s",
    ),
    *("measured", "parameters", "multiply_adds", "p50_ms"),
)


@app.command(
    epilog=examples(
        "zoo choose",
        "zoo choose --max-parameters 10M --max-top5-error 10",
        "zoo choose --max-size 100MB --cost size",
        "zoo choose --max-multiply-adds 4G --plot choice.html",
        "zoo choose --license permissive --max-parameters 30M --max-top5-error 5",
        "zoo choose --source torchvision --dataset imagenet1k",
        "zoo choose --latency 'p50<10ms' --bench sweep",
        "zoo choose --published-speed rtx4090 --latency 'published<0.5ms'",
    )
)
def choose(
    max_parameters: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Maximum, e.g. 10M.", show_default=False),
    ] = None,
    max_multiply_adds: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Maximum for one image, e.g. 4G.", show_default=False),
    ] = None,
    max_top5_error: Annotated[
        str | None,
        typer.Option(metavar="PERCENT", help="Maximum top-5 error.", show_default=False),
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="BYTES", help="Maximum to download, e.g. 100MB.", show_default=False),
    ] = None,
    license: Annotated[
        str | None,
        typer.Option(
            "--license",
            "--licence",
            metavar="WORDS",
            help="Of the weights: permissive, commercial, none, SPDX identifiers or patterns.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Only models of torchvision, zoo or timm.",
            autocompletion=complete_sources,
            show_default=False,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN",
            help="What the weights were trained on last, as imagenet1k.",
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str, typer.Option(metavar="TASK", help="What it must do.", autocompletion=complete_tasks)
    ] = ("classification"),
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT",
            help="As 'p50<10ms', on one image; p90 and p99 too. Or 'published<0.5ms'.",
            show_default=False,
        ),
    ] = None,
    bench: Measured = None,
    published_speed: Annotated[
        str | None,
        typer.Option(
            metavar="MACHINE",
            help="Take speeds that timm published: rtx4090, rtx5090, i9-10940x ...",
            show_default=False,
        ),
    ] = None,
    cost: Annotated[
        Literal["multiply-adds", "parameters", "size", "latency"] | None,
        typer.Option(
            help=(
                "What to weigh against the error: multiply-adds, "
                "or with --bench or --published-speed the latency."
            ),
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw error against cost: .png, .svg or .html.", show_default=False
        ),
    ] = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Choose the best models within your limits (Pareto front).

    Prints every model that is cheaper than all that err less, and errs less than all that are
    cheaper. All published weights are considered, errors are top-5 as their publishers state them.

    A license is the one stated for the weights. permissive admits Apache-2.0, BSD, MIT, ISC,
    CC-BY-4.0 and their like; commercial admits copyleft licenses as well; licenses of a company's
    own are in neither.
    A multiply-add (MAC) is one multiply with its add, or two FLOPs.

    With --bench the cost is the latency on your machine: the median for one image, of the fastest
    result of each model, as zoo bench measured it. With --published-speed it is what timm published
    for a machine: milliseconds an image at a batch, for timm's networks alone. One choice never
    mixes the two.
    """
    from zoo.catalog.chooser import Limits, choose
    from zoo.catalog.quantities import parse_quantity

    form = output.chosen_format(format, is_json=json)
    _check_latency(latency, cost, bench, published_speed)
    limits = Limits(
        parameters=parse_quantity("--max-parameters", max_parameters),
        multiply_adds=parse_quantity("--max-multiply-adds", max_multiply_adds),
        top5_error_percent=parse_quantity("--max-top5-error", max_top5_error),
        size_bytes=parse_quantity("--max-size", max_size),
        license=license,
        source=source,
        dataset=dataset,
        task=task,
        measured=_latency_limit(latency),
    )
    measured, extra = _latencies(bench, published_speed, is_quiet=quiet)
    choice = choose(limits, _cost(cost, bench, published_speed), extra=extra)
    if plot is not None:
        from zoo.plots.choice import draw_choice

        draw_choice(choice, plot)
        output.talk(f"drew {plot}", is_quiet=quiet)
    _show(choice, limits, measured, form, is_quiet=quiet)
    if not quiet:
        verdict = _verdict(choice, limits)
        for sentence in (*verdict, *_unmatched(choice, limits), *_unjudged(choice, limits)):
            output.talk(sentence)


def _verdict(choice: "Choice", limits: "Limits") -> "Iterator[str]":
    """Count what fits, and say which limit costs most."""
    from zoo.catalog.chooser import costliest_limit

    fitting, considered = len(choice.fitting), len(choice.considered)
    relief = costliest_limit(limits, choice)
    if choice.places:
        yield f"{len(choice.places)} on the front of {fitting} that fit, of {considered} considered"
    elif relief:
        yield f"none of {considered} sets of weights is within these limits"
    else:
        yield f"none of {considered} sets of weights is within these limits: loosen more than one"

    if relief:
        lowest = f"the lowest top-5 error is {relief.best_error_percent:.2f}"
        if choice.places:
            last = choice.places[-1].row.number("top5_error")
            lowest += f" instead of {last:.2f}"
        option = _OPTIONS[relief.name]
        yield f"{option} costs most: without it {relief.admitted} more fit, and {lowest}"


def _unmatched(choice: "Choice", limits: "Limits") -> "Iterator[str]":
    """Name words of --license and --dataset that admit nothing at all: most likely misspelt."""
    from fnmatch import fnmatchcase

    from zoo.catalog.licenses import NO_LICENSE, WORDS, is_admitted

    stated = {row.entry.license for row in choice.considered if row.entry.license}
    words = [*WORDS, NO_LICENSE]
    for word in (limits.license or "").split(","):
        license = word.strip()
        is_known = license.lower() in words or any(is_admitted(one, license) for one in stated)
        if license and not is_known:
            fault = f"no weights considered state the license {license!r}"
            yield fault + _did_you_mean(license, {*words, *stated})

    trained_on = {row.entry.dataset for row in choice.considered if row.entry.dataset}
    dataset = limits.dataset or ""
    if dataset and not any(fnmatchcase(one, dataset.lower()) for one in trained_on):
        fault = f"no weights considered were trained on {dataset!r}"
        yield fault + _did_you_mean(dataset, trained_on)


def _did_you_mean(word: str, known: "set[str]") -> str:
    from zoo.catalog.nearness import nearest

    near = nearest(word, sorted(known))
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are {', '.join(sorted(known)[:12])}"


def _unjudged(choice: "Choice", limits: "Limits") -> "Iterator[str]":
    """Count what could not be judged, since what is limited is not recorded of it."""
    from collections import Counter

    counts = Counter(
        column.replace("_", "-") for row in choice.considered for column in limits.unknown_of(row)
    )
    for column, count in counts.items():
        yield f"{count} more might fit: their {column} is not recorded"


def _check_latency(
    latency: str | None, cost: str | None, bench: Path | None, machine: str | None
) -> None:
    """Refuse a latency of nobody's, and one that mixes what was measured with what was published.

    Raises:
        UsageError: Says what to add or to leave out.
    """
    from zoo.errors import UsageError

    if bench is not None and machine is not None:
        raise UsageError("--bench and --published-speed are not mixed: leave one out")
    if bench is None and machine is None and (latency or cost == "latency"):
        raise UsageError(
            "latency is a matter of the machine: "
            'measure first with "zoo bench NAME --output sweep", then add --bench sweep, '
            "or take what others published with --published-speed rtx4090"
        )
    is_published = (latency or "").startswith("published")
    if latency and is_published != (machine is not None):
        raise UsageError(
            "--latency takes p50, p90, p99 with --bench, published with --published-speed"
        )


def _latencies(
    bench: Path | None, machine: str | None, *, is_quiet: bool
) -> "tuple[Sequence[str], Mapping[str, Mapping[str, Value]]]":
    """Give the columns of latencies; of published ones it is said who published them."""
    from zoo.catalog import published_speed
    from zoo.cli.terminal.row_tables import measured_columns, published_speed_columns

    if machine is None:
        return measured_columns(bench)
    source = published_speed.find_machine(machine).source
    output.talk(f"speeds published by others: {source}", is_quiet=is_quiet)
    return published_speed_columns(machine)


def _cost(given: str | None, bench: Path | None, machine: str | None) -> "Cost":
    """Choose what is weighed: latencies where some are given."""
    if given == "latency" or (given is None and (bench or machine)):
        return "published_ms" if machine else "p50"
    return _COSTS[given or "multiply-adds"]


def _latency_limit(given: str | None) -> dict[str, float]:
    if given is None:
        return {}
    from zoo.bench.results import parse_latency

    column, limit_ms = parse_latency(given)
    return {_PUBLISHED if column == "published" else column: limit_ms}


def _show(
    choice: "Choice",
    limits: "Limits",
    measured: "Sequence[str]",
    form: output.Format,
    *,
    is_quiet: bool,
) -> None:
    from zoo.catalog import quantities
    from zoo.catalog.chooser import label
    from zoo.catalog.rows import SIZE_OR_ABOUT
    from zoo.cli.terminal.row_tables import describe, shown_value
    from zoo.cli.terminal.tables import Column, Table

    names = (
        *measured,
        "multiply_adds",
        "parameters",
        "size",
        *(["about_size"] if form in ("json", "csv") else []),
        "top1_error",
        "top5_error",
        "year",
        "license",
    )
    columns = [describe(name) for name in names]
    rows = [
        [
            place.row.name,
            place.row["weights"],
            *(shown_value(place.row, name, form) for name in names),
            place.reason,
        ]
        for place in choice.places
    ]
    if form in ("table", "markdown"):
        columns = [
            Column("model", "model", quantities.text),
            *columns,
            Column("reason", "why it is here", quantities.text),
        ]
        rows = [
            [label(place.row), *row[2:]] for place, row in zip(choice.places, rows, strict=True)
        ]
    else:
        columns = [
            describe("name"),
            describe("weights"),
            *columns,
            Column("reason", "reason", quantities.text),
        ]
    shown = {column.key for column in columns}
    limited = [choice.cost, *limits.bounds, *(["license"] if limits.license else [])]
    limited = ["size" if name == SIZE_OR_ABOUT else name for name in limited]
    table = Table(
        tuple(columns),
        rows,
        optional=tuple(key for key in _DROPPED_FIRST if key in shown),
        asked=frozenset({"reason", *(describe(name).key for name in limited)}),
        sentences=frozenset({"reason"}),
    )
    if form == "table" and not rows:
        return
    left_out = output.write_table(table, form)
    output.talk_left_out(left_out, "a wider terminal or a pipe shows them", is_quiet=is_quiet)

    seen = [index for index, column in enumerate(columns) if column.title not in left_out]
    has_dash = any(row[index] is None for row in rows for index in seen)
    if form == "table" and has_dash:
        output.talk("- stands for what is not recorded", is_quiet=is_quiet)
