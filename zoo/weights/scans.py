"""What looking through a weights file finds: its format, what it would import, and what keeps it from being loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Format(Enum):
    """How a weights file is laid out."""

    SAFETENSORS = "safetensors"
    ZIP = "zip archive of torch.save"
    LEGACY = "torch.save before 1.6"
    TORCHSCRIPT = "TorchScript archive"
    TAR = "tar archive of torch before 0.1.10"
    PICKLE = "bare pickle"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a pickle in the file would import."""

    name: str
    """``"os.system"``."""
    opcode: str
    member: str
    """Which pickle of the file."""
    position: int
    """Byte of that pickle."""
    is_allowed: bool
    """Whether loading tensors may need it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything that was found in one file."""

    file: str
    format: Format
    imports: tuple[Import, ...]
    faults: tuple[str, ...]
    """What keeps ``zoo`` from loading the file, a clause each; empty for a sound one."""

    @property
    def is_safe(self) -> bool:
        """Whether the file holds tensors and nothing that would run."""
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {**asdict(self), "format": self.format.value, "is_safe": self.is_safe}
