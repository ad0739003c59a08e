"""A fixed piece of work that tells how fast the machine is just now, whatever is measured on it.

What others do on the same processor, and where a hypervisor puts virtual CPUs, changes the speed of
a run and shows in no counter. The work is a chain of small operations, each shared by all threads,
and a convolution: threads that wait for each other are what such changes slow down most.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from zoo.bench.clocks import Clock

_PAUSE_S = 0.02
"""Threads of an engine go on spinning for a moment after its last call."""
_LASTS_NS = 20_000_000
_LEAST_VALUES = 3
_MOST_VALUES = 500
_STEPS = 40
_CHANNELS, _SIDE, _KERNEL = 64, 28, 3


class Yardstick:
    """The work, made once for a run.

    Args:
        device: As torch names it.
        clock: Of that device.
    """

    def __init__(
        self,
        device: str,
        clock: Clock,
    ) -> None:
        self._clock = clock
        with torch.inference_mode():
            self._x = torch.ones(1, _CHANNELS, _SIDE, _SIDE, device=device)
            self._weight = torch.ones(_CHANNELS, _CHANNELS, _KERNEL, _KERNEL, device=device)

    def time_ns(self) -> int:
        """Time the work for a few hundredths of a second; return the median."""
        clock = self._clock
        time.sleep(_PAUSE_S)
        with torch.inference_mode():
            clock.time_calls(self._work, [self._x] * 2)

            values_ns: list[int] = []
            until_ns = time.monotonic_ns() + _LASTS_NS
            while len(values_ns) < _MOST_VALUES:
                values_ns.append(clock.time_calls(self._work, [self._x]))
                is_over = time.monotonic_ns() >= until_ns
                if is_over and len(values_ns) >= _LEAST_VALUES:
                    break
        return max(1, round(median(values_ns)))

    def _work(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(_STEPS):
            x.add_(0)
        return functional.conv2d(x, self._weight, padding=1)
