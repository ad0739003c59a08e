"""Which items leave a mirror that has grown too large. Pure.

What was added by name is pinned: a sync would only fetch it again. The rest was pulled through or
carried in; of that, what was used least recently leaves first.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.mirror.index import Index, Item

Key = tuple[str, str, str | None]


def choose(
    index: Index,
    max_size_bytes: int,
    pinned: set[Key],
    used_s: Mapping[str, float],
) -> list[Item]:
    """Choose what leaves, so that the rest fits; pinned items stay even if it does not.

    Args:
        index: What the mirror holds.
        max_size_bytes: How much it may hold.
        pinned: Keys of items that stay.
        used_s: When each file was last asked for, seconds since 1970; else when it was fetched.
    """
    excess_bytes = size_bytes(index) - max_size_bytes
    if excess_bytes <= 0:
        return []

    holders: Counter[str] = Counter()
    for item in index.items:
        holders.update(file.path for file in item.files)

    leaving: list[Item] = []
    candidates = [item for item in index.items if item.key not in pinned]
    by_name = sorted(candidates, key=lambda item: item.place)
    oldest_first = sorted(by_name, key=lambda item: last_used_s(item, used_s))
    for item in oldest_first:
        if excess_bytes <= 0:
            break

        leaving.append(item)
        for file in item.files:
            holders[file.path] -= 1
            if holders[file.path] == 0:
                excess_bytes -= file.size_bytes
    return leaving


def size_bytes(index: Index) -> int:
    """Return the length of all files together."""
    return sum(file.size_bytes for file in index.files.values())


def last_used_s(
    item: Item,
    used_s: Mapping[str, float],
) -> float:
    """Return when anything of an item was last asked for, or fetched."""
    latest_s = 0.0
    for file in item.files:
        asked_for_s = used_s.get(file.path, 0.0)
        latest_s = max(latest_s, asked_for_s, file.fetched_s)
    return latest_s
