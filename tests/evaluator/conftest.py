"""A small set of labelled images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.digits import write_digits

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Write 60 digits at LeNet-5's size."""
    return write_digits(tmp_path / "digits", 60, pixels=32)
