"""Records as JSON values, and how two JSON values differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any


def to_text(record: Any) -> str:
    """Write records as the text of a JSON file."""
    value = plain(record)
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text + "\n"


def plain(value: Any) -> Any:
    """Turn records into JSON values; fields at their default are left out."""
    if is_dataclass(value):
        entries = {}
        for field in fields(value):
            entry = getattr(value, field.name)
            has_default = field.default is not MISSING
            if has_default and entry == field.default:
                continue
            entries[field.name] = plain(entry)
        return entries

    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple):
        return list(map(plain, value))
    return value


def json_differences(
    old: Any,
    new: Any,
    path: str = "$",
) -> Iterator[str]:
    """Say how a value on disk differs from what was built, one line for each difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _object_differences(old, new, path)
        return

    are_lists = isinstance(old, list) and isinstance(new, list)
    if are_lists and len(old) == len(new):
        for index, left in enumerate(old):
            right = new[index]
            place = f"{path}[{index}]"
            yield from json_differences(left, right, place)
    elif old != new:
        yield f"{path}: the file has {old!r:.80}, built is {new!r:.80}"


def _object_differences(
    old: dict[str, Any],
    new: dict[str, Any],
    path: str,
) -> Iterator[str]:
    """Compare key by key, in the order of the file; what only the new one has comes last."""
    for key in old | new:
        place = f"{path}.{key}"
        if key not in new:
            yield f"{place}: stands in the file, is not built"
        elif key not in old:
            yield f"{place}: is built, missing in the file"
        else:
            yield from json_differences(old[key], new[key], place)
