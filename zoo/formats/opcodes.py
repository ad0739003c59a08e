"""Read a pickle as the program that it is, without running it.

What it would import, and what it uses beyond tensors.

A pickle builds its object with a small stack machine. ``torch.load(weights_only=True)`` runs a part
of that machine and lets it call a fixed list of names; what is not in :data:`ALLOWED_OPCODES` and
:data:`ALLOWED_GLOBALS` it refuses. This module reads the same bytes with :mod:`pickletools` and
says beforehand what would be refused, and where.

The stack is followed for one purpose: ``STACK_GLOBAL`` takes the name that it imports from there.
"""

from __future__ import annotations

import pickletools
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def _words(text: str) -> list[str]:
    """Split a list that reads better as a sentence."""
    return text.split()


ALLOWED_OPCODES = frozenset(
    _words(
        "PROTO STOP MARK NONE NEWFALSE NEWTRUE BININT BININT1 BININT2 LONG1 BINFLOAT "
        "BINUNICODE SHORT_BINSTRING "
        "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT "
        "SETITEM SETITEMS EMPTY_SET "
        "BINGET LONG_BINGET BINPUT LONG_BINPUT GLOBAL REDUCE NEWOBJ BUILD BINPERSID"
    )
)
"""What torch 2.10 and later run; a test compares this with the installed torch."""

_ITEMS = _words("BFloat16 Bool Byte Char Double Float Half Int Long Short")
_STORAGES = [*_ITEMS, "ComplexDouble", "ComplexFloat"]
_QUANTIZED_STORAGES = _words("QInt32 QInt8 QUInt2x4 QUInt4x2 QUInt8")
_REBUILDERS = _words(
    "device_tensor_from_cpu_tensor device_tensor_from_numpy meta_tensor_no_storage "
    "nested_tensor parameter "
    "parameter_with_state qtensor sparse_tensor tensor tensor_v2 tensor_v3 wrapper_subclass"
)
_TORCH = _words(
    "Size Tensor device bfloat16 bool float16 float32 float64 complex32 complex64 "
    "complex128 bcomplex32 "
    "float4_e2m1fn_x2 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu "
    "bits16 bits1x8 bits2x4 bits4x2 bits8 qint32 qint8 quint2x4 quint4x2 quint8 per_channel_affine "
    "per_channel_affine_float_qparams per_channel_symmetric per_tensor_affine per_tensor_symmetric"
)
_INTEGERS = [
    f"{sign}int{bits}" for sign in ("", "u") for bits in (1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64)
]
ALLOWED_GLOBALS = frozenset(
    [
        "_codecs.encode",
        "builtins.bytearray",
        "builtins.complex",
        "builtins.set",
        "collections.Counter",
        "collections.OrderedDict",
        "torch._tensor._rebuild_from_type_v2",
        "torch.nn.parameter.Parameter",
        "torch.serialization._get_layout",
        "torch.storage.TypedStorage",
        "torch.storage.UntypedStorage",
        *(f"torch._utils._rebuild_{name}" for name in _REBUILDERS),
        *(f"torch.{name}" for name in (*_TORCH, *_INTEGERS)),
        *(f"torch.{name}Storage" for name in (*_STORAGES, *_QUANTIZED_STORAGES)),
        *(f"torch.cuda.{name}Storage" for name in _STORAGES),
        *(f"{home}.{name}Tensor" for home in ("torch", "torch.cuda") for name in _ITEMS),
        *(
            f"{home}.{name}Tensor"
            for home in ("torch.sparse", "torch.cuda.sparse")
            for name in _ITEMS
            if name != "Bool"
        ),
    ]
)
"""What torch lets a pickle name: types, dtypes and functions that make tensors from storages."""

MOST_STEPS = 500_000
"""How far a program is looked through that does what no checkpoint needs."""

_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_IMPORTS = {"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"}
_TEXTS = {
    opcode.name
    for opcode in pickletools.opcodes
    if opcode.name.endswith(("UNICODE", "UNICODE8", "STRING"))
}
_UNKNOWN = object()
_MARK = object()


def _effect(opcode: pickletools.OpcodeInfo) -> tuple[int, bool, int]:
    """Count what an opcode pops and pushes, and tell whether it pops to a mark."""
    before = opcode.stack_before
    mark = pickletools.markobject
    return (
        (before.index(mark) if mark in before else len(before)),
        mark in before,
        len(opcode.stack_after),
    )


_EFFECTS = {opcode.name: _effect(opcode) for opcode in pickletools.opcodes}


@dataclass(frozen=True, slots=True)
class Use:
    """One name that a pickle imports, or one opcode that it uses, at its first place."""

    name: str
    """``"os.system"``, with ``?`` for a part that the pickle computes; for an opcode without an
    import, the opcode."""
    opcode: str
    position: int
    """Byte of the pickle."""
    is_allowed: bool
    """Whether ``torch.load(weights_only=True)`` lets it pass."""


@dataclass(frozen=True, slots=True)
class Program:
    """What one pickle does."""

    imports: tuple[Use, ...]
    """Every name, once for each opcode that imports it, in the order of their first places."""
    foreign_opcodes: tuple[Use, ...]
    """Opcodes that torch does not run, likewise."""
    fault: str | None
    """Where the pickle breaks off, if it does; what stands before that would still run."""


@dataclass(slots=True)
class _Machine:
    """The stack and the memo, holding strings and unknowns."""

    stack: list[object] = field(default_factory=list)
    memo: dict[object, object] = field(default_factory=dict)

    def top(self, depth: int = 1) -> object:
        """Look at the value ``depth`` places down."""
        if len(self.stack) >= depth:
            return self.stack[-depth]
        return _UNKNOWN

    def step(
        self,
        name: str,
        arg: object,
    ) -> None:
        """Do to the stack what the opcode does, values aside."""
        pops, takes_mark, pushes = _EFFECTS[name]
        if name in _PUTS:
            number = len(self.memo) if name == "MEMOIZE" else arg
            self.memo[number] = self.top()
            return
        if name == "DUP":
            self.stack.append(self.top())
            return
        if takes_mark or (name == "POP" and self.top() is _MARK):
            while self.stack and self.stack.pop() is not _MARK:
                pass
            pops = pops if takes_mark else 0
        if pops:
            del self.stack[-pops:]
        if name in _GETS:
            self.stack.append(self.memo.get(arg, _UNKNOWN))
        elif pushes:
            value = _MARK if name == "MARK" else arg if name in _TEXTS else _UNKNOWN
            self.stack.extend([value] * pushes)


def read_program(stream: IO[bytes]) -> Program:
    """List what a pickle imports and which foreign opcodes it uses.

    The stream is left after the pickle's end.
    """
    machine = _Machine()
    imports: dict[tuple[str, str], Use] = {}
    foreign: dict[str, Use] = {}
    fault = None
    steps = pickletools.genops(stream)
    try:
        for number, (opcode, arg, position) in enumerate(_relative(steps)):
            if number >= MOST_STEPS:
                fault = f"it has more than the {MOST_STEPS} steps that are looked through"
                break
            if opcode.name in _IMPORTS:
                name = _imported(opcode.name, arg, machine)
                imports.setdefault(
                    (name, opcode.name),
                    Use(
                        name,
                        opcode.name,
                        position,
                        name in ALLOWED_GLOBALS,
                    ),
                )
            if opcode.name not in ALLOWED_OPCODES:
                foreign.setdefault(
                    opcode.name,
                    Use(
                        opcode.name,
                        opcode.name,
                        position,
                        is_allowed=False,
                    ),
                )
            machine.step(opcode.name, arg)
    except (ValueError, OverflowError, MemoryError) as error:
        fault = f"it is no whole pickle: {str(error)[:120]}"
    return Program(tuple(imports.values()), tuple(foreign.values()), fault)


def _relative(
    steps: Iterator[tuple[pickletools.OpcodeInfo, object, int | None]],
) -> Iterator[tuple[pickletools.OpcodeInfo, object, int]]:
    """Count positions from the start of the pickle."""
    start: int | None = None
    for opcode, arg, position in steps:
        start = position if start is None else start
        yield opcode, arg, (position or 0) - (start or 0)


def _imported(
    opcode: str,
    arg: object,
    machine: _Machine,
) -> str:
    """Name what an opcode imports, as Python 3 would."""
    if opcode.startswith("EXT"):
        return f"number {arg} of the copyreg extensions"
    if opcode == "STACK_GLOBAL":
        module, name = (
            value if isinstance(value, str) else "?" for value in (machine.top(2), machine.top())
        )
    else:
        module, _, name = str(arg).partition(" ")
    full = python_3_name(module, name)
    if full.isprintable():
        return full
    return ascii(full)


def python_3_name(module: str, name: str) -> str:
    """Join the parts of an imported name as Python 3 finds it: Python 2 wrote ``__builtin__``."""
    moved = (IMPORT_MAPPING.get(module, module), name)
    module, name = NAME_MAPPING.get((module, name), moved)
    return f"{module}.{name}"
