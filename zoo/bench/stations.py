"""A station as an executor opens it: on whatever node, for a device that is named."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from zoo.bench.environment import begin_environment
from zoo.bench.jobs import Station, to_plain
from zoo.bench.session import find_device

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKSHOP = "zoo.bench.stations:open_workshop"
"""What executors open at each place."""


class StationWorkshop:
    """A station that says what machine it is on.

    Args:
        device: As torch names it there.
    """

    def __init__(self, device: str) -> None:
        self._station = Station(find_device(device))

    def describe(self) -> Mapping[str, Any]:
        """Say what is known of the machine before anything has run."""
        environment = begin_environment(self._station.device)
        return to_plain(asdict(environment))

    def carry_out(self, work: Mapping[str, Any]) -> Mapping[str, Any]:
        """Measure once."""
        return self._station.carry_out(dict(work))

    def close(self) -> None:
        """End what was started."""
        self._station.close()


open_workshop = StationWorkshop
