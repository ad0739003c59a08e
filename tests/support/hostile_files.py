"""Real hostile weights files: each would leave a mark on the disk if any of it ran."""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
"""First of the five pickles that torch wrote before 1.6."""


@dataclass(frozen=True)
class Call:
    """Unpickle to a call of any function with any arguments."""

    function: Any
    arguments: tuple[Any, ...]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        """Tell pickle to make the call when it loads."""
        return self.function, self.arguments


@dataclass(frozen=True)
class Attack:
    """A pickle that makes the file ``canary`` when it is unpickled without care."""

    pickled: bytes
    imports: str
    """A name that it imports."""


def _os_system(canary: Path) -> Attack:
    """Start a program."""
    return Attack(pickle.dumps(Call(os.system, (f"touch '{canary}'",)), 2), f"{os.name}.system")


def _eval(canary: Path) -> Attack:
    """Evaluate an expression."""
    return Attack(
        pickle.dumps(Call(eval, (f"open({str(canary)!r}, 'w').close()",)), 2), "builtins.eval"
    )


def _exec(canary: Path) -> Attack:
    """Run statements."""
    return Attack(
        pickle.dumps(Call(exec, (f"open({str(canary)!r}, 'w').close()",)), 2), "builtins.exec"
    )


def _getattr_chain(canary: Path) -> Attack:
    """``getattr(importlib.import_module("os"), "mkdir")(canary)``.

    A function reached by harmless-looking steps.
    """
    code = (
        b"\x80\x02cbuiltins\ngetattr\n(cimportlib\nimport_module\n("
        + _text("os")
        + b"tR"
        + _text("mkdir")
        + b"tR"
    )
    return Attack(code + b"(" + _text(str(canary)) + b"tR.", "builtins.getattr")


def _importlib(canary: Path) -> Attack:
    """Import a module that was planted beside the file."""
    planted = canary.with_name("planted_module.py")
    planted.write_text(f"open({str(canary)!r}, 'w').close()\n", encoding="utf-8")
    loader = Call(
        importlib.import_module("importlib.machinery").SourceFileLoader,
        ("planted_module", str(planted)),
    )
    code = pickle.dumps(loader, 2)[:-1]  # without STOP
    method = b"cbuiltins\ngetattr\n("
    return Attack(
        b"\x80\x02" + method + code[2:] + _text("load_module") + b"tR)R.",
        loader.function.__module__,
    )


def _torch_load_again(canary: Path) -> Attack:
    """Load a second file, with everything allowed."""
    second = canary.with_name("second.pkl")
    write_legacy(second, _eval(canary).pickled)
    loader = functools.partial(torch.load, str(second), weights_only=False)
    return Attack(pickle.dumps(Call(loader, ()), 2), "torch.serialization.load")


def _inst(canary: Path) -> Attack:
    """Spell the call with INST, from the oldest protocol."""
    return Attack(b"(V" + f"touch '{canary}'".encode() + b"\nios\nsystem\n.", "os.system")


def _stack_global(canary: Path) -> Attack:
    """Take the name from the stack, by way of the memo, as protocol 4 does."""
    name = b"\x80\x04\x8c\x06system\x940\x8c\x02os\x94h\x00\x93("
    return Attack(name + _text(f"touch '{canary}'") + b"tR.", "os.system")


ATTACKS: dict[str, Callable[[Path], Attack]] = {
    "os.system": _os_system,
    "eval": _eval,
    "exec": _exec,
    "getattr chain": _getattr_chain,
    "importlib": _importlib,
    "torch.load again": _torch_load_again,
    "INST": _inst,
    "STACK_GLOBAL": _stack_global,
}


def _text(text: str) -> bytes:
    """Write a string as pickle does."""
    data = text.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def write_zip(path: Path, pickled: bytes) -> Path:
    """Put a pickle where ``torch.load`` finds it in a zip archive that is otherwise torch's own."""
    torch.save({"weight": torch.ones(3)}, path)
    members = [
        (name, pickled if name.endswith("/data.pkl") else data) for name, data in read_members(path)
    ]
    return write_members(path, members)


def write_legacy(path: Path, pickled: bytes) -> Path:
    """Put a pickle where ``torch.load`` finds it in a file of the old format."""
    info = {
        "protocol_version": 1001,
        "little_endian": True,
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    }
    head = b"".join(pickle.dumps(value, 2) for value in (MAGIC_NUMBER, 1001, info))
    path.write_bytes(head + pickled + pickle.dumps([], 2))
    return path


def write_bare(path: Path, pickled: bytes) -> Path:
    """Write a pickle and nothing around it."""
    path.write_bytes(pickled)
    return path


FORMATS: dict[str, Callable[[Path, bytes], Path]] = {
    "zip": write_zip,
    "legacy": write_legacy,
    "bare": write_bare,
}


def read_members(path: Path) -> list[tuple[str, bytes]]:
    """List the members of a zip archive, in order."""
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def write_members(
    path: Path,
    members: Iterable[tuple[str, bytes]],
    method: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a zip archive with any names."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return path
