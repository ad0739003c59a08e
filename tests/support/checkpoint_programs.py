"""Checkpoints assembled opcode by opcode: what no torch writes, and what a hostile one may hold."""

from __future__ import annotations

import pickle
import struct
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path

ORDERED_DICT = b"ccollections\nOrderedDict\n)R"


def text(value: str) -> bytes:
    """Push a text."""
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def whole(number: int) -> bytes:
    """Push a whole number."""
    data = pickle.encode_long(number)
    length = bytes([len(data)])
    return b"\x8a" + length + data


def tensor(values: int = 4, offset: int = 0) -> bytes:
    """Push a float32 tensor over the storage ``0``."""
    parts = [
        b"ctorch._utils\n_rebuild_tensor_v2\n(",
        # the storage: its kind, key, device and length
        b"(",
        text("storage"),
        b"ctorch\nFloatStorage\n",
        text("0"),
        text("cpu"),
        whole(values),
        b"tQ",
        whole(offset),
        # the shape, then the stride
        b"(",
        whole(values),
        b"t(",
        whole(1),
        b"t",
        # needs no gradient, has no hooks
        b"\x89",
        ORDERED_DICT,
        b"tR",
    ]
    return b"".join(parts)


def named(body: bytes) -> bytes:
    """Push a dictionary that holds something as ``w``."""
    return b"}(" + text("w") + body + b"u"


def pairs(depth: int) -> bytes:
    """Push tuples of two equal members within each other: 2**depth members in some bytes."""
    body = whole(1) + b"q\x00"
    for level in range(depth):
        this = bytes([level])
        following = bytes([level + 1])
        body += b"h" + this + b"\x86q" + following
    return body


def archive(
    path: Path,
    body: bytes,
    values: bytes = struct.pack("<4f", 1, 2, 3, 4),
) -> Path:
    """Write a zip checkpoint as torch lays it out.

    With this program and these bytes as storage ``0``.
    """
    writer = torch._C.PyTorchFileWriter(str(path))
    program = b"\x80\x02" + body + b"."
    writer.write_record("data.pkl", program, len(program))
    writer.write_record("byteorder", b"little", 6)
    writer.write_record("data/0", values, len(values))
    writer.write_end_of_file()
    return path
