"""From what a user types to a record: ``resnet50``, ``resnet50:imagenet1k_v2``, ``'resnet*'``."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from zoo.catalog.registry import Registry, load_registry
from zoo.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.catalog.records import Architecture, Weights


def nearest(name: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """List up to ``limit`` existing names that look like ``name``, nearest first.

    >>> nearest("resnet-18", ["alexnet", "resnet18", "resnet101"])
    ['resnet18', 'resnet101']
    """
    by_plain = {_plain(existing): existing for existing in names}
    return [by_plain[plain] for plain in get_close_matches(_plain(name), by_plain, limit, 0.7)]


def _plain(name: str) -> str:
    """Drop what people write differently: case, hyphens, underscores."""
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def find_architecture(name: str, registry: Registry | None = None) -> Architecture:
    """Find one architecture by its exact name.

    Raises:
        UnknownNameError: No architecture has that name; offers the nearest.
    """
    architectures = (registry or load_registry()).architectures
    if name in architectures:
        return architectures[name]
    near = nearest(name, architectures)
    raise UnknownNameError("model", name, near, advice='run "zoo list" to see all')


def find_weights(architecture: Architecture, tag: str = "default") -> Weights:
    """Find weights of an architecture by tag; ``"default"`` is the publisher's default.

    Raises:
        UnknownNameError: The architecture has no such weights, or none at all.
    """
    kind = f"set of weights of {architecture.name}"
    if not architecture.weights:
        raise UnknownNameError(kind, tag, advice="none are published for it; use weights=None for random ones")
    wanted = architecture.default_weights or "" if tag.lower() == "default" else tag.lower()
    if wanted in architecture.weights:
        return architecture.weights[wanted]
    near = nearest(tag, architecture.weights) or list(architecture.weights)
    raise UnknownNameError(kind, tag, near, advice=f'run "zoo inspect {architecture.name}" to see all')


def resolve(spec: str, registry: Registry | None = None) -> tuple[Architecture, Weights]:
    """Resolve ``NAME`` or ``NAME:TAG`` to an architecture and its weights.

    Raises:
        UnknownNameError: See :func:`find_architecture` and :func:`find_weights`.
    """
    name, _, tag = spec.partition(":")
    architecture = find_architecture(name, registry)
    return architecture, find_weights(architecture, tag or "default")


def match_architectures(pattern: str, registry: Registry | None = None) -> list[Architecture]:
    """List the architectures whose name fits a shell pattern, or contains ``pattern`` if it has no wildcard.

    An exact name matches itself only when it is a pattern's sole meaning: ``resnet18`` also finds
    ``quantized_resnet18``, as a search does; use :func:`find_architecture` for one.

    Raises:
        UnknownNameError: Nothing fits.
    """
    architectures = (registry or load_registry()).architectures
    lowered = pattern.lower()
    has_wildcard = any(character in lowered for character in "*?[")
    glob = lowered if has_wildcard else f"*{lowered}*"
    found = [architecture for name, architecture in architectures.items() if fnmatchcase(name, glob)]
    if not found:
        near = [] if has_wildcard else nearest(pattern, architectures)
        raise UnknownNameError("model", pattern, near, advice='run "zoo list" to see all')
    return found
