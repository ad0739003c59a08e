"""The files of a training run: the last state, to go on from, and the best network, to use."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from zoo.errors import MissingPackageError, TrainingError, WriteError
from zoo.whole_files import replacing

if TYPE_CHECKING:
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
        WriteError: The file system refuses.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import save_file
    except ImportError as error:
        raise MissingPackageError("safetensors", "zoo train", "train") from error
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with replacing(best_path(folder)) as path:
        try:
            save_file(tensors, path, metadata=record.as_metadata())
        except SafetensorError as error:
            raise WriteError(str(best_path(folder)), str(error)) from error


def write_last(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a run; the file is replaced whole.

    Raises:
        WriteError: The file system refuses.
    """
    with replacing(last_path(folder)) as path:
        try:
            torch.save(state, path)
        except RuntimeError as error:  # a full disk, of which torch tells no more
            raise WriteError(str(last_path(folder)), f"torch.save failed ({error!s:.80})") from error


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
