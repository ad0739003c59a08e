"""The labels of a data set's classes, read from ``registry.json`` without its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zoo.catalog.places import LARGEST_BYTES, find_registry
from zoo.catalog.reading import naming
from zoo.documents import decode, parse_json, read_regular_file
from zoo.errors import DocumentError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CategorySets:
    """What the registry says of classes."""

    categories: Mapping[str, tuple[str, ...]]
    category_ids: Mapping[str, tuple[str, ...]]


def find_labels(category_set: str) -> tuple[str, ...]:
    """Give the labels of a set such as ``"imagenet1k"``, in the order of a network's outputs.

    >>> find_labels("voc")[:3]
    ('__background__', 'aeroplane', 'bicycle')

    Raises:
        RegistryError: The registry has no such set, or cannot be read.
    """
    path = find_registry()
    with naming(path):
        labels = _read(path).categories.get(category_set)
        if labels is None:
            raise DocumentError("$.categories", f"there is no {category_set!r}")
    return labels


def find_identifiers(category_set: str) -> tuple[str, ...]:
    """Give the identifiers of the same classes, such as WordNet's; none where they have none.

    Raises:
        RegistryError: The registry cannot be read.
    """
    sets = _read(find_registry())
    return sets.category_ids.get(category_set, ())


@cache
def _read(path: Path) -> CategorySets:
    """Read both members; the rest of the document is left as it is."""
    with naming(path):
        content = parse_json(read_regular_file(path, LARGEST_BYTES))
        if not isinstance(content, dict):
            raise DocumentError("$", "expected an object")

        own = {name: content.get(name) for name in CategorySets.__slots__}
        return decode(CategorySets, own)
