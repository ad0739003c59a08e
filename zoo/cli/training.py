"""``zoo train``: train or fine-tune a network on folders of pictures."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo.cli import output
from zoo.cli.options import AsJson, Model, Quiet, examples, new_app

if TYPE_CHECKING:
    from zoo.trainer import Epoch, Trained

app = new_app()
_HEADER = "epoch  train loss  val loss  val error %  rate      seconds  waiting %"


@app.command(
    epilog=examples(
        "zoo train cnnnet cats-and-fish/ --output runs/cnnnet",
        "zoo train resnet18 flowers/ --pretrained --frozen-epochs 2 --epochs 10",
        "zoo train lenet5 digits/ --epochs 40 --batch 64 --learning-rate 0.004",
        "zoo train resnet18 flowers/ --output runs/flowers --resume",
        "accelerate launch -m zoo train resnet50 imagenet/ --epochs 90 --optimizer sgd --learning-rate 0.1",
    )
)
def train(
    name: Model,
    dataset: Annotated[
        Path,
        typer.Argument(help="One folder a class, or train and val folders of such.", show_default=False),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Folder of the run; runs/NAME by default.", show_default=False),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Begin from published weights, with a new last layer.")
    ] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Begin from a file of your own, with a new last layer.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the pictures.")] = 20,
    batch: Annotated[int, typer.Option(help="Pictures in one step, over all processes together.")] = 32,
    optimizer: Annotated[Literal["adam", "sgd"], typer.Option(help="adam is AdamW.")] = "adam",
    learning_rate: Annotated[float, typer.Option(help="At its peak, after the warm-up.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Pull of every weight towards zero.")] = 0.01,
    warmup_epochs: Annotated[float, typer.Option(help="The rate rises for so long, then falls as a cosine.")] = 1.0,
    label_smoothing: Annotated[float, typer.Option(help="Share of the target spread over all classes.")] = 0.0,
    clip_norm: Annotated[float, typer.Option(help="Longest gradient; 0 leaves gradients alone.")] = 0.0,
    augmentation: Annotated[
        Literal["auto", "none", "affine", "crop-flip"],
        typer.Option(help="Random changes; auto: affine for grey pictures, crop-flip for coloured ones."),
    ] = "auto",
    precision: Annotated[Literal["no", "fp16", "bf16"], typer.Option(help="Mixed precision.")] = "no",
    frozen_epochs: Annotated[int, typer.Option(help="Train only the last layer for so long.")] = 0,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without a better error; 0: never.")] = 0,
    hold_out: Annotated[float, typer.Option(help="Share kept for validation where there is no val folder.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes that decode pictures.", min=0)] = 0,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write logs for TensorBoard too.")] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train or fine-tune a network on folders of pictures.

    The folder of the run keeps last.pt, to go on from after any interruption, best.safetensors, which zoo predict,
    zoo evaluate and zoo inspect read with --checkpoint, and curves.png. The same seed gives the same curve.
    """
    from zoo.trainer import Recipe, start_run
    from zoo.trainer import train as carry_out
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
    output.talk(_HEADER, is_quiet=quiet or not is_main)
    for epoch in run.history:
        output.talk(_line(epoch), is_quiet=quiet or not is_main)

    def report(epoch: "Epoch") -> None:
        output.talk(_line(epoch), is_quiet=quiet)
        if log is not None:
            log_epoch(log, epoch)

    trained = carry_out(run, report)
    if is_main:
        _finish(name, trained, folder, is_json=json, is_quiet=quiet)


def _line(epoch: "Epoch") -> str:
    return (
        f"{epoch.number:5d}  {epoch.train_loss:10.4f}  {epoch.validation_loss:8.4f}  "
        f"{epoch.validation_error_percent:11.2f}  {epoch.learning_rate:.2e}  {epoch.seconds:8.1f}  "
        f"{100 * epoch.data_wait_share:9.0f}"
    )


def _finish(name: str, trained: "Trained", folder: Path, *, is_json: bool, is_quiet: bool) -> None:
    from importlib.util import find_spec

    best = trained.best_epoch
    if find_spec("matplotlib") is not None:
        from zoo.trainer.curves import draw_curves

        draw_curves(trained.history, folder / "curves.png", f"{name}, {len(trained.labels)} classes")
        output.talk(f"curves drawn in {folder / 'curves.png'}", is_quiet=is_quiet)
    else:
        output.talk('no curves: run pip install "torch-zoo[plot]" for them', is_quiet=is_quiet)
    if is_json:
        epochs = [asdict(epoch) for epoch in trained.history]
        output.write_json({"best": str(trained.best), "labels": list(trained.labels), "epochs": epochs})
        return
    early = ", stopped early" if trained.stopped_early else ""
    output.talk(
        f"best: {best.validation_error_percent:.2f} % top-1 error in epoch {best.number}{early}", is_quiet=is_quiet
    )
    output.write(str(trained.best))
