"""Clocks, temperature, power and throttling of an NVIDIA device, read by the waiting parent.

Without the package nvidia-ml-py or without a driver nothing is sampled, and the fields stay
unknown.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, Self

from zoo.devices import open_nvml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.bench.records import Conditions
    from zoo.devices import Device

_PERIOD_S = 0.1
_THROTTLE = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""Bits of NVML's clock event reasons that make runs differ. A power cap (0x04) is usual for a
device at work."""
_BUSY_PERCENT = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """What NVML said at one moment."""

    at_ns: int
    """``time.monotonic_ns()``."""
    mhz: float
    celsius: float
    watts: float
    reasons: int
    """NVML's bit field of clock event reasons."""


def add_samples(
    conditions: Conditions,
    samples: Sequence[Sample],
    between_ns: Sequence[int],
) -> Conditions:
    """Add to a run's conditions what was sampled while its values were taken."""
    start_ns, end_ns = between_ns
    inside = [sample for sample in samples if start_ns <= sample.at_ns <= end_ns]
    if not inside:
        return conditions

    seen = 0
    for sample in inside:
        seen |= sample.reasons
    throttle = [name for bit, name in _THROTTLE.items() if seen & bit]

    return replace(
        conditions,
        gpu_mhz_lowest=min(sample.mhz for sample in inside),
        gpu_mhz_highest=max(sample.mhz for sample in inside),
        gpu_celsius_highest=max(sample.celsius for sample in inside),
        gpu_watts_mean=fmean(sample.watts for sample in inside),
        gpu_throttle=tuple(throttle),
    )


class Sampler:
    """Sample a device ten times a second in a thread of this process.

    On a device without NVML do nothing.
    """

    def __init__(self, device: Device) -> None:
        """Find the device in NVML."""
        self.samples: list[Sample] = []
        self._handle = _find(device)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin to sample."""
        if self._handle is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and wait for the last sample."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            sample = _read(self._handle)
            if sample is not None:
                self.samples.append(sample)


def is_busy(device: Device) -> bool:
    """Tell whether somebody computes on a device now; ``False`` where NVML does not know it."""
    handle, nvml = _find(device), open_nvml()
    if handle is None or nvml is None:
        return False
    try:
        return bool(nvml.nvmlDeviceGetUtilizationRates(handle).gpu >= _BUSY_PERCENT)
    except nvml.NVMLError:  # a slice of a device does not tell
        return False


def _find(device: Device) -> Any:
    nvml = open_nvml() if device.uuid else None
    if nvml is None:
        return None
    try:
        return nvml.nvmlDeviceGetHandleByUUID(device.uuid)
    except nvml.NVMLError:
        return None


def _read(handle: Any) -> Sample | None:
    nvml = open_nvml()
    if nvml is None:
        return None
    try:
        return Sample(
            at_ns=time.monotonic_ns(),
            mhz=nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM),
            celsius=nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
            watts=nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            reasons=nvml.nvmlDeviceGetCurrentClocksEventReasons(handle),
        )
    except nvml.NVMLError:
        return None
