"""The files of a training run: the last state, to go on from, and the best network, to use."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import MissingPackageError, TrainingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from zoo.weights.own_record import OwnRecord


def best_path(folder: Path) -> Path:
    """Where the best network lies."""
    return folder / "best.safetensors"


def last_path(folder: Path) -> Path:
    """Where the last state lies."""
    return folder / "last.pt"


def write_best(folder: Path, model: nn.Module, record: OwnRecord) -> None:
    """Write a network with its record; the file is replaced whole.

    Raises:
        MissingPackageError: safetensors is not installed.
    """
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise MissingPackageError("safetensors", "zoo train", "train") from error
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _replace(best_path(folder), lambda path: save_file(tensors, path, metadata=record.as_metadata()))


def write_last(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a run; the file is replaced whole."""
    _replace(last_path(folder), lambda path: torch.save(state, path))


def read_last(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the state of a run, or ``None`` if there is none.

    Raises:
        TrainingError: It cannot be read, or belongs to a run with another model, data set or recipe.
    """
    path = last_path(folder)
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = state["identity"]
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise TrainingError(str(path), f"cannot be read ({error}); delete it to start again") from error
    differing = [key for key in identity if found.get(key) != identity[key]]
    if differing:
        story = ", ".join(f"{key} was {found.get(key)!r:.60}, is {identity[key]!r:.60}" for key in differing)
        raise TrainingError(str(folder), f"it holds another run ({story}); choose another --output")
    return state


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file, to the disk, then put it in the place of the old one."""
    temporary = path.with_name(f"{path.name}.partial")
    write(temporary)
    with temporary.open("rb+") as stream:
        os.fsync(stream.fileno())
    temporary.replace(path)
