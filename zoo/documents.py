"""Documents, strictly: read whole with a limit, parse JSON, turn it into frozen dataclasses.

::

    data = read_regular_file(path, LARGEST_BYTES)  # no pipe, no device, no endless file
    record = parse_document(data, Record, 2)       # schema_version 2, no key twice, right types

Whatever a file holds, it is read or refused with the JSON path of its fault: numbers of thousands
of digits, ``1e400``, endless nesting, a key that stands twice, text that is no UTF-8.

A decoder is compiled once for each record class from its annotations, so that reading the whole
registry costs a few milliseconds.

The file is long because there is one decoder for each kind of value, and they call each other.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import types
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo.errors import DocumentError

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Decoder = Callable[[Any, str], Any]
_MAX_COUNT = 2**63 - 1
_MOST_DIGITS = 400
"""Longer ones are beyond what a float holds, and become infinities."""


def read_regular_file(
    path: Path,
    largest_bytes: int,
    *,
    follow_links: bool = True,
) -> bytes:
    """Read a whole file that cannot make the reader wait or run out of memory.

    A FIFO or a device in its place is refused at once, and so is a file that is longer than such
    documents are.

    Raises:
        OSError: There is no such file, it is no regular file, it is too long, or it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    if not follow_links:
        flags |= os.O_NOFOLLOW

    handle = os.open(path, flags)
    with os.fdopen(handle, "rb") as stream:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            fault = os.strerror(errno.EISDIR)
            raise IsADirectoryError(errno.EISDIR, fault, str(path))
        if not stat.S_ISREG(mode):
            fault = "it is a device or a pipe, not a file"
            raise OSError(errno.EINVAL, fault, str(path))
        data = stream.read(largest_bytes + 1)

    if len(data) > largest_bytes:
        fault = f"expected at most {largest_bytes} bytes, it has more"
        raise OSError(errno.EFBIG, fault, str(path))
    return data


def parse_json(data: bytes | str) -> Any:
    """Parse JSON; of a key that stands twice, no value silently wins.

    A whole number of thousands of digits becomes an infinity, as ``1e400`` does: the decoder of a
    record then refuses it at its place.

    Raises:
        DocumentError: It is not JSON, or nested too deeply.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes) else data
        try:
            return json.loads(
                text,
                object_pairs_hook=_object,
            )
        except json.JSONDecodeError:
            raise
        except ValueError:
            # Python refuses to convert the number, and does not say where it stands.
            return json.loads(
                text,
                object_pairs_hook=_object,
                parse_int=_whole_number,
            )
    except json.JSONDecodeError as error:
        fault = f"not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
        raise DocumentError("$", fault) from error
    except UnicodeDecodeError as error:
        fault = f"not UTF-8: {error.reason} at byte {error.start}"
        raise DocumentError("$", fault) from error
    except RecursionError as error:
        raise DocumentError("$", "nested too deeply") from error


def parse_document(
    data: bytes | str,
    cls: type[T],
    schema_version: int | None = None,
    version_key: str = "schema_version",
) -> T:
    """Parse JSON and read it as a ``cls``.

    Args:
        data: The text of the document.
        cls: As for :func:`decode`.
        schema_version: What the document's version must be; ``None`` for one without a version.
        version_key: The key at its top that states the version.

    Raises:
        DocumentError: Any fault, with its JSON path.
    """
    content = parse_json(data)
    if schema_version is not None and type(content) is dict:
        check_version(content, schema_version, version_key)
    return decode(cls, content)


def check_version(
    content: dict[str, Any],
    expected: int,
    key: str = "schema_version",
) -> None:
    """Refuse a document of another version.

    Raises:
        DocumentError: It is newer, older or says nothing.
    """
    version = content.get(key)
    if type(version) is int and version == expected:
        return

    words = key.replace("_", " ")
    fault = f"expected {words} {expected}, got {version!r:.40}"
    if type(version) is int and version > expected:
        fault += "; update torch-zoo"
    raise DocumentError(f"$.{key}", fault)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; two of one name are refused."""
    content = dict(pairs)
    if len(content) == len(pairs):
        return content

    counts = Counter(key for key, _ in pairs)
    most = counts.most_common(1)
    twice, _ = most[0]
    fault = f"the key {twice!r:.60} stands twice in one object"
    raise DocumentError(f"$..{twice:.60}", fault)


def _whole_number(digits: str) -> int | float:
    """Convert a whole number, or one of more digits than anything has to an infinity."""
    if len(digits) <= _MOST_DIGITS:
        return int(digits)
    return float(digits)


def without_odd_numbers(value: Any) -> Any:
    """Write ``None`` for numbers that JSON does not have: NaN and the infinities.

    >>> without_odd_numbers({"loss": [1.0, float("nan")]})
    {'loss': [1.0, None]}
    """
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return None
    if isinstance(value, dict):
        return {key: without_odd_numbers(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_odd_numbers(part) for part in value]
    return value


def decode(
    cls: type[T],
    value: Any,
    path: str = "$",
) -> T:
    """Read ``value`` as a ``cls``.

    Args:
        cls: A dataclass whose annotations use ``str``, ``int``, ``float``, ``bool``, ``None``,
            ``Literal``, ``tuple[X, ...]``, ``Mapping[str, X]`` and other dataclasses.
        value: What ``json.loads`` returned.
        path: JSON path of ``value``, for the message.

    Raises:
        DocumentError: A field is missing, unknown or of the wrong type; a number is negative, not
            finite or too large.
    """
    decoded: T = _decoder(cls)(value, path)  # type: ignore[arg-type]  # a class is hashable
    return decoded


@cache
def _decoder(annotation: Any) -> Decoder:
    """Compile the decoder of one annotation."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        return _record_decoder(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin = get_origin(annotation)
    args = get_args(annotation)
    if origin is Literal:
        return _choice_decoder(args)
    if origin in (Union, types.UnionType):
        return _union_decoder(args)
    if origin is tuple:
        return _list_decoder(_decoder(args[0]))
    if origin is Mapping:
        return _mapping_decoder(_decoder(args[1]))
    msg = f"no decoder for {annotation!r}"
    raise TypeError(msg)


def _record_decoder(cls: type) -> Decoder:
    hints = get_type_hints(cls)
    decoders = {}
    required = set()
    for field in fields(cls):
        decoders[field.name] = _decoder(hints[field.name])
        has_default = field.default is not MISSING
        if not has_default and field.default_factory is MISSING:
            required.add(field.name)

    def decode_record(
        value: Any,
        path: str,
    ) -> Any:
        if type(value) is not dict:
            fault = f"expected an object, got {_kind(value)}"
            raise DocumentError(path, fault)

        arguments = {}
        for key, entry in value.items():
            decoder = decoders.get(key)
            if decoder is None:
                known = ", ".join(decoders)
                fault = f"unknown field; expected one of {known}"
                raise DocumentError(f"{path}.{key:.60}", fault)
            arguments[key] = decoder(entry, f"{path}.{key}")

        missing = required - arguments.keys()
        if missing:
            fault = f"missing field {min(missing)!r}"
            raise DocumentError(path, fault)
        return cls(**arguments)

    return decode_record


def _choice_decoder(choices: tuple[Any, ...]) -> Decoder:
    known = ", ".join(map(repr, choices))

    def decode_choice(
        value: Any,
        path: str,
    ) -> Any:
        if value not in choices:
            fault = f"expected one of {known}, got {value!r:.60}"
            raise DocumentError(path, fault)
        return value

    return decode_choice


def _union_decoder(args: tuple[Any, ...]) -> Decoder:
    others = [arg for arg in args if arg is not types.NoneType]
    if len(others) == len(args):
        return _scalar_decoder(args)
    inner = _decoder(others[0])

    def decode_optional(
        value: Any,
        path: str,
    ) -> Any:
        if value is None:
            return None
        return inner(value, path)

    return decode_optional


def _scalar_decoder(kinds: tuple[type, ...]) -> Decoder:
    names = [kind.__name__ for kind in kinds]
    known = " or ".join(names)

    def decode_scalar(
        value: Any,
        path: str,
    ) -> Any:
        kind = type(value)
        if kind not in kinds:
            fault = f"expected {known}, got {_kind(value)}"
            raise DocumentError(path, fault)
        decoder = _SCALARS[kind]
        return decoder(value, path)

    return decode_scalar


def _list_decoder(item: Decoder) -> Decoder:
    def decode_list(
        value: Any,
        path: str,
    ) -> tuple[Any, ...]:
        if type(value) is not list:
            fault = f"expected an array, got {_kind(value)}"
            raise DocumentError(path, fault)

        decoded = []
        for index, entry in enumerate(value):
            place = f"{path}[{index}]"
            decoded.append(item(entry, place))
        return tuple(decoded)

    return decode_list


def _mapping_decoder(item: Decoder) -> Decoder:
    def decode_mapping(
        value: Any,
        path: str,
    ) -> Mapping[str, Any]:
        if type(value) is not dict:
            fault = f"expected an object, got {_kind(value)}"
            raise DocumentError(path, fault)
        decoded = {}
        for key, entry in value.items():
            place = f"{path}.{key}"
            decoded[_decode_str(key, place)] = item(entry, place)
        return decoded

    return decode_mapping


def _decode_str(value: Any, path: str) -> str:
    if type(value) is not str:
        fault = f"expected text, got {_kind(value)}"
        raise DocumentError(path, fault)
    if not value.isprintable():
        fault = f"control character in {value!r:.60}"
        raise DocumentError(path, fault)
    return value


def _decode_int(value: Any, path: str) -> int:
    if type(value) is not int:
        fault = f"expected a whole number, got {_kind(value)}"
        raise DocumentError(path, fault)
    if not 0 <= value <= _MAX_COUNT:
        fault = f"expected a number from 0 to 2^63-1, got {value!r:.60}"
        raise DocumentError(path, fault)
    return value


def _decode_float(
    value: Any,
    path: str,
) -> float:
    if type(value) not in (int, float):
        fault = f"expected a number, got {_kind(value)}"
        raise DocumentError(path, fault)
    # A whole number may be too long for a float; NaN and the infinities fail the comparison.
    if not 0 <= value <= _MAX_COUNT:
        fault = f"expected a finite number that is not negative, got {value!r:.60}"
        raise DocumentError(path, fault)
    return float(value)


def _decode_bool(value: Any, path: str) -> bool:
    if type(value) is not bool:
        fault = f"expected true or false, got {_kind(value)}"
        raise DocumentError(path, fault)
    return value


_SCALARS: dict[Any, Decoder] = {
    str: _decode_str,
    int: _decode_int,
    float: _decode_float,
    bool: _decode_bool,
}


def _kind(value: Any) -> str:
    """Name a JSON value's type as JSON does."""
    names = {
        dict: "an object",
        list: "an array",
        str: "text",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), f"the number {value!r:.40}")
