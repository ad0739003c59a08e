"""Undo ``Content-Encoding``: some servers and proxies pack what was asked for plain.

What comes out is held against the length and the digest like any other bytes. However well a bomb
is packed, only a little of it is unpacked at a time, so that the limit on the file's length stops
it.
"""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 1 << 20
"""The most that is unpacked in one go, as far as the format lets us say so."""
_ZSTD_SLICE_BYTES = 512
"""128 KiB can hide in 4 bytes of zstd: so fed, at most 16 MiB come out at once."""
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_ZLIB_WINDOW = 15
_RAW_DEFLATE_WINDOW = -15

_MAGICS = {
    "gzip": _GZIP_MAGIC,
    "x-gzip": _GZIP_MAGIC,
    "zstd": b"\x28\xb5\x2f\xfd",
}
"""How packed bytes begin, where the format has a sign: a body without it is not packed, whatever
its label says."""
_IDENTITY = ("", "identity", "chunked", "none", "binary", "8bit", "utf-8", "aws-chunked")
"""What servers write for "not packed"; all but the first three are mistakes that are seen."""


class PackedWronglyError(ValueError):
    """The bytes are not what their encoding promises, or end too early."""


class Decoder(Protocol):
    """Undo one encoding."""

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next bytes."""

    def finish(self) -> None:
        """Refuse an end in the middle of the packed bytes."""


def packings(*headers: str | None) -> tuple[str, ...]:
    """List the encodings that headers name, in the order in which they were applied.

    >>> packings("gzip, identity", None)
    ('gzip',)
    """
    names: list[str] = []
    for header in headers:
        for name in (header or "").split(","):
            plain = name.strip().lower()
            if plain not in _IDENTITY:
                names.append(plain)
    return tuple(names)


def is_known(name: str) -> bool:
    """Tell whether an encoding is one of those that can be undone here."""
    return name in _DECODERS


def unpacked(
    blocks: Iterable[bytes],
    names: tuple[str, ...],
) -> Iterator[bytes]:
    """Yield a body without its encodings.

    Args:
        blocks: The body as it comes.
        names: What :func:`packings` has found.

    Raises:
        PackedWronglyError: The bytes are damaged, or the encoding is not one that is known here.
    """
    for name in reversed(names):
        blocks = _without(blocks, name)
    yield from blocks


def _without(
    blocks: Iterable[bytes],
    name: str,
) -> Iterator[bytes]:
    """Undo one encoding, unless the bytes show that it was never applied."""
    decoder: Decoder | None = None
    for data, is_packed in _judged(blocks, name):
        if not is_packed:
            yield data
            continue

        if decoder is None:
            decoder = _make(name)
        yield from decoder.unpack(data)

    if decoder is not None:
        decoder.finish()


def _judged(
    blocks: Iterable[bytes],
    name: str,
) -> Iterator[tuple[bytes, bool]]:
    """Yield blocks, each with whether the body begins like something packed in this way."""
    magic = _MAGICS.get(name, b"")
    is_packed: bool | None = None
    held = b""
    for block in blocks:
        if is_packed is None:
            # The sign may be cut in two by the network.
            held += block
            if len(held) < len(magic):
                continue
            is_packed = held.startswith(magic)
            yield held, is_packed
        else:
            yield block, is_packed

    if is_packed is None and held:
        yield held, False


class _Zlib:
    """Undo gzip, one member after another, or deflate, with zlib's frame or without."""

    def __init__(self, name: str) -> None:
        self._is_gzip = name in ("gzip", "x-gzip")
        self._stream: Any = None

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out, a block at a time."""
        is_held_back = False
        while data or is_held_back:
            if self._stream is None or self._stream.eof:
                # Behind a member there may be nothing but padding.
                data = data.lstrip(b"\0") if self._stream is not None else data
                if not data:
                    return
                self._stream = zlib.decompressobj(self._window_of(data))

            try:
                block = self._stream.decompress(data, BLOCK_BYTES)
            except zlib.error as error:
                raise PackedWronglyError(str(error)) from error
            if block:
                yield block

            data = self._stream.unused_data or self._stream.unconsumed_tail
            # A full block: zlib may have taken all input and still owe us output.
            is_held_back = len(block) == BLOCK_BYTES

    def finish(self) -> None:
        """Refuse an unfinished stream."""
        if self._stream is not None and not self._stream.eof:
            raise PackedWronglyError("the packed bytes end too early")

    def _window_of(self, data: bytes) -> int:
        """Tell zlib which frame to expect."""
        if self._is_gzip:
            return _GZIP_WINDOW
        # zlib's frame begins with a method of 8 and a checksum over its first two bytes.
        has_frame = data[0] & 0x0F == 8 and (len(data) < 2 or int.from_bytes(data[:2]) % 31 == 0)
        if has_frame:
            return _ZLIB_WINDOW
        return _RAW_DEFLATE_WINDOW


class _Brotli:
    """Undo br, with the package brotli."""

    def __init__(self, name: str) -> None:
        brotli = _module("brotli", name)
        self._stream = brotli.Decompressor()
        self._error = brotli.error

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out, a block at a time."""
        while not self._stream.is_finished():
            try:
                block = self._stream.process(data, output_buffer_limit=BLOCK_BYTES)
            except self._error as error:
                raise PackedWronglyError(str(error)) from error
            # All input is taken at once, the output comes in blocks until there is none.
            data = b""
            if not block:
                return
            yield block

    def finish(self) -> None:
        """Refuse an unfinished stream."""
        if not self._stream.is_finished():
            raise PackedWronglyError("the packed bytes end too early")


class _Zstd:
    """Undo zstd, with the package zstandard."""

    def __init__(self, name: str) -> None:
        zstandard = _module("zstandard", name)
        self._make = zstandard.ZstdDecompressor().decompressobj
        self._stream = self._make()
        self._error = zstandard.ZstdError

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of one small slice after another."""
        while data:
            if self._stream.eof:
                self._stream = self._make()
            piece, data = data[:_ZSTD_SLICE_BYTES], data[_ZSTD_SLICE_BYTES:]
            try:
                block = self._stream.decompress(piece)
            except self._error as error:
                raise PackedWronglyError(str(error)) from error
            # Another frame may follow the one that has ended.
            data = self._stream.unused_data + data
            if block:
                yield block

    def finish(self) -> None:
        """Refuse an unfinished stream."""
        if not self._stream.eof:
            raise PackedWronglyError("the packed bytes end too early")


_DECODERS: dict[str, Callable[[str], Decoder]] = {
    "gzip": _Zlib,
    "x-gzip": _Zlib,
    "deflate": _Zlib,
    "br": _Brotli,
    "zstd": _Zstd,
}


def _make(name: str) -> Decoder:
    """Return a decoder for an encoding."""
    if name not in _DECODERS:
        raise PackedWronglyError(f"packed as {name[:40]!a}, which is not known here")
    return _DECODERS[name](name)


def _module(package: str, name: str) -> Any:
    """Import what undoes an encoding that Python itself cannot."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        fault = f"packed as {name!a} although that was not asked for, and {package} is missing"
        raise PackedWronglyError(fault) from error
