"""Names as people write them: which existing names look like one that does not exist."""

from __future__ import annotations

import re
from difflib import SequenceMatcher, get_close_matches
from typing import TYPE_CHECKING

from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LEAST_LIKENESS = 0.7
_MOST_LISTED = 40
_SHORTEST_BEGINNING = 3
"""Letters: shorter ones begin too many names."""
_MOST_ALIKE = 3
_STEM = re.compile(r"\d.*")
_IGNORED = str.maketrans("", "", "-_. ")


def plain(name: str) -> str:
    """Drop what people write differently: case, hyphens, underscores, dots, spaces.

    >>> plain("ResNet-50")
    'resnet50'
    """
    return name.lower().translate(_IGNORED)


def nearest(
    name: str,
    names: Iterable[str],
    limit: int = 3,
) -> list[str]:
    """List up to ``limit`` existing names that look like ``name``, nearest first.

    A beginning beats a spelling mistake. Names of a source answer to what stands after its slash.

    >>> nearest("resnet-18", ["alexnet", "resnet18", "resnet101"])
    ['resnet18', 'resnet101']
    >>> nearest("nasnet", ["nasnet_a_mobile", "mnasnet0_5"])
    ['nasnet_a_mobile', 'mnasnet0_5']
    """
    wanted = _plain_last_part(name)
    by_plain: dict[str, list[str]] = {}
    for existing in names:
        key = _plain_last_part(existing)
        by_plain.setdefault(key, []).append(existing)

    keys = []
    if wanted in by_plain:
        keys.append(wanted)
    if len(wanted) >= _SHORTEST_BEGINNING:
        longer = [key for key in by_plain if key.startswith(wanted)]
        longer.sort(key=_by_length)
        keys += longer

    found: dict[str, None] = {}
    for key in keys:
        found.update(dict.fromkeys(by_plain[key]))
    if len(found) < limit:
        for key in _alike(wanted, by_plain):
            found.update(dict.fromkeys(by_plain[key]))

    names_found = list(found)
    return names_found[:limit]


def _by_length(key: str) -> tuple[int, str]:
    return len(key), key


def _alike(wanted: str, keys: Iterable[str]) -> list[str]:
    """List the keys that look like a word, or whose letters before the first digit do.

    >>> _alike("resnte", ["tresnetm", "resnet18", "resnet152"])
    ['resnet18', 'resnet152', 'tresnetm']
    """
    names = list(keys)
    by_stem: dict[str, list[str]] = {}
    for key in names:
        stem = _STEM.sub("", key)
        by_stem.setdefault(stem, []).append(key)

    likeness: dict[str, float] = {}
    for key in get_close_matches(
        wanted,
        names,
        n=_MOST_ALIKE,
        cutoff=_LEAST_LIKENESS,
    ):
        likeness[key] = _ratio(wanted, key)
    for stem in get_close_matches(
        wanted,
        by_stem,
        n=1,
        cutoff=_LEAST_LIKENESS,
    ):
        ratio = _ratio(wanted, stem)
        for key in by_stem[stem]:
            likeness[key] = max(likeness.get(key, 0.0), ratio)

    def order(key: str) -> tuple[float, int, str]:
        return -likeness[key], len(key), key

    return sorted(likeness, key=order)


def _ratio(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, other, one)
    return matcher.ratio()


def _plain_last_part(name: str) -> str:
    """Drop the source before the slash, and what people write differently."""
    _, _, last = name.rpartition("/")
    return plain(last)


def require_known(
    kind: str,
    name: str,
    known: Iterable[str],
) -> None:
    """Refuse a name that is not among the known ones.

    Raises:
        UnknownNameError: With the nearest names and the whole list.
    """
    names = list(known)
    if name in names:
        return

    is_long = len(names) > _MOST_LISTED
    if is_long:
        advice = f'to see all, run "zoo list --columns name,{kind}"'
    else:
        listed = ", ".join(sorted(names))
        advice = f"use one of {listed}"
    near = nearest(name, names)
    raise UnknownNameError(kind, name, near, advice=advice)
