"""Read tensors from a file without running code from it: safetensors, or what ``torch.save`` wrote."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.weights import checkpoint
from zoo.weights.safetensors_file import is_safetensors, read_header
from zoo.weights.zip_archive import starts_like_zip

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.weights.safetensors_file import TensorEntry

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "I64": torch.int64,
    "U64": torch.uint64,
    "F64": torch.float64,
    "C64": torch.complex64,
}
"""The types of the safetensors format."""
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read_state_dict(path: Path, *, is_verified: bool = False) -> dict[str, Tensor]:
    """Read the named tensors of a file, memory-mapped where its format allows.

    A tensor is a private view of the file: training it does not change the file.

    Args:
        path: A safetensors file, or one that ``torch.save`` wrote. In the latter, a state dict wrapped as
            ``{"state_dict": ...}`` is taken out, and ``module.`` in front of every name is dropped.
        is_verified: The file's digest is known to be right, so that what it holds need not be looked through first.

    Raises:
        CheckpointError: The file is of neither kind, damaged, or needs more than tensors to load; names what.
    """
    if not path.is_file():
        raise CheckpointError(path.name, f"there is no file {path}", "check the path")
    if is_safetensors(path):
        return _read_safetensors(path)
    if not is_verified:
        checkpoint.require_safe(path)
    return _unwrap(_read_pickle(path), path.name)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    header = read_header(path)
    storage: torch.UntypedStorage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=header.size_bytes)  # type: ignore[assignment]  # typed too wide
    return {entry.name: _view(storage, entry) for entry in header.tensors}


def _view(storage: torch.UntypedStorage, entry: TensorEntry) -> Tensor:
    """Look at one tensor's bytes where they lie; copy them where they lie crooked."""
    dtype = DTYPES[entry.dtype]
    if entry.is_aligned:
        flat = torch.empty(0, dtype=dtype).set_(storage, entry.begin // dtype.itemsize, (entry.count,), (1,))
    else:
        raw = torch.empty(0, dtype=torch.uint8).set_(storage, entry.begin, (entry.end - entry.begin,), (1,))
        flat = raw.clone().view(dtype)
    return flat.reshape(entry.shape)


def _read_pickle(path: Path) -> Any:
    """Let torch unpickle tensors and plain containers, and nothing else."""
    try:
        with path.open("rb") as stream:
            is_zip = starts_like_zip(stream.read(4))
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        checkpoint.require_safe(path, sums=False)  # says more, if it was not asked before
        reason = str(error).partition("WeightsUnpickler error: ")[2].partition("\n")[0]
        raise CheckpointError(path.name, f"torch refuses it: {reason or 'it is not a pickle of tensors'}") from error
    except Exception as error:  # damaged files make torch raise nearly anything, AssertionError included
        text = str(error).partition("\n")[0][:200]
        raise CheckpointError(path.name, f"torch cannot read it: {text or type(error).__name__}") from error


def _unwrap(content: Any, file: str) -> dict[str, Tensor]:
    """Find the state dict in what was read."""
    if isinstance(content, dict):
        wrapped = [content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)]
        state_dict = wrapped[0] if len(wrapped) == 1 else content
        if state_dict and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state_dict.items()):
            has_prefix = all(key.startswith("module.") for key in state_dict)
            return {key.removeprefix("module.") if has_prefix else key: value for key, value in state_dict.items()}
    raise CheckpointError(file, f"expected named tensors, got {type(content).__name__}", "save model.state_dict()")
