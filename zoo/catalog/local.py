"""The user's own registry: models that were trained or found here, beside the published ones.

It is one JSON document, ``$XDG_CONFIG_HOME/zoo/models.json``. Each model in it is called
``local/NAME``, and is the file that it names: nothing is copied. No published error stands there,
since nobody has published one.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.catalog.entries import LOCAL_SOURCE, Entry, IndexedFile
from zoo.catalog.index import index_of
from zoo.catalog.nearness import nearest
from zoo.catalog.reading import naming
from zoo.config import config_path
from zoo.documents import parse_document, read_regular_file
from zoo.errors import UnknownNameError, UsageError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.catalog.index import Index

SCHEMA_VERSION = 1
LARGEST_BYTES = 16 << 20
SOURCE = LOCAL_SOURCE
PREFIX = f"{SOURCE}/"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}")
_ADVICE = "fix or remove it"


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One file of one's own under a name."""

    name: str
    """Without the prefix."""
    file: str
    """Its absolute path."""
    sha256: str
    size_bytes: int
    architecture: str
    """Whose builder makes the network."""
    parameters: int
    multiply_adds: int
    input_size: tuple[int, ...]
    num_classes: int
    data: str
    """Digest of the images that it was trained on."""
    genotype: str | None = None
    """Name of its cells, where they were found."""


@dataclass(frozen=True, slots=True)
class LocalRegistry:
    """The document."""

    schema_version: int
    models: tuple[LocalModel, ...]


def local_path() -> Path:
    """Return where the document is, whether or not it exists."""
    return config_path().with_name("models.json")


def read_local() -> tuple[LocalModel, ...]:
    """Read the models, in the order of their names; none where there is no document.

    Raises:
        RegistryError: It cannot be read or is malformed; names the JSON path of the fault.
    """
    path = local_path()
    if not path.exists():
        return ()
    with naming(path, _ADVICE):
        data = read_regular_file(path, LARGEST_BYTES)
        return parse_document(data, LocalRegistry, SCHEMA_VERSION).models


def add_local(
    model: LocalModel,
    *,
    replaces: bool = False,
) -> None:
    """Add a model.

    Raises:
        UsageError: Its name is none, or is taken and ``replaces`` is false.
        WriteError: The file system refuses.
    """
    if _NAME.fullmatch(model.name) is None:
        fault = f"a name has small letters, digits and _.-, got {model.name!r:.60}"
        raise UsageError(f"{fault}: give another --name")

    models = {one.name: one for one in read_local()}
    if model.name in models and not replaces:
        advice = "give another --name, or replace it with --force"
        raise UsageError(f"{PREFIX}{model.name} is there already: {advice}")
    models[model.name] = model
    _write(models.values())


def remove_local(name: str) -> LocalModel:
    """Forget a model; its file stays.

    Raises:
        UnknownNameError: There is none of that name.
        WriteError: The file system refuses.
    """
    found = find_local(name)
    models = read_local()
    others = [one for one in models if one.name != found.name]
    _write(others)
    return found


def _write(models: Iterable[LocalModel]) -> None:
    ordered = sorted(models, key=lambda model: model.name)
    document = LocalRegistry(SCHEMA_VERSION, tuple(ordered))
    path = local_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = error.strerror or str(error)
        raise WriteError(str(path), fault) from error
    text = json.dumps(asdict(document), ensure_ascii=False, indent=1)
    atomic.write_text(path, f"{text}\n")


def is_local(name: str) -> bool:
    """Tell whether a name is one of the user's own."""
    return name.startswith(PREFIX)


def find_local(name: str) -> LocalModel:
    """Find a model, with the prefix or without.

    Raises:
        UnknownNameError: There is none of that name; offers the nearest.
    """
    wanted = name.removeprefix(PREFIX)
    models = {model.name: model for model in read_local()}
    if wanted in models:
        return models[wanted]
    near = [f"{PREFIX}{one}" for one in nearest(wanted, models)]
    advice = 'to see all, run "zoo list --source local"'
    raise UnknownNameError("model of your own", name, near, advice=advice)


def file_of(name: str) -> str:
    """Give the file that a name of the user's own stands for; other names come back as they are.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if is_local(name):
        return find_local(name).file
    return name


def with_local(index: Index) -> Index:
    """Add the user's own models to an index."""
    models = read_local()
    if not models:
        return index
    own = map(_entry, models)
    return index_of(
        [*index.entries, *own],
        families=index.families,
        aliases=index.aliases,
        folder=index.folder,
    )


def _entry(model: LocalModel) -> Entry:
    """Make the entry of a list."""
    file = IndexedFile(model.file, model.size_bytes)
    size = "x".join(map(str, model.input_size))
    return Entry(
        name=f"{PREFIX}{model.name}",
        tag=None,
        is_default=True,
        source=SOURCE,
        family=model.architecture,
        task="classification",
        title=model.genotype or model.name,
        parameters=model.parameters,
        multiply_adds=model.multiply_adds,
        input_size=size,
        num_classes=model.num_classes,
        dataset=model.data,
        size_bytes=model.size_bytes,
        is_pinned=True,
        files=(file,),
    )
