"""From what a user types to a record: ``resnet50``, ``timm/resnet50:a1_in1k``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo.catalog.nearness import nearest
from zoo.catalog.registry import Registry, load_registry
from zoo.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from zoo.catalog.entries import Entry
    from zoo.catalog.records import Architecture, Weights
    from zoo.catalog.specs import Spec


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
    _, architecture = _look_up(name, registry)
    return architecture


def _look_up(
    text: str,
    registry: Registry | None,
) -> tuple[Spec, Architecture]:
    """Find what is not called so in ``registry.json``.

    The index is imported here: most models are asked for by the name that stands there.
    """
    from zoo.catalog.families import load_record
    from zoo.catalog.index import HUB_SOURCE, MAIN_SOURCES, index_for
    from zoo.catalog.specs import find_spec

    index = index_for(registry)
    spec = find_spec(text, index)
    entry = index.default(spec.name)

    if entry.source == HUB_SOURCE:
        raise _foreign(spec, entry)
    if entry.source not in MAIN_SOURCES:
        return spec, load_record(spec.name, index)

    main = registry or load_registry()
    return spec, main.architectures[spec.name]


def _foreign(spec: Spec, entry: Entry) -> UsageError:
    """Say what shows a repository of PyTorch Hub, and what runs it."""
    name = spec.name
    repository = name.removeprefix(f"{entry.source}/")
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
    name, _, typed_tag = text.strip().partition(":")
    tag: str | None = typed_tag or None
    revision = None

    architecture = main.architectures.get(name)
    if architecture is None:
        spec, architecture = _look_up(text, registry)
        tag = spec.tag
        revision = spec.revision
    if tag is None:
        return architecture, None

    weights = find_weights(architecture, tag)
    at_revision = _at_revision(weights, revision)
    return architecture, at_revision


def _at_revision(weights: Weights, revision: str | None) -> Weights:
    """Take files of the Hub at the revision that a spec names."""
    if revision is None:
        return weights

    files = []
    for file in weights.files:
        if file.hub is None:
            files.append(file)
            continue
        hub = replace(file.hub, revision=revision)
        elsewhere_in_time = replace(file, hub=hub)
        files.append(elsewhere_in_time)
    return replace(weights, files=tuple(files))
