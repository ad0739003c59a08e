"""Read tensors from a file without running code from it: safetensors, or what ``torch.save`` wrote.

Files of the cache are only ever replaced by a rename, so their tensors may be looked at where
they lie (mapped). A user's own file may be written over at any time, by ``torch.save`` for one,
and a map of it would then end the process: its tensors are read into memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.errors import CheckpointError
from zoo.formats import checkpoint
from zoo.formats.description import TensorSpec
from zoo.formats.known import find_format
from zoo.formats.pickle_file import read_pickle_file
from zoo.formats.safetensors_file import TORCH_TYPES
from zoo.loader.wrappers import NamedTensors, unwrap, without_wrappers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo.formats.description import Description, Place

DTYPES = {name: getattr(torch, torch_name) for name, torch_name in TORCH_TYPES.items()}
"""The types of the safetensors format."""
_DEEPEST = 100
"""How deep the containers of a checkpoint may be nested."""


def read_state_dict(
    path: Path,
    *,
    is_verified: bool = False,
    is_mapped: bool = False,
) -> dict[str, Tensor]:
    """Read the named tensors of a file.

    Arguments and errors are those of ``read_named_tensors``.
    """
    return read_named_tensors(path, is_verified=is_verified, is_mapped=is_mapped).tensors


def read_named_tensors(
    path: Path,
    *,
    is_verified: bool = False,
    is_mapped: bool = False,
) -> NamedTensors:
    """Read the named tensors of a file, and remember what they were wrapped in.

    Args:
        path: A safetensors file, or one that ``torch.save`` wrote. A state dict that lies in
            another dictionary is taken out, and what wrappers put before every name is dropped.
        is_verified: The file's digest is known to be right, so that its checksums need not be
            compared.
        is_mapped: The file lies in the cache: look at tensors where they lie, as private views.
            Training them does not change the file.

    Raises:
        CheckpointError: The file is of neither kind, damaged, or holds more than plain tensors;
            names what.
    """
    if not path.is_file():
        fault = f"there is no file {path}"
        advice = "check the path"
        raise CheckpointError(path.name, fault, advice)
    file_format = find_format(path)
    if file_format.has_sums and not is_verified:
        checkpoint.require_safe(path)
    found = file_format.read(path)
    content = _fill(path, found, is_mapped=is_mapped)

    if found.is_wrapped:
        named = unwrap(content, path.name)
    else:
        named = without_wrappers(content)
    return replace(named, metadata=found.metadata)


def read_values(
    path: Path,
    *,
    is_mapped: bool = False,
) -> Any:
    """Read everything that ``torch.save`` wrote into a file.

    Plain values, lists, dictionaries, and tensors.

    Raises:
        CheckpointError: The file is damaged, or holds more than plain tensors.
    """
    return _fill(path, read_pickle_file(path), is_mapped=is_mapped)


def _fill(
    path: Path,
    found: Description,
    *,
    is_mapped: bool,
) -> Any:
    """Make the tensors that a file describes."""
    maker = _TensorMaker(
        path,
        found.places,
        is_mapped=is_mapped and found.is_mappable,
    )
    return maker.fill(found.content)


class _TensorMaker:
    """Turn the descriptions of one file's tensors into tensors.

    Those that share a storage share it again.
    """

    def __init__(
        self,
        path: Path,
        places: Mapping[str, Place],
        *,
        is_mapped: bool,
    ) -> None:
        self._path = path
        self._places = places
        self._storages: dict[str, torch.UntypedStorage] = {}
        self._made: dict[int, Any] = {}
        self._whole = _map_file(path) if is_mapped else None

    def fill(
        self,
        content: Any,
        depth: int = 0,
    ) -> Any:
        """Copy plain containers with tensors in the place of their descriptions.

        Raises:
            CheckpointError: They are nested deeper than any checkpoint's.
        """
        if depth > _DEEPEST:
            fault = f"it nests more than {_DEEPEST} containers"
            advice = "save model.state_dict()"
            raise CheckpointError(self._path.name, fault, advice)
        if isinstance(content, TensorSpec):
            return self._tensor(content)
        if not isinstance(content, dict | list | tuple):
            return content
        if id(content) in self._made:  # a program may mention one thing many times
            return self._made[id(content)]
        made: Any
        if isinstance(content, dict):
            made = self._made[id(content)] = {}
            made.update({key: self.fill(value, depth + 1) for key, value in content.items()})
        else:
            made = self._made[id(content)] = type(content)(
                self.fill(value, depth + 1) for value in content
            )
        return made

    def _tensor(self, spec: TensorSpec) -> Tensor:
        dtype = getattr(torch, spec.dtype)
        storage = self._storage(spec.storage.key, dtype.itemsize)
        tensor = torch.empty(0, dtype=dtype).set_(storage, spec.offset, spec.shape, spec.stride)
        if spec.is_conjugated:
            tensor = tensor.conj().resolve_conj()
        if spec.is_negated:
            return tensor.neg()
        return tensor

    def _storage(self, key: str, item_bytes: int) -> torch.UntypedStorage:
        if key in self._storages:
            return self._storages[key]

        place = self._places[key]
        # Values that lie crooked in a mapped file are read: a view of them would be slow where it
        # works at all.
        is_straight = place.begin % item_bytes == 0
        if self._whole is not None and is_straight:
            end = place.begin + place.size_bytes
            storage: torch.UntypedStorage = self._whole[place.begin : end]
        else:
            storage = _read_bytes(self._path, place.begin, place.size_bytes)
        self._storages[key] = storage
        return storage


def _map_file(
    path: Path,
    size_bytes: int | None = None,
) -> torch.UntypedStorage:
    """Map a file privately: what is written to the tensors stays in memory."""
    length = path.stat().st_size if size_bytes is None else size_bytes
    storage: torch.UntypedStorage = torch.UntypedStorage.from_file(
        str(path), shared=False, nbytes=length
    )  # type: ignore[assignment]  # typed too wide
    return storage


def _read_bytes(
    path: Path,
    begin: int,
    size_bytes: int,
) -> torch.UntypedStorage:
    """Read a run of bytes into memory.

    Raises:
        CheckpointError: The file was cut meanwhile.
    """
    tensor = torch.empty(size_bytes, dtype=torch.uint8)
    buffer: Any = tensor.numpy()
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        stream.seek(begin)
        at = 0
        while at < size_bytes:
            count = stream.readinto(view[at:])
            if not count:
                advice = "try again"
                raise CheckpointError(path.name, "it was cut while it was read", advice)
            at += count
    return tensor.untyped_storage()
