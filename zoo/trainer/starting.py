"""From a name and a folder to a run that can begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo.catalog.resolver import find_architecture
from zoo.errors import OptionError, TrainingError, UsageError
from zoo.images.preprocess import transform
from zoo.loader import load_checkpoint, load_model
from zoo.trainer import checkpoints, data
from zoo.trainer.recipe import Recipe
from zoo.trainer.training import Run


def start_run(
    name: str,
    dataset: Path | str,
    output: Path | str,
    recipe: Recipe | None = None,
    *,
    is_pretrained: bool = False,
    checkpoint: Path | str | None = None,
    resume: bool = False,
    workers: int = 0,
    **options: Any,
) -> Run:
    """Prepare a training run.

    Args:
        name: The architecture; with ``is_pretrained``, ``NAME:TAG`` chooses its weights.
        dataset: One folder a class, or ``train`` and ``val`` folders of such.
        output: Folder of the run: ``last.pt`` to go on from, ``best.safetensors`` to use.
        recipe: Every choice that decides what is computed.
        is_pretrained: Begin from published weights, with a new last layer for the data's classes.
        checkpoint: Begin from a file of your own that has the architecture's usual number of
            classes, likewise.
        resume: Go on from the last finished epoch in ``output``.
        workers: Processes that decode images besides each training process.
        options: Passed to the architecture's builder.

    Raises:
        DatasetError: The data set cannot be used.
        TrainingError: ``output`` holds a run and ``resume`` is false, or it holds another run.
        OptionError: The architecture is no classifier.
        UsageError: ``is_pretrained`` and ``checkpoint`` contradict each other.
    """
    if is_pretrained and checkpoint is not None:
        raise UsageError("--pretrained and --checkpoint contradict each other: leave one out")

    folder = Path(output)
    if recipe is None:
        recipe = Recipe()

    architecture = find_architecture(name)
    plain_name = architecture.name
    if architecture.task != "classification":
        fault = f"its task is {architecture.task}, expected classification"
        raise OptionError(plain_name, "train", fault)

    if checkpoints.last_path(folder).exists() and not resume:
        fault = "it holds a run already"
        advice = "go on with --resume or choose another --output"
        raise TrainingError(str(folder), f"{fault}; {advice}")

    split = data.split_images(Path(dataset), recipe)
    options["num_classes"] = len(split.labels)

    # What starts at random does so alike in every run and every process.
    torch.manual_seed(recipe.seed)
    if checkpoint is not None:
        model = load_checkpoint(plain_name, checkpoint, has_new_head=True, **options)
    elif is_pretrained:
        model = load_model(name, "default", **options)
    else:
        model = load_model(name, None, **options)

    folder.mkdir(parents=True, exist_ok=True)
    run = Run(
        name=plain_name,
        model=model,
        prepare=transform(name if is_pretrained else plain_name),
        split=split,
        recipe=recipe,
        folder=folder,
        workers=workers,
    )
    if resume:
        run.resume()
    return run
