"""From folders of pictures to batches, the same in every run and with any number of processes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from zoo.errors import DatasetError
from zoo.picture_folders import PictureFolder, read_folder
from zoo.pictures import open_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from PIL import Image
    from torch import Tensor

    from zoo.preprocess import Transform
    from zoo.trainer.recipe import Recipe

    Labelled = tuple[tuple[Path, int], ...]
    Augment = Callable[[Image.Image], Image.Image]

_SPLITS = (("train", "val"), ("train", "validation"), ("train", "test"))


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures to learn from and pictures to judge by, and what their classes are called."""

    labels: tuple[str, ...]
    train: Labelled
    """(file, class) of each picture."""
    validation: Labelled
    digest: str
    """Names the data set."""


def split_pictures(root: Path, recipe: Recipe) -> Split:
    """Read a data set: ``root/train`` and ``root/val`` where they exist, else a share of each class is held out.

    Which pictures are held out depends on the recipe's seed and on nothing else.

    Raises:
        DatasetError: There are fewer than two classes, or a part has no pictures.
    """
    names = next((pair for pair in _SPLITS if all((root / part).is_dir() for part in pair)), None)
    if names is not None:
        train, validation = (read_folder(root / part) for part in names)
        strange = set(validation.folders) - set(train.folders)
        if strange:
            raise DatasetError(
                str(root / names[1]), f"it has classes that {names[0]} lacks: {', '.join(sorted(strange))}"
            )
        labels, digest = train.folders, f"{train.digest}-{validation.digest}"
        parts = _labelled(train, labels), _labelled(validation, labels)
    else:
        whole = read_folder(root)
        labels, digest = whole.folders, whole.digest
        parts = _hold_out(_labelled(whole, labels), recipe)
    if len(labels) < 2:
        raise DatasetError(str(root), f"expected two classes or more, got {', '.join(labels)}")
    if not all(parts):
        raise DatasetError(str(root), "too few pictures to hold some out; add pictures or change --hold-out")
    return Split(labels, *parts, digest)


def _labelled(folder: PictureFolder, labels: Sequence[str]) -> Labelled:
    index = {label: number for number, label in enumerate(labels)}
    return tuple((folder.root / path, index[name]) for path, name in folder.pictures)


def _hold_out(pictures: Sequence[tuple[Path, int]], recipe: Recipe) -> tuple[Labelled, Labelled]:
    """Set a share of each class aside, at least one picture of it."""
    chance = random.Random(recipe.seed)  # noqa: S311 - a split, not a secret
    train, validation = [], []
    for number in sorted({label for _, label in pictures}):
        own = [picture for picture in pictures if picture[1] == number]
        chance.shuffle(own)
        count = max(1, round(recipe.hold_out * len(own)))
        validation += own[:count]
        train += own[count:]
    return tuple(sorted(train)), tuple(sorted(validation))


class Pictures(Dataset[tuple["Tensor", int]]):
    """Prepared pictures, changed at random where an augmentation is given.

    The change depends on the seed, the epoch and the picture alone, so that neither the number of worker processes nor
    an interruption alters what is learnt.
    """

    def __init__(
        self, pictures: Sequence[tuple[Path, int]], prepare: Transform, augment: Augment | None, seed: int
    ) -> None:
        self.pictures, self.prepare, self.augment, self.seed = pictures, prepare, augment, seed
        self.epoch = 0

    def __len__(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """Return the input ``(C, H, W)`` and the class of one picture."""
        path, label = self.pictures[index]
        image = open_picture(str(path)).image.convert("L" if self.prepare.channels == 1 else "RGB")
        if self.augment is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(hash((self.seed, self.epoch, index)) % 2**63)
                image = self.augment(image)
        return self.prepare(image), label


def augmentation(name: str, prepare: Transform) -> Augment | None:
    """Make the random changes that a recipe names, on Pillow pictures."""
    if name == "auto":
        name = "affine" if prepare.channels == 1 else "crop-flip"
    if name == "affine":
        mode = InterpolationMode.BILINEAR
        turn: Augment = v2.RandomAffine(12, (0.06, 0.06), scale=(0.88, 1.12), shear=8, interpolation=mode)
        return turn
    crop = prepare.preprocessing.crop_size
    if name == "crop-flip" and crop:
        mode = InterpolationMode(prepare.preprocessing.interpolation)
        cut = v2.RandomResizedCrop(list(crop), scale=(0.3, 1.0), interpolation=mode, antialias=True)
        both: Augment = v2.Compose([cut, v2.RandomHorizontalFlip()])
        return both
    return None


def make_loader(pictures: Pictures, batch: int, workers: int, *, shuffle_seed: int | None = None) -> DataLoader[object]:
    """Make batches; with a seed, in an order that depends on the seed alone.

    A last batch that is not full is left out of training, since a step over few pictures is a noisy one.
    """
    generator = None if shuffle_seed is None else torch.Generator().manual_seed(shuffle_seed)
    is_training = shuffle_seed is not None
    return DataLoader(
        pictures,
        min(batch, len(pictures)),
        shuffle=is_training,
        generator=generator,
        drop_last=is_training,
        num_workers=workers,
    )
