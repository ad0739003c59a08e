"""Which weights lie in torch's cache, from one look at its folder."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cache import hub_files, paths
from zoo.catalog.entries import LOCAL_SOURCE, indexed_file

if TYPE_CHECKING:
    from zoo.catalog.entries import Entry, IndexedFile
    from zoo.catalog.records import Weights, WeightsFile


class Presence:
    """A look at the cache.

    Files count by name and length, as :func:`zoo.cache.paths.cached_path` counts them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Look at ``folder``, by default torch's."""
        self.folder = folder

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """Name -> length of each regular file."""
        sizes = {}
        try:
            with os.scandir(self.folder or paths.checkpoints_folder()) as entries:
                for entry in entries:
                    if entry.is_file():
                        sizes[entry.name] = entry.stat().st_size
        except OSError:  # no folder, or none that we may read: nothing is cached
            return sizes
        return sizes

    @cached_property
    def _repositories(self) -> frozenset[str]:
        """Names of the repositories that huggingface_hub keeps something of."""
        return frozenset(hub_files.cached_repositories())

    def has(self, file: WeightsFile) -> bool:
        """Tell whether something of the right length lies under a file's name."""
        return self._has(indexed_file(file))

    def has_entry(self, entry: Entry) -> bool:
        """Tell whether all files of an entry's weights are there."""
        if entry.source == LOCAL_SOURCE:
            # A model of one's own stays where it is.
            return all(Path(file.file_name).is_file() for file in entry.files)
        return bool(entry.files) and all(map(self._has, entry.files))

    def _has(self, file: IndexedFile) -> bool:
        if file.packaged is not None:
            return True  # the package that runs this has it
        if file.repository is not None:
            is_known = file.repository in self._repositories
            return is_known and hub_files.find_path(file.repository, file.file_name) is not None
        size_bytes = self._sizes.get(file.file_name)
        if size_bytes is None or file.size_bytes is None:
            return size_bytes is not None
        return abs(size_bytes - file.size_bytes) <= file.size_tolerance_bytes

    def has_all(self, weights: Weights) -> bool:
        """Tell whether all files of some weights are there."""
        return bool(weights.files) and all(self.has(file) for file in weights.files)
