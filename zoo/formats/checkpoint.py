"""The front door to any weights file: what is it, and may it be loaded?"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import CheckpointError
from zoo.formats.known import find_format
from zoo.formats.training_metadata import read_own_record

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.formats.scan_result import Format, Scan


def scan(
    path: Path | str,
    *,
    sums: bool = True,
    advance: Callable[[int], None] | None = None,
) -> Scan:
    """Look through a weights file of any format without running anything of it.

    Args:
        path: The file.
        sums: Also read all values, where the format has checksums of them.
        advance: Called with the length of every block of values that has been read.

    Returns:
        What was found: ``is_safe``, ``verdict`` and ``summary``, ``faults`` in full.

    Raises:
        CheckpointError: The file cannot be opened.
    """
    path = Path(path)
    _require_file(path)
    found = find_format(path).scan(path, sums=sums, advance=advance)
    if not found.is_safe:
        return found
    try:
        read_own_record(path)
    except CheckpointError as error:  # which keeps the file from being loaded, too
        return replace(found, faults=(error.fault,))
    return found


def _require_file(path: Path) -> None:
    """Refuse what would make the reader wait or never end: a pipe, a device, a folder.

    Raises:
        CheckpointError: It is not there, or no regular file.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        fault = f"{path} cannot be read: {error.strerror}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice) from error
    if not stat.S_ISREG(mode):
        fault = f"{path} is no regular file"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice)


def require_safe(
    path: Path,
    *,
    sums: bool = True,
) -> Format:
    """Refuse a file that is damaged, or that holds more than tensors, before torch sees it.

    Args:
        path: The file.
        sums: Also read all values and compare checksums; not needed for a file whose digest is
            known to be right.

    Returns:
        Its format: safetensors, or one of the two that ``torch.load(weights_only=True)`` reads.

    Raises:
        CheckpointError: Names what would be imported, or where the file breaks its format.
    """
    found = scan(path, sums=sums)
    if found.is_safe:
        return found.format
    raise found.error()
