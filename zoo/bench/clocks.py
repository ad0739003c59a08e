"""How a call is timed on each kind of device, and what memory it took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import torch

from zoo.bench import machine
from zoo.bench.records import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.engines.record import Call

_NS_PER_MS = 1e6


class Clock(Protocol):
    """Time calls on one kind of device and tell the memory they took."""

    def time_calls(
        self,
        call: Call,
        inputs: Sequence[torch.Tensor],
    ) -> int:
        """Call once with each input in turn; return the nanoseconds until all is done."""

    def synchronise(self) -> None:
        """Wait until the device has done everything."""

    def reset_peak(self) -> None:
        """Begin a new peak of memory."""

    def peak(self, before_bytes: int | None) -> Memory:
        """Tell the peak since the last reset.

        ``before_bytes`` is what the process held before it had a model.
        """


class HostClock:
    """The host's own clock, for the CPU and for accelerators without timing events of their own.

    Args:
        synchronise: Waits for the device; nothing by default.
        allocated: Tells what torch's allocator holds on the device.
    """

    def __init__(
        self,
        synchronise: Callable[[], None] | None = None,
        allocated: Callable[[], int] | None = None,
    ) -> None:
        self._synchronise = synchronise or _nothing
        self._allocated = allocated

    def time_calls(
        self,
        call: Call,
        inputs: Sequence[torch.Tensor],
    ) -> int:
        """See :class:`Clock`."""
        synchronise = self._synchronise
        synchronise()
        start_ns = time.perf_counter_ns()
        for x in inputs:
            call(x)
        synchronise()
        return time.perf_counter_ns() - start_ns

    def synchronise(self) -> None:
        """See :class:`Clock`."""
        self._synchronise()

    def reset_peak(self) -> None:
        """See :class:`Clock`."""
        machine.reset_peak_resident()

    def peak(self, before_bytes: int | None) -> Memory:
        """See :class:`Clock`."""
        allocated_bytes = self._allocated() if self._allocated else None
        peak_bytes = machine.peak_resident_bytes()
        grown_bytes = None
        if peak_bytes is not None and before_bytes is not None:
            grown_bytes = max(0, peak_bytes - before_bytes)
        return Memory(allocated_bytes, peak_bytes, grown_bytes)


class CudaClock:
    """Events on the device's own stream.

    The host's part of a call counts only where the device waits for it.
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        torch.cuda.set_device(self.device)
        self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # likewise

    def time_calls(
        self,
        call: Call,
        inputs: Sequence[torch.Tensor],
    ) -> int:
        """See :class:`Clock`."""
        torch.cuda.synchronize(self.device)
        self._start.record()
        for x in inputs:
            call(x)
        self._end.record()
        self._end.synchronize()
        elapsed_ms = float(self._start.elapsed_time(self._end))
        return round(elapsed_ms * _NS_PER_MS)

    def synchronise(self) -> None:
        """See :class:`Clock`."""
        torch.cuda.synchronize(self.device)

    def reset_peak(self) -> None:
        """See :class:`Clock`."""
        # What calibration and the search for a batch have left would count.
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self, before_bytes: int | None) -> Memory:
        """See :class:`Clock`; the device's figure counts what other processes hold as well."""
        del before_bytes
        allocated_bytes = torch.cuda.max_memory_allocated(self.device)
        free_bytes, total_bytes = torch.cuda.mem_get_info(self.device)
        return Memory(allocated_bytes, total_bytes - free_bytes, None)


def _nothing() -> None:
    """Wait for nothing: a call on the CPU returns when it is done."""


def open_clock(device: str) -> Clock:
    """Choose the clock for a device."""
    if device.startswith("cuda"):
        return CudaClock(device)
    if device == "mps":
        return HostClock(torch.mps.synchronize, torch.mps.driver_allocated_memory)
    return HostClock()
