"""``zoo train``: train or fine-tune a network on folders of images."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Model, Quiet, examples, new_app
from zoo.errors import install_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.trainer import Epoch, Trained
    from zoo.trainer.data import Split
    from zoo.trainer.training import Run

app = new_app()
_MOST_CLASSES = 12
_HEADER = "epoch  train loss  val loss  val error %  learning rate  seconds  data wait %"


@app.command(
    epilog=examples(
        "zoo train cnnnet cats-and-fish/ --output runs/cnnnet",
        "zoo train resnet18 flowers/ --pretrained --frozen-epochs 2 --epochs 10",
        "zoo train lenet5 digits/ --epochs 40 --batch 64 --learning-rate 0.004",
        "zoo train resnet18 flowers/ --output runs/flowers --resume",
        (
            "accelerate launch -m zoo train resnet50 imagenet/ "
            "--epochs 90 --optimizer sgd --learning-rate 0.1"
        ),
    )
)
def train(
    name: Model,
    dataset: Annotated[
        Path,
        typer.Argument(
            help="One folder a class, or train and val folders of such.", show_default=False
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Folder of the run; runs/NAME by default.",
            show_default=False,
        ),
    ] = None,
    pretrained: Annotated[
        bool,
        typer.Option("--pretrained", help="Begin from published weights, with a new last layer."),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Begin from a file of your own, with a new last layer."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last finished epoch.")
    ] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 20,
    batch: Annotated[
        int, typer.Option(help="Images in one step, over all processes together.")
    ] = 32,
    optimizer: Annotated[Literal["adam", "sgd"], typer.Option(help="adam is AdamW.")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="At its peak, after the warm-up.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Weight decay.")] = 0.01,
    warmup_epochs: Annotated[
        float, typer.Option(help="The rate rises for so long, then falls as a cosine.")
    ] = 1.0,
    label_smoothing: Annotated[
        float, typer.Option(help="Share of the target spread over all classes.")
    ] = 0.0,
    clip_norm: Annotated[
        float, typer.Option(help="Maximum gradient norm; 0 leaves gradients alone.")
    ] = 0.0,
    augmentation: Annotated[
        Literal["auto", "none", "affine", "crop-flip"],
        typer.Option(
            help="Random changes; auto: affine for grey images, crop-flip for colored ones."
        ),
    ] = "auto",
    precision: Annotated[
        Literal["no", "fp16", "bf16"], typer.Option(help="Mixed precision.")
    ] = "no",
    frozen_epochs: Annotated[int, typer.Option(help="Train only the last layer for so long.")] = 0,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a better error; 0: never.")
    ] = 0,
    hold_out: Annotated[
        float, typer.Option(help="Share kept for validation where there is no val folder.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that decode images.", min=0)] = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write logs for TensorBoard too.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train or fine-tune a model on an image folder.

    The folder of the run keeps last.pt, to go on from after any interruption, best.safetensors,
    which zoo predict, zoo evaluate and zoo inspect take in place of a name, and curves.png. The
    same seed gives the same curve.
    """
    from zoo.cli.terminal.progress import EpochProgress
    from zoo.trainer import Recipe, start_run
    from zoo.trainer import train as carry_out
    from zoo.trainer.hints import hints
    from zoo.trainer.logs import log_epoch, open_log

    recipe = Recipe(
        epochs=epochs,
        batch=batch,
        optimizer=optimizer,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup_epochs=warmup_epochs,
        label_smoothing=label_smoothing,
        clip_norm=clip_norm,
        augmentation=augmentation,
        precision=precision,
        frozen_epochs=frozen_epochs,
        patience=patience,
        hold_out=hold_out,
        seed=seed,
    )
    folder = folder or Path("runs") / name.replace(":", "-")
    run = start_run(
        name,
        dataset,
        folder,
        recipe,
        is_pretrained=pretrained,
        checkpoint=checkpoint,
        resume=resume,
        workers=workers,
    )
    is_main = run.accelerator.is_main_process
    log = open_log(folder) if tensorboard and is_main else None
    is_silent = quiet or not is_main
    output.talk(_opening(run), is_quiet=is_silent)
    for note in _notes(run, is_pretrained=pretrained) if is_main else ():
        output.warn(note)
    output.talk(_HEADER, is_quiet=is_silent)
    for epoch in run.history:
        output.talk(_line(epoch), is_quiet=is_silent)

    with EpochProgress(is_quiet=is_silent) as bar:
        run.on_step = bar.step

        def report(epoch: "Epoch") -> None:
            bar.finish(_line(epoch))
            for hint in hints(run.history, run.split):
                output.warn(hint)
            if log is not None:
                log_epoch(log, epoch)

        try:
            trained = carry_out(run, report)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_kept(run, name, dataset, folder)) from None
    if is_main:
        _finish(name, trained, folder, run.split, is_json=json, is_quiet=quiet)


def _opening(run: "Run") -> str:
    """Say what begins: images, classes, what is held out, steps, device, learning rate."""
    split, recipe = run.split, run.recipe
    counts = Counter(label for _, label in split.train)
    classes = [f"{label} {counts[number]}" for number, label in enumerate(split.labels)]
    shown = ", ".join(classes[:_MOST_CLASSES])
    more = len(classes) - _MOST_CLASSES
    batch = min(recipe.batch, len(split.train))
    steps = len(split.train) // batch
    return (
        f"{len(split.train)} images to learn from, {len(split.validation)} held out,"
        f" {len(classes)} classes: {shown}{f' and {more} more' if more > 0 else ''}\n"
        f"{_counted(recipe.epochs, 'epoch')} of {_counted(steps, 'step')} of {batch} images"
        f" on {run.accelerator.device},"
        f" learning rate {recipe.learning_rate:g}"
    )


def _notes(run: "Run", *, is_pretrained: bool) -> list[str]:
    """Say what of the data is left out, and where there is little of it."""
    from zoo.trainer.hints import few_images

    notes = list(run.split.notes)
    little = few_images(run.split)
    if little is not None:
        help_ = "add images" if is_pretrained else "add images, or begin with --pretrained"
        notes.append(f"{little}: {help_}")
    return notes


def _kept(run: "Run", name: str, dataset: Path, folder: Path) -> str:
    """Draw what there is, and say what is kept and how to go on."""
    if not run.history:
        return "interrupted before the end of the first epoch; nothing is kept"
    _draw(name, run.history, folder, len(run.split.labels))
    again = f"zoo train {name} {dataset} --output {folder} --resume, with the same options"
    return f"interrupted; {folder} keeps {len(run.history)} whole epochs, go on with: {again}"


def _line(epoch: "Epoch") -> str:
    loss = _number(epoch.validation_loss, 4)
    error = _number(epoch.validation_error_percent, 2)
    waited_percent = 100 * epoch.data_wait_share

    return (
        f"{epoch.number:5d}  {epoch.train_loss:10.4f}  {loss:>8}  {error:>11}"
        f"  {epoch.learning_rate:13.2e}  {epoch.seconds:7.1f}  {waited_percent:11.0f}"
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _draw(name: str, history: "Sequence[Epoch]", folder: Path, classes: int) -> bool:
    """Draw the curves, where matplotlib is there."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        return False
    from zoo.trainer.curves import draw_curves

    draw_curves(history, folder / "curves.png", f"{name}, {classes} classes")
    return True


def _finish(
    name: str, trained: "Trained", folder: Path, split: "Split", *, is_json: bool, is_quiet: bool
) -> None:
    """Say where the best network is, how good it is, and what to type next."""
    best = trained.best_epoch
    if _draw(name, trained.history, folder, len(trained.labels)):
        output.talk(f"curves drawn in {folder / 'curves.png'}", is_quiet=is_quiet)
    else:
        output.talk(f"no curves: run {install_command('plot')} for them", is_quiet=is_quiet)
    if is_json:
        epochs = [asdict(epoch) for epoch in trained.history]
        output.write_json(
            {"best": str(trained.best), "labels": list(trained.labels), "epochs": epochs}
        )
        return
    early = ", stopped early" if trained.stopped_early else ""
    output.talk(f"best: epoch {best.number}{early}{_verdict(best, split)}", is_quiet=is_quiet)
    output.talk(
        f"next:\n  zoo predict {trained.best} IMAGE\n  zoo evaluate {trained.best} FOLDER",
        is_quiet=is_quiet,
    )
    output.write(str(trained.best))


def _verdict(best: "Epoch", split: "Split") -> str:
    """Say the error with its interval."""
    from zoo.evaluator.results import ErrorRate

    if best.validation_error_percent is None:
        return ", judged by the training loss alone"
    images = len(split.validation)
    rate = ErrorRate(round(best.validation_error_percent * images / 100), images)
    low, high = rate.interval
    return (
        f", {best.validation_error_percent:.2f} % top-1 error"
        f" ({rate.errors} of {images} wrong; 95 %: {low:.2f} to {high:.2f})"
    )
