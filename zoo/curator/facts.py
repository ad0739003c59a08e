"""Read ``facts.toml``: papers, families, published errors, and the released weights of our own architectures."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zoo.catalog.decoding import decode
from zoo.catalog.records import Paper, PublishedError, Scalar
from zoo.errors import RegistryError

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
    licence: str | None = None
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
        return self.architectures[name].weights if name in self.architectures else {}

    def describe(self, name: str) -> dict[str, Any]:
        """Give the fields of an ``Architecture`` that come from the facts.

        Raises:
            RegistryError: The architecture stands in no family, or names a paper that is not there.
        """
        own = self.architectures.get(name) or ArchitectureFacts()
        family = self.family_of(name)
        key = own.paper or self.families[family].paper
        if key not in self.papers:
            raise RegistryError("$.papers", f"{name} names the paper {key!r}, which is not there", FACTS.name)
        paper = self.papers[key]
        return {
            "name": name,
            "title": self.families[family].architectures[name],
            "family": family,
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
        keys = [key for key, family in self.families.items() if name in family.architectures]
        if len(keys) != 1:
            raise RegistryError("$.families", f"{name} stands in {len(keys)} families, expected one", FACTS.name)
        return keys[0]


def load_facts(path: Path = FACTS) -> Facts:
    """Read the facts.

    Raises:
        RegistryError: The file is not TOML or breaks the schema; names the path of the fault.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return decode(Facts, content)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RegistryError("$", f"cannot be read ({error})", str(path), "mend the file") from error
    except RegistryError as error:
        raise RegistryError(error.json_path, error.fault, str(path), "mend the file") from error
