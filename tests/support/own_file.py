"""A file as ``zoo search`` writes it, without a search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from zoo.formats.training_metadata import OwnRecord
from zoo.searcher.space import Space, one_line
from zoo.searcher.stack import ARCHITECTURE, Stack

if TYPE_CHECKING:
    from pathlib import Path

STACK = Stack(channels=1, pixels=8, num_classes=3, filters=4)


def write_own_file(path: Path) -> Path:
    """Write a network of identities, with its record."""
    genotype = Space(1).all()[0]
    torch.manual_seed(0)
    model = STACK.build(genotype)
    record = OwnRecord(
        model=ARCHITECTURE,
        labels=("a", "b", "c"),
        validation_error_percent=12.5,
        validation_images=8,
        epoch=1,
        data="0123456789abcdef",
        recipe={"epochs": 1},
        options=STACK.options,
        genotype=one_line(genotype),
        input_size=STACK.input_size,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), path, metadata=record.as_metadata())
    return path
