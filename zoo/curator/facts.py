"""Read ``facts.toml``: papers, families, published errors, weights of our architectures."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.catalog.reading import naming
from zoo.catalog.records import Paper, PublishedError, Scalar
from zoo.documents import decode
from zoo.errors import DocumentError, RegistryError

FACTS = Path(__file__).with_name("facts.toml")


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures that people name together."""

    title: str
    paper: str
    architectures: Mapping[str, str]
    """Name -> title."""


@dataclass(frozen=True, slots=True)
class ReleasedWeights:
    """Released weights of one of our own architectures, as their publisher describes them."""

    url: str
    file_name: str
    dataset: str
    num_classes: int
    input_size: tuple[int, ...]
    resize_size: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: Literal["bilinear", "bicubic", "nearest"]
    sha256: str | None = None
    sha256_prefix: str | None = None
    size_bytes: int | None = None
    license: str | None = None
    recipe_url: str | None = None
    key_mappings: tuple[str, ...] = ()
    options: Mapping[str, Scalar] | None = None
    top1_error_percent: float | None = None
    top5_error_percent: float | None = None
    source: str | None = None
    crops: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ArchitectureFacts:
    """What there is to say about one architecture beyond its family."""

    paper: str | None = None
    year: int | None = None
    note: str | None = None
    published: tuple[PublishedError, ...] = ()
    weights: Mapping[str, ReleasedWeights] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """The whole file."""

    papers: Mapping[str, Paper]
    families: Mapping[str, Family]
    architectures: Mapping[str, ArchitectureFacts]

    def released(self, name: str) -> Mapping[str, ReleasedWeights]:
        """Released weights of one of our own architectures."""
        if name in self.architectures:
            return self.architectures[name].weights
        return {}

    def describe(self, name: str) -> dict[str, Any]:
        """Give the fields of an ``Architecture`` that come from the facts.

        Raises:
            RegistryError: The architecture stands in no family, or names a paper that is not there.
        """
        own = self.architectures.get(name) or ArchitectureFacts()
        key = self.family_of(name)
        family = self.families[key]

        paper_key = own.paper or family.paper
        paper = self.papers.get(paper_key)
        if paper is None:
            fault = f"{name} names the paper {paper_key!r}, which is not there"
            raise RegistryError("$.papers", fault, FACTS.name)

        return {
            "name": name,
            "title": family.architectures[name],
            "family": key,
            "year": own.year or paper.year,
            "paper": paper,
            "published": own.published,
            "note": own.note,
        }

    def family_of(self, name: str) -> str:
        """Key of the family that lists an architecture.

        Raises:
            RegistryError: No family lists it, or two do.
        """
        families = self.families.items()
        keys = [key for key, family in families if name in family.architectures]
        if len(keys) != 1:
            fault = f"{name} stands in {len(keys)} families, expected one"
            raise RegistryError("$.families", fault, FACTS.name)
        return keys[0]


def load_facts(path: Path = FACTS) -> Facts:
    """Read the facts.

    Raises:
        RegistryError: The file is not TOML or breaks the schema; names the path of the fault.
    """
    with naming(path, "fix the file"):
        data = path.read_bytes()
        text = data.decode("utf-8")
        try:
            content = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            fault = f"cannot be read ({error})"
            raise DocumentError("$", fault) from error
        return decode(Facts, content)
