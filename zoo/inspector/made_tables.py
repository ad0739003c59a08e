"""Layer tables that are made when they are asked for, and kept: timm's are too many to ship.

They lie in the user's cache, ``$XDG_CACHE_HOME/zoo/layers``, under the versions that made them.
What cannot be read or written there is made again.
"""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from zoo import atomic
from zoo.config import own_folder
from zoo.errors import MissingPackageError, RegistryError, WriteError
from zoo.inspector.layers import LayerTable, load_table, table_file, to_text

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Architecture, Weights


def find_made_table(
    architecture: Architecture,
    weights: Weights,
) -> LayerTable:
    """Take a table out of the user's cache, or trace the network and keep its table.

    Raises:
        MissingPackageError: timm is not installed.
    """
    folder = tables_folder(architecture)
    name = f"{architecture.name.rpartition('/')[2]}.{weights.tag}"
    with contextlib.suppress(RegistryError):
        return load_table(name, folder)

    from zoo.inspector import live

    table = live.trace(architecture, weights)
    file = table_file(name, folder)
    with contextlib.suppress(OSError, WriteError):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(file, to_text(table))
    return table


def tables_folder(architecture: Architecture) -> Path:
    """Return where the tables of these versions lie."""
    try:
        made_by = f"timm-{version('timm')}-torch-{version('torch')}"
    except PackageNotFoundError as error:
        raise MissingPackageError(architecture.name, "timm", "timm") from error
    return own_folder("cache") / "layers" / made_by
