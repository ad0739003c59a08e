"""The files of a training run: the last state, to go on from, and the best network, to use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch

from zoo.atomic import replacing
from zoo.cache.digests import sha256_file
from zoo.cache.verified import stamp
from zoo.errors import CheckpointError, MissingPackageError, TrainingError, WriteError
from zoo.formats import checkpoint
from zoo.formats.training_metadata import read_own_record
from zoo.loader.state_dicts import read_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import nn

    from zoo.formats.training_metadata import OwnRecord


LOCK_NAME = ".lock"
_PARTS = {
    "identity": dict,
    "model": dict,
    "optimizer": dict,
    "history": list,
    "best_sha256": str,
}
"""What the state of a run holds."""


@contextlib.contextmanager
def owning(folder: Path, *, is_main: bool = True) -> Iterator[None]:
    """Keep a folder for one run: two runs in one folder would leave files of both.

    Raises:
        TrainingError: Another process trains there now.
    """
    if not is_main:  # the other processes of one run
        yield
        return
    import filelock

    lock_path = folder / LOCK_NAME
    lock = filelock.FileLock(lock_path, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        fault = "another process trains there now"
        advice = "wait for it, or choose another --output"
        raise TrainingError(str(folder), f"{fault}; {advice}") from error
    except OSError:  # no locks on this file system
        yield
        return

    try:
        yield
    finally:
        # The file stays: whoever waits for it would hold another one than who comes after.
        lock.release()


def seen(folder: Path) -> list[int] | None:
    """Return what changes when the last state of a folder does; ``None`` where there is none."""
    try:
        return stamp(last_path(folder))
    except FileNotFoundError:
        return None


def require_unchanged(
    folder: Path,
    before: list[int] | None,
) -> None:
    """Refuse a folder in which another run has trained since this one looked at it.

    Raises:
        TrainingError: It has; going on would lose what the other has learnt.
    """
    if seen(folder) != before:
        fault = "another process has trained there meanwhile"
        advice = "go on from there with --resume, or choose another --output"
        raise TrainingError(str(folder), f"{fault}; {advice}")


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

    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        here = tensor.detach().cpu()
        tensors[name] = here.contiguous()

    metadata = record.as_metadata()
    best = best_path(folder)
    with replacing(best) as path:
        try:
            save_file(tensors, path, metadata=metadata)
        except SafetensorError as error:
            raise WriteError(str(best), str(error)) from error


def write_last(folder: Path, state: dict[str, Any]) -> None:
    """Write the state of a run; the file is replaced whole.

    Raises:
        WriteError: The file system refuses.
    """
    last = last_path(folder)
    with replacing(last) as path:
        try:
            torch.save(state, path)
        except RuntimeError as error:  # a full disk, of which torch tells no more
            said = str(error)[:80]
            raise WriteError(str(last), f"torch.save failed ({said})") from error


def read_last(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """Read the state of a run, or ``None`` if there is none.

    Raises:
        TrainingError: It cannot be read, or belongs to a run with another model, data set or
            recipe.
    """
    path = last_path(folder)
    if not path.exists():
        return None
    try:
        checkpoint.require_safe(path)
        state = read_values(path)
    except CheckpointError as error:
        advice = "delete it to start again, or put back a copy that is whole"
        raise TrainingError(str(path), f"{error.fault}; {advice}") from error

    fault = _fault(state)
    if fault is not None:
        raise TrainingError(str(path), f"{fault}; delete it to start again")

    differences = _differences(state["identity"], identity)
    if differences:
        story = ", ".join(differences)
        fault = f"it holds another run ({story})"
        raise TrainingError(str(folder), f"{fault}; choose another --output")

    best = best_path(folder)
    fault = _best_fault(best, state)
    if fault is not None:
        raise TrainingError(str(folder), f"{best.name} {fault}; put it back or start again")

    kept: dict[str, Any] = state | {"best_sha256": sha256_file(best)}
    return kept


def _best_fault(
    best: Path,
    state: dict[str, Any],
) -> str | None:
    """Say why a file is not the best network of the run that a state is of."""
    if not best.is_file():
        return "is missing, the best network so far"
    if sha256_file(best) == state["best_sha256"]:
        return None

    # A run may have been ended between the two files: then this one is an epoch ahead.
    try:
        record = read_own_record(best)
    except CheckpointError as error:
        return f"is damaged ({error.fault})"
    identity = state["identity"]
    following = len(state["history"]) + 1
    is_ahead = (
        record is not None
        and record.epoch == following
        and (record.model, record.data) == (identity.get("model"), identity.get("data"))
    )
    return None if is_ahead else "is not the file that this run has written"


def _differences(
    found: dict[str, Any],
    expected: dict[str, Any],
) -> list[str]:
    """Say what of a run is otherwise than in the run that a state is of."""
    differences: list[str] = []
    for key, now in expected.items():
        before = found.get(key)
        if _is_other(before, now):
            differences.append(f"{key} was {before!r:.60}, is {now!r:.60}")
    return differences


def _is_other(before: Any, now: Any) -> bool:
    """Tell whether two values differ; a tensor, which compares in its own way, always does."""
    try:
        return bool(before != now)
    except (RuntimeError, ValueError, TypeError):
        return True


def _fault(state: Any) -> str | None:
    """Say what keeps a file from being the state of a run."""
    if not isinstance(state, dict):
        return "it is not the state of a run"

    for key, kind in _PARTS.items():
        if not isinstance(state.get(key), kind):
            return f"it has no {key}, so it is not the state of a run"

    for number, epoch in enumerate(state["history"], start=1):
        if not isinstance(epoch, dict):
            return "its history is none of epochs"
        found = epoch.get("number", number)
        if type(found) is int and found != number:
            return f"its history has no epoch {number}"

    for value in state["model"].values():
        if not isinstance(value, torch.Tensor):
            return "its network holds something else than tensors"

    return None
