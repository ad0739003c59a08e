"""A few of scikit-learn's real handwritten digits as images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


def write_digits(
    folder: Path,
    images: int,
    *,
    classes: int = 10,
    pixels: int = 8,
    prefix: str = "",
) -> Path:
    """Write the first digits, one folder a class, and return the folder.

    Args:
        folder: Is made.
        images: How many.
        classes: Only those of the first few.
        pixels: Height and width.
        prefix: Of the folders' names, before the digit.
    """
    from sklearn.datasets import load_digits  # slow to import, and most tests need none

    data = load_digits(n_class=classes)
    for index in range(images):
        of_class = folder / f"{prefix}{data.target[index]}"
        of_class.mkdir(parents=True, exist_ok=True)
        scaled = data.images[index] * 255 / 16
        image = Image.fromarray(scaled.round().astype(np.uint8))
        if pixels != image.width:
            image = image.resize((pixels, pixels), Image.Resampling.BILINEAR)
        image.save(of_class / f"{index:03d}.png")
    return folder
