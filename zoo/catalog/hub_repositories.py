"""Repositories of PyTorch Hub: what is known of them before any of their code runs.

Their networks are built by foreign code, so zoo neither builds nor counts them: a repository has
one record (``registry/hub/NAME.json``), and one entry of the index for each of its entry points.
``zoo hub load`` runs what a record names, once somebody has decided to trust it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from zoo.catalog.entries import Entry
from zoo.catalog.index import HUB_SOURCE, Index, load_index
from zoo.catalog.reading import naming, read_verified
from zoo.catalog.registry import check_url
from zoo.documents import parse_document
from zoo.errors import RegistryError
from zoo.hashes import is_commit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = f"{HUB_SOURCE}/"
SCHEMA_VERSION = 1
LARGEST_BYTES = 4 << 20
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,38}/[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class HubCard:
    """A page of pytorch.org/hub."""

    title: str
    url: str
    accelerator: str
    """``"cuda"``, ``"cuda-optional"``."""


@dataclass(frozen=True, slots=True)
class HubEntryPoint:
    """A function of ``hubconf.py`` that builds something."""

    is_on_card: bool
    """Whether a card calls it."""
    top1_error_percent: float | None = None
    """On ImageNet's validation images, as a card states it."""
    top5_error_percent: float | None = None


@dataclass(frozen=True, slots=True)
class HubWeights:
    """An address of weights that ``hubconf.py`` or a card names."""

    url: str
    sha256_prefix: str | None = None
    """The first hex digits of the digest, from the file's name; ``None`` where nothing is known."""
    issue: str | None = None
    """What is known to be wrong with the address."""


@dataclass(frozen=True, slots=True)
class HubRepository:
    """One repository of GitHub with a ``hubconf.py``, as it was at one commit."""

    name: str
    """``"hub/isl-org/MiDaS"``."""
    repository: str
    """``"isl-org/MiDaS"``, as GitHub spells it today."""
    former_names: tuple[str, ...]
    """What cards call it, where that differs."""
    commit: str | None
    """At which all of this was read; ``None`` where only a tag is known."""
    ref: str | None
    """The branch or tag that ``commit`` belongs to; ``None`` for the default branch."""
    dependencies: tuple[str, ...] | None
    """Packages that ``hubconf.py`` says it needs; ``None`` where it says nothing."""
    entry_points: Mapping[str, HubEntryPoint]
    also_listed: tuple[str, ...]
    """Names that ``torch.hub.list`` shows though they build nothing: what is imported."""
    license: str | None
    """SPDX identifier of the repository's code; ``None`` where it is not known."""
    license_source: str | None
    papers: tuple[str, ...]
    """``"arXiv:2103.13413"``."""
    cards: tuple[HubCard, ...]
    weights: tuple[HubWeights, ...]
    issues: tuple[str, ...]
    """What is known to be broken or to contradict itself."""
    source: str
    """Where the facts were read, with the commit."""

    @property
    def family(self) -> str:
        """The name of its file."""
        return re.sub(r"[^a-z0-9]+", "_", self.repository.lower())

    @property
    def default_entry_point(self) -> str:
        """The first that a card calls."""
        for name, entry in self.entry_points.items():
            if entry.is_on_card:
                return name
        return next(iter(self.entry_points))


@dataclass(frozen=True, slots=True)
class HubDocument:
    """The content of one file below ``registry/hub``."""

    schema_version: int
    repository: HubRepository


def repository_entries(record: HubRepository) -> Iterator[Entry]:
    """Make one entry for each entry point; figures that need the built network are not known."""
    for name, entry in record.entry_points.items():
        has_errors = entry.top1_error_percent is not None
        yield Entry(
            name=record.name,
            tag=name,
            is_default=name == record.default_entry_point,
            source=HUB_SOURCE,
            family=record.family,
            task="classification" if has_errors else "other",
            title=_title(record),
            paper=_paper(record),
            top1_error=entry.top1_error_percent,
            top5_error=entry.top5_error_percent,
            dataset="imagenet1k" if has_errors else None,
            license=record.license,
            is_pinned=record.commit is not None,
        )


def _title(record: HubRepository) -> str:
    """Take the title of the only card; of several, none stands for all."""
    titles = [card.title for card in record.cards]
    if len(titles) == 1:
        return titles[0]
    return record.repository


def _paper(record: HubRepository) -> str | None:
    """Name the only paper."""
    if len(record.papers) == 1:
        return record.papers[0]
    return None


def find_repository(name: str, index: Index | None = None) -> HubRepository | None:
    """Find the record of a repository by any name it has or had; ``None`` if there is none.

    Args:
        name: ``"owner/name"``.
        index: By default the one that ships with zoo.

    Raises:
        RegistryError: Its file is missing, malformed, or not the one that the index was made from.
    """
    index = index or load_index()
    name_today = PREFIX + current_name(name, index)
    wanted = name_today.lower()

    for known, entries in index.by_name.items():
        if known.lower() == wanted:
            return load_repository(entries[0], index)
    return None


def load_repositories(index: Index) -> Iterator[HubRepository]:
    """Read every record.

    Raises:
        RegistryError: A file is missing, malformed, or not the one that the index was made from.
    """
    for entry in index.entries:
        if entry.source == HUB_SOURCE and entry.is_default:
            yield load_repository(entry, index)


def repository_of_spec(spec: str, index: Index | None = None) -> HubRepository | None:
    """Find the record that a spec such as ``hub/isl-org/MiDaS`` means; ``None`` for any other spec.

    Raises:
        RegistryError: See :func:`find_repository`.
    """
    name, _, _ = spec.strip().partition(":")
    if name.lower().startswith(PREFIX):
        name = name[len(PREFIX) :]
    if name.count("/") != 1:
        return None
    return find_repository(name, index)


def current_name(name: str, index: Index | None = None) -> str:
    """Give the name that a repository has today, as far as is known; letters' case does not matter.

    >>> current_name("INTEL-ISL/midas"), current_name("someone/else")
    ('isl-org/MiDaS', 'someone/else')
    """
    index = index or load_index()
    renamed = index.aliases.get(name.lower(), name)
    plain = renamed.removeprefix(PREFIX)
    wanted = f"{PREFIX}{plain}".lower()

    for known in index.by_name:
        if known.lower() == wanted:
            return known.removeprefix(PREFIX)
    return plain


def load_repository(entry: Entry, index: Index | None = None) -> HubRepository:
    """Read the record behind an entry.

    Raises:
        RegistryError: Its file is missing, malformed, or not the one that the index was made from.
    """
    index = index or load_index()
    key = f"{entry.source}/{entry.family}"
    file = index.families.get(key)
    if file is None or index.folder is None:
        place = f"$.families.{key}"
        raise RegistryError(place, "expected the file that holds its record")

    path = index.folder / file.path
    document = _load(path, file.sha256)
    return document.repository


@cache
def _load(path: Path, sha256: str) -> HubDocument:
    text = read_verified(path, sha256, LARGEST_BYTES)
    return parse_repository(text, str(path))


def parse_repository(data: bytes | str, file: str) -> HubDocument:
    """Read the text of one file strictly.

    Raises:
        RegistryError: It is malformed; names the JSON path of the fault.
    """
    with naming(file):
        document = parse_document(data, HubDocument, SCHEMA_VERSION)
        _check(document.repository)
    return document


def _check(record: HubRepository) -> None:
    """Check what types cannot say."""
    path = "$.repository"
    repository = record.repository
    if not _REPOSITORY.fullmatch(repository):
        fault = f"expected OWNER/NAME, got {repository!r:.80}"
        raise RegistryError(f"{path}.repository", fault)

    expected_name = PREFIX + repository
    if record.name != expected_name:
        fault = f"expected {expected_name!r}"
        place = f"{path}.name"
        raise RegistryError(place, fault)

    commit = record.commit
    if commit is not None and not is_commit(commit):
        fault = f"expected a commit of 40 hex digits, got {commit!r:.80}"
        raise RegistryError(f"{path}.commit", fault)

    if not record.entry_points or not record.cards:
        fault = "expected at least one entry point and one card"
        raise RegistryError(path, fault)

    for number, weights in enumerate(record.weights):
        place = f"{path}.weights[{number}].url"
        check_url(place, weights.url)
