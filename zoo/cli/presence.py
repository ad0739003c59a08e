"""Which weights lie in torch's cache, from one look at its folder."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from zoo.weights import cache

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.catalog.records import Weights, WeightsFile


class Presence:
    """A look at the cache: files count by name and length, as :func:`zoo.weights.cache.cached_path` counts them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Look at ``folder``, by default torch's."""
        self.folder = folder

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Name -> length of each regular file."""
        sizes = {}
        try:
            with os.scandir(self.folder or cache.checkpoints_folder()) as entries:
                for entry in entries:
                    if entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
        except OSError:  # no folder, or none that we may read: nothing is cached
            return sizes
        return sizes

    def has(self, file: WeightsFile) -> bool:
        """Tell whether something of the right length lies under a file's name."""
        if file.packaged is not None:
            return cache.cached_path(file) is not None
        size_bytes = self._sizes.get(file.file_name)
        if size_bytes is None:
            return False
        return file.size_bytes is None or abs(size_bytes - file.size_bytes) <= file.size_tolerance_bytes

    def has_all(self, weights: Weights) -> bool:
        """Tell whether all files of some weights are there."""
        return bool(weights.files) and all(self.has(file) for file in weights.files)
