"""``zoo compare``: models side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsFormat, AsJson, Quiet, complete_models, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.catalog.rows import Row
    from zoo.cli.terminal.tables import Table

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
    "license",
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
            metavar="NAME...",
            help="Two models or more; NAME:TAG for weights.",
            autocompletion=complete_models,
        ),
    ],
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare models side by side.

    The best of each row is marked with a star: of errors and costs, the smallest; of mAP, mIoU and
    accuracies, the largest. A multiply-add (MAC) is one multiply with its add, or two FLOPs. JSON
    and CSV hold one row for each model.
    """
    from zoo.cache.presence import Presence
    from zoo.catalog.comparison import HAS_A_BEST, best_of, find_rows
    from zoo.cli.terminal.row_tables import describe, row_table
    from zoo.cli.terminal.tables import to_records

    if len(names) < 2:
        given = " ".join(names)
        fault = f"expected two models or more, got {len(names)}"
        raise UsageError(f'{fault}; add one, as in "zoo compare {given} resnet50"')
    form = output.chosen_format(format, is_json=json)
    rows = find_rows(names, is_cached=Presence().has_entry)
    if form in ("json", "csv"):
        machine_table = row_table(rows, ("name", *_compared(rows)), form, is_terminal=False)
        if form == "csv":
            output.write_table(machine_table, form)
            return
        best = {column: best_of(rows, column) for column in HAS_A_BEST}
        records = to_records(machine_table)
        for index, record in enumerate(records):
            record["best_in"] = [
                describe(column).key for column, flags in best.items() if flags[index]
            ]
        output.write_json(records)
        return
    is_markdown = form == "markdown"
    width = None if is_markdown else output.terminal_width()
    for number, group in enumerate(_fitting_groups(names, rows, width)):
        if number:
            output.write("")
        table = _side_by_side([names[i] for i in group], rows, group, is_markdown=is_markdown)
        output.write_table(table, form)
    if not is_markdown:
        output.talk("* marks the best of each row", is_quiet=quiet)


def _compared(rows: "Sequence[Row]") -> tuple[str, ...]:
    """Name what is compared: published figures of other tasks stand where errors do."""
    from zoo.catalog.rows import columns_of_other_tasks
    from zoo.cli.terminal.row_tables import has_errors, with_figures

    figures = columns_of_other_tasks(rows)
    if figures and not any(map(has_errors, rows)):
        return with_figures(_COMPARED, figures)
    place = _COMPARED.index("parameters")
    return (*_COMPARED[:place], *figures, *_COMPARED[place:])


def _fitting_groups(
    names: "Sequence[str]", rows: "Sequence[Row]", width: int | None
) -> list[list[int]]:
    """Part the models into groups whose columns fit beside each other; every model is shown."""
    from zoo.cli.terminal.row_tables import describe, shown_value
    from zoo.cli.terminal.tables import GAP, cell_width

    if width is None:
        return [list(range(len(names)))]
    compared = _compared(rows)
    columns = [describe(name) for name in compared]
    first = max(cell_width(column.title) for column in columns)
    groups: list[list[int]] = []
    room = 0
    for index, name in enumerate(names):
        shown = [
            column.show(shown_value(rows[index], key, "table"))
            for column, key in zip(columns, compared, strict=True)
        ]
        widest = max(cell_width(name), *(cell_width(cell) + len(" *") for cell in shown))
        if not groups or widest + len(GAP) > room:
            groups.append([])
            room = width - first
        groups[-1].append(index)
        room -= widest + len(GAP)
    return groups


def _side_by_side(
    names: "Sequence[str]", rows: "Sequence[Row]", group: "Sequence[int]", *, is_markdown: bool
) -> "Table":
    """Turn the table: a column for each model of a group; the best is the best of all rows."""
    from zoo.catalog import quantities
    from zoo.catalog.comparison import best_of
    from zoo.cli.terminal.row_tables import describe, shown_value
    from zoo.cli.terminal.tables import Column, Table

    cells: list[list[str]] = []
    marked: set[tuple[int, int]] = set()
    for line, name in enumerate(_compared(rows)):
        column, best = describe(name), best_of(rows, name)
        cells.append([column.title])
        for place, index in enumerate(group, start=1):
            shown = column.show(shown_value(rows[index], name, "table"))
            if is_markdown:
                cells[-1].append(f"**{shown}**" if best[index] else shown)
            else:
                cells[-1].append(f"{shown} {'*' if best[index] else ' '}")
            if best[index]:
                marked.add((line, place))
    columns = [Column("property", "", quantities.text)]
    columns += [
        Column(f"model{index}", name, quantities.text, is_number=True)
        for index, name in enumerate(names)
    ]
    return Table(tuple(columns), cells, marked=frozenset(marked))
