"""What looking through a weights file finds.

Its format, what it would import, and what keeps it from being loaded.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, ClassVar

from zoo.errors import CheckpointError

_SHOWN_FAULTS = 3


@dataclass(frozen=True, slots=True)
class Format:
    """How a weights file is laid out, in words; another format may have words of its own."""

    value: str

    SAFETENSORS: ClassVar[Format]
    ZIP: ClassVar[Format]
    LEGACY: ClassVar[Format]
    TORCHSCRIPT: ClassVar[Format]
    TAR: ClassVar[Format]
    PICKLE: ClassVar[Format]
    UNKNOWN: ClassVar[Format]


Format.SAFETENSORS = Format("safetensors")
Format.ZIP = Format("zip archive of torch.save")
Format.LEGACY = Format("torch.save before 1.6")
Format.TORCHSCRIPT = Format("TorchScript archive")
Format.TAR = Format("tar archive of torch before 0.1.10")
Format.PICKLE = Format("bare pickle")
Format.UNKNOWN = Format("unknown")


class Verdict(Enum):
    """What a scan comes to."""

    SAFE = "safe"
    """Tensors and nothing that would run."""
    CODE = "code"
    """Loading it with a usual unpickler would run something."""
    OBJECTS = "objects"
    """It was saved whole: a network or other objects, whose classes an unpickler would import."""
    DAMAGED = "damaged"
    """It is not what its format says."""


_LAYERS = "torch.nn.modules."
"""Where the classes of every network's layers come from."""
_PLAIN_OBJECTS = frozenset(
    {
        "argparse.Namespace",
        "copyreg._reconstructor",
        "datetime.datetime",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
    }
)
"""What training programs put beside a state dict; none of it does anything."""


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
    notes: tuple[str, ...] = ()
    """What is worth knowing of a file that loads all the same."""

    @property
    def is_safe(self) -> bool:
        """Whether the file holds tensors and nothing that would run."""
        return not self.faults

    @property
    def runs_code(self) -> bool:
        """Whether loading the file with a usual unpickler would run something."""
        has_foreign_imports = any(not use.is_allowed for use in self.imports)
        return self.format == Format.TORCHSCRIPT or has_foreign_imports

    @property
    def foreign(self) -> tuple[str, ...]:
        """Names that an unpickler would import and that tensors do not need, each once."""
        names = (use.name for use in self.imports if not use.is_allowed)
        return tuple(dict.fromkeys(names))

    @property
    def verdict(self) -> Verdict:
        """What the scan comes to.

        Objects are told from code by what would be imported: see :func:`_is_class`.
        """
        if self.is_safe:
            return Verdict.SAFE
        if not self.runs_code:
            return Verdict.DAMAGED
        # A TorchScript archive is a program, whatever its pickles name.
        if self.format == Format.TORCHSCRIPT:
            return Verdict.CODE
        if self.foreign and all(_is_class(name) for name in self.foreign):
            return Verdict.OBJECTS
        return Verdict.CODE

    @property
    def summary(self) -> str:
        """Say the verdict in a few words, with what leads to it."""
        if self.verdict is Verdict.CODE:
            calls = tuple(name for name in self.foreign if not _is_class(name))
            return f"runs code: {_few(calls) or 'TorchScript'}"
        if self.verdict is not Verdict.OBJECTS:
            return str(self.verdict.value)
        if any(name.startswith(_LAYERS) for name in self.foreign):
            return "a whole pickled model: save its state_dict instead"
        return f"holds objects beside tensors ({_few(self.foreign)}): save the state_dict alone"

    def error(self) -> CheckpointError:
        """Make the error that refuses this file."""
        if self.verdict is Verdict.OBJECTS:
            what = self.summary.partition(":")[0]
            fault = f"it {what}" if what.startswith("holds") else f"it is {what}"
            if not what.startswith("holds"):
                fault += f" ({_few(self.foreign)})"
            advice = "where you trust it, load it and save model.state_dict()"
            return CheckpointError(self.file, fault, advice)

        shown = "; ".join(self.faults[:_SHOWN_FAULTS])
        more = len(self.faults) - _SHOWN_FAULTS
        fault = shown + (f"; and {more} more" if more > 0 else "")
        if self.runs_code:
            advice = "do not load it, ask its publisher for a safetensors file"
        else:
            advice = "get it again or save it anew"
        return CheckpointError(self.file, fault, advice)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            **asdict(self),
            "format": self.format.value,
            "is_safe": self.is_safe,
            "verdict": self.verdict.value,
            "summary": self.summary,
        }


def _is_class(name: str) -> bool:
    """Tell a class that is only filled with values from something that may do anything.

    Nothing of the standard library, of torch beside its layers and of numpy passes but what is
    known to be harmless. Of other packages, and of the program itself, classes pass: they are told
    by their capital letter, and ``zoo`` imports them as little as the rest.
    """
    if name in _PLAIN_OBJECTS or name.startswith(_LAYERS):
        return True
    module, _, last = name.rpartition(".")
    package = module.partition(".")[0]
    if package in {"torch", "numpy", "__builtin__"} or package in sys.stdlib_module_names:
        return False
    return last.lstrip("_")[:1].isupper()


def _few(names: tuple[str, ...]) -> str:
    """Join the first few names."""
    more = len(names) - _SHOWN_FAULTS
    rest = ""
    if more > 0:
        rest = f" and {more} more"
    return ", ".join(names[:_SHOWN_FAULTS]) + rest
