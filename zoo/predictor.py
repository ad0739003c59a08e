"""From pictures to their most likely labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from zoo.catalog.registry import load_registry
from zoo.catalog.resolver import find_architecture, find_weights
from zoo.errors import OptionError, PictureError, UsageError
from zoo.loader import load_checkpoint, load_model
from zoo.pictures import open_picture
from zoo.preprocess import transform
from zoo.weights.own_record import read_own_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Guess:
    """One label for a picture."""

    index: int
    """Which output of the network."""
    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The most likely labels of one picture, best first; or why there are none."""

    picture: str
    guesses: tuple[Guess, ...] = ()
    note: str | None = None
    fault: str | None = None


class Predictor:
    """A network with its own preprocessing and labels.

    Args:
        name: ``"resnet18"``, or ``"resnet50:imagenet1k_v1"`` for particular weights.
        checkpoint: A file of your own instead of published weights.
        labels: Names of the outputs, for a checkpoint with classes of its own.
        device: Where the network runs.

    Raises:
        UnknownNameError: No such model or weights.
        OptionError: The model is no classifier.
        CheckpointError: The file does not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        checkpoint: Path | str | None = None,
        labels: Sequence[str] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        plain, _, tag = name.partition(":")
        architecture = find_architecture(plain)
        if architecture.task != "classification":
            raise OptionError(plain, "predict", f"its task is {architecture.task}, expected classification")
        self.device = torch.device(device)
        model: nn.Module
        names: Sequence[str] | None
        if checkpoint is None:
            record = find_weights(architecture, tag or "default")
            names = load_registry().categories[record.categories] if record.categories else None
            model = load_model(name, device=self.device)
            self.transform = transform(name)
        else:
            own = read_own_record(Path(checkpoint))
            names = labels or (own.labels if own else None)
            model = load_checkpoint(plain, checkpoint, num_classes=len(names) if names else None, device=self.device)
            self.transform = transform(plain)
            if names is None and architecture.num_classes == 1000:
                names = load_registry().categories["imagenet1k"]
        self.model = model.eval()
        self.labels = tuple(names) if names else None

    def predict(self, pictures: Iterable[str], *, top: int = 5, batch: int = 16) -> Iterator[Prediction]:
        """Name the most likely labels of pictures, in their order; a bad picture does not stop the rest.

        Args:
            pictures: Files, URLs, or ``-`` for stdin.
            top: How many labels.
            batch: How many pictures go through the network at once.

        Raises:
            UsageError: ``top`` or ``batch`` is below 1.
        """
        if top < 1 or batch < 1:
            raise UsageError(f"--top and --batch must be 1 or more, got {top} and {batch}")
        waiting: list[tuple[Prediction, Tensor | None]] = []
        for place in pictures:
            waiting.append(self._prepare(place))
            if len(waiting) == batch:
                yield from self._answer(waiting, top)
                waiting = []
        yield from self._answer(waiting, top)

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

    def _prepare(self, place: str) -> tuple[Prediction, Tensor | None]:
        try:
            opened = open_picture(place)
            return Prediction(place, note=opened.note), self.transform(opened.image)
        except PictureError as error:
            return Prediction(place, fault=error.fault), None

    def _answer(self, waiting: Sequence[tuple[Prediction, Tensor | None]], top: int) -> Iterator[Prediction]:
        inputs = [tensor for _, tensor in waiting if tensor is not None]
        probabilities = iter(self.logits(torch.stack(inputs)).softmax(dim=1) if inputs else ())
        for prediction, tensor in waiting:
            if tensor is None:
                yield prediction
            else:
                yield Prediction(prediction.picture, self._best(next(probabilities), top), prediction.note)

    def _best(self, probabilities: Tensor, top: int) -> tuple[Guess, ...]:
        values, indices = probabilities.topk(min(top, len(probabilities)))
        pairs = zip(values.tolist(), indices.tolist(), strict=True)
        return tuple(Guess(index, self.labels[index] if self.labels else str(index), value) for value, index in pairs)
