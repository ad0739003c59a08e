"""Do something again and again, not at the same moment as everybody else."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\s*")
_DURATION = re.compile(f"(?:{_PART.pattern})+")


def parse_duration(
    option: str,
    text: str,
) -> float:
    """Read a time such as ``30m``, ``6h``, ``1h30m`` or ``1d`` and return its seconds.

    Raises:
        UsageError: It is none, or nothing.

    >>> parse_duration("--every", "6h")
    21600.0
    """
    given = text.strip().lower()
    seconds = 0.0
    if _DURATION.fullmatch(given):
        for number, unit in _PART.findall(given):
            seconds += float(number) * _UNITS_S[unit]
    if not 0 < seconds < math.inf:
        raise UsageError(f"{option} takes a time such as 30m, 6h or 1d, got {text!r:.40}")
    return seconds


def pause_s(
    every_s: float,
    jitter_s: float,
    took_s: float,
    chance: float,
) -> float:
    """Return how long to wait before the next round.

    Args:
        every_s: From the beginning of one round to that of the next.
        jitter_s: How much later it may be at most.
        took_s: How long the last round has taken.
        chance: How much of that, 0 to 1.

    >>> pause_s(3600, 600, 60, 0.5)
    3840.0
    """
    return max(0.0, every_s - took_s) + jitter_s * chance


def repeat(
    work: Callable[[], None],
    next_pause_s: Callable[[float], float],
    wait: Callable[[float], bool],
    clock: Callable[[], float],
) -> None:
    """Work, wait, and work again, until the wait is broken off.

    Args:
        work: One round; it handles its own failures.
        next_pause_s: How long to wait after a round that took so many seconds.
        wait: Waits so many seconds; true if it was broken off.
        clock: Returns seconds that never go back.
    """
    while True:
        begun_s = clock()
        work()
        if wait(next_pause_s(clock() - begun_s)):
            return
