"""The devices that torch finds here, and how a call is timed on each kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import torch

from zoo.bench import machine
from zoo.bench.records import Device, Environment, Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

Call = Callable[[torch.Tensor], Any]
_CPU_PRECISIONS = ("fp32", "fp16", "bf16", "fp16-autocast", "bf16-autocast")
_TF32_CAPABILITY = (8, 0)


def list_devices() -> list[Device]:
    """List the devices that can be measured here, accelerators first."""
    found = [_cuda_device(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        precisions = ("fp32", "fp16", "bf16", "fp16-autocast", "bf16-autocast")
        found.append(Device("mps", f"{machine.cpu_title()} GPU", precisions, torch.mps.recommended_max_memory()))
    return [*found, Device("cpu", machine.cpu_title(), _CPU_PRECISIONS, machine.available_bytes())]


def _cuda_device(index: int) -> Device:
    properties = torch.cuda.get_device_properties(index)
    precisions = ["fp32", "fp16", "fp16-autocast"]
    with torch.cuda.device(index):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            precisions += ["bf16", "bf16-autocast"]
    if (properties.major, properties.minor) >= _TF32_CAPABILITY:
        precisions.append("tf32")
    return Device(f"cuda:{index}", properties.name, tuple(precisions), properties.total_memory, _cuda_driver())


def _cuda_driver() -> str | None:
    try:
        import pynvml  # type: ignore[import-untyped]  # has no stubs
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        return str(pynvml.nvmlSystemGetDriverVersion())
    except pynvml.NVMLError:
        return None


def describe_environment(device: str) -> Environment:
    """Describe the machine and the software under a measurement."""
    versions = machine.package_versions()
    if torch.version.cuda and device.startswith("cuda"):
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        versions |= {"cuda": torch.version.cuda, "cudnn": str(cudnn)}
    (found,) = [candidate for candidate in list_devices() if candidate.name == device]
    return Environment(
        device=found,
        cpu=machine.cpu_title(),
        cpus=machine.usable_cpus(),
        system=machine.system_title(),
        versions=versions,
        commit=machine.commit(),
    )


class Clock(Protocol):
    """Time calls on one kind of device and tell the memory they took."""

    def time_calls(self, call: Call, inputs: Sequence[torch.Tensor]) -> int:
        """Call once with each input, in turn, and return the nanoseconds until the device has done them all."""

    def synchronise(self) -> None:
        """Wait until the device has done everything."""

    def reset_peak(self) -> None:
        """Begin a new peak of memory."""

    def peak(self, before_bytes: int | None) -> Memory:
        """Tell the peak since the last reset; ``before_bytes`` is what the process held before it had a model."""


class HostClock:
    """The host's own clock, for the CPU and for accelerators without timing events of their own."""

    def __init__(
        self, synchronise: Callable[[], None] | None = None, allocated: Callable[[], int] | None = None
    ) -> None:
        self._synchronise = synchronise or _nothing
        self._allocated = allocated

    def time_calls(self, call: Call, inputs: Sequence[torch.Tensor]) -> int:
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
        peak_bytes = machine.peak_resident_bytes()
        grown_bytes = None if peak_bytes is None or before_bytes is None else max(0, peak_bytes - before_bytes)
        return Memory(self._allocated() if self._allocated else None, peak_bytes, grown_bytes)


class CudaClock:
    """Events on the device's own stream: the host's part of a call counts only where the device waits for it."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        torch.cuda.set_device(self.device)
        self._start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # likewise

    def time_calls(self, call: Call, inputs: Sequence[torch.Tensor]) -> int:
        """See :class:`Clock`."""
        torch.cuda.synchronize(self.device)
        self._start.record()
        for x in inputs:
            call(x)
        self._end.record()
        self._end.synchronize()
        return round(float(self._start.elapsed_time(self._end)) * 1e6)

    def synchronise(self) -> None:
        """See :class:`Clock`."""
        torch.cuda.synchronize(self.device)

    def reset_peak(self) -> None:
        """See :class:`Clock`."""
        torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self, before_bytes: int | None) -> Memory:
        """See :class:`Clock`; the device's figure counts what other processes hold as well."""
        del before_bytes
        free_bytes, total_bytes = torch.cuda.mem_get_info(self.device)
        return Memory(torch.cuda.max_memory_allocated(self.device), total_bytes - free_bytes, None)


def _nothing() -> None:
    """Wait for nothing: a call on the CPU returns when it is done."""


def open_clock(device: str) -> Clock:
    """Choose the clock for a device."""
    if device.startswith("cuda"):
        return CudaClock(device)
    if device == "mps":
        return HostClock(torch.mps.synchronize, torch.mps.driver_allocated_memory)
    return HostClock()
