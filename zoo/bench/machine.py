"""What else runs on this machine, and what this process holds of it, read without torch."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from zoo.devices import available_bytes, proc_bytes

_PROC = Path("/proc")
_STATUS = _PROC / "self/status"
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
        now = time.monotonic()
        own_s = time.process_time()
        try:
            lines = (_PROC / "stat").read_text().splitlines()
            ticks_a_second = os.sysconf("SC_CLK_TCK")
            usable = os.sched_getaffinity(0)
        except (OSError, ValueError, AttributeError):
            return cls(now, own_s, None, None, None)

        usable_names = {f"cpu{number}" for number in usable}
        busy_s = 0.0
        stolen_s = 0.0
        all_s = 0.0
        for line in lines:
            name, _, _ = line.partition(" ")
            if name not in usable_names:
                continue

            busy, stolen, all_ = parse_cpu_line(line, ticks_a_second)
            busy_s += busy
            stolen_s += stolen
            all_s += all_

        return cls(now, own_s, busy_s, stolen_s, all_s)


def parse_cpu_line(
    line: str,
    ticks_a_second: int,
) -> tuple[float, float, float]:
    """Read the line of one CPU in /proc/stat.

    Returns:
        Seconds of work, seconds stolen by the hypervisor, and all seconds.

    >>> parse_cpu_line("cpu0 100 0 50 800 20 0 10 20 0 0", 100)
    (1.6, 0.2, 10.0)
    """
    columns = line.split()[1:9]
    ticks = list(map(int, columns))
    busy = sum(ticks[index] for index in _COLUMNS_BUSY)
    stolen = ticks[_COLUMN_STOLEN]
    return (
        busy / ticks_a_second,
        stolen / ticks_a_second,
        sum(ticks) / ticks_a_second,
    )


def contention(
    before: CpuClock,
    after: CpuClock,
) -> tuple[float | None, float | None]:
    """Tell what others took between two moments.

    Returns:
        Percent of these CPUs' time that was stolen, and how many of them other programs kept busy
        on average.
    """
    wall_s = after.wall_s - before.wall_s
    busy_s = _difference(before.busy_s, after.busy_s)
    if busy_s is None or wall_s <= 0:
        return None, None

    stolen_percent = None
    stolen_s = _difference(before.stolen_s, after.stolen_s)
    all_s = _difference(before.all_s, after.all_s)
    if stolen_s is not None and all_s:
        stolen_percent = 100 * stolen_s / all_s

    own_s = after.own_s - before.own_s
    others_s = busy_s - own_s
    others_cpus = max(0.0, others_s / wall_s)
    return stolen_percent, others_cpus


def _difference(
    before: float | None,
    after: float | None,
) -> float | None:
    """Subtract two readings; nothing where one of them is missing."""
    if before is None or after is None:
        return None
    return after - before


def cpu_mhz() -> float | None:
    """Read the clock of the first CPU now."""
    try:
        text = (_PROC / "cpuinfo").read_text()
        for line in text.splitlines():
            if line.startswith("cpu MHz"):
                _, _, mhz = line.partition(":")
                return float(mhz)
    except (OSError, ValueError):
        return None
    return None


def load_1m() -> float | None:
    """Read how many programs wanted a CPU, averaged over the last minute."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


def resident_bytes() -> int | None:
    """Tell how much memory of this process is resident now."""
    return proc_bytes(_STATUS, "VmRSS")


def peak_resident_bytes() -> int | None:
    """Tell the most memory that was resident since the last reset, or since the process began."""
    return proc_bytes(_STATUS, "VmHWM")


def reset_peak_resident() -> None:
    """Begin a new peak; without effect where the system cannot."""
    try:
        (_PROC / "self/clear_refs").write_text("5")
    except OSError:
        return


def limit_memory() -> None:
    """Let this process fail to allocate more than the machine has left, before it is killed."""
    held_bytes = proc_bytes(_STATUS, "VmSize")
    free_bytes = available_bytes()
    if held_bytes is None or free_bytes is None:
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit_bytes = held_bytes + free_bytes
    if hard != resource.RLIM_INFINITY:
        limit_bytes = min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))
