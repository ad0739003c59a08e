"""Facts of this machine and of what else runs on it, read without torch."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "torchvision", "onnxruntime", "openvino", "torch-tensorrt", "torch-zoo")
_PROC = Path("/proc")
_COLUMNS_BUSY = (0, 1, 2, 5, 6)
"""Columns of a ``cpu`` line of /proc/stat that are work: user, nice, system, irq, softirq."""
_COLUMN_STOLEN = 7


@dataclass(frozen=True, slots=True)
class CpuClock:
    """CPU time used on the CPUs that this process may use, and by this process, at one moment."""

    wall_s: float
    own_s: float
    busy_s: float | None
    stolen_s: float | None
    all_s: float | None

    @classmethod
    def read(cls) -> CpuClock:
        """Read the clocks now; what a system does not tell is ``None``."""
        now, own = time.monotonic(), time.process_time()
        try:
            lines = (_PROC / "stat").read_text().splitlines()
            ticks_a_second = os.sysconf("SC_CLK_TCK")
            names = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        except (OSError, ValueError, AttributeError):
            return cls(now, own, None, None, None)
        seconds = [parse_cpu_line(line, ticks_a_second) for line in lines if line.partition(" ")[0] in names]
        return cls(now, own, *(sum(column) for column in zip(*seconds, strict=True)))


def parse_cpu_line(line: str, ticks_a_second: int) -> tuple[float, float, float]:
    """Read the line of one CPU in /proc/stat.

    Returns:
        Seconds of work, seconds stolen by the hypervisor, and all seconds.

    >>> parse_cpu_line("cpu0 100 0 50 800 20 0 10 20 0 0", 100)
    (1.6, 0.2, 10.0)
    """
    ticks = [int(column) for column in line.split()[1:9]]
    return (
        sum(ticks[index] for index in _COLUMNS_BUSY) / ticks_a_second,
        ticks[_COLUMN_STOLEN] / ticks_a_second,
        sum(ticks) / ticks_a_second,
    )


def contention(before: CpuClock, after: CpuClock) -> tuple[float | None, float | None]:
    """Tell what others took between two moments.

    Returns:
        Percent of these CPUs' time that was stolen, and how many of them other programs kept busy on average.
    """
    wall_s = after.wall_s - before.wall_s
    if before.busy_s is None or after.busy_s is None or wall_s <= 0:
        return None, None
    stolen_s = (after.stolen_s or 0) - (before.stolen_s or 0)
    all_s = (after.all_s or 0) - (before.all_s or 0)
    others_s = (after.busy_s - before.busy_s) - (after.own_s - before.own_s)
    return (100 * stolen_s / all_s if all_s > 0 else None), max(0.0, others_s / wall_s)


def cpu_mhz() -> float | None:
    """Read the clock of the first CPU now."""
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
        return next((float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")), None)
    except (OSError, ValueError):
        return None


def load_1m() -> float | None:
    """Read how many programs wanted a CPU, averaged over the last minute."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def cpu_title() -> str:
    """Name the model of the CPU."""
    try:
        lines = (_PROC / "cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def usable_cpus() -> int:
    """Count the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allocator_settings() -> str:
    """List the environment variables that choose or steer the memory allocator of this process."""
    preloaded = [Path(library).name for library in re.split(r"[: ]", os.environ.get("LD_PRELOAD", "")) if library]
    names = sorted(name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES")))
    return " ".join([*preloaded, *(f"{name}={os.environ[name]}" for name in names)])


def system_title() -> str:
    """Name the operating system: ``Linux 6.1.0 x86_64``."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def package_versions() -> dict[str, str]:
    """List the versions of the packages that a result depends on; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Name the commit of the checkout that holds zoo, with ``+`` if files differ from it."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        name = _git(folder, "rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed words
    return done.stdout.strip()


def resident_bytes() -> int | None:
    """Tell how much memory of this process is resident now."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int | None:
    """Tell the most memory that was resident since :func:`reset_peak_resident`, or since the process began."""
    return _status_bytes("VmHWM")


def reset_peak_resident() -> None:
    """Begin a new peak; without effect where the system cannot."""
    try:
        (_PROC / "self/clear_refs").write_text("5")
    except OSError:
        return


def available_bytes() -> int | None:
    """Tell how much memory programs can still have without swapping."""
    return _kilobytes(_PROC / "meminfo", "MemAvailable")


def limit_memory() -> None:
    """Let this process fail to allocate more than the machine has left, before the system kills it for that."""
    held_bytes, free_bytes = _status_bytes("VmSize"), available_bytes()
    if held_bytes is None or free_bytes is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted_bytes = held_bytes + free_bytes
    limit_bytes = wanted_bytes if hard == resource.RLIM_INFINITY else min(wanted_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))


def _status_bytes(key: str) -> int | None:
    return _kilobytes(_PROC / "self/status", key)


def _kilobytes(file: Path, key: str) -> int | None:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), None)
