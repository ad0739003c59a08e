"""From what a user wants to have to sets of weights: names, tags, patterns, whole families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.registry import Registry, load_registry
from zoo.catalog.resolver import find_architecture, find_weights, match_architectures
from zoo.catalog.rows import require_known
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.catalog.records import Architecture, Weights

_WILDCARDS = frozenset("*?[")


def find_wanted(
    specs: Sequence[str],
    families: Sequence[str] = (),
    *,
    has_all_weights: bool = False,
    registry: Registry | None = None,
) -> list[tuple[Architecture, Weights]]:
    """List the sets of weights that are wanted, each once, in the order in which they were asked for.

    Args:
        specs: ``NAME``, ``NAME:TAG``, ``'PATTERN'`` or ``'PATTERN:TAG'``; a pattern passes over what has no such
            weights.
        families: Families, all of whose architectures are wanted.
        has_all_weights: Where no tag is named, take all weights instead of the default ones.
        registry: By default the one that ships with zoo.

    Raises:
        UnknownNameError: A name, tag or family does not exist, a pattern fits nothing, or a name has no weights.
    """
    registry = registry or load_registry()
    found: dict[tuple[str, str], tuple[Architecture, Weights]] = {}
    for spec in specs:
        name, _, tag = spec.partition(":")
        if _WILDCARDS & set(name):
            pairs = list(_pairs(match_architectures(name, registry), tag, has_all_weights=has_all_weights))
            if not pairs:
                advice = 'run "zoo list --all-weights" to see all'
                raise UnknownNameError("set of weights", spec, advice=advice)
        else:
            architecture = find_architecture(name, registry)
            find_weights(architecture, tag or "default")
            pairs = list(_pairs([architecture], tag, has_all_weights=has_all_weights))
        found.update(((a.name, w.tag), (a, w)) for a, w in pairs)
    for family in families:
        require_known("family", family, {a.family for a in registry.architectures.values()})
        members = [a for a in registry.architectures.values() if a.family == family]
        found.update(((a.name, w.tag), (a, w)) for a, w in _pairs(members, "", has_all_weights=has_all_weights))
    return list(found.values())


def _pairs(
    architectures: Iterable[Architecture], tag: str, *, has_all_weights: bool
) -> Iterable[tuple[Architecture, Weights]]:
    """Pair each architecture with the weights that are meant, if it has some."""
    for architecture in architectures:
        if tag and tag.lower() != "default":
            if tag.lower() in architecture.weights:
                yield architecture, architecture.weights[tag.lower()]
        elif has_all_weights and not tag:
            yield from ((architecture, weights) for weights in architecture.weights.values())
        elif architecture.default is not None:
            yield architecture, architecture.default
