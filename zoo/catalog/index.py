"""The index: every entry of every source, by name, and where the records lie.

``registry/index.json`` is made by ``zoo registry build`` from the records. It is one object: its
entries are arrays in the order of the key ``columns``, so that two thousand of them are read in a
few milliseconds; records are decoded only when one is asked for. It names the digest of each file
it was made from. A ``registry.json`` that has changed since is believed, and its entries are made
again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import chain
from math import isnan
from typing import TYPE_CHECKING, Any

from zoo.catalog.entries import COLUMNS, Entry, IndexedFile, entries_of
from zoo.catalog.places import find_index, find_registry
from zoo.catalog.reading import naming
from zoo.documents import check_version, decode, parse_json, read_regular_file
from zoo.errors import DocumentError
from zoo.hashes import is_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from zoo.catalog.registry import Registry

SCHEMA_VERSION = 1
LARGEST_BYTES = 64 << 20
MAIN_SOURCES = ("torchvision", "zoo")
"""Sources whose records stand in ``registry.json`` itself."""
HUB_SOURCE = "hub"
"""The source whose records are repositories of foreign code."""
_REBUILD = 'run "zoo registry build"'
_FAMILY_PATH = re.compile(r"[a-z0-9_]+/[a-z0-9_]+\.json")
_LARGEST_NUMBER = 2**63 - 1
_TEXT = (str, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "str | None": _TEXT,
    "bool": (bool,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float | None": (int, float, type(None)),
    "Mapping[str, float] | None": (dict, type(None)),
    "tuple[IndexedFile, ...]": (list,),
}
"""The types that a value of the document may have, by the annotation of its field."""


def _allowed(cls: type[Entry | IndexedFile]) -> tuple[frozenset[type], ...]:
    """List the types that each field of a row may have."""
    annotations = [hint.__forward_arg__ for hint in cls.__annotations__.values()]
    return tuple(frozenset(_KINDS[annotation]) for annotation in annotations)


_ALLOWED = _allowed(Entry)
_ALLOWED_IN_FILE = _allowed(IndexedFile)
_NAME_OF_ROW = re.compile(rb'^\["([^"\\]+)"', re.MULTILINE)
"""Each entry stands on a line of its own and begins with its name."""


@dataclass(frozen=True, slots=True)
class FamilyFile:
    """Where the records of one family of a source lie."""

    path: str
    """Beside the index: ``"timm/resnet.json"``."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Head:
    """The document without its entries."""

    schema_version: int
    generated_by: Mapping[str, str]
    registry_sha256: str
    families: Mapping[str, FamilyFile]
    aliases: Mapping[str, str]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Every entry, by name, and where the records lie."""

    entries: tuple[Entry, ...]
    by_name: Mapping[str, tuple[Entry, ...]]
    families: Mapping[str, FamilyFile]
    """By source and family: ``"timm/resnet"``."""
    aliases: Mapping[str, str]
    """Old names of timm -> spec: ``"convnext_tiny_in22k"`` -> ``"timm/convnext_tiny:fb_in22k"``.

    Names that repositories had: ``"intel-isl/midas"`` -> ``"hub/isl-org/MiDaS"``.
    """
    folder: Path | None = None

    def default(self, name: str) -> Entry:
        """Give the entry of an architecture's default weights, or its only one without weights."""
        entries = self.by_name[name]
        for entry in entries:
            if entry.is_default:
                return entry
        return entries[0]


def index_of(
    entries: Iterable[Entry],
    families: Mapping[str, FamilyFile] | None = None,
    aliases: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Index:
    """Group entries by name."""
    every = tuple(entries)
    grouped: dict[str, list[Entry]] = {}
    for entry in every:
        members = grouped.setdefault(entry.name, [])
        members.append(entry)

    return Index(
        entries=every,
        by_name={name: tuple(members) for name, members in grouped.items()},
        families=families or {},
        aliases=aliases or {},
        folder=folder,
    )


def registry_index(registry: Registry) -> Index:
    """Make the index of a registry that stands alone."""
    architectures = registry.architectures.values()
    return index_of(entries_of(architectures))


def index_for(registry: Registry | None) -> Index:
    """Give the index of a registry; of everything that zoo knows where none is given."""
    if registry is None:
        return load_index()
    return registry_index(registry)


def list_names() -> list[str]:
    """List the names that the index has, and nothing else of it: for completion, in a moment.

    Raises:
        RegistryError: The index cannot be read or is malformed.
    """
    path = find_index()
    if path.is_file():
        return read_names(path)
    return list(load_index().by_name)


def read_names(path: Path) -> list[str]:
    """Read the names alone, from the beginnings of lines: nothing is parsed.

    A file that somebody has laid out anew is read as a whole.

    Raises:
        RegistryError: It cannot be read or is malformed.
    """
    with naming(path, _REBUILD):
        data = read_regular_file(path, LARGEST_BYTES)
    every = _NAME_OF_ROW.findall(data)
    found = dict.fromkeys(every)
    if found:
        return [name.decode("utf-8", "replace") for name in found]

    index, _ = read_index(path)
    return list(index.by_name)


@cache
def load_index() -> Index:
    """Read the index that ships with zoo (once a process).

    Entries of ``registry.json`` are made from its records where the index does not fit it.

    Raises:
        RegistryError: A file cannot be read or is malformed.
    """
    registry_path = find_registry()
    path = registry_path.parent / "registry" / "index.json"
    if not path.is_file():
        return registry_index(_records(registry_path))

    index, made_from = read_index(path)
    with naming(registry_path):
        data = registry_path.read_bytes()
    current = hashlib.sha256(data).hexdigest()
    if current == made_from:
        return index

    registry = _records(registry_path)
    fresh = entries_of(registry.architectures.values())
    others = [entry for entry in index.entries if entry.source not in MAIN_SOURCES]
    return index_of(
        [*fresh, *others],
        families=index.families,
        aliases=index.aliases,
        folder=index.folder,
    )


def _records(path: Path) -> Registry:
    """Read the records themselves: seldom, and their classes take longer to make than an index."""
    from zoo.catalog.registry import load_registry

    return load_registry(path)


# --- the document ---------------------------------------------------------------------------------


def index_text(
    index: Index,
    registry_sha256: str,
    generated_by: Mapping[str, str],
) -> str:
    """Write an index as the text of its file, one entry a line."""
    head = Head(
        schema_version=SCHEMA_VERSION,
        generated_by=dict(generated_by),
        registry_sha256=registry_sha256,
        families=index.families,
        aliases=dict(index.aliases),
        columns=COLUMNS,
    )
    members = asdict(head)
    closed_head = json.dumps(members, ensure_ascii=False, indent=1)
    open_head = closed_head.removesuffix("\n}")

    rows = []
    for entry in index.entries:
        row = json.dumps(entry.row, ensure_ascii=False)
        rows.append(row)
    joined_rows = ",\n".join(rows)
    return f'{open_head},\n "entries": [\n{joined_rows}\n]\n}}\n'


def read_index(path: Path) -> tuple[Index, str]:
    """Read an index strictly; also give the digest of the ``registry.json`` it was made from.

    Raises:
        RegistryError: It cannot be read or is malformed; names the JSON path of the fault.
    """
    with naming(path, _REBUILD):
        content = parse_json(read_regular_file(path, LARGEST_BYTES))
        if not isinstance(content, dict):
            raise DocumentError("$", "expected an object")

        rows = content.pop("entries", None)
        head = _head(content)
        entries = _entries(rows)

    index = index_of(
        entries,
        families=head.families,
        aliases=head.aliases,
        folder=path.parent,
    )
    return index, head.registry_sha256


def _head(content: dict[str, Any]) -> Head:
    """Decode all but the entries."""
    check_version(content, SCHEMA_VERSION)
    head = decode(Head, content)
    if head.columns != COLUMNS:
        raise DocumentError("$.columns", f"expected {COLUMNS}")

    for name, family in head.families.items():
        path = f"$.families.{name}"
        if _FAMILY_PATH.fullmatch(family.path) is None:
            raise DocumentError(f"{path}.path", "expected SOURCE/FAMILY.json")
        if not is_sha256(family.sha256):
            raise DocumentError(f"{path}.sha256", "expected 64 hex digits")
    return head


def _entries(rows: Any) -> list[Entry]:
    """Check whole columns at once, which takes a third of the time that single values do."""
    if not isinstance(rows, list):
        raise DocumentError("$.entries", "expected an array")

    for number, row in enumerate(rows):
        is_list = isinstance(row, list)
        if is_list and len(row) == len(COLUMNS):
            continue
        place = f"$.entries[{number}]"
        raise DocumentError(place, "expected every column")

    by_column = zip(*rows, strict=True)
    for column, allowed, values in zip(COLUMNS, _ALLOWED, by_column, strict=False):
        _check_column(column, allowed, values)

    files_of_rows = [row.pop() for row in rows]
    _check_files(files_of_rows)

    entries = []
    for row, files in zip(rows, files_of_rows, strict=True):
        records = map(IndexedFile._make, files)
        row.append(tuple(records))
        entry = Entry._make(row)
        entries.append(entry)
    return entries


def _check_column(
    column: str,
    allowed: frozenset[type],
    values: tuple[Any, ...],
) -> None:
    """Refuse values of the wrong type, and numbers that are negative, too large, or none."""
    kinds = set(map(type, values))
    if kinds <= allowed:
        has_metrics = dict in kinds
        is_numeric = not kinds.isdisjoint({int, float})
        if not has_metrics and (not is_numeric or _are_counts(values)):
            return

    for number, value in enumerate(values):
        kind = type(value)
        is_right = kind in allowed
        if kind in {int, float}:
            is_right &= 0 <= value <= _LARGEST_NUMBER  # False for NaN
        if kind is dict:
            is_right &= all(map(_is_number, value.values()))
        if not is_right:
            path = f"$.entries[{number}].{column}"
            raise DocumentError(path, f"did not expect {value!r:.60}")


def _is_number(value: Any) -> bool:
    """Tell whether a metric is a number that can be shown."""
    return type(value) in {int, float} and 0 <= value <= _LARGEST_NUMBER


def _are_counts(values: Iterable[float | None]) -> bool:
    """Tell whether all numbers of a column are from zero to the largest one."""
    numbers = [value for value in values if value is not None]
    smallest = min(numbers)
    largest = max(numbers)
    if smallest < 0 or largest > _LARGEST_NUMBER:
        return False

    # A comparison with NaN says nothing, but a sum with it is NaN.
    total = sum(numbers)
    return not isnan(total)


def _check_files(files_of_rows: Iterable[list[Any]]) -> None:
    """Check the files of all entries by columns; where one is wrong, find out which."""
    every = list(chain.from_iterable(files_of_rows))
    are_lists = set(map(type, every)) <= {list}
    if are_lists and set(map(len, every)) <= {len(_ALLOWED_IN_FILE)}:
        by_column = zip(*every, strict=True)
        kinds = [set(map(type, values)) for values in by_column]
        if all(map(set.issubset, kinds, _ALLOWED_IN_FILE)):
            return

    for number, files in enumerate(files_of_rows):
        path = f"$.entries[{number}].files"
        for parts in files:
            _check_file(parts, path)


def _check_file(parts: Any, path: str) -> None:
    is_list = isinstance(parts, list)
    length = len(_ALLOWED_IN_FILE)
    if not is_list or len(parts) != length:
        raise DocumentError(path, "expected arrays of five")

    for value, allowed in zip(parts, _ALLOWED_IN_FILE, strict=True):
        if type(value) in allowed:
            continue
        fault = f"did not expect {value!r:.60}"
        raise DocumentError(path, fault)
