"""Describe a trained file for the user's own registry: what it is and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.cache.digests import sha256_file
from zoo.catalog.local import LocalModel
from zoo.catalog.resolver import find_architecture
from zoo.errors import CheckpointError
from zoo.formats.training_metadata import read_own_record
from zoo.inspector.tracing import trace_layers
from zoo.loader import load_checkpoint
from zoo.models.genotype import Genotype

if TYPE_CHECKING:
    from pathlib import Path


def describe_own(path: Path, name: str) -> LocalModel:
    """Read a file that ``zoo train`` or ``zoo search`` wrote, and count its network.

    Args:
        path: The file.
        name: What it is to be called.

    Raises:
        CheckpointError: The file carries no record of training, or does not fit what it says.
    """
    if not path.is_file():
        raise CheckpointError(str(path), "there is no such file")
    record = read_own_record(path)
    if record is None:
        fault = "it carries no record of training"
        advice = "name a file that a training run or a search wrote"
        raise CheckpointError(path.name, fault, advice)

    architecture = find_architecture(record.model)
    input_size = record.input_size or architecture.input_size
    model = load_checkpoint(record.model, path)
    table = trace_layers(model, input_size, name=record.model)
    genotype = None
    if record.genotype is not None:
        genotype = Genotype.from_json(record.genotype).name
    return LocalModel(
        name=name,
        file=str(path.resolve()),
        sha256=sha256_file(path),
        size_bytes=path.stat().st_size,
        architecture=architecture.name,
        parameters=table.parameters,
        multiply_adds=table.multiply_adds or 0,
        input_size=tuple(input_size),
        num_classes=len(record.labels),
        data=record.data,
        genotype=genotype,
    )
