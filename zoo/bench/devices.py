"""The devices that torch finds here, how a call is timed on each kind, and what they reach on plain work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.nn import functional

from zoo.bench import engines, machine, sampling
from zoo.bench.records import Ceilings, Cell, Device, Environment, Memory

if TYPE_CHECKING:
    from collections.abc import Sequence

Call = Callable[[torch.Tensor], Any]
_CPU_PRECISIONS = ("fp32", "fp16", "bf16", "fp16-autocast", "bf16-autocast", "int8")
_TF32_CAPABILITY = (8, 0)
_LONG_ENOUGH_NS = 8_000_000
_REPEATS = 3
_MATRIX_SIDES = (256, 512, 1024, 2048, 4096, 8192)
_CONVOLUTION_BATCHES = (1, 4, 16, 64, 256)
_CHANNELS, _SIDE, _KERNEL = 256, 28, 3
_COPY_BYTES = tuple(2**power for power in range(24, 31))
_DISPATCHES = 200


def list_devices() -> list[Device]:
    """List the devices that can be measured here, accelerators first."""
    found = [_cuda_device(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        precisions = ("fp32", "fp16", "bf16", "fp16-autocast", "bf16-autocast")
        found.append(Device("mps", f"{machine.cpu_title()} GPU", precisions, torch.mps.recommended_max_memory()))
    return [*found, _cpu()]


def _cpu() -> Device:
    return Device("cpu", machine.cpu_title(), _CPU_PRECISIONS, machine.available_bytes())


def _cuda_device(index: int) -> Device:
    properties = torch.cuda.get_device_properties(index)
    precisions = ["fp32", "fp16", "fp16-autocast"]
    with torch.cuda.device(index):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            precisions += ["bf16", "bf16-autocast"]
    if (properties.major, properties.minor) >= _TF32_CAPABILITY:
        precisions.append("tf32")
    return Device(
        f"cuda:{index}",
        properties.name,
        tuple(precisions),
        properties.total_memory,
        sampling.driver_version(),
        f"GPU-{properties.uuid}",
    )


def describe_environment(device: str) -> Environment:
    """Describe the machine and the software under a measurement."""
    versions = machine.package_versions()
    if torch.version.cuda and device.startswith("cuda"):
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        versions |= {"cuda": torch.version.cuda, "cudnn": str(cudnn)}
    is_cpu = device == "cpu"  # asking CUDA takes more memory than a process for the CPU is allowed
    found = _cpu() if is_cpu else next(candidate for candidate in list_devices() if candidate.name == device)
    return Environment(
        device=found,
        cpu=machine.cpu_title(),
        cpus=machine.usable_cpus(),
        system=machine.system_title(),
        versions=versions,
        commit=machine.commit(),
        allocator=machine.allocator_settings(),
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
        torch.cuda.empty_cache()  # what calibration and the search for a batch have left
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


def measure_ceilings(cell: Cell, clock: Clock) -> Ceilings:
    """Measure the ceilings of a cell's device in its precision and memory format; takes a fraction of a second.

    Each kind of work grows until a call lasts 8 ms; the best rate of all calls counts, because a ceiling is what can
    be reached.
    """
    dtype = engines.low_precision(cell.precision)
    engines.set_precision(cell.precision)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, device=cell.device).to(dtype)

    def matrix_product(side: int) -> tuple[Call, torch.Tensor, float]:
        other = random(side, side)
        return other.matmul, random(side, side), 2.0 * side**3

    def convolution(batch: int) -> tuple[Call, torch.Tensor, float]:
        layout = engines.memory_format(cell.memory_format, 4)
        weight = random(_CHANNELS, _CHANNELS, _KERNEL, _KERNEL).contiguous(memory_format=layout)
        x = random(batch, _CHANNELS, _SIDE, _SIDE).contiguous(memory_format=layout)
        work = 2.0 * batch * (_CHANNELS * _SIDE * _KERNEL) ** 2
        return lambda x: functional.conv2d(x, weight, padding=1), x, work

    def copy(size_bytes: int) -> tuple[Call, torch.Tensor, float]:
        source = torch.zeros(size_bytes, dtype=torch.uint8, device=cell.device)
        return torch.empty_like(source).copy_, source, 2.0 * size_bytes

    with torch.inference_mode():
        one = random(1)
        dispatch_ns = min(clock.time_calls(one.add, [one] * _DISPATCHES) // _DISPATCHES for _ in range(_REPEATS))
        return Ceilings(
            matmul_flops=_reach(matrix_product, _MATRIX_SIDES, clock),
            convolution_flops=_reach(convolution, _CONVOLUTION_BATCHES, clock),
            copy_bytes=_reach(copy, _COPY_BYTES, clock),
            dispatch_ns=dispatch_ns,
        )


def _reach(make: Callable[[int], tuple[Call, torch.Tensor, float]], sizes: tuple[int, ...], clock: Clock) -> float:
    """Grow a kind of work until a call lasts long enough; return the most work done in a second."""
    best = 0.0
    for size in sizes:
        call, x, work = make(size)
        clock.time_calls(call, [x])
        fastest_ns = min(clock.time_calls(call, [x]) for _ in range(_REPEATS))
        best = max(best, work / max(1, fastest_ns) * 1e9)
        if fastest_ns >= _LONG_ENOUGH_NS:
            break
    return best
