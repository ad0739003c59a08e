"""Assemble the registry and what lies beside it, and compare them with what stands on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torchvision

from zoo import atomic
from zoo.catalog.entries import entries_of
from zoo.catalog.hub_repositories import repository_entries
from zoo.catalog.index import MAIN_SOURCES, FamilyFile, index_of, index_text
from zoo.catalog.nearness import require_known
from zoo.catalog.places import packaged_registry
from zoo.catalog.registry import SCHEMA_VERSION, Registry, parse_registry
from zoo.curator import family_files, sources
from zoo.curator.facts import Facts, load_facts
from zoo.curator.plain import json_differences, to_text
from zoo.inspector import live
from zoo.inspector.layers import FOLDER, LayerTable, table_file
from zoo.inspector.layers import to_text as table_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from zoo.catalog.families import Family
    from zoo.catalog.hub_repositories import HubDocument
    from zoo.catalog.records import Architecture
    from zoo.curator.family_files import Progress

_IMAGENET_IDS = Path(__file__).with_name("imagenet1k_wnids.txt")
"""The WordNet identifiers of ImageNet-1k's classes in their order.

As in timm's imagenet_synsets.txt (Apache-2.0).
"""


def _silent(
    _name: str,
    _done: int,
    _all: int,
) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class Built:
    """A registry and all that lies beside it, as the texts of their files."""

    registry: str
    tables: Mapping[str, str]
    """Layer tables by architecture."""
    beside: Mapping[str, str] = field(default_factory=dict)
    """The index and the family files by their path below ``registry/``.

    Empty if only some were built.
    """
    is_whole: bool = True
    """False if only some architectures were built."""


def list_names() -> list[str]:
    """Names of all architectures of ``registry.json`` itself, torchvision's before ours."""
    return list(_sources())


def _sources() -> dict[str, sources.Source[Architecture]]:
    """Find the source of each architecture of ``registry.json``."""
    found = {}
    for name_of_source in MAIN_SOURCES:
        source = sources.source(name_of_source)
        for name in source.list_names():
            found[name] = source
    return found


def build_registry(
    names: Sequence[str] = (),
    facts: Facts | None = None,
    progress: Progress = _silent,
    *,
    recount: int | None = 0,
) -> Built:
    """Make records again, from the sources, the facts and the built models.

    Args:
        names: Only these architectures of torchvision and zoo; by default all, and timm's.
        facts: By default those of ``facts.toml``.
        progress: Called with the name of each architecture, how many are done and how many there
            are.
        recount: How many weights of timm are counted again, spread over all; ``None`` is all. The
            others keep the figures on disk, if the same versions of timm and torch made them.

    Raises:
        RegistryError: The facts are malformed or do not fit the architectures that exist.
        UnknownNameError: There is no such architecture.
    """
    facts = facts or load_facts()
    for name in names:
        require_known("model", name, list_names())
    architectures, tables = _build_main(names or list_names(), facts, progress)

    categories: dict[str, tuple[str, ...]] = {}
    for source in MAIN_SOURCES:
        categories |= sources.source(source).categories()
    identifiers = _IMAGENET_IDS.read_text(encoding="utf-8")

    registry = Registry(
        schema_version=SCHEMA_VERSION,
        generated_by={
            "command": "zoo registry build",
            "torch": _release(torch.__version__),
            "torchvision": _release(torchvision.__version__),
        },
        categories=categories,
        category_ids={"imagenet1k": tuple(identifiers.split())},
        architectures=architectures,
    )
    text = to_text(registry)
    parse_registry(text)
    if names:
        return Built(text, tables, is_whole=False)

    families = family_files.build_families(facts, progress, recount=recount)
    beside = {path: to_text(family) for path, family in families.items()}
    repositories = family_files.build_repositories(facts)
    for path, document in repositories.items():
        beside[path] = to_text(document)
    beside["index.json"] = index_over(registry, text, families, repositories)
    return Built(text, tables, beside)


def _release(version: str) -> str:
    """Drop what a build says of itself: ``2.14.1+cpu``."""
    release, _, _ = version.partition("+")
    return release


def _build_main(
    names: Sequence[str],
    facts: Facts,
    progress: Progress,
) -> tuple[dict[str, Architecture], dict[str, str]]:
    """Build the records of ``registry.json`` and their layer tables."""
    source_of = _sources()
    architectures: dict[str, Architecture] = {}
    tables: dict[str, str] = {}

    for done, name in enumerate(names):
        progress(name, done, len(names))
        source = source_of[name]
        draft = source.describe(name, facts)
        record, table = _complete(draft)
        architectures[name] = record
        tables[name] = table_text(table)

    return architectures, tables


def index_over(
    registry: Registry,
    registry_text: str,
    families: Mapping[str, Family],
    repositories: Mapping[str, HubDocument],
) -> str:
    """Make the text of the index over everything."""
    entries = list(entries_of(registry.architectures.values()))
    files: dict[str, FamilyFile] = {}

    for path, family in families.items():
        entries += entries_of(family.architectures.values())
        files[_key(path)] = FamilyFile(path, _sha256(to_text(family)))
    for path, document in repositories.items():
        entries += repository_entries(document.repository)
        files[_key(path)] = FamilyFile(path, _sha256(to_text(document)))

    index = index_of(entries, files, family_files.aliases())
    digest = _sha256(registry_text)
    return index_text(index, digest, registry.generated_by)


def _key(path: str) -> str:
    """Name a family file in the index: ``timm/resnet``."""
    return path.removesuffix(".json")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _complete(draft: Architecture) -> tuple[Architecture, LayerTable]:
    """Compute every figure of a draft from built models."""
    table = live.trace(draft)

    weights = {}
    for tag, entry in draft.weights.items():
        figures = live.trace(draft, entry)
        weights[tag] = replace(
            entry,
            parameters=figures.parameters,
            multiply_adds=figures.multiply_adds,
            state_bytes=None if entry.size_bytes else live.state_bytes(draft, entry),
        )

    complete = replace(
        draft,
        parameters=table.parameters,
        multiply_adds=table.multiply_adds,
        activations=table.activations,
        auxiliary_parameters=_auxiliary_parameters(draft, table.parameters),
        weights=weights,
    )
    return complete, table


def _auxiliary_parameters(
    draft: Architecture,
    parameters: int,
) -> int:
    """Count what auxiliary heads would add."""
    option = live.AUXILIARY_OPTIONS.get(draft.family)
    if option is None:
        return 0

    model = live.build_bare(draft, None, **{option: True})
    with_heads = sum(parameter.numel() for parameter in model.parameters())
    return with_heads - parameters


# --- compare and write ----------------------------------------------------------------------------


def differences(
    built: Built,
    registry: Path | None = None,
    folder: Path = FOLDER,
) -> Iterator[str]:
    """Say how the files on disk differ from what was built, one line for each difference.

    Nothing if they are equal.

    Args:
        built: What was built; what was not is passed over.
        registry: By default the file that zoo uses.
        folder: Where the layer tables lie.

    Raises:
        RegistryError: The registry on disk is malformed.
    """
    path = registry or packaged_registry()
    on_disk = path.read_text(encoding="utf-8")
    parse_registry(on_disk, str(path))
    old = json.loads(on_disk)
    new = json.loads(built.registry)
    if not built.is_whole:
        known = old["architectures"]
        old["architectures"] = {name: known[name] for name in built.tables if name in known}

    yield from json_differences(old, new)
    has_other_spelling = old == new and on_disk != built.registry
    if built.is_whole and has_other_spelling:
        yield f"{path.name}: same content, other spelling"

    yield from _differences_beside(built, path.parent / "registry")
    yield from _differences_of_tables(built, folder)


def _differences_of_tables(
    built: Built,
    folder: Path,
) -> Iterator[str]:
    """Compare the layer tables."""
    for name, text in built.tables.items():
        file = table_file(name, folder)
        if not file.is_file():
            yield f"{file.name}: missing"
            continue

        on_disk = file.read_text(encoding="utf-8")
        if on_disk != text:
            yield _describe_table(file.name, on_disk, text)

    if not built.is_whole:
        return
    for stray in _strays(built, folder):
        yield f"{stray.name}: belongs to no architecture"


def _describe_table(
    name: str,
    on_disk: str,
    built: str,
) -> str:
    """Say the first difference of a layer table, and how many there are."""
    try:
        old = json.loads(on_disk)
    except json.JSONDecodeError:
        return f"{name}: not JSON"

    found = list(json_differences(old, json.loads(built), name))
    if not found:
        return f"{name}: same content, other spelling"
    if len(found) == 1:
        return found[0]
    return f"{found[0]}; and {len(found) - 1} more"


def _differences_beside(
    built: Built,
    folder: Path,
) -> Iterator[str]:
    """Compare the index and the family files."""
    for name, text in built.beside.items():
        path = folder / name
        if not path.is_file():
            yield f"registry/{name}: missing"
            continue

        on_disk = path.read_text(encoding="utf-8")
        if on_disk == text:
            continue

        old = json.loads(on_disk)
        new = json.loads(text)
        if old == new:
            yield f"registry/{name}: same content, other spelling"
        yield from json_differences(old, new, name)

    if not built.beside:
        return
    there = {str(path.relative_to(folder)) for path in folder.glob("*/*.json")}
    strays = there - built.beside.keys()
    for stray in sorted(strays):
        yield f"registry/{stray}: belongs to no family"


def _strays(
    built: Built,
    folder: Path,
) -> list[Path]:
    """List tables that belong to no architecture."""
    there = set(folder.glob("*.json"))
    expected = {table_file(name, folder) for name in built.tables}
    return sorted(there - expected)


def write(
    built: Built,
    registry: Path,
    folder: Path = FOLDER,
) -> None:
    """Write the registry, what lies beside it, and the layer tables; each file is replaced whole.

    The index comes last: it names the digests of the others.
    """
    folder.mkdir(exist_ok=True)
    for name, text in built.tables.items():
        file = table_file(name, folder)
        atomic.write_text(file, text)
    for stray in _strays(built, folder):
        stray.unlink()

    atomic.write_text(registry, built.registry)
    beside = registry.parent / "registry"
    names = sorted(built.beside, key=lambda name: name == "index.json")
    for name in names:
        path = beside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = built.beside[name]
        atomic.write_text(path, text)
