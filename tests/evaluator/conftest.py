"""A small set of labelled images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Write 60 of scikit-learn's digits as images, one folder a class."""
    from sklearn.datasets import load_digits

    data = load_digits()
    for index in range(60):
        folder = tmp_path / "digits" / str(data.target[index])
        folder.mkdir(parents=True, exist_ok=True)
        values = (data.images[index] * 255 / 16).round().astype(np.uint8)
        Image.fromarray(values).resize((32, 32), Image.Resampling.BILINEAR).save(
            folder / f"{index}.png"
        )
    return tmp_path / "digits"
