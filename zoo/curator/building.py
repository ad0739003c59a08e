"""Assemble the registry and the layer tables, and compare them with what stands on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torchvision

from zoo import whole_files
from zoo.catalog.registry import SCHEMA_VERSION, Registry, find_registry, parse_registry
from zoo.catalog.rows import require_known
from zoo.curator import torchvision_source, zoo_source
from zoo.curator.facts import Facts, load_facts
from zoo.inspector import live
from zoo.inspector.layers import FOLDER, LayerTable, table_file, to_text

if TYPE_CHECKING:
    from zoo.catalog.records import Architecture

Progress = Callable[[str, int, int], None]
_IMAGENET_IDS = Path(__file__).with_name("imagenet1k_wnids.txt")
"""The WordNet identifiers of ImageNet-1k's classes in their order; as in timm's imagenet_synsets.txt (Apache-2.0)."""


@dataclass(frozen=True, slots=True)
class Built:
    """A registry and the layer table of each of its architectures, as the texts of their files."""

    registry: str
    tables: Mapping[str, str]
    is_whole: bool = True
    """False if only some architectures were built."""


def list_names() -> list[str]:
    """Names of all architectures, torchvision's before ours."""
    return torchvision_source.list_names() + zoo_source.list_names()


def build_registry(
    names: Sequence[str] = (),
    facts: Facts | None = None,
    progress: Progress = lambda _name, _done, _all: None,
) -> Built:
    """Make records again, from torchvision, the facts and the built models.

    Args:
        names: Only these architectures; by default all.
        facts: By default those of ``facts.toml``.
        progress: Called with the name of each architecture, how many are done and how many there are.

    Raises:
        RegistryError: The facts are malformed or do not fit the architectures that exist.
        UnknownNameError: There is no such architecture.
    """
    facts = facts or load_facts()
    for name in names:
        require_known("model", name, list_names())
    is_whole = not names
    names = names or list_names()
    architectures: dict[str, Architecture] = {}
    tables: dict[str, str] = {}
    for done, name in enumerate(names):
        progress(name, done, len(names))
        source = zoo_source if name in zoo_source.list_names() else torchvision_source
        architectures[name], table = _complete(source.architecture_record(name, facts))
        tables[name] = to_text(table)
    registry = Registry(
        schema_version=SCHEMA_VERSION,
        generated_by={
            "command": "zoo registry build",
            "torch": torch.__version__.partition("+")[0],
            "torchvision": torchvision.__version__.partition("+")[0],
        },
        categories={**torchvision_source.categories(), **zoo_source.categories()},
        category_ids={"imagenet1k": tuple(_IMAGENET_IDS.read_text(encoding="utf-8").split())},
        architectures=architectures,
    )
    text = json.dumps(plain(registry), ensure_ascii=False, indent=1) + "\n"
    parse_registry(text)
    return Built(text, tables, is_whole)


def _complete(draft: Architecture) -> tuple[Architecture, LayerTable]:
    """Compute every figure of a draft from built models."""
    table = live.trace(draft)
    weights = {}
    for tag, entry in draft.weights.items():
        figures = live.trace(draft, entry)
        weights[tag] = replace(entry, parameters=figures.parameters, multiply_adds=figures.multiply_adds)
    complete = replace(
        draft,
        parameters=table.parameters,
        multiply_adds=table.multiply_adds,
        activations=table.activations,
        auxiliary_parameters=_auxiliary_parameters(draft, table.parameters),
        weights=weights,
    )
    return complete, table


def _auxiliary_parameters(draft: Architecture, parameters: int) -> int:
    """Count what auxiliary heads would add."""
    if draft.family not in live.AUXILIARY_OPTIONS:
        return 0
    model = live.build_bare(draft, None, **{live.AUXILIARY_OPTIONS[draft.family]: True})
    return sum(parameter.numel() for parameter in model.parameters()) - parameters


def plain(value: Any) -> Any:
    """Turn records into JSON values; fields at their default are left out."""
    if is_dataclass(value):
        entries = ((field, getattr(value, field.name)) for field in fields(value))
        return {
            field.name: plain(entry) for field, entry in entries if field.default is MISSING or entry != field.default
        }
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, tuple) else value


def differences(built: Built, registry: Path | None = None, folder: Path = FOLDER) -> Iterator[str]:
    """Say how the files on disk differ from what was built, one line for each difference; nothing if they are equal.

    Args:
        built: What was built; what was not is passed over.
        registry: By default the file that zoo uses.
        folder: Where the layer tables lie.

    Raises:
        RegistryError: The registry on disk is malformed.
    """
    path = registry or find_registry()
    on_disk = path.read_text(encoding="utf-8")
    parse_registry(on_disk, str(path))
    old, new = json.loads(on_disk), json.loads(built.registry)
    if not built.is_whole:
        old["architectures"] = {
            name: old["architectures"][name] for name in built.tables if name in old["architectures"]
        }
    yield from _json_differences(old, new, "$")
    if built.is_whole and old == new and on_disk != built.registry:
        yield f"{path.name}: same content, other spelling"
    for name, text in built.tables.items():
        file = table_file(name, folder)
        if not file.is_file():
            yield f"{file.name}: missing"
        elif file.read_text(encoding="utf-8") != text:
            yield f"{file.name}: differs from the built network"
    for stray in _strays(built, folder) if built.is_whole else ():
        yield f"{stray.name}: belongs to no architecture"


def _json_differences(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            if key not in new:
                yield f"{path}.{key}: stands in the file, is not built"
            elif key not in old:
                yield f"{path}.{key}: is built, missing in the file"
            else:
                yield from _json_differences(old[key], new[key], f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _json_differences(left, right, f"{path}[{index}]")
    elif old != new:
        yield f"{path}: the file has {old!r:.80}, built is {new!r:.80}"


def _strays(built: Built, folder: Path) -> list[Path]:
    """List tables that belong to no architecture."""
    return sorted(set(folder.glob("*.json")) - {table_file(name, folder) for name in built.tables})


def write(built: Built, registry: Path, folder: Path = FOLDER) -> None:
    """Write the registry and the layer tables; each file is replaced whole."""
    folder.mkdir(exist_ok=True)
    for name, text in built.tables.items():
        whole_files.write_text(table_file(name, folder), text)
    for stray in _strays(built, folder):
        stray.unlink()
    whole_files.write_text(registry, built.registry)
