"""``zoo evaluate``: what a network is worth on labelled images."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli.bench_fleet import NodeMemory, needs_of, on_every_node
from zoo.cli.terminal import output
from zoo.cli.terminal.options import (
    Architecture,
    AsJson,
    Batch,
    Checkpoint,
    Device,
    Labels,
    NumClasses,
    Quiet,
    Subject,
    Workers,
    examples,
    new_app,
)
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.cli.terminal.tables import Table
    from zoo.evaluator import EngineComparison, Evaluation
    from zoo.evaluator.results import ErrorRate
    from zoo.evaluator.shards import Job
    from zoo.executors.record import Needs

app = new_app()


@app.command(
    epilog=examples(
        "zoo evaluate resnet18 imagenet/val",
        "zoo evaluate best.safetensors flowers/val --output result.json",
        "zoo evaluate resnet18 imagenet/val --engine compile,onnxruntime,openvino",
        (
            "zoo evaluate resnet50:imagenet1k_v2 imagenet/val "
            "--batch 64 --workers 4 --device cuda --json"
        ),
        "zoo evaluate resnet50 /shared/imagenet/val --executor ray --address 10.0.0.1:6379",
    )
)
def evaluate(
    name: Subject,
    dataset: Annotated[
        str,
        typer.Argument(
            help="A folder with one folder a class, called by label or by WordNet identifier.",
            show_default=False,
        ),
    ],
    checkpoint: Checkpoint = None,
    architecture: Architecture = None,
    num_classes: NumClasses = None,
    labels: Labels = None,
    device: Device = "auto",
    batch: Batch = 32,
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What runs the network, as zoo bench engines lists it; several are compared.",
        ),
    ] = "eager",
    workers: Workers = None,
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="This machine, or the nodes of a Ray cluster, which share the images."),
    ] = "local",
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Of the Ray cluster; auto finds it.")
    ] = "auto",
    node_memory: NodeMemory = None,
    classes: Annotated[
        bool, typer.Option("--classes", help="Print the table of classes, not only the totals.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the whole result as JSON."),
    ] = None,
    format: Annotated[
        Literal["table", "json", "csv", "markdown"] | None,
        typer.Option("--format", help="How to print the table of classes.", show_default=False),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate accuracy on labeled images.

    Folders are matched with the network's outputs by what they are called, never by their position.
    Beside the measured errors stands what the publisher says of the same weights, and whether the
    two agree within the 95 % interval. A broken image is named on stderr, the others go on, and
    the exit code is 1. Of several engines each is told how fast it is, and whether the errors are
    those of eager. On a cluster every node needs the model and the images under the same names.
    """
    from zoo.classifier import load_classifier, read_labels
    from zoo.cli.terminal.progress import StepProgress
    from zoo.devices import find_device
    from zoo.engines.known import find_engine
    from zoo.evaluator import evaluate_with
    from zoo.evaluator.shards import Job
    from zoo.images.folders import require_folder

    engines = [find_engine(word.strip()).name for word in engine.split(",")]
    form = output.chosen_format(format, is_json=json)
    names = read_labels(labels) if labels else None
    written: EngineComparison | Evaluation
    if executor == "ray":
        if len(engines) > 1:
            raise UsageError("--executor ray takes one engine: compare several on one machine")
        job = Job(
            model=on_every_node(name),
            dataset=str(Path(dataset).absolute()),
            checkpoint=str(checkpoint.absolute()) if checkpoint else None,
            architecture=architecture,
            labels=tuple(names) if names else None,
            num_classes=num_classes,
            engine=engines[0],
            batch=batch,
            workers=workers,
        )
        written = _evaluate_on_cluster(
            job, address=address, needs=needs_of(device, node_memory), is_quiet=quiet
        )
    else:
        require_folder(dataset)
        classifier = load_classifier(
            name,
            checkpoint=checkpoint,
            architecture=architecture,
            labels=names,
            num_classes=num_classes,
            device=find_device(device),
            purpose="evaluate",
        )
        with StepProgress(is_quiet=quiet) as progress:
            written = evaluate_with(
                classifier, dataset, engines, batch=batch, workers=workers, progress=progress
            )
    # An hour's result is not lost for a full disk or a misspelt folder.
    result = _print(written, form, classes=classes)
    if file is not None:
        written.write(file)
        output.talk(f"written to {file}", is_quiet=quiet)
    if result.skipped:
        raise typer.Exit(1)


def _print(
    written: "EngineComparison | Evaluation", form: "output.Format", *, classes: bool
) -> "Evaluation":
    """Print what was found; return the evaluation, of several engines the first one's."""
    from zoo.evaluator import EngineComparison

    result = written.evaluation if isinstance(written, EngineComparison) else written
    if form == "json":
        output.write_json(written.as_dict())
    elif isinstance(written, EngineComparison) and not classes:
        output.write_table(_engine_table(written), form)
    elif classes or form in ("csv", "markdown"):
        output.write_table(_class_table(result), form)
    else:
        output.write(output.fitted(_summary(result)))
    for sentence in result.left_out:
        output.warn(sentence)
    for skipped in result.skipped:
        output.fail(f"{skipped.image}: {skipped.fault}")
    return result


def _evaluate_on_cluster(
    job: "Job",
    *,
    address: str,
    needs: "Needs",
    is_quiet: bool,
) -> "Evaluation":
    from zoo.cli.terminal.progress import StepProgress
    from zoo.evaluator.shards import WORKSHOP, evaluate_on
    from zoo.executors.cluster import RayExecutor

    with StepProgress(is_quiet=is_quiet) as progress, output.quiet_stdout():
        executor = RayExecutor(WORKSHOP, address, needs)
        return evaluate_on(executor, job, progress=progress)


def _summary(result: "Evaluation") -> str:
    published = result.published
    lines = [
        f"{result.model} on {result.top1.images} images of {len(result.classes)} classes",
        _rate_line("top-1", result.top1, published.top1_error_percent if published else None),
        _rate_line("top-5", result.top5, published.top5_error_percent if published else None),
        f"  calibration error  {result.calibration_error_percent:.2f} %  (15 bins)",
        f"  speed              {result.images_per_second:.1f} images a second, decoding included",
    ]
    if result.confusions:
        lines.append("  most confused")
        lines += [
            f"    {pair.label} taken for {pair.taken_for}: {pair.count}"
            for pair in result.confusions[:5]
        ]
    if published:
        lines.append(f"  published by {published.source}, {published.split} set")
    return "\n".join(lines)


def _engine_table(compared: "EngineComparison") -> "Table":
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("engine", "engine", quantities.text),
        Column("images_per_s", "images/s", quantities.digits, is_number=True),
        Column("network_images_per_s", "network alone", quantities.digits, is_number=True),
        Column("top1_error", "top-1 error", quantities.percent, is_number=True),
        Column("top5_error", "top-5 error", quantities.percent, is_number=True),
        Column("changed", "other label", quantities.text, is_number=True),
        Column("prepare_s", "prepared in s", quantities.digits, is_number=True),
        Column("version", "version", quantities.text),
    )
    rows = [
        (
            *(row.engine, row.images_per_second, row.network_images_per_second),
            *(row.top1.percent, row.top5.percent, row.changed, row.prepare_s),
            f"{row.package} {row.version}",
        )
        for row in compared.engines
    ]
    return Table(columns, rows)


def _rate_line(title: str, rate: "ErrorRate", published: float | None) -> str:
    low, high = rate.interval
    certainty = f"95 %: {low:.2f} to {high:.2f}; {rate.errors} wrong"
    line = f"  {title} error        {rate.percent:.2f} %  ({certainty})"
    if published is None:
        return line
    verdict = "agrees" if rate.agrees_with(published) else "does not agree"
    return f"{line}; published {published:.2f} %, which {verdict}"


def _class_table(result: "Evaluation") -> "Table":
    from zoo.catalog import quantities
    from zoo.cli.terminal.tables import Column, Table

    columns = (
        Column("index", "index", quantities.text, is_number=True),
        Column("label", "class", quantities.text),
        Column("images", "images", quantities.text, is_number=True),
        Column("top1_errors", "top-1 errors", quantities.text, is_number=True),
        Column("top5_errors", "top-5 errors", quantities.text, is_number=True),
    )
    rows = [
        (entry.index, entry.label, entry.images, entry.top1_errors, entry.top5_errors)
        for entry in result.classes
    ]
    return Table(columns, rows)
