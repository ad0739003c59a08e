"""One order: train a genotype for some epochs more, or the winner to its end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo.bench.jobs import to_plain
from zoo.documents import decode
from zoo.errors import DocumentError, UsageError
from zoo.images.preprocess import plain_transform
from zoo.loader import load_checkpoint
from zoo.models.genotype import Genotype
from zoo.searcher.dataset import Parts, read_parts
from zoo.searcher.setup import Setup  # noqa: TC001 - the strict decoder reads these annotations
from zoo.searcher.space import one_line
from zoo.searcher.stack import ARCHITECTURE
from zoo.trainer import checkpoints, data
from zoo.trainer.training import Run

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.formats.training_metadata import OwnRecord
    from zoo.images.preprocess import Transform
    from zoo.trainer.training import Epoch

_PREPARED: dict[tuple[Path, tuple[int, ...]], Tensor] = {}
"""Images that this process has prepared before: small ones, and the same in each trial."""
_MOST_KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is asked to do."""

    setup: Setup
    genotype: str
    folder: str
    epochs: int
    """Train until so many are done; those that the folder holds are not trained again."""
    is_final: bool = False
    """Train the winner, and judge it."""


def require_readable(
    setup: Setup,
    folder: Path,
) -> None:
    """Refuse what a journal and an order could be told, but nobody could read there again.

    Raises:
        UsageError: A number is beyond every range, or a folder has a character that nobody sees.
    """
    order = Order(
        setup=setup,
        genotype="",
        folder=str(folder),
        epochs=1,
    )
    values = asdict(order)
    written = to_plain(values)
    try:
        decode(Order, written)
    except DocumentError as error:
        *_, what = error.json_path.split(".")
        fault = f"a search cannot write down its {what}"
        raise UsageError(f"{fault} ({error}): choose another value or name") from error


class KeptImages(data.Images):
    """Images that are prepared once a process."""

    def __getitem__(self, index: int) -> tuple[Tensor, int] | data.BadImage:
        """Return the input ``(C, H, W)`` and the class of one image."""
        if self.augment is not None:
            return super().__getitem__(index)

        path, label = self.images[index]
        key = (path, self.prepare.preprocessing.crop_size or ())
        if key in _PREPARED:
            return _PREPARED[key], label

        made = super().__getitem__(index)
        if not isinstance(made, data.BadImage) and len(_PREPARED) < _MOST_KEPT:
            _PREPARED[key] = made[0]
        return made


class TrialRun(Run):
    """A training run of a genotype, whose file says how it is built.

    Args:
        order: What is trained.
        parts: On which images.
    """

    def __init__(
        self,
        order: Order,
        parts: Parts,
    ) -> None:
        self.stack = order.setup.stack
        self.genotype = Genotype.from_json(order.genotype)
        recipe = order.setup.recipe(is_final=order.is_final)
        prepare = plain_transform(self.stack.input_size)
        torch.manual_seed(recipe.seed)
        model = self.stack.build(self.genotype)
        folder = Path(order.folder)
        folder.mkdir(parents=True, exist_ok=True)

        super().__init__(ARCHITECTURE, model, prepare, parts.split, recipe, folder)
        self.train_images = _kept(self.train_images)
        self.validation_images = _kept(self.validation_images)

    def _identity(self) -> dict[str, Any]:
        """See :class:`~zoo.trainer.training.Run`: the cells belong to it."""
        stack = asdict(self.stack)
        return {**super()._identity(), **stack, "genotype": one_line(self.genotype)}

    def _record(self, epoch: Epoch) -> OwnRecord:
        """See :class:`~zoo.trainer.training.Run`: with all that it takes to build it again."""
        record = super()._record(epoch)
        return replace(
            record,
            options=self.stack.options,
            genotype=one_line(self.genotype),
            input_size=self.stack.input_size,
        )


def _kept(images: data.Images) -> KeptImages:
    return KeptImages(
        images=images.images,
        prepare=images.prepare,
        augment=images.augment,
        seed=images.seed,
    )


def carry_out(order: Order) -> dict[str, Any]:
    """Train as ordered.

    Returns:
        The epochs that are done; for the winner also its best epoch, and its errors on the test
        images.
    """
    parts = read_parts(order.setup.dataset, order.setup.seed)
    run = TrialRun(order, parts)
    run.resume()
    if len(run.history) < order.epochs:
        for epoch in run.epochs():
            if epoch.number >= order.epochs:
                break

    answer: dict[str, Any] = {"epochs": [asdict(epoch) for epoch in run.history]}
    if order.is_final:
        best = min(run.history, key=lambda epoch: epoch.rank)
        prepare = plain_transform(run.stack.input_size)
        errors = count_errors(checkpoints.best_path(run.folder), parts.test, prepare)
        answer["best"] = asdict(best)
        answer["errors"] = errors
        answer["images"] = len(parts.test)
    return answer


def count_errors(
    file: Path,
    samples: data.Samples,
    prepare: Transform,
) -> int:
    """Count the images that a trained file names wrong."""
    model = load_checkpoint(ARCHITECTURE, file)
    images = data.Images(samples, prepare, None, 0)
    errors = 0
    loader = data.make_loader(images, 64, 0)
    with torch.inference_mode():
        for inputs, labels in data.batches(loader):
            logits = model(inputs)
            answers = logits.argmax(dim=1)
            is_wrong = answers != labels
            errors += int(is_wrong.sum())
    return errors
