"""From images to their most likely labels."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from zoo.classifier import load_classifier
from zoo.devices import usable_cpus
from zoo.errors import ImageError, UsageError
from zoo.images.given import as_list, name_of, open_given
from zoo.images.stream import grouped, stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.images.given import Given


@dataclass(frozen=True, slots=True)
class Prediction:
    """One label for an image."""

    index: int
    """Which output of the network."""
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class ImagePredictions:
    """The most likely labels of one image, best first; or why there are none."""

    image: str
    predictions: tuple[Prediction, ...] = ()
    note: str | None = None
    fault: str | None = None


def predict(
    model: str | Path,
    images: Given | Iterable[Given],
    *,
    top: int = 5,
    architecture: str | None = None,
    labels: Sequence[str] | None = None,
    num_classes: int | None = None,
    background: str | None = None,
    device: torch.device | str = "cpu",
    engine: str = "eager",
    batch: int = 16,
) -> list[ImagePredictions]:
    """Classify images.

    Args:
        model: ``"resnet18"``, ``"resnet50:imagenet1k_v1"``, or a weights file of your own.
        images: One image or many: paths, URLs, folders and patterns; PIL images, arrays, bytes or
            open files.
        top: How many labels for each image.
        architecture: What a file is, where it does not reveal it.
        labels: Names of the outputs, for a file with classes of its own.
        num_classes: Outputs of a file's network, where it does not reveal them.
        background: Color that transparent images are laid on.
        device: Where the network runs.
        engine: What runs it, as ``zoo bench engines`` names it.
        batch: How many images go through the network at once.

    Returns:
        For each image its ``predictions``, best first, each with ``label`` and ``probability``; or
        the ``fault`` that kept it from being used.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: The model is no classifier.
        CheckpointError: The file does not fit.
        ImageError: A path, folder or pattern leads to no image.

    >>> import numpy as np, zoo
    >>> (one,) = zoo.predict("lenet5", np.zeros((32, 32), dtype=np.uint8), top=1)
    >>> len(one.predictions)
    1
    """
    from zoo.images.files import find_images

    found: list[Given] = []
    for given in as_list(images):
        is_place = isinstance(given, str | os.PathLike)
        found += find_images([os.fspath(given)]) if is_place else [given]
    predictor = Predictor(
        str(model),
        architecture=architecture,
        labels=labels,
        num_classes=num_classes,
        background=background,
        device=device,
        engine=engine,
        batch=batch,
    )
    return list(predictor.predict(found, top=top, batch=batch))


class Predictor:
    """A classifier that names labels.

    Args:
        name: ``"resnet18"``, ``"resnet50:imagenet1k_v1"`` for particular weights, or a weights file
            of your own.
        checkpoint: A file of your own instead of published weights.
        architecture: What a file is, where it does not say and does not reveal it.
        labels: Names of the outputs, for a file with classes of its own.
        num_classes: Outputs of a file's network, where it does not reveal them.
        background: Color that transparent images are laid on.
        device: Where the network runs.
        engine: What runs it, as ``zoo bench engines`` names it.
        batch: How many images usually go through it at once, for engines made for one shape.

    Raises:
        UnknownNameError: No such model, weights or engine.
        OptionError: The model is no classifier.
        CheckpointError: The file does not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        checkpoint: Path | str | None = None,
        architecture: str | None = None,
        labels: Sequence[str] | None = None,
        num_classes: int | None = None,
        background: str | None = None,
        device: torch.device | str = "cpu",
        engine: str = "eager",
        batch: int = 16,
    ) -> None:
        self.device = torch.device(device)
        self.background = background
        loaded = load_classifier(
            name,
            checkpoint=checkpoint,
            architecture=architecture,
            labels=labels,
            num_classes=num_classes,
            device=self.device,
        )
        self.classifier = loaded.on_engine(engine, batch)
        self.model = self.classifier.model
        self.transform = self.classifier.transform
        self.labels = self.classifier.labels

    def predict(
        self,
        images: Iterable[Given],
        *,
        top: int = 5,
        batch: int = 16,
        workers: int | None = None,
    ) -> Iterator[ImagePredictions]:
        """Name the most likely labels of images, in their order.

        A bad image does not stop the rest.

        Args:
            images: Files, URLs, ``-`` for stdin; PIL images, arrays, bytes or open files.
            top: How many labels.
            batch: How many images go through the network at once.
            workers: Threads that decode images; as many as there are CPUs by default.

        Raises:
            UsageError: ``top`` or ``batch`` is below 1.
        """
        if top < 1 or batch < 1:
            raise UsageError(f"--top and --batch must be 1 or more, got {top} and {batch}")
        threads = usable_cpus() if workers is None else workers
        numbered = enumerate(images, start=1)
        prepared = stream(numbered, self._prepare, workers=threads)
        for group in grouped(prepared, batch):
            yield from self._answer(group, top)

    def logits(self, inputs: Tensor) -> Tensor:
        """Run the network.

        Args:
            inputs: Shape ``(N, C, H, W)``.

        Returns:
            Shape ``(N, classes)``, on the CPU, float32.
        """
        with torch.inference_mode():
            answer: Tensor = self.model(inputs.to(self.device))
        return answer.float().cpu()

    def _prepare(self, numbered: tuple[int, Given]) -> tuple[ImagePredictions, Tensor | None]:
        """Decode, resize and crop one image."""
        number, given = numbered
        name = name_of(given, number)
        try:
            opened = open_given(given, background=self.background)
            pixels = self.transform.pixels(opened.image)
        except ImageError as error:
            return ImagePredictions(name, fault=error.fault), None
        return ImagePredictions(name, note=opened.note), pixels

    def _answer(
        self,
        group: Sequence[tuple[ImagePredictions, Tensor | None]],
        top: int,
    ) -> Iterator[ImagePredictions]:
        """Run the images of a group through the network together."""
        images = [pixels for _, pixels in group if pixels is not None]
        probabilities: Iterator[Tensor] = iter(())
        if images:
            inputs = self.transform.values(torch.stack(images))
            probabilities = iter(self.logits(inputs).softmax(dim=1))
        for prediction, pixels in group:
            if pixels is None:
                yield prediction
            else:
                yield replace(prediction, predictions=self._best(next(probabilities), top))

    def _best(
        self,
        probabilities: Tensor,
        top: int,
    ) -> tuple[Prediction, ...]:
        values, indices = probabilities.topk(min(top, len(probabilities)))
        pairs = zip(values.tolist(), indices.tolist(), strict=True)
        return tuple(
            Prediction(index, self.classifier.label(index), value) for value, index in pairs
        )
