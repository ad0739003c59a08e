"""A few real digits as images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 90 of scikit-learn's digits, of three classes, one folder a class."""
    data = load_digits(n_class=3)
    root = tmp_path_factory.mktemp("digits")
    for index in range(90):
        folder = root / f"digit-{data.target[index]}"
        folder.mkdir(exist_ok=True)
        values = (data.images[index] * 255 / 16).round().astype(np.uint8)
        Image.fromarray(values).save(folder / f"{index:03d}.png")
    return root
