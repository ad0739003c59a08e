"""What a trained file says about itself, in the metadata of its safetensors header; knows no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from zoo.catalog.decoding import decode
from zoo.catalog.records import Scalar
from zoo.errors import CheckpointError, RegistryError
from zoo.weights.safetensors_file import is_safetensors, read_header

METADATA_KEY = "zoo"


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """A network that was trained with ``zoo train``."""

    model: str
    """Name of the architecture."""
    labels: tuple[str, ...]
    """Name of each output."""
    validation_error_percent: float
    """Top-1, on pictures that were held out."""
    validation_images: int
    epoch: int
    """After how many epochs."""
    data: str
    """Digest of the data set."""
    recipe: Mapping[str, Scalar]

    def as_metadata(self) -> dict[str, str]:
        """Write the record as safetensors metadata."""
        return {"format": "pt", METADATA_KEY: json.dumps(asdict(self), ensure_ascii=False)}


def read_own_record(path: Path) -> OwnRecord | None:
    """Read the record of a trained file; ``None`` where the file carries none.

    Raises:
        CheckpointError: The file is no sound safetensors file, or its record is malformed.
    """
    if not path.is_file() or not is_safetensors(path):
        return None
    text = read_header(path).metadata.get(METADATA_KEY)
    if text is None:
        return None
    try:
        return decode(OwnRecord, json.loads(text))
    except ValueError as error:
        raise CheckpointError(path.name, "its record of training is not JSON") from error
    except RegistryError as error:
        raise CheckpointError(
            path.name, f"its record of training is malformed at {error.json_path}: {error.fault}"
        ) from error


def require_own_record(path: Path, model: str) -> OwnRecord:
    """Read the record of a file that ``zoo train`` wrote for an architecture.

    Raises:
        CheckpointError: The file carries no record, or that of another architecture.
    """
    record = read_own_record(path)
    if record is None:
        raise CheckpointError(path.name, "it carries no record of zoo train", "name a best.safetensors of a run")
    if record.model != model:
        raise CheckpointError(
            path.name, f"expected a {model}, it was trained as {record.model}", f"use it as {record.model}"
        )
    return record
