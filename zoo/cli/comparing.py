"""``zoo compare``: models side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import output
from zoo.cli.options import AsFormat, AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.rows import Row
    from zoo.cli.tables import Table

app = new_app()
_COMPARED = (
    "title",
    "weights",
    "task",
    "year",
    "top1_error",
    "top5_error",
    "parameters",
    "multiply_adds",
    "activations",
    "size",
    "input_size",
    "licence",
    "cached",
)


@app.command(
    epilog=examples(
        "zoo compare resnet50 efficientnet_b3 convnext_tiny",
        "zoo compare resnet50:imagenet1k_v1 resnet50:imagenet1k_v2",
        "zoo compare vgg16 squeezenet1_1 --format markdown",
    )
)
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Two models or more; NAME:TAG for weights.", autocompletion=complete_models
        ),
    ],
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Put models side by side.

    The best of each row is marked with a star: of errors and costs, the smallest. JSON and CSV hold one row for each
    model.
    """
    from zoo.catalog.comparison import SMALLER_IS_BETTER, best_of, find_rows
    from zoo.cli.presence import Presence
    from zoo.cli.row_tables import describe, row_table
    from zoo.cli.tables import to_records

    if len(names) < 2:
        raise UsageError(f"zoo compare takes two models or more, got {len(names)}")
    form = output.chosen_format(format, is_json=json)
    rows = find_rows(names, is_cached=Presence().has_all)
    if form in ("json", "csv"):
        machine_table = row_table(rows, ("name", *_COMPARED), form, is_terminal=False)
        if form == "csv":
            output.write_table(machine_table, form)
            return
        best = {column: best_of(rows, column) for column in SMALLER_IS_BETTER}
        records = to_records(machine_table)
        for index, record in enumerate(records):
            record["best_in"] = [describe(column).key for column, flags in best.items() if flags[index]]
        output.write_json(records)
        return
    left_out = output.write_table(_side_by_side(names, rows, is_markdown=form == "markdown"), form)
    output.talk_left_out(left_out, "compare fewer at once, or through a pipe", is_quiet=quiet)


def _side_by_side(names: "Sequence[str]", rows: "Sequence[Row]", *, is_markdown: bool) -> "Table":
    """Turn the table: a column for each model."""
    from zoo.catalog import quantities
    from zoo.catalog.comparison import best_of
    from zoo.cli.row_tables import describe
    from zoo.cli.tables import Column, Table

    cells: list[list[str]] = []
    marked: set[tuple[int, int]] = set()
    for line, name in enumerate(_COMPARED):
        column, best = describe(name), best_of(rows, name)
        cells.append([column.title])
        for index, row in enumerate(rows):
            shown = column.show(row[name])
            if is_markdown:
                cells[-1].append(f"**{shown}**" if best[index] else shown)
            else:
                cells[-1].append(f"{shown} {'*' if best[index] else ' '}")
            if best[index]:
                marked.add((line, index + 1))
    columns = [Column("property", "", quantities.text)]
    columns += [Column(f"model{index}", name, quantities.text, is_number=True) for index, name in enumerate(names)]
    optional = tuple(f"model{index}" for index in reversed(range(2, len(names))))
    return Table(tuple(columns), cells, optional=optional, marked=frozenset(marked))
