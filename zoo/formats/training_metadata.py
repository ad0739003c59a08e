"""What a trained file says about itself, in the metadata of its safetensors header.

Knows no torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zoo.catalog.records import Scalar
from zoo.documents import parse_document
from zoo.errors import CheckpointError, DocumentError
from zoo.formats.safetensors_file import is_safetensors, read_header

METADATA_KEY = "zoo"


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """A network that was trained with ``zoo train`` or found by ``zoo search``."""

    model: str
    """Name of the architecture."""
    labels: tuple[str, ...]
    """Name of each output."""
    validation_error_percent: float | None
    """Top-1, on images that were held out; ``None`` if none were."""
    validation_images: int
    epoch: int
    """After how many epochs."""
    data: str
    """Digest of the data set."""
    recipe: Mapping[str, Scalar]
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """What its builder was told, where the network is not the architecture's usual one."""
    genotype: str | None = None
    """Cells that were found by ``zoo search``, as one line of JSON."""
    input_size: tuple[int, ...] = ()
    """``(C, H, W)`` where it is not the architecture's own: images are resized to it."""

    def as_metadata(self) -> dict[str, str]:
        """Write the record as safetensors metadata."""
        return {
            "format": "pt",
            METADATA_KEY: json.dumps(asdict(self), ensure_ascii=False),
        }


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
        return parse_document(text, OwnRecord)
    except DocumentError as error:
        fault = f"its record of training is {error}"
        raise CheckpointError(path.name, fault) from error


def require_own_record(
    path: Path,
    model: str,
) -> OwnRecord:
    """Read the record of a file that ``zoo train`` wrote for an architecture.

    Raises:
        CheckpointError: The file carries no record, or that of another architecture.
    """
    record = read_own_record(path)
    if record is None:
        advice = "name a best.safetensors of a run"
        raise CheckpointError(path.name, "it carries no record of a training run of zoo", advice)
    if record.model != model:
        fault = f"expected a {model}, it was trained as {record.model}"
        advice = f"use it as {record.model}"
        raise CheckpointError(path.name, fault, advice)
    return record
