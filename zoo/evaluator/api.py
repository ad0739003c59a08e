"""Evaluate a model from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.classifier import load_classifier
from zoo.evaluator import evaluation
from zoo.images.folders import require_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch

    from zoo.evaluator.results import Evaluation


def evaluate(
    model: str | Path,
    dataset: str | Path,
    *,
    architecture: str | None = None,
    labels: Sequence[str] | None = None,
    num_classes: int | None = None,
    device: torch.device | str = "cpu",
    batch: int = 32,
    workers: int | None = None,
) -> Evaluation:
    """Evaluate the accuracy of a model on labeled images.

    Args:
        model: ``"resnet18"``, ``"resnet50:imagenet1k_v1"``, or a weights file of your own.
        dataset: A folder with one folder a class, called by label or WordNet identifier.
        architecture: What a file is, where it does not reveal it.
        labels: Names of the outputs, for a file with classes of its own.
        num_classes: Outputs of a file's network, where it does not reveal them.
        device: Where the network runs.
        batch: How many images go through the network at once.
        workers: Threads that decode images; as many as there are CPUs by default.

    Returns:
        The errors with their intervals (``result.top1.percent``, ``result.top1.interval``), by
        class, and beside them what the publisher states.

    Raises:
        UnknownNameError: No such model or weights.
        DatasetError: The folder cannot be used.
        CheckpointError: The file does not fit.
    """
    require_folder(dataset)
    classifier = load_classifier(
        str(model),
        architecture=architecture,
        labels=labels,
        num_classes=num_classes,
        device=device,
        purpose="evaluate",
    )
    return evaluation.evaluate(classifier, dataset, batch=batch, workers=workers)
