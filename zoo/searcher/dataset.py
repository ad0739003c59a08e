"""The images of a search: to learn from, to choose by, and to judge by once, at the end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DatasetError
from zoo.images.files import open_image
from zoo.images.folders import TEST, TRAIN, find_parts, read_folder
from zoo.trainer.data import Split, check_same_classes, hold_out, labelled, split_images
from zoo.trainer.recipe import Recipe

if TYPE_CHECKING:
    from zoo.trainer.data import Samples

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.25
"""Of what is left after the test images."""
MOST_PIXELS = 64
_GREY_MODES = frozenset({"1", "L", "I", "I;16", "F"})


@dataclass(frozen=True, slots=True)
class Parts:
    """Three parts of a data set that have no image in common."""

    split: Split
    """What trials learn from and are compared by."""
    test: Samples
    """What only the winner is judged by."""


@lru_cache(maxsize=2)
def read_parts(
    root: str,
    seed: int,
) -> Parts:
    """Divide a data set: by its folders ``train``, ``val`` and ``test``, or by chance.

    Raises:
        DatasetError: The data set cannot be used, or too few images are left for a part.
    """
    folder = Path(root)
    parts = find_parts(folder)
    validating = Recipe(hold_out=VALIDATION_SHARE, seed=seed)
    if TEST in parts and TRAIN in parts:
        split = split_images(folder, validating)
        judging = read_folder(parts[TEST])
        learning = parts[TRAIN]
        unjudged = check_same_classes(split.labels, learning.name, judging)
        notes = (*split.notes, *judging.left_out, *unjudged)
        split = replace(split, notes=notes)
        test = labelled(judging, split.labels)
        return Parts(split, test)

    # Where the data set has a validation part, these are the images to be judged by once.
    testing = Recipe(hold_out=TEST_SHARE, seed=seed)
    whole = split_images(folder, testing)
    learnt, chosen_by, _single = hold_out(whole.train, validating)
    if not chosen_by or not whole.validation:
        raise DatasetError(root, "too few images to learn from, to choose by and to judge by")
    split = replace(whole, train=learnt, validation=chosen_by)
    return Parts(split, whole.validation)


def guess_size(root: str) -> tuple[int, int]:
    """Look at the first image: channels, and pixels of its shorter side, 64 at most.

    Raises:
        DatasetError: There is none.
        ImageError: It cannot be opened.
    """
    folder = Path(root)
    parts = find_parts(folder)
    images = read_folder(parts.get(TRAIN, folder))
    first, _ = images.images[0]
    path = images.root / first
    image = open_image(str(path)).image

    channels = 3
    if image.mode in _GREY_MODES:
        channels = 1
    pixels = min(MOST_PIXELS, *image.size)
    return channels, pixels
