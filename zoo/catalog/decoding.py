"""From parsed JSON to frozen dataclasses, strictly: a fault is refused with its JSON path.

A decoder is compiled once for each record class from its annotations, so that reading the whole registry costs a few
milliseconds.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from zoo.errors import RegistryError

T = TypeVar("T")
Decoder = Callable[[Any, str], Any]
_MAX_COUNT = 2**63 - 1


def decode(cls: type[T], value: Any, path: str = "$") -> T:
    """Read ``value`` as a ``cls``.

    Args:
        cls: A dataclass whose annotations use ``str``, ``int``, ``float``, ``bool``, ``None``, ``Literal``,
            ``tuple[X, ...]``, ``Mapping[str, X]`` and other dataclasses.
        value: What ``json.loads`` returned.
        path: JSON path of ``value``, for the message.

    Raises:
        RegistryError: A field is missing, unknown or of the wrong type; a number is negative, not finite or too large.
    """
    decoded: T = _decoder(cls)(value, path)  # type: ignore[arg-type]  # a class is hashable
    return decoded


@cache
def _decoder(annotation: Any) -> Decoder:  # noqa: PLR0911 - one return for each kind of annotation
    """Compile the decoder of one annotation."""
    if is_dataclass(annotation) and isinstance(annotation, type):
        return _record_decoder(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _choice_decoder(args)
    if origin in (Union, types.UnionType) and type(None) not in args:
        return _scalar_decoder(args)
    if origin in (Union, types.UnionType):
        inner = _decoder(next(arg for arg in args if arg is not type(None)))
        return lambda value, path: None if value is None else inner(value, path)
    if origin is tuple:
        return _list_decoder(_decoder(args[0]))
    if origin is Mapping:
        return _mapping_decoder(_decoder(args[1]))
    msg = f"no decoder for {annotation!r}"
    raise TypeError(msg)


def _record_decoder(cls: type) -> Decoder:
    hints = get_type_hints(cls)
    decoders = {field.name: _decoder(hints[field.name]) for field in fields(cls)}
    required = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}

    def decode_record(value: Any, path: str) -> Any:
        if type(value) is not dict:
            raise RegistryError(path, f"expected an object, got {_kind(value)}")
        arguments = {}
        for key, entry in value.items():
            decoder = decoders.get(key)
            if decoder is None:
                raise RegistryError(f"{path}.{key}", f"unknown field; expected one of {', '.join(decoders)}")
            arguments[key] = decoder(entry, f"{path}.{key}")
        if not arguments.keys() >= required:
            raise RegistryError(path, f"missing field {min(required - arguments.keys())!r}")
        return cls(**arguments)

    return decode_record


def _choice_decoder(choices: tuple[Any, ...]) -> Decoder:
    def decode_choice(value: Any, path: str) -> Any:
        if value not in choices:
            raise RegistryError(path, f"expected one of {', '.join(map(repr, choices))}, got {value!r:.60}")
        return value

    return decode_choice


def _scalar_decoder(kinds: tuple[type, ...]) -> Decoder:
    def decode_scalar(value: Any, path: str) -> Any:
        if type(value) not in kinds:
            raise RegistryError(path, f"expected {' or '.join(kind.__name__ for kind in kinds)}, got {_kind(value)}")
        return _SCALARS[type(value)](value, path)

    return decode_scalar


def _list_decoder(item: Decoder) -> Decoder:
    def decode_list(value: Any, path: str) -> tuple[Any, ...]:
        if type(value) is not list:
            raise RegistryError(path, f"expected an array, got {_kind(value)}")
        return tuple(item(entry, f"{path}[{index}]") for index, entry in enumerate(value))

    return decode_list


def _mapping_decoder(item: Decoder) -> Decoder:
    def decode_mapping(value: Any, path: str) -> Mapping[str, Any]:
        if type(value) is not dict:
            raise RegistryError(path, f"expected an object, got {_kind(value)}")
        return {key: item(entry, f"{path}.{key}") for key, entry in value.items()}

    return decode_mapping


def _decode_str(value: Any, path: str) -> str:
    if type(value) is not str:
        raise RegistryError(path, f"expected text, got {_kind(value)}")
    if not value.isprintable():
        raise RegistryError(path, f"control character in {value!r:.60}")
    return value


def _decode_int(value: Any, path: str) -> int:
    if type(value) is not int:
        raise RegistryError(path, f"expected a whole number, got {_kind(value)}")
    if not 0 <= value <= _MAX_COUNT:
        raise RegistryError(path, f"expected a number from 0 to 2^63-1, got {value!r:.60}")
    return value


def _decode_float(value: Any, path: str) -> float:
    if type(value) not in (int, float):
        raise RegistryError(path, f"expected a number, got {_kind(value)}")
    if not (math.isfinite(value) and 0 <= value <= _MAX_COUNT):
        raise RegistryError(path, f"expected a finite number that is not negative, got {value!r:.60}")
    return float(value)


def _decode_bool(value: Any, path: str) -> bool:
    if type(value) is not bool:
        raise RegistryError(path, f"expected true or false, got {_kind(value)}")
    return value


_SCALARS: dict[Any, Decoder] = {str: _decode_str, int: _decode_int, float: _decode_float, bool: _decode_bool}


def _kind(value: Any) -> str:
    """Name a JSON value's type as JSON does."""
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), f"the number {value!r:.40}")
