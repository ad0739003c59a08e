"""The words of executors.

========== =======================================================================================
word       means
========== =======================================================================================
place      one device of one node, which does one task at a time
workshop   the object that does the tasks of a place; it stays there and stays warm
task       plain JSON for a workshop, with the name that people see
ended      a task that came back: with its answer, or without because its place was lost
========== =======================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Needs:
    """What a place reserves of its node for itself, so that no two share a device."""

    device: str = "cpu"
    """Kind of device: ``"cpu"`` is all CPUs of a node, ``"cuda"`` a GPU and its share of them,
    ``"auto"`` the GPUs of a node that has some, else its CPUs."""
    memory_bytes: int | None = None
    """Memory of the node that must be free for it."""


@dataclass(frozen=True, slots=True)
class Place:
    """One device of one node."""

    name: str
    """Unlike that of every other place: ``"10.0.0.7 cuda:0"``."""
    node: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What its workshop says of it, plain JSON."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a place."""

    name: str
    work: Mapping[str, Any]
    """Plain JSON for the workshop."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A task that came back."""

    place: Place
    task: Task
    answer: Mapping[str, Any] | None = None
    """What the workshop returned, plain JSON."""
    lost: str = ""
    """Why there is no answer: the place is gone."""


class Executor(Protocol):
    """Where work is done."""

    def places(self) -> Sequence[Place]:
        """List the places that exist now; some may come and go."""

    def is_waiting(self) -> bool:
        """Tell whether a place has been asked for and is not there yet."""

    def start(
        self,
        place: Place,
        task: Task,
    ) -> None:
        """Give a task to a place that has none."""

    def wait(self, timeout_s: float) -> list[Ended]:
        """Wait until something comes back, at most so long; return all that has."""

    def close(self) -> None:
        """End every workshop; what they are doing is given up."""
