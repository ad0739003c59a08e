"""From what a user wants to have to sets of weights: names, tags, patterns, whole families."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.catalog.index import index_for
from zoo.catalog.nearness import require_known
from zoo.catalog.resolver import find_architecture, resolve
from zoo.catalog.specs import has_wildcard, match_names
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.catalog.index import Index
    from zoo.catalog.records import Architecture, Weights
    from zoo.catalog.registry import Registry

    Pair = tuple[Architecture, Weights]

_MOST_NAMES = 5
"""Names that a warning shows."""


def find_wanted(
    specs: Sequence[str],
    families: Sequence[str] = (),
    *,
    has_all_weights: bool = False,
    registry: Registry | None = None,
    tells: bool = True,
) -> list[Pair]:
    """List the sets of weights that are wanted, each once, in the order of the question.

    Args:
        specs: ``NAME``, ``NAME:TAG``, ``'PATTERN'`` or ``'PATTERN:TAG'``; a pattern passes over
            what has no such weights.
        families: Families, all of whose architectures are wanted.
        has_all_weights: Where no tag is named, take all weights instead of the default ones.
        registry: By default the one that ships with zoo.
        tells: Warn of what fits a pattern or is of a family, and has no such weights.

    Raises:
        UnknownNameError: A name, tag or family does not exist, a pattern fits nothing, or a name
            has no weights.
    """
    index = index_for(registry)
    pairs: list[Pair] = []

    for spec in specs:
        if not has_wildcard(spec):
            pairs += _named(spec, registry, has_all_weights=has_all_weights)
            continue

        pattern, _, tag = spec.partition(":")
        names = match_names(pattern, index)
        members = [find_architecture(name, registry) for name in names]
        meant = list(_pairs(members, tag, has_all_weights=has_all_weights))
        if not meant:
            advice = 'to see all, run "zoo list --all-weights"'
            raise UnknownNameError("set of weights", spec, advice=advice)
        pairs += meant
        if tells:
            _warn_of_others(spec, members, meant)

    for family in families:
        names = _names_of_family(family, index)
        members = [find_architecture(name, registry) for name in names]
        meant = list(_pairs(members, "", has_all_weights=has_all_weights))
        pairs += meant
        if tells:
            _warn_of_others(f"--all-of {family}", members, meant)

    found: dict[tuple[str, str], Pair] = {}
    for architecture, weights in pairs:
        key = (architecture.name, weights.tag)
        found.setdefault(key, (architecture, weights))
    return list(found.values())


def _names_of_family(family: str, index: Index) -> list[str]:
    """Name the architectures of a family.

    Raises:
        UnknownNameError: There is no such family.
    """
    known = {entry.family for entry in index.entries}
    require_known("family", family, known)

    members = [entry.name for entry in index.entries if entry.family == family]
    without_repeats = dict.fromkeys(members)
    return list(without_repeats)


def _named(
    spec: str,
    registry: Registry | None,
    *,
    has_all_weights: bool,
) -> list[Pair]:
    """List what one name stands for.

    Raises:
        UnknownNameError: Nothing, or it has no such weights.
    """
    architecture, weights = resolve(spec, registry)
    is_default = weights.tag == architecture.default_weights
    names_no_tag = is_default and ":" not in spec
    if has_all_weights and names_no_tag:
        return [(architecture, each) for each in architecture.weights.values()]
    return [(architecture, weights)]


def _warn_of_others(
    asked: str,
    members: Sequence[Architecture],
    meant: Sequence[Pair],
) -> None:
    """Say which of the networks that were meant have no such weights."""
    found = {architecture.name for architecture, _ in meant}
    others = [member.name for member in members if member.name not in found]
    warn_of_others(asked, others, "without such weights")


def warn_of_others(
    asked: str,
    names: Sequence[str],
    why: str,
) -> None:
    """Say what a pattern fits and passes over; the first few of many."""
    if not names:
        return

    import logging  # late: most ask for names, and every command waits for what stands above

    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown += ", ..."
    logging.getLogger(__name__).warning("%s: passed over %d %s: %s", asked, len(names), why, shown)


def _pairs(
    architectures: Iterable[Architecture],
    tag: str,
    *,
    has_all_weights: bool,
) -> Iterable[Pair]:
    """Pair each architecture with the weights that are meant, if it has some."""
    wanted = tag.lower()
    is_default = wanted in {"", "default"}
    takes_all = has_all_weights and not tag

    for architecture in architectures:
        if takes_all:
            for weights in architecture.weights.values():
                yield architecture, weights
            continue

        found = architecture.default
        if not is_default:
            found = architecture.weights.get(wanted)
        if found is not None:
            yield architecture, found
