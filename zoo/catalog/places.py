"""Where the registry lies: ``registry.json``, and the index beside it."""

from __future__ import annotations

from pathlib import Path

from zoo.catalog.installed import find_installed
from zoo.errors import RegistryError

LARGEST_BYTES = 64 << 20


def find_index() -> Path:
    """Find ``registry/index.json`` beside ``registry.json``; it need not exist."""
    beside = find_registry().parent
    return beside / "registry" / "index.json"


def find_registry() -> Path:
    """Find ``registry.json``: what ``zoo registry update`` has installed, else the package's own.

    Raises:
        RegistryError: There is none, or the installed one is not the file that was installed.
    """
    return find_installed() or packaged_registry()


def packaged_registry() -> Path:
    """Find ``registry.json`` inside the package, else at the top of the checkout that holds it.

    Raises:
        RegistryError: It is at neither place.
    """
    place = registry_place()
    if place.is_file():
        return place

    fault = "there is no such file"
    raise RegistryError("$", fault, str(place))


def registry_place() -> Path:
    """Return where ``registry.json`` is, or where it would be made.

    In a checkout that is at the top, else in the package.
    """
    package = Path(__file__).parents[1]
    top = package.parent
    inside = package / "registry.json"
    beside = top / "registry.json"
    for candidate in (inside, beside):
        if candidate.is_file():
            return candidate

    is_checkout = (top / "hubconf.py").is_file()
    if is_checkout:
        return beside
    return inside
