"""Read what a checkpoint's pickle describes, without running a pickle machine that makes objects.

``torch.save`` writes a program whose result is a dictionary of tensors. This module follows that
program and gets plain values: numbers, texts, lists, dictionaries, and a ``TensorSpec`` for every
tensor, which says where its bytes lie. No function is called, no class is made, nothing is hashed
but plain keys, and no tensor takes memory. So a file costs what its length allows, whatever it asks
for: a ``bytearray`` of four gigabytes stays a word.

What ``torch.load(weights_only=True)`` would not run is refused here too;
:mod:`zoo.formats.opcodes` then says what the rest of such a program would import.

It is one long file on purpose: whether a pickle is harmless is judged by reading, and the reader
must see every opcode that is followed, each a short function, beside the stack that they share.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.formats.description import ITEM_BYTES, Storage, TensorSpec
from zoo.formats.opcodes import ALLOWED_GLOBALS, python_3_name

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterator

MOST_STEPS = 8_000_000
"""Opcodes of one pickle: enough for about 200,000 tensors."""
MOST_DIMENSIONS = 64
"""torch has no tensors with more."""

_STORAGE_TYPES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": "uint8",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "QUInt4x2Storage": "uint8",
    "QUInt2x4Storage": "uint8",
}
_LARGEST_COUNT = 1 << 62
_DICTIONARIES = ("collections.OrderedDict", "collections.Counter")
_OTHER_TENSORS = {
    "torch._utils._rebuild_sparse_tensor": "is sparse",
    "torch._utils._rebuild_qtensor": "is quantized",
    "torch._utils._rebuild_nested_tensor": "is nested",
    "torch._utils._rebuild_meta_tensor_no_storage": "has no values (it is on the meta device)",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "is of another device",
    "torch._utils._rebuild_device_tensor_from_numpy": "is of another device",
    "torch._utils._rebuild_wrapper_subclass": "is of a subclass of Tensor",
    "torch._tensor._rebuild_from_type_v2": (
        "is of a subclass of Tensor, or has attributes of its own"
    ),
}
"""What makes tensors that are not plain: dense, strided and on the CPU."""


class ProgramError(Exception):
    """A pickle that is no description of tensors: what is wrong with it, and at which byte."""

    def __init__(
        self,
        fault: str,
        position: int,
    ) -> None:
        """Keep the facts."""
        self.fault = fault
        self.position = position
        super().__init__(f"{fault} (byte {position} of its pickle)")


@dataclass(frozen=True, slots=True)
class Global:
    """A name that the program mentions: ``"torch.FloatStorage"``."""

    name: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Something that is not made: an object of a class, or a tensor that is not plain."""

    what: str
    """``"a set"``."""
    tensor_fault: str | None = None
    """For a tensor, what it is instead of plain: ``"is sparse"``."""


class _Mark:
    """A mark on the stack."""


_MARK = _Mark()


@dataclass(frozen=True, slots=True)
class Values:
    """What one pickle holds."""

    content: Any
    """A dictionary of any class is a ``dict``."""
    storages: tuple[Storage, ...]
    """Every storage that it mentions, also those of tensors that are not plain."""
    imports: tuple[tuple[str, int], ...]
    """Every name that it mentions, at its first place."""
    end: int
    """The place behind it."""

    def unsupported_tensors(self) -> Iterator[tuple[str, str]]:
        """Name the tensors that are not plain, with what they are instead."""
        for name, value in self._everything():
            if isinstance(value, Unsupported) and value.tensor_fault is not None:
                yield name, value.tensor_fault

    def named_tensors(self) -> Iterator[tuple[str, TensorSpec]]:
        """Name the tensors that are plain."""
        for name, value in self._everything():
            if isinstance(value, TensorSpec):
                yield name, value

    def _everything(self) -> Iterator[tuple[str, Any]]:
        """Yield containers and tensors, each once, with the keys that lead there."""
        seen = {id(self.content)}
        waiting = [("", self.content)]
        while waiting:
            name, value = waiting.pop()
            yield name, value
            for key, part in _parts(value):
                # Programs may mention one thing many times: each is looked at once.
                if isinstance(part, _LOOKED_AT) and id(part) not in seen:
                    seen.add(id(part))
                    inner = f"{name}.{key}" if name else key
                    waiting.append((inner, part))


_LOOKED_AT = (
    dict,
    list,
    tuple,
    Unsupported,
    TensorSpec,
)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """List what a container holds, by name or number."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"{key!s:.200}", part
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield str(number), part


def read_values(
    data: bytes | memoryview | mmap.mmap,
    start: int = 0,
) -> Values:
    """Follow one pickle to its end.

    Args:
        data: The bytes that hold it.
        start: Where it begins.

    Raises:
        ProgramError: It is cut, does what torch would not run, or is longer than checkpoints are.
    """
    reader = _Reader(data, start)
    content = reader.run()
    return Values(
        content,
        tuple(reader.storages),
        tuple(reader.imports.items()),
        reader.at,
    )


class _Reader:
    """The stack, the memo and the place in the program."""

    def __init__(
        self,
        data: bytes | memoryview | mmap.mmap,
        start: int,
    ) -> None:
        self.data = data
        self.at = start
        self.start = start
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[Storage, None] = {}
        self.imports: dict[str, int] = {}

    def run(self) -> Any:
        """Take one step after another until the program stops."""
        data = self.data
        end = len(self.data)
        try:
            for _ in range(MOST_STEPS):
                if self.at >= end:
                    raise self.fault("it ends before its pickle does")
                code = data[self.at]
                self.at += 1
                if code == _STOP:
                    return self.stack.pop()
                step = _STEPS.get(code)
                if step is None:
                    raise self.fault(f"it uses the opcode {code:#04x}, which torch does not run")
                step(self)
        except (IndexError, KeyError, TypeError, ValueError, struct.error) as error:
            raise self.fault("it is no whole pickle") from error
        raise self.fault(f"it has more than {MOST_STEPS} steps")

    def fault(self, text: str) -> ProgramError:
        """Make the error of this place."""
        return ProgramError(text, self.at - self.start)

    def take(self, count: int) -> bytes:
        """Take the next bytes of the program."""
        end = self.at + count
        taken = bytes(self.data[self.at : end])
        if len(taken) < count:
            raise self.fault("it ends before its pickle does")
        self.at += count
        return taken

    def line(self) -> str:
        """Take the program up to the end of a line."""
        end = self.at + _LONGEST_NAME
        piece = bytes(self.data[self.at : end])
        length = piece.find(b"\n")
        if length < 0:
            raise self.fault("a name in it does not end")
        self.at += length + 1
        return piece[:length].decode("utf-8")

    def pop_to_mark(self) -> list[Any]:
        """Take what lies above the topmost mark."""
        stack = self.stack
        at = len(self.stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise self.fault("a mark is missing")
        values = stack[at + 1 :]
        del stack[at:]
        return values


_LONGEST_NAME = 512
_STOP = ord(".")


def _push(value: Any) -> Callable[[_Reader], None]:
    """Make a step that pushes a value that cannot change."""
    return lambda reader: reader.stack.append(value)


def _push_unpacked(layout: str) -> Callable[[_Reader], None]:
    """Make a step that pushes a number."""
    unpacker = struct.Struct(layout)

    def step(reader: _Reader) -> None:
        (value,) = unpacker.unpack(reader.take(unpacker.size))
        reader.stack.append(value)

    return step


def _protocol(reader: _Reader) -> None:
    reader.take(1)  # its number says nothing that the opcodes do not


def _long1(reader: _Reader) -> None:
    length = reader.take(1)[0]
    data = reader.take(length)
    number = int.from_bytes(data, "little", signed=True)
    reader.stack.append(number)


def _text(reader: _Reader) -> None:
    (length,) = struct.unpack("<I", reader.take(4))
    # A lone surrogate is no text; torch writes names in UTF-8.
    reader.stack.append(reader.take(length).decode("utf-8"))


def _short_bytes(reader: _Reader) -> None:
    length = reader.take(1)[0]
    reader.stack.append(reader.take(length).decode("latin-1"))


def _tuple_of(count: int) -> Callable[[_Reader], None]:
    """Make a step that packs the topmost values into a tuple."""

    def step(reader: _Reader) -> None:
        if len(reader.stack) < count:
            raise reader.fault("its stack is empty")
        first = len(reader.stack) - count
        values = tuple(reader.stack[first:])
        del reader.stack[len(reader.stack) - count :]
        reader.stack.append(values)

    return step


def _tuple(reader: _Reader) -> None:
    reader.stack.append(tuple(reader.pop_to_mark()))


def _append(reader: _Reader) -> None:
    value = reader.stack.pop()
    _extend(reader, [value])


def _appends(reader: _Reader) -> None:
    _extend(reader, reader.pop_to_mark())


def _extend(
    reader: _Reader,
    values: list[Any],
) -> None:
    """Add to the list on top of the stack."""
    target = reader.stack[-1]
    if isinstance(target, list):
        target.extend(values)
    elif not isinstance(target, Unsupported):
        raise reader.fault(f"it appends to {_kind(target)}")


def _set_item(reader: _Reader) -> None:
    value = reader.stack.pop()
    key = reader.stack.pop()
    _update(reader, [key, value])


def _set_items(reader: _Reader) -> None:
    _update(reader, reader.pop_to_mark())


def _update(
    reader: _Reader,
    items: list[Any],
) -> None:
    """Put keys and values into the dictionary on top of the stack."""
    target = reader.stack[-1]
    if isinstance(target, Unsupported):
        return
    if not isinstance(target, dict) or len(items) % 2:
        raise reader.fault(f"it puts items into {_kind(target)}")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Anything else could take for ever to hash: tuples within tuples.
        if not isinstance(key, str | int | float | bool | None):
            raise reader.fault(f"a key of a dictionary is {_kind(key)}")
        target[key] = value


def _get(layout: str) -> Callable[[_Reader], None]:
    """Make a step that pushes what was remembered."""
    unpacker = struct.Struct(layout)

    def step(reader: _Reader) -> None:
        (number,) = unpacker.unpack(reader.take(unpacker.size))
        reader.stack.append(reader.memo[number])

    return step


def _put(layout: str) -> Callable[[_Reader], None]:
    """Make a step that remembers the topmost value."""
    unpacker = struct.Struct(layout)

    def step(reader: _Reader) -> None:
        (number,) = unpacker.unpack(reader.take(unpacker.size))
        reader.memo[number] = reader.stack[-1]

    return step


def _global(reader: _Reader) -> None:
    position = reader.at - 1 - reader.start
    name = python_3_name(reader.line(), reader.line())
    reader.imports.setdefault(name, position)
    if name not in ALLOWED_GLOBALS:
        raise reader.fault(f"it imports {name[:80]!a}, which torch does not allow")
    reader.stack.append(Global(name))


def _reduce(reader: _Reader) -> None:
    arguments = reader.stack.pop()
    function = reader.stack.pop()
    if not isinstance(function, Global) or not isinstance(arguments, tuple):
        raise reader.fault(f"it calls {_kind(function)}")
    reader.stack.append(_call(reader, function.name, arguments))


def _call(
    reader: _Reader,
    name: str,
    arguments: tuple[Any, ...],
) -> Any:
    """Say what a call would give; none is made."""
    if name in _DICTIONARIES:
        return _dictionary(reader, arguments)
    if name in _OTHER_TENSORS:
        return Unsupported("a tensor", _OTHER_TENSORS[name])
    if name == "builtins.bytearray" and arguments and isinstance(arguments[0], int):
        # Whoever runs it takes that memory, and no checkpoint needs it.
        raise reader.fault(f"it asks for {arguments[0]} bytes of memory")
    result = _RESULTS.get(name)
    if result is None:
        return Unsupported(f"an object made by {name}")
    return result(reader, arguments)


def _size(
    _: _Reader,
    arguments: tuple[Any, ...],
) -> tuple[Any, ...]:
    """A shape is a tuple."""
    if arguments and isinstance(arguments[0], tuple | list):
        return tuple(arguments[0])
    return ()


def _first_tensor(
    reader: _Reader,
    arguments: tuple[Any, ...],
) -> TensorSpec:
    """Tensors as torch wrote them before 0.4."""
    return _tensor(reader, (*arguments[:4], False, None))


def _typed_tensor(
    reader: _Reader,
    arguments: tuple[Any, ...],
) -> TensorSpec:
    """Tensors of types that have no storage of their own."""
    of_type = arguments[6]
    others = arguments[:6] + arguments[7:]
    return _tensor(reader, others, of_type)


def _parameter(
    _: _Reader,
    arguments: tuple[Any, ...],
) -> Any:
    """A parameter is its tensor, unless it has attributes beside it."""
    state = arguments[3] if len(arguments) > 3 else None
    if state:
        return Unsupported("a tensor", "has attributes of its own")
    return arguments[0]


def _dictionary(
    reader: _Reader,
    arguments: tuple[Any, ...],
) -> dict[Any, Any]:
    """Make a dictionary: of nothing, of another one or, in early versions, of a list of pairs."""
    made: dict[Any, Any] = {}
    pairs = arguments[0] if arguments else ()
    if isinstance(pairs, dict):  # as a Counter is written: the milestones of a schedule
        return dict(pairs)
    if not isinstance(pairs, list | tuple):
        raise reader.fault(f"a dictionary is made of {_kind(pairs)}")
    for pair in pairs:
        is_pair = isinstance(pair, list | tuple) and len(pair) == 2
        if not is_pair or not isinstance(pair[0], str):
            raise reader.fault("a dictionary is made of something else than named values")
        made[pair[0]] = pair[1]
    return made


def _tensor(
    reader: _Reader,
    arguments: tuple[Any, ...],
    of_type: Any = None,
) -> TensorSpec:
    """Describe a tensor, and refuse one for which its storage has no room."""
    storage, offset, shape, stride, *rest = arguments
    if not isinstance(storage, Storage):
        raise reader.fault(f"a tensor is made of {_kind(storage)}")
    dtype = storage.dtype
    if isinstance(of_type, Global):
        dtype = of_type.name.removeprefix("torch.")
    if dtype not in ITEM_BYTES:
        raise reader.fault(f"a tensor has the type {dtype[:40]!a}, which is not known")
    is_whole = _are_counts(shape) and _are_counts(stride) and _are_counts((offset,))
    if is_whole:
        is_whole = len(shape) == len(stride) <= MOST_DIMENSIONS
    if not is_whole:
        raise reader.fault("a tensor has no plain shape")
    flags: dict[Any, Any] = {}
    if len(rest) > 2 and isinstance(rest[2], dict):
        flags = rest[2]
    spec = TensorSpec(
        storage,
        dtype,
        offset,
        tuple(shape),
        tuple(stride),
        is_conjugated=bool(flags.get("conj")),
        is_negated=bool(flags.get("neg")),
    )
    room = storage.size_bytes // ITEM_BYTES[dtype]
    last = offset
    for size, step in zip(shape, stride, strict=True):
        last += (size - 1) * step
    if spec.count and (last >= room or spec.count > room):
        needed = max(last + 1, spec.count)
        fault = f"a tensor needs {needed} values, its storage {storage.key[:40]!a} has {room}"
        raise reader.fault(fault)
    return spec


_RESULTS: dict[str, Callable[[_Reader, tuple[Any, ...]], Any]] = {
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _first_tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
}


def _are_counts(values: Any) -> bool:
    """Tell whether a tuple holds nothing but whole numbers that can be lengths."""
    if not isinstance(values, tuple | list):
        return False
    for value in values:
        if type(value) is not int:
            return False
        if not 0 <= value < _LARGEST_COUNT:
            return False
    return True


def _new_object(reader: _Reader) -> None:
    arguments = reader.stack.pop()
    cls = reader.stack.pop()
    if not isinstance(cls, Global):
        raise reader.fault(f"it makes an object of {_kind(cls)}")
    is_dictionary = cls.name in _DICTIONARIES and not arguments
    made: Any = Unsupported(f"an object of {cls.name}")
    if is_dictionary:
        made = {}
    reader.stack.append(made)


def _build(reader: _Reader) -> None:
    """Give an object its attributes: those of a dictionary do not count, a tensor may have none."""
    state = reader.stack.pop()
    target = reader.stack[-1]
    if isinstance(target, TensorSpec) and state:
        reader.stack[-1] = Unsupported("a tensor", "has attributes of its own")
    elif not isinstance(target, dict | TensorSpec | Unsupported):
        raise reader.fault(f"it gives attributes to {_kind(target)}")


def _persistent(reader: _Reader) -> None:
    """Mention a storage: ``("storage", type, key, place, count)``, in old files with a view."""
    identity = reader.stack.pop()
    is_tuple = isinstance(identity, tuple) and len(identity) in (5, 6)
    if not is_tuple or identity[0] != "storage":
        raise reader.fault("it mentions something outside of itself that is no storage")
    _, kind, key, _place, count = identity[:5]
    view = identity[5] if len(identity) == 6 else None
    name = ""
    if isinstance(kind, Global):
        name = kind.name.rpartition(".")[2]
    dtype = _STORAGE_TYPES.get(name)
    if dtype is None:
        raise reader.fault(f"a storage has the type {name[:40]!a}, which is not known")
    if not isinstance(key, str) or not _are_counts((count,)):
        raise reader.fault("a storage has no plain name or length")
    if view is not None:
        raise reader.fault("a storage is a view of another; save the file again with a newer torch")
    storage = Storage(key, dtype, count)
    reader.storages[storage] = None
    reader.stack.append(storage)


def _kind(value: Any) -> str:
    """Name a value's type for a message, whatever it holds."""
    if isinstance(value, Unsupported):
        return value.what
    if isinstance(value, Global):
        return value.name[:80]
    return f"a {type(value).__name__.lstrip('_').lower()}"


def _fresh(make: Callable[[], Any]) -> Callable[[_Reader], None]:
    """Make a step that pushes a new, empty container."""
    return lambda reader: reader.stack.append(make())


def _steps() -> Iterator[tuple[bytes, Callable[[_Reader], None]]]:
    """Pair each opcode that torch runs with its step."""
    yield b"\x80", _protocol
    yield b"(", _push(_MARK)
    yield b"N", _push(None)
    yield b"\x88", _push(True)
    yield b"\x89", _push(False)
    yield b"K", _push_unpacked("<B")
    yield b"M", _push_unpacked("<H")
    yield b"J", _push_unpacked("<i")
    yield b"\x8a", _long1
    yield b"G", _push_unpacked(">d")
    yield b"X", _text
    yield b"U", _short_bytes
    yield b")", _push(())
    yield b"t", _tuple
    yield b"\x85", _tuple_of(1)
    yield b"\x86", _tuple_of(2)
    yield b"\x87", _tuple_of(3)
    yield b"]", _fresh(list)
    yield b"a", _append
    yield b"e", _appends
    yield b"}", _fresh(dict)
    yield b"s", _set_item
    yield b"u", _set_items
    yield b"\x8f", _push(Unsupported("a set"))
    yield b"h", _get("<B")
    yield b"j", _get("<I")
    yield b"q", _put("<B")
    yield b"r", _put("<I")
    yield b"c", _global
    yield b"R", _reduce
    yield b"\x81", _new_object
    yield b"b", _build
    yield b"Q", _persistent


_STEPS = {code[0]: step for code, step in _steps()}
