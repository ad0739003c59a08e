"""What lies in torch's cache, and whether it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.cache.inventory import CachedFile, select, take_inventory
from zoo.cache.verify import Finding, verify_files

if TYPE_CHECKING:
    from pathlib import Path


def cached(
    *names: str,
    folder: Path | None = None,
) -> list[CachedFile]:
    """List what lies in torch's cache; no file is read.

    Args:
        names: Models, ``NAME:TAG``, file names or patterns of one of these; by default everything.
        folder: Another folder of weights files.

    Returns:
        A record for each file, with ``path``, ``size_bytes``, ``owner`` (whose weights it is) and
        ``is_verified``.

    Raises:
        UnknownNameError: Nothing in the cache is called that.

    >>> import zoo
    >>> zoo.cached()
    []
    """
    return select(take_inventory(folder), names)


def verify(
    *names: str,
    folder: Path | None = None,
) -> list[Finding]:
    """Read files of torch's cache and compare them with what the registry and ``zoo.lock`` know.

    Args:
        names: As for :func:`cached`; by default everything.
        folder: Another folder of weights files.

    Returns:
        A finding for each file: ``verdict.value`` is ``"whole"``, ``"damaged"``, ``"sound"`` and so
        on, ``fault`` says what is wrong and ``advice`` what fixes it.

    Raises:
        UnknownNameError: Nothing in the cache is called that.

    >>> import zoo
    >>> [finding.fault for finding in zoo.verify()]
    []
    """
    return verify_files(cached(*names, folder=folder))
