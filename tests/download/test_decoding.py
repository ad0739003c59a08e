"""Bodies without their encodings, whatever the network cuts them into (N01)."""

from __future__ import annotations

import gzip
import random
import zlib

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard

from zoo.download import decoding

DATA = random.Random(12).randbytes(30_000) + b"a" * 3_000_000  # noqa: S311  (test data)


def raw_deflate(data: bytes) -> bytes:
    """Pack without zlib's frame, as some servers take "deflate" to mean."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def pieces(data: bytes, length: int) -> list[bytes]:
    """Cut as a network might."""
    return [data[start : start + length] for start in range(0, len(data), length)]


PACKED = {
    "gzip": ("gzip", gzip.compress(DATA)),
    "gzip of two members": ("x-gzip", gzip.compress(DATA[:99]) + gzip.compress(DATA[99:])),
    "gzip with padding": ("gzip", gzip.compress(DATA) + bytes(100)),
    "deflate": ("deflate", zlib.compress(DATA)),
    "deflate without a frame": ("deflate", raw_deflate(DATA)),
    "br": ("br", brotli.compress(DATA, quality=1)),
    "zstd": ("zstd", zstandard.compress(DATA)),
    "zstd of two frames": ("zstd", zstandard.compress(DATA[:99]) + zstandard.compress(DATA[99:])),
}


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("length", [1, 7, 1000, 1 << 20])
def test_encodings_are_undone_however_the_body_is_cut(kind: str, length: int) -> None:
    """Every encoding gives the same bytes, be they cut into single bytes."""
    name, packed = PACKED[kind]
    assert b"".join(decoding.unpacked(pieces(packed, length), (name,))) == DATA


@pytest.mark.parametrize("kind", PACKED)
def test_packed_bytes_that_end_too_early_are_refused(kind: str) -> None:
    """A stream cut in its middle is an error, not a shorter file."""
    name, packed = PACKED[kind]
    half = packed.rstrip(b"\0")[: len(packed) // 2]
    if kind.endswith(("members", "frames")):
        half = packed[:-1]
    with pytest.raises(decoding.PackedWronglyError):
        b"".join(decoding.unpacked([half], (name,)))


@pytest.mark.parametrize("kind", ["gzip", "deflate", "br", "zstd"])
def test_damaged_packed_bytes_are_refused(kind: str) -> None:
    """A flipped byte is an error or gives other bytes; it is never anything else."""
    name, packed = PACKED[kind]
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 0xFF
    try:
        unpacked = b"".join(decoding.unpacked([bytes(damaged)], (name,)))
    except decoding.PackedWronglyError:
        return
    assert unpacked != DATA


def test_several_encodings_are_undone_in_reverse() -> None:
    """``Content-Encoding: deflate, gzip`` was applied from left to right."""
    packed = gzip.compress(zlib.compress(DATA))
    names = decoding.packings("deflate", "gzip, chunked")
    assert b"".join(decoding.unpacked(pieces(packed, 1000), names)) == DATA


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_body_that_is_not_packed_is_taken_as_it_is(name: str) -> None:
    """A label alone packs nothing: bytes without the format's sign are the file."""
    assert b"".join(decoding.unpacked(pieces(DATA, 1), (name,))) == DATA


@pytest.mark.parametrize("name", ["gzip", "br", "zstd"])
def test_a_bomb_is_unpacked_a_little_at_a_time(name: str) -> None:
    """Whoever limits the length of a file sees only some MiB before it can stop."""
    zeros = bytes(100 << 20)
    packers = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}
    quick = {"br": {"quality": 1}}.get(name, {})
    packed = packers[name](zeros, **quick)
    blocks = decoding.unpacked([packed], (name,))
    assert max(len(block) for block in blocks) <= 16 << 20


def test_unknown_encoding_is_named() -> None:
    """What cannot be undone is an error that names it."""
    with pytest.raises(decoding.PackedWronglyError, match="'compress'"):
        list(decoding.unpacked([b"x"], ("compress",)))
