"""Family files: the records of large sources, decoded when one is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zoo.catalog.index import HUB_SOURCE, Index, load_index
from zoo.catalog.reading import naming, read_verified
from zoo.catalog.records import Architecture
from zoo.catalog.registry import check_architectures
from zoo.documents import parse_document
from zoo.errors import RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1
LARGEST_BYTES = 16 << 20
_ADVICE = 'run "zoo registry build", or install torch-zoo again'


@dataclass(frozen=True, slots=True)
class Family:
    """The content of one family file."""

    schema_version: int
    generated_by: Mapping[str, str]
    architectures: Mapping[str, Architecture]


def load_record(name: str, index: Index | None = None) -> Architecture:
    """Read the record of an architecture that the index knows and that lies in a family file.

    Raises:
        RegistryError: The family file is missing, malformed, or not the one that the index was
            made from.
    """
    index = index or load_index()
    entry = index.default(name)
    key = f"{entry.source}/{entry.family}"
    facts = index.families.get(key)
    if facts is None or index.folder is None:
        place = f"$.families.{key}"
        raise RegistryError(place, "expected the file that holds its records")

    path = index.folder / facts.path
    family = _load(path, facts.sha256)
    record = family.architectures.get(name)
    if record is None:
        fault = f"the index names {name!r}, which is not there"
        raise RegistryError("$.architectures", fault, facts.path)
    return record


def load_families(index: Index) -> Iterator[tuple[Path, Family]]:
    """Read every file of architectures that an index names.

    Raises:
        RegistryError: One is missing, malformed, or not the one that the index was made from.
    """
    if index.folder is None:
        return

    for key, facts in index.families.items():
        if key.startswith(f"{HUB_SOURCE}/"):
            continue
        path = index.folder / facts.path
        yield path, _load(path, facts.sha256)


@cache
def _load(path: Path, sha256: str) -> Family:
    text = read_verified(path, sha256, LARGEST_BYTES)
    return parse_family(text, str(path))


def parse_family(text: str, file: str) -> Family:
    """Parse and check the text of a family file.

    Raises:
        RegistryError: It is not JSON or breaks the schema; names the JSON path of the fault.
    """
    with naming(file):
        family = parse_document(text, Family, SCHEMA_VERSION)
        check_architectures(family.architectures, categories=None)
    return family
