"""From folders of images to batches, the same in every run and with any number of processes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from zoo.errors import DatasetError, ImageError
from zoo.images.files import open_image
from zoo.images.folders import TEST, TRAIN, VALIDATION, beside_parts, find_parts, read_folder
from zoo.images.preprocess import color_mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from zoo.images.augment import Augment
    from zoo.images.folders import ImageFolder
    from zoo.images.preprocess import Transform
    from zoo.trainer.recipe import Recipe

    Sample = tuple[Path, int]
    Samples = tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Images to learn from and images to judge by, and what their classes are called."""

    labels: tuple[str, ...]
    train: Samples
    """(file, class) of each image."""
    validation: Samples
    digest: str
    """Names the data set."""
    notes: tuple[str, ...] = ()
    """What was left out of it, and why."""


def split_images(
    root: Path,
    recipe: Recipe,
) -> Split:
    """Read a data set: its ``train`` and ``val`` parts, else a share of each class is held out.

    A ``test`` part is never looked at: it is there to judge what was chosen without it. Which
    images are held out depends on the recipe's seed and on nothing else.

    Raises:
        DatasetError: There are fewer than two classes, or a part has no images.
    """
    parts = find_parts(root)
    train = read_folder(parts.get(TRAIN, root))
    notes: list[str] = []
    if TEST in parts and TRAIN in parts:
        test = parts[TEST].name
        notes.append(f"{test} is left alone: choosing by it would spoil it")
    if TRAIN in parts and (unknown := beside_parts(root)):
        notes.append(f"{', '.join(unknown)} is left alone: no usual name of a part")
    notes += train.left_out

    if len(train.folders) < 2:
        found = ", ".join(train.folders)
        raise DatasetError(str(root), f"expected two classes or more, got {found}")

    if TRAIN in parts and VALIDATION in parts:
        validation = read_folder(parts[VALIDATION])
        return _two_parts(train, validation, notes)
    return _one_part(train, recipe, notes)


def _two_parts(
    train: ImageFolder,
    validation: ImageFolder,
    notes: list[str],
) -> Split:
    """Take the parts of a data set as they are.

    Raises:
        DatasetError: The validation part has classes that the training part lacks.
    """
    labels = train.folders
    notes += validation.left_out
    notes += check_same_classes(labels, train.root.name, validation)
    return Split(
        labels=labels,
        train=labelled(train, labels),
        validation=labelled(validation, labels),
        digest=f"{train.digest}-{validation.digest}",
        notes=tuple(notes),
    )


def _one_part(
    folder: ImageFolder,
    recipe: Recipe,
    notes: list[str],
) -> Split:
    """Hold a share of each class out.

    Raises:
        DatasetError: There are too few images for that.
    """
    labels = folder.folders
    images = labelled(folder, labels)
    learnt, held_out, single = hold_out(images, recipe)
    if single:
        names = ", ".join(labels[number] for number in single)
        notes.append(f"only one image in {names}: it is learnt and not judged")

    if not held_out and recipe.hold_out > 0:
        fault = "too few images to hold some out"
        advice = 'add images, or train on all with "zoo train --hold-out 0"'
        raise DatasetError(str(folder.root), f"{fault}; {advice}")

    return Split(
        labels=labels,
        train=learnt,
        validation=held_out,
        digest=folder.digest,
        notes=tuple(notes),
    )


def check_same_classes(
    labels: Sequence[str],
    name: str,
    judging: ImageFolder,
) -> list[str]:
    """Refuse classes that cannot be learnt; say which are not judged.

    Args:
        labels: Classes of the training part.
        name: What that part is called.
        judging: A part to judge by.

    Raises:
        DatasetError: The other part has classes that the training part lacks.
    """
    learnt = set(labels)
    judged = set(judging.folders)

    strange = sorted(judged - learnt)
    if strange:
        names = ", ".join(strange)
        fault = f"it has classes that {name} lacks: {names}"
        raise DatasetError(str(judging.root), fault)

    unjudged = sorted(learnt - judged)
    if unjudged:
        names = ", ".join(unjudged)
        return [f"{judging.root.name} has no images of {names}"]
    return []


def labelled(
    folder: ImageFolder,
    labels: Sequence[str],
) -> Samples:
    """Give each image its path and the number of its class."""
    numbers = {label: number for number, label in enumerate(labels)}
    samples: list[Sample] = []
    for relative, label in folder.images:
        path = folder.root / relative
        samples.append((path, numbers[label]))
    return tuple(samples)


def hold_out(
    images: Samples,
    recipe: Recipe,
) -> tuple[Samples, Samples, list[int]]:
    """Set a share of each class aside, at least one image of it, but never the whole class.

    Returns:
        What is learnt, what is held out, and the classes that have only one image.
    """
    chance = random.Random(recipe.seed)  # noqa: S311 - a split, not a secret
    train: list[Sample] = []
    validation: list[Sample] = []
    single: list[int] = []

    classes = {label for _, label in images}
    for number in sorted(classes):
        own = [image for image in images if image[1] == number]
        chance.shuffle(own)

        count = 0
        if recipe.hold_out > 0:
            share = round(recipe.hold_out * len(own))
            count = max(1, share)
        if count and len(own) == 1:
            single.append(number)

        count = min(count, len(own) - 1)
        validation += own[:count]
        train += own[count:]

    return tuple(sorted(train)), tuple(sorted(validation)), single


@dataclass(frozen=True, slots=True)
class BadImage:
    """An image that cannot be used, on its way back from a worker process."""

    error: ImageError


class Images(Dataset["tuple[Tensor, int] | BadImage"]):
    """Prepared images, changed at random where an augmentation is given.

    The change depends on the seed, the epoch and the image alone, so that neither the number of
    worker processes nor an interruption alters what is learnt.
    """

    def __init__(
        self,
        images: Sequence[Sample],
        prepare: Transform,
        augment: Augment | None,
        seed: int,
    ) -> None:
        self.images = images
        self.prepare = prepare
        self.augment = augment
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int] | BadImage:
        """Return the input ``(C, H, W)`` and the class of one image."""
        path, label = self.images[index]
        try:
            opened = open_image(str(path))
        except ImageError as error:
            return BadImage(error)  # raised in a worker, it would come out as three tracebacks

        mode = color_mode(self.prepare.channels)
        image = opened.image.convert(mode)
        if self.augment is not None:
            seed = hash((self.seed, self.epoch, index)) % 2**63
            with torch.random.fork_rng(devices=[]):
                # torch.manual_seed would write down the stack for each absent kind of device, which
                # takes longer than the image, and disturb what a GPU draws for dropout.
                torch.default_generator.manual_seed(seed)
                image = self.augment(image)

        return self.prepare(image), label


def make_loader(
    images: Images, batch: int, workers: int, *, shuffle_seed: int | None = None
) -> DataLoader[object]:
    """Make batches; with a seed, in an order that depends on the seed alone.

    A last batch that is not full is left out of training, since a step over few images is a noisy
    one.
    """
    is_training = shuffle_seed is not None
    generator = None
    if shuffle_seed is not None:
        generator = torch.Generator()
        generator.manual_seed(shuffle_seed)

    return DataLoader(
        images,
        batch_size=min(batch, len(images)),
        shuffle=is_training,
        generator=generator,
        drop_last=is_training,
        num_workers=workers,
        collate_fn=_collate,
    )


def _collate(samples: Sequence[tuple[Tensor, int] | BadImage]) -> object:
    """Make a batch, or pass on the first image that cannot be used."""
    for sample in samples:
        if isinstance(sample, BadImage):
            return sample
    batch: object = default_collate(list(samples))
    return batch


def batches(loader: Iterable[Any]) -> Iterator[tuple[Tensor, Tensor]]:
    """Go through the batches of a loader.

    Raises:
        ImageError: An image cannot be used.
    """
    for batch in loader:
        if isinstance(batch, BadImage):
            raise batch.error

        inputs, labels = batch
        yield inputs, labels
