"""Make a safetensors copy of a pickle file, proven equal to it tensor by tensor.

The copy lies beside its original, loads several times faster and cannot hold code. Conversion is
deterministic: the same tensors from the same file make the same bytes, whoever converts, so that
``zoo.lock`` can demand them of everyone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from zoo import atomic
from zoo.cache import disk, lockfile, paths, safetensors_copies, verified
from zoo.cache.digests import sha256_file
from zoo.catalog.resolver import resolve
from zoo.download import fetcher
from zoo.download.options import DEFAULTS, FetchOptions
from zoo.errors import CacheError, CheckpointError
from zoo.formats.safetensors_file import is_safetensors, make_header
from zoo.loader.state_dicts import DTYPES, read_state_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from zoo.catalog.records import Weights
    from zoo.download.events import Listener

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
PIECE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Converted:
    """A safetensors file and the file that it equals."""

    source: Path
    path: Path
    tensors: int
    tensors_sha256: str
    """Digest over name, type, shape and values of all tensors; the same for source and copy."""
    sha256: str
    """Digest of the copy as a file."""
    size_bytes: int
    was_there: bool
    """Whether an equal copy existed already."""
    is_locked: bool
    """Whether ``zoo.lock`` holds the copy's digest, so that ``zoo.load_model`` uses it."""


def convert_model(
    name: str,
    *,
    force: bool = False,
    options: FetchOptions = DEFAULTS,
    listener: Listener | None = None,
) -> list[Converted]:
    """Make safetensors copies of the weights files of a model; what is not cached is fetched.

    Args:
        name: ``"resnet18"`` or ``"resnet18:imagenet1k_v1"``.
        force: Replace a copy that differs.
        options: As for a fetch.
        listener: Told about the fetch.

    Raises:
        UnknownNameError: No such model or weights.
        FetchError: The file cannot be had.
        CheckpointError: The file holds more than tensors, or is safetensors already.
    """
    return convert_weights(
        resolve(name)[1],
        force=force,
        options=options,
        listener=listener,
    )


def convert_weights(
    weights: Weights,
    *,
    force: bool = False,
    options: FetchOptions = DEFAULTS,
    listener: Listener | None = None,
) -> list[Converted]:
    """Make safetensors copies of the files of a record, from any registry.

    Arguments and errors are those of ``convert_model``.
    """
    made = []
    for file in weights.files:
        fetched = fetcher.fetch(file, options=options, listener=listener)
        lock_file = options.lock_file or safetensors_copies.lock_path(fetched.path.parent)
        original = _Original(fetched.path, fetched.sha256, is_verified=True)
        made.append(
            _convert(
                original,
                safetensors_copies.copy_path(fetched.path),
                force=force,
                lock_file=lock_file,
            )
        )
    return made


def convert_file(
    path: Path,
    target: Path | None = None,
    *,
    force: bool = False,
) -> Converted:
    """Make a safetensors file of a file that ``torch.save`` wrote.

    A state dict that is wrapped, or whose names all start with ``module.``, is written plain.

    Args:
        path: The file; it is looked through before anything of it is read.
        target: Where to write; by default beside it, with the suffix ``.safetensors``.
        force: Replace a file that differs.

    Raises:
        CheckpointError: The file holds more than tensors, is damaged, or is safetensors already.
        CacheError: The target is there and differs, or has no room.
        WriteError: The target cannot be written.
    """
    if not path.is_file():
        fault = f"there is no file {path}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice)
    with disk.translating(path.name):
        original = _Original(path, sha256_file(path), is_verified=False)
    return _convert(
        original,
        target or safetensors_copies.copy_path(path),
        force=force,
        lock_file=None,
    )


def tensors_digest(tensors: Mapping[str, Tensor]) -> str:
    """Compute a digest of named tensors: of names, types, shapes and values only.

    Args:
        tensors: In any order, from any format.

    Raises:
        CheckpointError: A tensor is of a kind that safetensors cannot hold.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        head = json.dumps(_fact(name, tensors[name])).encode()
        digest.update(len(head).to_bytes(8, "little") + head)
        for piece in _pieces(tensors[name]):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Original:
    """What is converted."""

    path: Path
    sha256: str
    is_verified: bool


def _convert(
    original: _Original,
    target: Path,
    *,
    force: bool,
    lock_file: Path | None,
) -> Converted:
    """Write the copy unless an equal one is there, prove it, and note its digest."""
    if is_safetensors(original.path):
        advice = "load it as it is"
        raise CheckpointError(original.path.name, "it is safetensors already", advice)
    tensors = read_state_dict(original.path, is_verified=original.is_verified, is_mapped=True)
    digest = tensors_digest(tensors)
    was_there = paths.kind_of(target) is not paths.Kind.NOTHING and _is_equal(target, digest)
    if not was_there:
        if paths.kind_of(target) is not paths.Kind.NOTHING and not force:
            fault = f"{target} is there and holds something else than {original.path.name}"
            advice = "replace it with --force, or name another target with --output"
            raise CacheError(target.name, fault, advice)
        _write_proven(original, tensors, target, digest)
    stamp = verified.stamp(target)
    sha256 = sha256_file(target)
    verified.remember(target, sha256, stamp)
    size_bytes = target.stat().st_size
    if lock_file is not None:
        lockfile.learn(lock_file, target.name, lockfile.LockedFile(sha256, size_bytes))
    return Converted(
        original.path,
        target,
        len(tensors),
        digest,
        sha256,
        size_bytes,
        was_there,
        is_locked=lock_file is not None,
    )


def _is_equal(target: Path, digest: str) -> bool:
    """Tell whether a file holds the tensors of a digest."""
    try:
        return is_safetensors(target) and tensors_digest(read_state_dict(target)) == digest
    except CheckpointError:
        return False


def _write_proven(
    original: _Original,
    tensors: Mapping[str, Tensor],
    target: Path,
    digest: str,
) -> None:
    """Write the copy, read it back and compare, and only then give it its name."""
    metadata = {
        "format": "pt",
        "source_file": original.path.name,
        "source_sha256": original.sha256,
        "tensors_sha256": digest,
    }
    start, entries = make_header(
        [_fact(name, tensor) for name, tensor in tensors.items()], metadata
    )
    size_bytes = len(start) + sum(entry.end - entry.begin for entry in entries)
    with disk.translating(target.name):
        disk.check_space(target.parent, size_bytes, target.name)

    with atomic.replacing(target) as temporary:
        with temporary.open("wb") as stream:
            stream.write(start)
            for entry in entries:
                for piece in _pieces(tensors[entry.name]):
                    stream.write(piece)
        if tensors_digest(read_state_dict(temporary)) != digest:
            fault = "what was written differs from the original"
            advice = "check the disk"
            raise CheckpointError(target.name, fault, advice)


def _fact(
    name: str,
    tensor: Tensor,
) -> tuple[str, str, tuple[int, ...]]:
    """Return name, type and shape of a tensor as safetensors has them."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.dtype not in _NAMES:
        kind = f"{tensor.dtype}, {tensor.layout}".replace("torch.", "")
        fault = f"a tensor of the kind {kind} cannot be written to safetensors"
        advice = "keep the original"
        raise CheckpointError(name, fault, advice)
    return name, _NAMES[tensor.dtype], tuple(tensor.shape)


def _pieces(tensor: Tensor) -> Iterator[memoryview]:
    """Yield the values of a tensor as bytes, row-major, without a copy where possible."""
    flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    view = memoryview(flat)  # type: ignore[arg-type]  # numpy's arrays have the buffer protocol
    for start in range(0, len(view), PIECE_BYTES):
        yield view[start : start + PIECE_BYTES]
