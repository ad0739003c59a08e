"""``zoo predict``: the most likely labels of images."""

from dataclasses import asdict, dataclass
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

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
    from collections.abc import Sequence

    from zoo.classifier import Classifier
    from zoo.predictor import ImagePredictions

app = new_app()
_BAR_WIDTH = 20


@app.command(
    epilog=examples(
        "zoo predict resnet18 cat.jpg",
        "zoo predict squeezenet1_1 holiday/ --top 1 --format csv > labels.csv",
        "zoo predict resnet50:imagenet1k_v2 'photos/**/*.png' --batch 32 --device cuda",
        "curl -s https://example.org/dog.jpg | zoo predict mobilenet_v2 -",
        "zoo predict best.safetensors cat.jpg",
        "zoo predict resnet18 photos/ --features photos.npz",
        "zoo predict mine.pth cat.jpg --architecture resnet18 --labels classes.txt",
    )
)
def predict(
    name: Subject,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Files, folders, patterns, URLs, or - for stdin.",
            show_default=False,
        ),
    ],
    top: Annotated[int, typer.Option(help="How many labels for each image.", min=1)] = 5,
    checkpoint: Checkpoint = None,
    architecture: Architecture = None,
    num_classes: NumClasses = None,
    labels: Labels = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOR",
            help="Lay transparent images on this color: white, #808080.",
            show_default=False,
        ),
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write pooled features (embeddings) instead: .npz or .parquet.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    batch: Batch = 16,
    engine: Annotated[
        str,
        typer.Option(metavar="NAME", help="What runs the network; zoo bench engines lists them."),
    ] = "eager",
    workers: Workers = None,
    format: Annotated[
        Literal["table", "json", "csv"] | None,
        typer.Option(
            "--format", help="How to print: table (the default), json or csv.", show_default=False
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Classify images.

    Prints the most likely labels. Images are preprocessed as the weights' record says. A broken
    image is named on stderr, the others go on, and the exit code is 1.

    With --features it writes what the network's last layer sees, a vector for each image, for
    searching, clustering and classifiers of your own. A file that is there is gone on with.
    """
    from zoo.classifier import load_classifier, read_labels
    from zoo.cli.terminal.progress import StepProgress
    from zoo.devices import find_device
    from zoo.engines.known import find_engine
    from zoo.images.files import find_images
    from zoo.predictor import Predictor

    find_engine(engine)  # a typo is told before anything is looked for or downloaded
    if features is not None and engine != "eager":
        raise UsageError("--features runs the network as it is: leave --engine out")
    form = output.chosen_format(format, is_json=json)
    found = find_images(images)
    if features is not None:
        classifier = load_classifier(
            name,
            checkpoint=checkpoint,
            architecture=architecture,
            num_classes=num_classes,
            device=find_device(device),
        )
        run = _Extraction(classifier, found, features, batch, workers, background)
        _write_features(run, is_json=json, is_quiet=quiet)
        return
    predictor = Predictor(
        name,
        checkpoint=checkpoint,
        architecture=architecture,
        labels=read_labels(labels) if labels else None,
        num_classes=num_classes,
        background=background,
        device=find_device(device),
        engine=engine,
        batch=min(batch, max(1, len(found))),
    )
    predictions: list[ImagePredictions] = []
    bar = StepProgress(is_quiet=quiet or len(found) == 1, kept="what is known of them was printed")
    try:
        with bar as progress:
            for prediction in predictor.predict(found, top=top, batch=batch, workers=workers):
                predictions.append(prediction)
                progress(prediction.image, len(predictions), len(found))
    finally:
        _print(predictions, form)
    faults = [prediction for prediction in predictions if prediction.fault]
    for prediction in predictions:
        if prediction.fault:
            output.fail(f"{prediction.image}: {prediction.fault}")
        elif prediction.note:
            output.talk(f"{prediction.image}: {prediction.note}", is_quiet=quiet)
    if faults:
        output.talk(f"{len(faults)} of {len(predictions)} images could not be used", is_quiet=quiet)
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Extraction:
    """What ``--features`` asks for."""

    classifier: "Classifier"
    images: "Sequence[str]"
    path: Path
    batch: int
    workers: int | None
    background: str | None


def _write_features(run: _Extraction, *, is_json: bool, is_quiet: bool) -> None:
    """Write features, and say how many there are now."""
    from zoo.cli.terminal.progress import StepProgress
    from zoo.embedder import extract

    kept = f"they are in {run.path}"
    with StepProgress(is_quiet=is_quiet, kept=kept, advice="go on with") as progress:
        outcome = extract(
            run.classifier,
            run.images,
            run.path,
            batch=run.batch,
            workers=run.workers,
            background=run.background,
            progress=progress,
        )
    count, size = outcome.features.vectors.shape
    if is_json:
        faults = [{"image": image, "fault": fault} for image, fault in outcome.faults]
        content = {"path": str(run.path), "images": count, "features": size}
        output.write_json({**content, "added": outcome.added, "faults": faults})
    else:
        output.write(str(run.path))
    text = f"{count} images with {size} features each: {outcome.added} new, {outcome.kept} there"
    output.talk(text, is_quiet=is_quiet)
    for image, fault in outcome.faults:
        output.fail(f"{image}: {fault}")
    if outcome.faults:
        raise typer.Exit(1)


def _print(predictions: "Sequence[ImagePredictions]", form: output.Format) -> None:
    if form == "json":
        output.write_json([asdict(prediction) for prediction in predictions])
    elif form == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["image", "rank", "index", "label", "probability"])
        for result in predictions:
            for rank, best in enumerate(result.predictions, start=1):
                row = [result.image, rank, best.index, best.label, f"{best.probability:.6f}"]
                writer.writerow(row)
        output.write(text.getvalue())
    elif form == "table":
        for result in predictions:
            if result.predictions:
                _print_bars(result)
    else:
        raise UsageError(f"there is no {form} of predictions; use table, json or csv")


def _print_bars(result: "ImagePredictions") -> None:
    lines = [output.paint(result.image, "title")]
    labels = [output.safe(prediction.label) for prediction in result.predictions]
    widest = max(len(label) for label in labels)
    room = (output.terminal_width() or inf) - widest - len("    100.00 %  ")
    for label, prediction in zip(labels, result.predictions, strict=True):
        percent = 100 * prediction.probability
        width = min(_BAR_WIDTH, max(room, 0))
        share = prediction.probability if isfinite(prediction.probability) else 0
        bar = "█" * round(share * width)
        lines.append(f"  {label:{widest}}  {percent:6.2f} %  {bar}".rstrip())
    output.write_painted("\n".join(lines))
