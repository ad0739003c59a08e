"""List models as ``zoo list`` does: the registry, and what of it lies in the cache."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.cache.presence import Presence
from zoo.catalog.query import Selection, select
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def list_models(
    pattern: str | Sequence[str] | None = None,
    *,
    exclude: str | Sequence[str] = (),
    family: str | None = None,
    task: str | None = None,
    source: str | None = None,
    year: str | int | None = None,
    where: str | None = None,
    sort: str | None = None,
    limit: int | None = None,
    pretrained: bool | None = None,
) -> list[str]:
    """List the names of the models that fit.

    Args:
        pattern: A shell pattern or a part of the name, or several of them.
        exclude: Patterns, or parts, of names to leave out.
        family: ``"resnet"``.
        task: ``"classification"``, ``"segmentation"``, ...
        source: ``"torchvision"``, ``"zoo"`` or ``"timm"``.
        year: ``2015``, ``"2012..2016"``, ``"2015.."``.
        where: ``"parameters<10M and top5_error<8"``, ``"cached=yes"``.
        sort: A column; with a leading minus, largest first.
        limit: Maximum number of models.
        pretrained: Only models with published weights, or only those without.

    Raises:
        UnknownNameError: No model, family, task, source or column is called that.
        QueryError: ``where`` cannot be read, or can hold for no row.
        UsageError: ``year`` or ``limit`` makes no sense.

    >>> list_models(
    ...     source="torchvision",
    ...     where="parameters<10M and top5_error<8 and task=classification",
    ...     sort="top5_error",
    ...     limit=2,
    ... )
    ['efficientnet_b2', 'efficientnet_b1']
    >>> list_models(["vgg1?", "alexnet"], exclude="timm/*", year=2014)
    ['vgg11', 'vgg13', 'vgg16', 'vgg19', 'alexnet']
    """
    years = str(year) if year is not None else None
    if limit is not None and limit < 1:
        raise UsageError(f"--limit must be 1 or more, got {limit}")
    selection = Selection(
        pattern,
        family,
        task,
        source,
        years,
        where,
        sort,
    )
    rows = select(selection, is_cached=Presence().has_entry)

    unwanted = [exclude] if isinstance(exclude, str) else list(exclude)
    names: dict[str, None] = {}
    for row in rows:
        is_as_asked = pretrained is None or (row.entry.tag is not None) == pretrained
        if is_as_asked and not any(_matches(row.name, one) for one in unwanted):
            names[row.name] = None
    return list(names)[:limit]


def _matches(name: str, pattern: str) -> bool:
    """Match a shell pattern, or a part of the name."""
    has_wildcard = any(letter in pattern for letter in "*?[")
    glob = pattern if has_wildcard else f"*{pattern}*"
    return fnmatchcase(name.lower(), glob.lower())
