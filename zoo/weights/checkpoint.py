"""The front door to any weights file: what is it, and may it be loaded?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import CheckpointError
from zoo.weights.pickle_file import scan_pickle
from zoo.weights.safetensors_file import is_safetensors, read_header
from zoo.weights.scans import Format, Scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SHOWN_FAULTS = 3


def scan(path: Path, *, sums: bool = True, advance: Callable[[int], None] | None = None) -> Scan:
    """Look through a weights file of any format without running anything of it.

    Args:
        path: The file.
        sums: Also read all values, where the format has checksums of them.
        advance: Called with the length of every block of values that has been read.

    Raises:
        CheckpointError: The file cannot be opened.
    """
    if not is_safetensors(path):
        return scan_pickle(path, sums=sums, advance=advance)
    try:
        read_header(path)
    except CheckpointError as error:
        return Scan(path.name, Format.SAFETENSORS, (), (error.fault,))
    return Scan(path.name, Format.SAFETENSORS, (), ())


def require_safe(path: Path, *, sums: bool = True) -> Format:
    """Refuse a file that is damaged, or that holds more than tensors, before torch sees it.

    Args:
        path: The file.
        sums: Also read all values and compare checksums; not needed for a file whose digest is known to be right.

    Returns:
        Its format: safetensors, or one of the two that ``torch.load(weights_only=True)`` reads.

    Raises:
        CheckpointError: Names what would be imported, or where the file breaks its format.
    """
    found = scan(path, sums=sums)
    if found.is_safe:
        return found.format
    shown = "; ".join(found.faults[:_SHOWN_FAULTS])
    more = len(found.faults) - _SHOWN_FAULTS
    is_code = any(not name.is_allowed for name in found.imports) or found.format is Format.TORCHSCRIPT
    advice = "do not load it, ask its publisher for a safetensors file" if is_code else "get it again or save it anew"
    raise CheckpointError(path.name, shown + (f"; and {more} more" if more > 0 else ""), advice)
