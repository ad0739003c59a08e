"""A registry of two models whose weights files are small enough to write in a test."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.catalog.records import WeightsFile
from zoo.catalog.registry import load_registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.catalog.registry import Registry


def file_of(
    name: str,
    data: bytes,
    base_url: str = "https://download.pytorch.org/models",
) -> WeightsFile:
    """Return the record of a file with its length and the first 8 digits of its digest."""
    prefix = hashlib.sha256(data).hexdigest()[:8]
    return WeightsFile(
        f"{name}-{prefix}.pth", f"{base_url}/{name}-{prefix}.pth", len(data), sha256_prefix=prefix
    )


def registry_of(files: Mapping[str, WeightsFile]) -> Registry:
    """Return the registry's own records of some models.

    With these files as their default weights.
    """
    known = load_registry()
    architectures = {}
    for name, file in files.items():
        architecture = known.architectures[name]
        tag = architecture.default_weights or ""
        weights = replace(architecture.weights[tag], files=(file,))
        architectures[name] = replace(architecture, weights={tag: weights})
    return replace(known, architectures=architectures)
