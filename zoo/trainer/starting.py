"""From a name and a folder to a run that can begin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo.catalog.resolver import find_architecture
from zoo.errors import OptionError, TrainingError, UsageError
from zoo.loader import load_checkpoint, load_model
from zoo.preprocess import transform
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
        checkpoint: Begin from a file of your own that has the architecture's usual number of classes, likewise.
        resume: Go on from the last finished epoch in ``output``.
        workers: Processes that decode pictures besides each training process.
        options: Passed to the architecture's builder.

    Raises:
        DatasetError: The data set cannot be used.
        TrainingError: ``output`` holds a run and ``resume`` is false, or it holds another run.
        OptionError: The architecture is no classifier.
        UsageError: ``is_pretrained`` and ``checkpoint`` contradict each other.
    """
    if is_pretrained and checkpoint is not None:
        raise UsageError("--pretrained and --checkpoint contradict each other: leave one out")
    recipe, folder = recipe or Recipe(), Path(output)
    plain = name.partition(":")[0]
    architecture = find_architecture(plain)
    if architecture.task != "classification":
        raise OptionError(plain, "train", f"its task is {architecture.task}, expected classification")
    if checkpoints.last_path(folder).exists() and not resume:
        raise TrainingError(str(folder), "it holds a run already; go on with --resume or choose another --output")
    split = data.split_pictures(Path(dataset), recipe)
    classes = len(split.labels)
    torch.manual_seed(recipe.seed)  # the parameters that start at random do so alike in every run and every process
    if checkpoint is not None:
        model = load_checkpoint(plain, checkpoint, num_classes=classes, has_new_head=True, **options)
    else:
        model = load_model(name, "default" if is_pretrained else None, num_classes=classes, **options)
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(plain, model, transform(name if is_pretrained else plain), split, recipe, folder, workers)
    if resume:
        run.resume()
    return run
