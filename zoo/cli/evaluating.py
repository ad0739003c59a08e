"""``zoo evaluate``: what a network is worth on labelled pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Model, Quiet, examples, new_app

if TYPE_CHECKING:
    from zoo.cli.tables import Table
    from zoo.evaluator import Evaluation
    from zoo.evaluator.results import ErrorRate

app = new_app()


@app.command(
    epilog=examples(
        "zoo evaluate resnet18 imagenet/val",
        "zoo evaluate squeezenet1_1 my-pictures/ --checkpoint mine.safetensors --output result.json",
        "zoo evaluate resnet50:imagenet1k_v2 imagenet/val --batch 64 --workers 4 --device cuda --json",
    )
)
def evaluate(
    name: Model,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A folder with one folder a class, called by label or by WordNet identifier.", show_default=False
        ),
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Weights of your own instead of published ones.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    batch: Annotated[int, typer.Option(help="How many pictures go through the network at once.", min=1)] = 32,
    workers: Annotated[int, typer.Option(help="Processes that decode pictures besides this one.", min=0)] = 0,
    classes: Annotated[
        bool, typer.Option("--classes", help="Print the table of classes, not only the totals.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the whole result as JSON.")
    ] = None,
    format: Annotated[
        Literal["table", "json", "csv", "markdown"] | None,
        typer.Option("--format", help="How to print the table of classes.", show_default=False),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Count a network's errors on labelled pictures.

    Folders are matched with the network's outputs by what they are called, never by their position. Beside the measured
    errors stands what the publisher says of the same weights, and whether the two agree within the 95 % interval. A
    broken picture is named on stderr, the others go on, and the exit code is 1.
    """
    from zoo.cli.progress import StepProgress
    from zoo.devices import find_device
    from zoo.evaluator import evaluate as run
    from zoo.evaluator import find_subject

    form = output.chosen_format(format, is_json=json)
    subject = find_subject(name, checkpoint=checkpoint, device=find_device(device))
    with StepProgress(is_quiet=quiet) as progress:
        result = run(subject, dataset, batch=batch, workers=workers, progress=progress)
    if file is not None:
        result.write(file)
        output.talk(f"written to {file}", is_quiet=quiet)
    if form == "json":
        output.write_json(result.as_dict())
    elif classes or form in ("csv", "markdown"):
        output.write_table(_class_table(result), form)
    else:
        output.write(_summary(result))
    for skipped in result.skipped:
        output.fail(f"{skipped.picture}: {skipped.fault}")
    if result.skipped:
        raise typer.Exit(1)


def _summary(result: "Evaluation") -> str:
    published = result.published
    lines = [
        f"{result.model} on {result.top1.images} pictures of {len(result.classes)} classes",
        _rate_line("top-1", result.top1, published.top1_error_percent if published else None),
        _rate_line("top-5", result.top5, published.top5_error_percent if published else None),
        f"  calibration error  {result.calibration_error_percent:.2f} %  (15 bins)",
        f"  speed              {result.images_per_second:.1f} pictures a second, decoding included",
    ]
    if result.confusions:
        lines.append("  most confused")
        lines += [f"    {pair.label} taken for {pair.taken_for}: {pair.count}" for pair in result.confusions[:5]]
    if published:
        lines.append(f"  published by {published.source}, {published.split} set")
    return "\n".join(lines)


def _rate_line(title: str, rate: "ErrorRate", published: float | None) -> str:
    low, high = rate.interval
    line = f"  {title} error        {rate.percent:.2f} %  (95 %: {low:.2f} to {high:.2f}; {rate.errors} wrong)"
    if published is None:
        return line
    verdict = "agrees" if rate.agrees_with(published) else "does not agree"
    return f"{line}; published {published:.2f} %, which {verdict}"


def _class_table(result: "Evaluation") -> "Table":
    from zoo.catalog import quantities
    from zoo.cli.tables import Column, Table

    columns = (
        Column("index", "index", quantities.text, is_number=True),
        Column("label", "class", quantities.text),
        Column("images", "pictures", quantities.text, is_number=True),
        Column("top1_errors", "top-1 errors", quantities.text, is_number=True),
        Column("top5_errors", "top-5 errors", quantities.text, is_number=True),
    )
    rows = [(entry.index, entry.label, entry.images, entry.top1_errors, entry.top5_errors) for entry in result.classes]
    return Table(columns, rows)
