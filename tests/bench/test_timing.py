"""The timing loop, on a clock that says what the test wants."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from zoo.bench.records import Effort, Memory
from zoo.bench.timing import take_values

MS = 1_000_000


class ScriptedClock:
    """Tells durations from a list, for each call of the model, and keeps what it was given."""

    def __init__(self, durations_ms: Sequence[float], then_ms: float) -> None:
        """After the list, every call lasts ``then_ms``."""
        self.durations_ms = itertools.chain(durations_ms, itertools.repeat(then_ms))
        self.inputs: list[Any] = []

    def time_calls(self, call: Callable[[Any], Any], inputs: Sequence[Any]) -> int:
        """Call, and tell the scripted duration."""
        for x in inputs:
            call(x)
        self.inputs += inputs
        return round(sum(next(self.durations_ms) for _ in inputs) * MS)

    def synchronise(self) -> None:
        """Nothing to wait for."""

    def reset_peak(self) -> None:
        """No memory."""

    def peak(self, before_bytes: int | None) -> Memory:
        """No memory."""
        return Memory(before_bytes)


EFFORT = Effort(measure_s=0.001, warmup_limit_s=10, least_values=5, most_values=50)


def test_warm_up_goes_on_until_the_values_are_steady() -> None:
    """The first call is slow, then it falls from 400 to 100 ms.

    The falling values are kept apart.
    """
    clock = ScriptedClock([900, 400, 200, 150], then_ms=100)
    values = take_values(lambda _: None, ["x"], clock, EFFORT, least_ns=0)
    assert values.is_steady
    assert values.warmup_ns[:5] == (900 * MS, 400 * MS, 200 * MS, 150 * MS, 100 * MS)
    assert set(values.values_ns) == {100 * MS}
    assert 5 <= len(values.values_ns) <= 50


def test_warm_up_that_never_settles_ends_at_its_limit_and_says_so() -> None:
    """Durations that double for ever."""
    clock = ScriptedClock([2.0**step for step in range(1000)], then_ms=1)
    values = take_values(
        lambda _: None, ["x"], clock, Effort(warmup_limit_s=0.0, measure_s=0), least_ns=0
    )
    assert not values.is_steady
    assert len(values.values_ns) == 5


def test_values_of_many_short_calls_and_of_few_long_ones_can_be_steady() -> None:
    """A value of 40 calls of 0.5 ms lasts 20 ms.

    Calls of a second are taken six times, whatever the limit says.
    """
    short = take_values(
        lambda _: None, ["x"], ScriptedClock([], then_ms=0.5), EFFORT, least_ns=20 * MS
    )
    assert (short.is_steady, short.loops, len(short.warmup_ns)) == (True, 40, 7)
    hasty = Effort(warmup_limit_s=0.0, measure_s=0)
    long = take_values(lambda _: None, ["x"], ScriptedClock([], then_ms=1000), hasty, least_ns=0)
    assert (long.is_steady, len(long.warmup_ns)) == (True, 7)


def test_a_value_loops_until_it_lasts_long_enough() -> None:
    """Calls of 3 ms and values of 20 ms: seven calls; the value is the time of one."""
    clock = ScriptedClock([], then_ms=3)
    values = take_values(lambda _: None, ["x"], clock, EFFORT, least_ns=20 * MS)
    assert values.loops == 7
    assert set(values.values_ns) == {3 * MS}


def test_inputs_are_used_in_turn() -> None:
    """No call gets the input of the call before."""
    clock = ScriptedClock([], then_ms=60)
    take_values(lambda _: None, ["a", "b", "c"], clock, EFFORT, least_ns=0)
    assert "".join(clock.inputs).startswith("abcabcabcab")


def test_short_calls_stop_at_the_most_values() -> None:
    """A call that takes no time would otherwise fill memory."""
    values = take_values(
        lambda _: None, ["x"], ScriptedClock([], then_ms=50), Effort(measure_s=60, most_values=7), 0
    )
    assert len(values.values_ns) == 7


def test_the_yardstick_is_timed_around_the_values_and_counts_for_none() -> None:
    """A call of the model is 1 ms, save the three that bring its data back: they are warm-up."""
    clock = ScriptedClock([100] * 7 + [50] * 3, then_ms=1)
    moments: list[int] = []

    def time_yardstick() -> int:
        moments.append(len(clock.inputs))
        return 7

    values = take_values(lambda _: None, ["x"], clock, EFFORT, 0, time_yardstick)
    warm_ups = len(values.warmup_ns)
    assert values.yardsticks_ns == (7, 7)
    assert values.warmup_ns[-3:] == (50 * MS,) * 3
    assert set(values.values_ns) == {MS}
    assert moments == [warm_ups - 3, warm_ups + len(values.values_ns)]
