"""From what a user types to a record: ``resnet50``, ``timm/resnet50:a1_in1k``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.catalog.families import load_record
from zoo.catalog.index import HUB_SOURCE, MAIN_SOURCES, index_for
from zoo.catalog.nearness import nearest
from zoo.catalog.registry import Registry, load_registry
from zoo.catalog.specs import Spec, find_spec
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from zoo.catalog.entries import Entry
    from zoo.catalog.index import Index
    from zoo.catalog.records import Architecture, Weights


def find_architecture(name: str, registry: Registry | None = None) -> Architecture:
    """Find the record of one architecture, in any spelling of its name; a tag is passed over.

    Args:
        name: See :mod:`zoo.catalog.specs`.
        registry: Look in this one alone; by default in all sources that ship with zoo.

    Raises:
        UnknownNameError: No architecture has that name; offers the nearest.
        UsageError: It is a repository of PyTorch Hub.
    """
    main = registry or load_registry()
    if name in main.architectures:
        return main.architectures[name]
    index = index_for(registry)
    return _record(find_spec(name, index), index, registry)


def _record(
    spec: Spec,
    index: Index,
    registry: Registry | None,
) -> Architecture:
    entry = index.default(spec.name)
    if entry.source == HUB_SOURCE:
        raise _foreign(spec, entry)
    if entry.source not in MAIN_SOURCES:
        return load_record(spec.name, index)

    registry = registry or load_registry()
    return registry.architectures[spec.name]


def _foreign(spec: Spec, entry: Entry) -> UsageError:
    """Say what shows a repository of PyTorch Hub, and what runs it."""
    name = spec.name
    repository = name.removeprefix(f"{HUB_SOURCE}/")
    entry_point = spec.tag or entry.tag

    fault = f"{name} is a repository whose own code builds the network"
    shows = f'"zoo inspect {name}" shows it'
    runs = f'"zoo hub load {repository} {entry_point}" runs it'
    return UsageError(f"{fault}: {shows}, {runs}")


def find_weights(architecture: Architecture, tag: str = "default") -> Weights:
    """Find weights of an architecture by tag; ``"default"`` is the publisher's default.

    Raises:
        UnknownNameError: The architecture has no such weights, or none at all.
    """
    kind = f"set of weights of {architecture.name}"
    known = architecture.weights
    if not known:
        advice = "none are published for it; use weights=None for random ones"
        raise UnknownNameError(kind, tag, advice=advice)

    wanted = tag.lower()
    if wanted == "default":
        wanted = architecture.default_weights or ""
    if wanted in known:
        return known[wanted]

    near = nearest(tag, known) or list(known)
    advice = f'to see all, run "zoo inspect {architecture.name}"'
    raise UnknownNameError(kind, tag, near, advice=advice)


def resolve(
    text: str,
    registry: Registry | None = None,
    *,
    tag: str | None = None,
) -> tuple[Architecture, Weights]:
    """Resolve a spec to an architecture and its weights.

    Args:
        text: See :mod:`zoo.catalog.specs`.
        registry: Look in this one alone.
        tag: Used where the spec names none.

    Raises:
        UnknownNameError: See :func:`find_architecture` and :func:`find_weights`.
    """
    architecture, weights = resolve_loosely(text, registry)
    if weights is None:
        weights = find_weights(architecture, tag or "default")
    return architecture, weights


def resolve_loosely(
    text: str, registry: Registry | None = None
) -> tuple[Architecture, Weights | None]:
    """Resolve a spec; where it names no tag, the weights are ``None``.

    Raises:
        UnknownNameError: The name, or the tag that stands there, does not exist.
    """
    main = registry or load_registry()
    name, _, tag = text.strip().partition(":")
    spec = Spec(name, tag or None)
    if name in main.architectures:  # most are asked for so: no index is needed
        architecture = main.architectures[name]
    else:
        index = index_for(registry)
        spec = find_spec(text, index)
        architecture = _record(spec, index, registry)
    if spec.tag is None:
        return architecture, None

    weights = find_weights(architecture, spec.tag)
    at_revision = _at_revision(weights, spec.revision)
    return architecture, at_revision


def _at_revision(weights: Weights, revision: str | None) -> Weights:
    """Take files of the Hub at the revision that a spec names."""
    if revision is None:
        return weights

    files = []
    for file in weights.files:
        if file.hub is not None:
            hub = replace(file.hub, revision=revision)
            file = replace(file, hub=hub)  # noqa: PLW2901  (the same file, elsewhere in time)
        files.append(file)
    return replace(weights, files=tuple(files))
