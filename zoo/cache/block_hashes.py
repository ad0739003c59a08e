"""Digests of a file's blocks.

What lets a damaged copy be repaired by fetching only the blocks that differ.

A mirror offers them beside the file, under the file's own name with ``.blocks.json`` added::

    {"schema_version": 1, "size_bytes": 46830571, "sha256": "f37072fd...", "block_bytes": 1048576,
     "block_sha256": ["9a0c41d2...", ...]}

They are a hint, never a proof: the repaired file must have the digest that the registry or
``zoo.lock`` demands, and is fetched whole if it has not.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import IO, TYPE_CHECKING

from zoo.hashes import is_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SUFFIX = ".blocks.json"
SCHEMA_VERSION = 1
BLOCK_BYTES = 1 << 20
SMALLEST_BLOCK_BYTES = 1 << 14
LARGEST_BLOCK_BYTES = 1 << 26
LARGEST_SIDECAR_BYTES = 16 << 20
"""Room for a file of 200 GB in blocks of 1 MiB."""


@dataclass(frozen=True, slots=True)
class BlockHashes:
    """The SHA-256 of each block of one file, and of the whole."""

    size_bytes: int
    sha256: str
    block_bytes: int
    """Length of every block but the last."""
    block_sha256: tuple[str, ...]

    def to_text(self) -> str:
        """Write it as a mirror serves it."""
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return json.dumps(content) + "\n"

    def span(self, index: int) -> tuple[int, int]:
        """Return the first byte of a block and the byte after its last."""
        start = index * self.block_bytes
        return start, min(start + self.block_bytes, self.size_bytes)


def hash_blocks(
    path: Path,
    block_bytes: int = BLOCK_BYTES,
    advance: Callable[[int], None] | None = None,
) -> BlockHashes:
    """Compute the digests of a file and of its blocks in one reading.

    Args:
        path: The file.
        block_bytes: Length of a block.
        advance: Called with the length of what has been read.
    """
    with path.open("rb") as stream:
        return hash_stream(stream, block_bytes, advance)


def hash_stream(
    stream: IO[bytes],
    block_bytes: int,
    advance: Callable[[int], None] | None = None,
) -> BlockHashes:
    """Compute the digests of what a stream holds; see :func:`hash_blocks`."""
    whole = hashlib.sha256()
    blocks: list[str] = []
    size_bytes = 0
    while block := stream.read(block_bytes):
        whole.update(block)
        blocks.append(hashlib.sha256(block).hexdigest())
        size_bytes += len(block)
        if advance is not None:
            advance(len(block))
    return BlockHashes(
        size_bytes,
        whole.hexdigest(),
        block_bytes,
        tuple(blocks),
    )


def equal_spans(
    path: Path,
    hashes: BlockHashes,
    advance: Callable[[int], None] | None = None,
) -> list[tuple[int, int]]:
    """List the blocks of a damaged or shortened copy that are as they should be.

    Args:
        path: The copy.
        hashes: What the file should be.
        advance: Called with the length of what has been read.
    """
    spans = []
    for index, block in enumerate(_blocks(path, hashes.block_bytes)):
        if index >= len(hashes.block_sha256):
            break
        start, end = hashes.span(index)
        if (
            len(block) >= end - start
            and hashlib.sha256(block[: end - start]).hexdigest() == hashes.block_sha256[index]
        ):
            spans.append((start, end))
        if advance is not None:
            advance(len(block))
    return spans


def parse(data: bytes) -> BlockHashes | None:
    """Read what a mirror serves; ``None`` if it is not such a file, whatever its bytes are."""
    try:
        content = json.loads(data)
        blocks = content["block_sha256"]
        size_bytes = content["size_bytes"]
        block_bytes = content["block_bytes"]
        sha256 = content["sha256"]
        is_known = content["schema_version"] == SCHEMA_VERSION
    except (
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
    ):
        return None
    numbers_fit = type(size_bytes) is int and type(block_bytes) is int and size_bytes >= 0
    if (
        not is_known
        or not numbers_fit
        or not SMALLEST_BLOCK_BYTES <= block_bytes <= LARGEST_BLOCK_BYTES
    ):
        return None
    if not isinstance(blocks, list) or len(blocks) != -(-size_bytes // block_bytes):
        return None
    if not all(is_sha256(digest) for digest in (sha256, *blocks)):
        return None
    return BlockHashes(
        size_bytes,
        sha256,
        block_bytes,
        tuple(blocks),
    )


def _blocks(
    path: Path,
    block_bytes: int,
) -> Iterator[bytes]:
    """Yield a file block by block."""
    with path.open("rb") as stream:
        while block := stream.read(block_bytes):
            yield block
