"""The devices that torch finds here, and the one that a user means."""

from __future__ import annotations

import torch

from zoo.errors import DeviceError


def device_names() -> list[str]:
    """Name the devices that exist, the fastest kind first."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def find_device(wanted: str = "auto") -> torch.device:
    """Return the device that a user means.

    Args:
        wanted: ``"auto"`` for the fastest, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Raises:
        DeviceError: There is no such device; lists those that exist.
    """
    names = device_names()
    if wanted == "auto":
        return torch.device(names[0])
    name = "cuda:0" if wanted == "cuda" else wanted
    if name not in names:
        raise DeviceError(wanted, "torch finds no such device", names)
    return torch.device(name)
