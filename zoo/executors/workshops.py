"""What does the work at a place: an object of another package, named by a dotted path."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Workshop(Protocol):
    """Does the tasks of one place, one at a time."""

    def describe(self) -> Mapping[str, Any]:
        """Say what is there, in plain JSON."""

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do one task, from plain JSON to plain JSON."""

    def close(self) -> None:
        """End what was started."""


def open_workshop(
    path: str,
    device: str,
) -> Workshop:
    """Open a workshop.

    Args:
        path: Where the class is, ``"zoo.bench.jobs:Station"``; it is called with the device.
        device: As torch names it there.
    """
    module, _, name = path.partition(":")
    make: Callable[[str], Workshop] = getattr(importlib.import_module(module), name)
    return make(device)
