"""The JSON Schema of ``registry.json``, derived from the record classes, for tools that do not use zoo."""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from zoo.catalog.registry import SCHEMA_VERSION, Registry

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    bool: {"type": "boolean"},
}


def json_schema() -> dict[str, Any]:
    """Describe the registry as JSON Schema (draft 2020-12)."""
    definitions: dict[str, Any] = {}
    root = _of(Registry, definitions)
    definitions["Registry"]["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "registry.json of torch-zoo",
        **root,
        "$defs": definitions,
    }


def _of(annotation: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Describe one annotation; record classes go into ``definitions``."""
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if is_dataclass(annotation) and isinstance(annotation, type):
        if annotation.__name__ not in definitions:
            definitions[annotation.__name__] = {}  # records may nest; reserve the name first
            definitions[annotation.__name__] = _record(annotation, definitions)
        return {"$ref": f"#/$defs/{annotation.__name__}"}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(args)}
    if origin in {Union, types.UnionType}:
        choices = [{"type": "null"} if arg is type(None) else _of(arg, definitions) for arg in args]
        return {"anyOf": choices}
    if origin is tuple:
        return {"type": "array", "items": _of(args[0], definitions)}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _of(args[1], definitions)}
    message = f"no schema for {annotation!r}"
    raise TypeError(message)


def _record(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    hints, descriptions = get_type_hints(cls), _field_docs(cls)
    properties = {}
    for field in fields(cls):
        described = {"description": descriptions[field.name]} if field.name in descriptions else {}
        properties[field.name] = {**_of(hints[field.name], definitions), **described}
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "description": (inspect.getdoc(cls) or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _field_docs(cls: type) -> dict[str, str]:
    """Read the strings that stand below the fields of a record class."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    docs = {}
    for statement, following in itertools.pairwise(body):
        is_field = isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        if is_field and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            docs[statement.target.id] = " ".join(str(following.value.value).split())  # type: ignore[attr-defined]  # is_field
    return docs
