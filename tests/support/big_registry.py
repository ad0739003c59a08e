"""A registry as large as one likes, made from the records of the one that ships."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING

from zoo.catalog.records import WeightsError, WeightsFile
from zoo.catalog.registry import load_registry

if TYPE_CHECKING:
    from zoo.catalog.records import Architecture, Weights
    from zoo.catalog.registry import Registry

LICENSES = ("Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-NC-4.0", None)


def big_registry(count: int) -> Registry:
    """Make a registry of so many models, each with weights, figures and digests of its own."""
    known = load_registry()
    generator = random.Random(count)  # noqa: S311 - figures for a test, the same each time
    originals = [each for each in known.architectures.values() if each.default]

    architectures = {}
    for number, original in zip(range(count), cycle(originals), strict=False):
        made = _vary(original, number, generator)
        architectures[made.name] = made
    return replace(known, architectures=architectures)


def _vary(
    original: Architecture,
    number: int,
    generator: random.Random,
) -> Architecture:
    """Give an architecture another name and other figures, as different as real ones are."""
    factor = generator.uniform(0.2, 5)
    weights = _vary_weights(original, number, factor, generator)
    return replace(
        original,
        name=f"{original.name}_{number}",
        title=f"{original.title} {number}",
        year=generator.randint(1998, 2026),
        parameters=weights.parameters,
        multiply_adds=weights.multiply_adds,
        weights={weights.tag: weights},
        default_weights=weights.tag,
    )


def _vary_weights(
    original: Architecture,
    number: int,
    factor: float,
    generator: random.Random,
) -> Weights:
    weights = original.default
    assert weights is not None
    digest = hashlib.sha256(f"{original.name} {number}".encode()).hexdigest()
    name = f"{original.name}_{number}-{digest[:8]}.safetensors"
    file = WeightsFile(
        file_name=name,
        url=f"https://download.pytorch.org/models/{name}",
        size_bytes=int(weights.parameters * factor * 4) + generator.randint(0, 9999),
        sha256=digest,
    )
    error = round(generator.uniform(8, 45), 3)
    published = WeightsError(
        source=f"results of {original.family}",
        top1_error_percent=error,
        top5_error_percent=round(error / generator.uniform(3, 5), 3),
    )
    adds = weights.multiply_adds
    return replace(
        weights,
        files=(file,),
        parameters=int(weights.parameters * factor),
        multiply_adds=int(adds * factor) if adds else None,
        published=(published,) if original.task == "classification" else (),
        license=generator.choice(LICENSES),
    )
