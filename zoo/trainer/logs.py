"""Logs of a training run for TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.errors import MissingPackageError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.trainer.training import Epoch


def open_log(folder: Path) -> Any:
    """Open a ``SummaryWriter`` in the folder of a run.

    Raises:
        MissingPackageError: tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingPackageError("tensorboard", "--tensorboard", "tensorboard") from error
    return SummaryWriter(str(folder / "tensorboard"))


def log_epoch(log: Any, epoch: Epoch) -> None:
    """Write the figures of one epoch."""
    figures = {
        "loss/train": epoch.train_loss,
        "loss/validation": epoch.validation_loss,
        "error_percent/validation": epoch.validation_error_percent,
        "learning_rate": epoch.learning_rate,
    }
    for name, value in figures.items():
        if value is not None:
            log.add_scalar(name, value, epoch.number)
    log.flush()
