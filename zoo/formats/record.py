"""A format of weights files as a record: how it begins, how it is scanned, how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo.formats.description import Description
    from zoo.formats.scan_result import Scan

HEAD_BYTES = 512
"""How much of a file tells its format."""


class Scanner(Protocol):
    """Look through a file without running anything of it."""

    def __call__(
        self,
        path: Path,
        *,
        sums: bool = True,
        advance: Callable[[int], None] | None = None,
    ) -> Scan:
        """Say what was found.

        Args:
            path: The file.
            sums: Also read all values, where the format has checksums of them.
            advance: Called with the length of every block of values that has been read.

        Raises:
            CheckpointError: The file cannot be opened.
        """


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One format."""

    begins: Callable[[bytes], bool]
    """Tells a file of the format by its first :data:`HEAD_BYTES` bytes."""
    scan: Scanner
    read: Callable[[Path], Description]
    """Reads what the file describes; raises a :class:`~zoo.errors.CheckpointError` where it is
    damaged or holds more than tensors."""
    has_sums: bool = False
    """Whether a scan compares checksums, which reading does not."""
