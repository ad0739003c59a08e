"""A small set of real handwritten digits as images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.digits import write_digits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 240 digits of three classes, to be read only."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    return write_digits(folder, 240, classes=3, prefix="digit-")
