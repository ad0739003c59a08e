"""A small set of real handwritten digits as images."""

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
    """Write 240 of scikit-learn's digits, of three classes, one folder a class: to be read only."""
    root = tmp_path_factory.mktemp("data") / "digits"
    data = load_digits(n_class=3)
    for index in range(240):
        folder = root / f"digit-{data.target[index]}"
        folder.mkdir(parents=True, exist_ok=True)
        values = (data.images[index] * 255 / 16).round().astype(np.uint8)
        Image.fromarray(values).save(folder / f"{index:03d}.png")
    return root
