"""The devices that torch finds here, and the one that a user means."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_HALVES = ("fp16", "bf16", "fp16-autocast", "bf16-autocast")
_CPU_PRECISIONS = ("fp32", *_HALVES, "int8")
_MPS_PRECISIONS = ("fp32", *_HALVES)
_TF32_CAPABILITY = (8, 0)
_PROC = Path("/proc")
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"), Path("/dev/dxg"))
"""What the drivers of NVIDIA's and AMD's GPUs offer to programs, the last one under Windows."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device that torch can use here."""

    name: str
    """As torch writes it: ``"cpu"``, ``"cuda:0"``, ``"mps"``."""
    title: str
    """Model of the chip."""
    precisions: tuple[str, ...]
    memory_bytes: int | None = None
    driver: str | None = None
    uuid: str | None = None
    """How NVML knows a CUDA device, whatever ``CUDA_VISIBLE_DEVICES`` calls it."""

    @property
    def kind(self) -> str:
        """``"cuda"`` of ``"cuda:0"``."""
        return self.name.partition(":")[0]


def may_have_accelerator() -> bool:
    """Tell without torch whether it could find more than the CPU: a driver has to be there."""
    import ctypes  # most commands need no device

    is_driven = any(driver.exists() for driver in _DRIVERS)
    if is_driven or sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def device_names() -> list[str]:
    """Name the devices that exist, the fastest kind first."""
    import torch

    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return [*names, "cpu"]


def choose_name(
    wanted: str,
    names: Sequence[str],
) -> str:
    """Choose a device: ``"auto"`` is the first, ``"cuda"`` the first of its kind.

    >>> choose_name("cuda", ["cuda:0", "cuda:1", "cpu"])
    'cuda:0'

    Raises:
        DeviceError: There is no such device; lists those that exist.
    """
    if wanted == "auto":
        return names[0]
    for name in names:
        if wanted in (name, name.partition(":")[0]):
            return name
    raise DeviceError(wanted, "torch finds no such device", names)


def find_device(wanted: str = "auto") -> torch.device:
    """Return the device that a user means.

    Args:
        wanted: ``"auto"`` for the fastest, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.

    Raises:
        DeviceError: There is no such device; lists those that exist.
    """
    import torch

    return torch.device(choose_name(wanted, device_names()))


def list_devices() -> list[Device]:
    """Describe the devices that exist, the fastest kind first."""
    return [describe_device(name) for name in device_names()]


def describe_device(name: str) -> Device:
    """Describe one device; asking about the CPU touches no other."""
    if name == "cpu":
        return Device("cpu", cpu_title(), _CPU_PRECISIONS, available_bytes())
    if name == "mps":
        import torch

        title = f"{cpu_title()} GPU"
        return Device("mps", title, _MPS_PRECISIONS, torch.mps.recommended_max_memory())
    return _cuda_device(name)


def _cuda_device(name: str) -> Device:
    import torch

    properties = torch.cuda.get_device_properties(name)
    precisions = ["fp32", "fp16", "fp16-autocast"]
    with torch.cuda.device(name):
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if has_bf16:
        precisions += ["bf16", "bf16-autocast"]
    if (properties.major, properties.minor) >= _TF32_CAPABILITY:
        precisions.append("tf32")
    return Device(
        name=name,
        title=properties.name,
        precisions=tuple(precisions),
        memory_bytes=properties.total_memory,
        driver=driver_version(),
        uuid=f"GPU-{properties.uuid}",
    )


def driver_version() -> str | None:
    """Name the version of NVIDIA's driver."""
    nvml = open_nvml()
    if nvml is None:
        return None
    return str(nvml.nvmlSystemGetDriverVersion())


def open_nvml() -> Any:
    """Start NVML (again and again is allowed), or return ``None`` where there is none."""
    try:
        import pynvml  # type: ignore[import-untyped]  # has no stubs
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml


def cpu_title() -> str:
    """Name the model of the CPU."""
    fallback = platform.processor() or platform.machine()
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return fallback
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    if names:
        return names[0]
    return fallback


def usable_cpus() -> int:
    """Count the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_bytes() -> int | None:
    """Tell how much memory programs can still have without swapping."""
    return proc_bytes(_PROC / "meminfo", "MemAvailable")


def proc_bytes(
    file: Path,
    key: str,
) -> int | None:
    """Read a size in kilobytes from a file of /proc; ``None`` where the system has none."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None
