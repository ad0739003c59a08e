"""``zoo predict``: the most likely labels of pictures."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Model, Quiet, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.predictor import Prediction

app = new_app()
_BAR_WIDTH = 20


@app.command(
    epilog=examples(
        "zoo predict resnet18 cat.jpg",
        "zoo predict squeezenet1_1 holiday/ --top 1 --format csv > labels.csv",
        "zoo predict resnet50:imagenet1k_v2 'photos/**/*.png' --batch 32 --device cuda",
        "curl -s https://example.org/dog.jpg | zoo predict mobilenet_v2 -",
        "zoo predict squeezenet1_1 cat.jpg --checkpoint mine.safetensors",
    )
)
def predict(
    name: Model,
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE...", help="Files, folders, patterns, URLs, or - for stdin.", show_default=False
        ),
    ],
    top: Annotated[int, typer.Option(help="How many labels for each picture.", min=1)] = 5,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="FILE", help="Weights of your own instead of published ones.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    batch: Annotated[int, typer.Option(help="How many pictures go through the network at once.", min=1)] = 16,
    format: Annotated[
        Literal["table", "json", "csv"] | None,
        typer.Option("--format", help="How to print: table (the default), json or csv.", show_default=False),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Name the most likely labels of pictures.

    Pictures are prepared as the weights' record says. A broken picture is named on stderr, the others go on, and
    the exit code is 1.
    """
    from zoo.cli.progress import StepProgress
    from zoo.devices import find_device
    from zoo.pictures import find_pictures
    from zoo.predictor import Predictor

    form = output.chosen_format(format, is_json=json)
    found = find_pictures(pictures)
    predictor = Predictor(name, checkpoint=checkpoint, device=find_device(device))
    predictions: list[Prediction] = []
    with StepProgress(is_quiet=quiet or len(found) == 1) as progress:
        for prediction in predictor.predict(found, top=top, batch=batch):
            predictions.append(prediction)
            progress(prediction.picture, len(predictions), len(found))
    _print(predictions, form)
    faults = [prediction for prediction in predictions if prediction.fault]
    for prediction in predictions:
        if prediction.fault:
            output.fail(f"{prediction.picture}: {prediction.fault}")
        elif prediction.note:
            output.talk(f"{prediction.picture}: {prediction.note}", is_quiet=quiet)
    if faults:
        output.talk(f"{len(faults)} of {len(predictions)} pictures could not be used", is_quiet=quiet)
        raise typer.Exit(1)


def _print(predictions: "Sequence[Prediction]", form: output.Format) -> None:
    if form == "json":
        output.write_json([asdict(prediction) for prediction in predictions])
    elif form == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["picture", "rank", "index", "label", "probability"])
        for prediction in predictions:
            for rank, guess in enumerate(prediction.guesses, start=1):
                writer.writerow([prediction.picture, rank, guess.index, guess.label, f"{guess.probability:.6f}"])
        output.write(text.getvalue())
    elif form == "table":
        for prediction in predictions:
            if prediction.guesses:
                _print_bars(prediction)
    else:
        raise UsageError(f"zoo predict prints no {form}; use table, json or csv")


def _print_bars(prediction: "Prediction") -> None:
    lines = [output.paint(prediction.picture, "title")]
    widest = max(len(guess.label) for guess in prediction.guesses)
    for guess in prediction.guesses:
        bar = "█" * round(guess.probability * _BAR_WIDTH)
        lines.append(f"  {output.safe(guess.label):{widest}}  {100 * guess.probability:6.2f} %  {bar}".rstrip())
    output.write_painted("\n".join(lines))
