"""The JSON Schemas of ``registry.json`` and the files beside it, made from the record classes."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo.catalog import entries, families, hub_repositories, index
from zoo.catalog.entries import Entry, IndexedFile
from zoo.catalog.families import Family
from zoo.catalog.hub_repositories import HubDocument
from zoo.catalog.registry import SCHEMA_VERSION, Registry

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    bool: {"type": "boolean"},
    types.NoneType: {"type": "null"},
}


def json_schema() -> dict[str, Any]:
    """Describe the registry as JSON Schema (draft 2020-12)."""
    return _document("registry.json", Registry, SCHEMA_VERSION)


def family_schema() -> dict[str, Any]:
    """Describe a family file as JSON Schema."""
    return _document("registry/SOURCE/FAMILY.json", Family, families.SCHEMA_VERSION)


def _document(
    file: str,
    cls: type,
    schema_version: int,
) -> dict[str, Any]:
    """Describe a document that is one record with a version."""
    definitions: dict[str, Any] = {}
    root = _of(cls, definitions)
    properties = definitions[cls.__name__]["properties"]
    properties["schema_version"] = {"const": schema_version}
    return {
        "$schema": _DIALECT,
        "title": f"{file} of torch-zoo",
        **root,
        "$defs": definitions,
    }


def hub_schema() -> dict[str, Any]:
    """Describe the record of a repository of PyTorch Hub as JSON Schema."""
    definitions: dict[str, Any] = {}
    root = _of(HubDocument, definitions)
    properties = definitions["HubDocument"]["properties"]
    properties["schema_version"] = {"const": hub_repositories.SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "registry/hub/NAME.json of torch-zoo",
        **root,
        "$defs": definitions,
    }


def index_schema() -> dict[str, Any]:
    """Describe the index as JSON Schema.

    Its entries are arrays, in the order of the key ``columns``.
    """
    definitions: dict[str, Any] = {}
    entry = _as_array(Entry, definitions)
    entry["prefixItems"][-1] = {
        "type": "array",
        "items": _as_array(IndexedFile, definitions),
    }
    text = {"type": "string"}
    texts = {
        "type": "object",
        "additionalProperties": text,
    }
    family = {
        "type": "object",
        "properties": {"path": text, "sha256": text},
        "required": ["path", "sha256"],
        "additionalProperties": False,
    }
    properties = {
        "schema_version": {"const": index.SCHEMA_VERSION},
        "generated_by": texts,
        "registry_sha256": text,
        "families": {"type": "object", "additionalProperties": family},
        "aliases": texts,
        "columns": {"const": list(entries.COLUMNS)},
        "entries": {"type": "array", "items": entry},
    }
    return {
        "$schema": _DIALECT,
        "title": "registry/index.json of torch-zoo",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _as_array(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    """Describe a record that is written as an array of its fields."""
    hints = get_type_hints(cls)
    descriptions = _field_docs(cls)

    items = []
    for name, hint in hints.items():
        words = f"{name}. {descriptions.get(name, '')}"
        item = {"description": words.strip()}
        is_nested = get_origin(hint) is tuple
        if not is_nested:
            item = _of(hint, definitions) | item
        items.append(item)

    return {
        "type": "array",
        "prefixItems": items,
        "items": False,
        "minItems": len(items),
    }


def _of(
    annotation: Any,
    definitions: dict[str, Any],
) -> dict[str, Any]:
    """Describe one annotation; record classes go into ``definitions``."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]

    if is_dataclass(annotation) and isinstance(annotation, type):
        name = annotation.__name__
        if name not in definitions:
            definitions[name] = {}  # records may nest; reserve the name first
            definitions[name] = _record(annotation, definitions)
        return {"$ref": f"#/$defs/{name}"}

    origin = get_origin(annotation)
    args = get_args(annotation)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in {Union, types.UnionType}:
        choices = [_of(arg, definitions) for arg in args]
        return {"anyOf": choices}
    if origin is tuple:
        items = _of(args[0], definitions)
        return {"type": "array", "items": items}
    if origin is Mapping:
        values = _of(args[1], definitions)
        return {"type": "object", "additionalProperties": values}

    message = f"no schema for {annotation!r}"
    raise TypeError(message)


def _record(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    descriptions = _field_docs(cls)

    properties = {}
    required = []
    for field in fields(cls):
        hint = hints[field.name]
        described = dict(_of(hint, definitions))
        if field.name in descriptions:
            described["description"] = descriptions[field.name]
        properties[field.name] = described

        has_default = field.default is not MISSING
        if not has_default and field.default_factory is MISSING:
            required.append(field.name)

    words = inspect.getdoc(cls) or ""
    first_line, _, _ = words.partition("\n")
    return {
        "description": first_line,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field_docs(cls: type) -> dict[str, str]:
    """Read the strings that stand below the fields of a record class."""
    source = textwrap.dedent(inspect.getsource(cls))
    (definition,) = ast.parse(source).body
    if not isinstance(definition, ast.ClassDef):
        return {}

    docs = {}
    for statement, following in itertools.pairwise(definition.body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=text)),
            ):
                words = str(text).split()
                docs[name] = " ".join(words)

    return docs
