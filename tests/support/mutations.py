"""Break a document in every place.

Each value replaced by what has no business there, each key lost or doubled.
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ODD_VALUES = {
    "a number of 5,000 digits": "9" * 5000,
    "a number beyond every float": "1e400",
    "not a number": "NaN",
    "a negative number": "-1",
    "nothing of something": "0",
    "a fraction": "0.5",
    "null": "null",
    "a truth value": "true",
    "empty text": '""',
    "half a letter": r'"\ud800"',
    "a terminal's command": r'"\u001b]0;x\u0007"',
    "steps out": '"../../../x"',
    "an empty list": "[]",
    "a list of a list": "[[1]]",
    "an empty object": "{}",
    "endless nesting": "[" * 100_000 + "]" * 100_000,
}
"""JSON texts by what they are."""
_MARK = "\u2020here\u2020"


def mutations(document: Any) -> Iterator[tuple[str, str]]:
    """Yield (what was done, text of the broken document)."""
    quoted_mark = f'"{_MARK}"'

    for path in _paths(document):
        shown = "$"
        for key in path:
            shown += f"[{key!r}]"
        changed = _with(document, path, _MARK)
        marked = json.dumps(changed, ensure_ascii=False)
        for name, odd in ODD_VALUES.items():
            text = marked.replace(quoted_mark, odd)
            yield f"{shown} is {name}", text

        last = path[-1] if path else None
        if isinstance(last, str):
            lost = _without(document, path)
            doubled = marked.replace(quoted_mark, f'1, "{last}": 2')
            yield f"{shown} is lost", json.dumps(lost)
            yield f"{shown} stands twice", doubled

    whole = json.dumps(document)
    half = len(whole) // 2
    yield "it is cut", whole[:half]
    yield "it is empty", ""


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every value; of a list only the first member, the others are alike."""
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            place = (*path, key)
            yield from _paths(part, place)

    if isinstance(value, list) and value:
        place = (*path, 0)
        yield from _paths(value[0], place)


def _with(
    document: Any,
    path: tuple[str | int, ...],
    value: Any,
) -> Any:
    """Copy a document with another value at a place."""
    if not path:
        return value
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def _without(document: Any, path: tuple[str | int, ...]) -> Any:
    """Copy a document without the member at a place."""
    changed = copy.deepcopy(document)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed
