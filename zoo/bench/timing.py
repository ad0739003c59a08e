"""The timing loop of one run: warm up until steady, then take values."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.bench import machine
from zoo.bench.records import Conditions, Effort
from zoo.bench.statistics import is_steady

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.bench.clocks import Clock


_LEAST_WARMUPS = 7
"""Calls before a limit ends the warm-up: the first, and two windows of three to hold against each
other."""
_CALLS_AFTER_YARDSTICK = 3


@dataclass(frozen=True, slots=True)
class Values:
    """The timings of one run, each in nanoseconds for one call."""

    warmup_ns: tuple[int, ...]
    values_ns: tuple[int, ...]
    loops: int
    is_steady: bool
    between_ns: tuple[int, int]
    """The monotonic clock before the first value and after the last."""
    conditions: Conditions
    yardsticks_ns: tuple[int, ...] = ()
    """What the machine needed for a fixed piece of work, before the first value and after the
    last."""


def take_values(
    call: Callable[[Any], Any],
    inputs: Sequence[Any],
    clock: Clock,
    effort: Effort,
    least_ns: int,
    time_yardstick: Callable[[], int] | None = None,
) -> Values:
    """Warm up until the values are steady, then take values for the time that is wanted.

    Args:
        call: What to time.
        inputs: Used in turn.
        clock: Of their device.
        effort: How long.
        least_ns: How long one value must last; it loops as often as that takes.
        time_yardstick: Times a fixed piece of work, before the values and after them.
    """
    turn = itertools.cycle(inputs)
    first_ns = clock.time_calls(call, [next(turn)])
    once_ns = clock.time_calls(call, [next(turn)])
    loops = max(1, -(-least_ns // max(1, once_ns)))

    def take() -> int:
        return clock.time_calls(call, list(itertools.islice(turn, loops))) // loops

    warmup_ns = [first_ns, once_ns]
    start_ns = time.monotonic_ns()
    limit_ns = start_ns + effort.warmup_limit_s * 1e9
    while True:
        lasted_ns = [taken_ns * loops for taken_ns in warmup_ns[1:]]
        has_settled = is_steady(lasted_ns)
        has_warmed_up = len(warmup_ns) >= _LEAST_WARMUPS
        is_over = has_warmed_up and time.monotonic_ns() >= limit_ns
        if has_settled or is_over:
            break
        warmup_ns.append(take())

    yardsticks_ns: list[int] = []
    if time_yardstick is not None:
        yardsticks_ns.append(time_yardstick())
        # The work has used the caches, and its threads spin for a moment.
        warmup_ns += [take() for _ in range(_CALLS_AFTER_YARDSTICK)]

    values_ns: list[int] = []
    before = machine.CpuClock.read()
    start_ns = time.monotonic_ns()
    limit_ns = start_ns + effort.measure_s * 1e9
    while len(values_ns) < effort.most_values or len(values_ns) < effort.least_values:
        is_over = time.monotonic_ns() >= limit_ns
        if is_over and len(values_ns) >= effort.least_values:
            break
        values_ns.append(take())
    end_ns = time.monotonic_ns()
    conditions = conditions_since(before)
    if time_yardstick is not None:
        yardsticks_ns.append(time_yardstick())

    return Values(
        warmup_ns=tuple(warmup_ns),
        values_ns=tuple(values_ns),
        loops=loops,
        is_steady=has_settled,
        between_ns=(start_ns, end_ns),
        conditions=conditions,
        yardsticks_ns=tuple(yardsticks_ns),
    )


def conditions_since(before: machine.CpuClock) -> Conditions:
    """Tell what else happened on the machine since a moment."""
    now = machine.CpuClock.read()
    stolen_percent, others_cpus = machine.contention(before, now)
    return Conditions(
        stolen_percent,
        others_cpus,
        machine.load_1m(),
        machine.cpu_mhz(),
    )
