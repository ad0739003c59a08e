"""Check on this machine that ``zoo bench`` can be trusted.

Prints what was found and exits with 1 where it cannot.

    python scripts/bench_selfcheck.py                    # all, 15 minutes on a quiet machine
    python scripts/bench_selfcheck.py overhead agreement

- ``planted``: a network with a tenth more work is called slower, ten of ten times; two measurements
  of the same network are called different at most once in ten. They take turns, and while a
  comparison is unsure, runs are added, as the guide advises: on a virtual machine the same process
  can be a fifth slower than the one before and after it.
- ``overhead``: what the harness adds to a timed call is less than 1 % of a call of 1 ms.
- ``agreement``: ``torch.utils.benchmark`` finds the same time for the same network, within both
  intervals.

Results depend on what else the machine does; the tests in ``tests/bench`` check the same code
without a clock.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils import benchmark

from zoo.bench import session
from zoo.bench.clocks import HostClock
from zoo.bench.compare import Comparison, compare
from zoo.bench.files import Store
from zoo.bench.plan import Grid, plan
from zoo.bench.records import Effort
from zoo.bench.statistics import bootstrap_interval
from zoo.bench.timing import take_values
from zoo.devices import Device, cpu_title

if TYPE_CHECKING:
    from collections.abc import Sequence

TRIALS = 10
LEAST_RUNS = 10
MORE_RUNS = 5
MOST_RUNS = 40
BLOCKS = 20
EXTRA_BLOCKS = 2
INPUT = (16, 32, 32)
BLOCKS_VARIABLE = "ZOO_SELFCHECK_BLOCKS"
EFFORT = Effort(measure_s=0.3, warmup_limit_s=1.0, has_ceilings=False)
MILLISECOND_NS = 1_000_000
CPU = Device("cpu", cpu_title(), ("fp32",))


def network() -> nn.Module:
    """Make a chain of equal convolutions, about a millisecond.

    The worker builds it by its dotted path.
    """
    wanted = os.environ.get(BLOCKS_VARIABLE)
    blocks = int(wanted) if wanted else BLOCKS
    model = nn.Sequential()
    for _ in range(blocks):
        layer = nn.Conv2d(16, 16, 3, padding=1)
        model.append(layer)
    return model


def add_runs(
    store: Store,
    blocks: int,
    count: int,
) -> None:
    """Measure the network of so many blocks until the store holds so many runs."""
    os.environ[BLOCKS_VARIABLE] = str(blocks)
    grid = Grid(
        ["bench_selfcheck.network"],
        modes=("latency",),
        input_size=INPUT,
    )
    cases = plan(grid, CPU)
    effort = replace(EFFORT, runs=count)
    session.run_plan(cases, CPU, effort, store)

    for result in store.results.values():
        if result.failure:
            raise SystemExit(result.failure.message)


def take_turns() -> tuple[list[Comparison], Store]:
    """Measure a network, the same again and one that does a tenth more, a run of each in turn.

    Ends when neither comparison is unsure, or after :data:`MOST_RUNS`.

    Returns:
        The network compared with itself and with the slower one, and its own results.
    """
    network = Store(None)
    same = Store(None)
    slower = Store(None)
    verdicts: list[Comparison] = []

    for count in range(1, MOST_RUNS + 1):
        add_runs(network, BLOCKS, count)
        add_runs(same, BLOCKS, count)
        add_runs(slower, BLOCKS + EXTRA_BLOCKS, count)
        is_early = count < LEAST_RUNS
        if is_early or count % MORE_RUNS:
            continue

        verdicts = []
        base = list(network.results.values())
        for store in (same, slower):
            other = list(store.results.values())
            verdicts += compare(base, other)

        words = {comparison.verdict for comparison in verdicts}
        if "unsure" not in words:
            break
    return verdicts, network


def check_planted() -> bool:
    """Find what was planted, every time, and next to nothing else."""
    found = 0
    alarms = 0
    for trial in range(1, TRIALS + 1):
        with session.hold(CPU, wait_s=600):
            (same, slower), store = take_turns()
        alarms += same.verdict in ("slower", "faster")
        found += slower.verdict == "slower"

        (base,) = store.results.values()
        runs = len(base.runs)
        of_same = describe(same)
        of_slower = describe(slower)
        print(
            f"{trial:2}  {runs} runs  same: {of_same:47}  a tenth more: {of_slower}",
            flush=True,
        )

    story = f"planted slow-down found {found} of {TRIALS} times"
    print(f"{story}, false alarms {alarms} of {TRIALS}")
    return found == TRIALS and alarms <= 1


def describe(comparison: Comparison) -> str:
    """Write a comparison in one line."""
    shift = comparison.shift
    interval = "[]"
    if shift:
        low = f"{shift.low:.3f}"
        high = f"{shift.high:.3f}"
        interval = f"[{low}, {high}]"
    verdict = f"by {comparison.basis}: {comparison.verdict}"
    return f"{comparison.ratio:.3f} {interval} {verdict}"


def check_overhead() -> bool:
    """Time a call that does nothing: all that is left is the harness."""
    taken = take_values(
        lambda _: None,
        [None, None],
        HostClock(),
        Effort(),
        least_ns=0,
    )
    values = taken.values_ns
    count = len(values)
    overhead_ns = median(values)
    percent = overhead_ns / MILLISECOND_NS * 100

    share = f"{percent:.3f} % of 1 ms"
    print(f"overhead of a timed call: {overhead_ns:.0f} ns, {share} ({count} values)")
    return percent < 1


def check_agreement() -> bool:
    """Take turns with ``torch.utils.benchmark`` on one network.

    So both see the same machine.
    """
    torch.set_num_threads(1)
    model = network().eval()
    x = torch.randn(1, *INPUT)
    ours: list[tuple[int, ...]] = []
    theirs: list[list[float]] = []
    with torch.inference_mode():
        names = {"model": model, "x": x}
        timer = benchmark.Timer("model(x)", globals=names, num_threads=1)
        for _ in range(TRIALS):
            taken = take_values(model, [x], HostClock(), EFFORT, least_ns=0)
            ours.append(taken.values_ns)

            measured = timer.blocked_autorange(min_run_time=0.5)
            times_ns = [time_s * 1e9 for time_s in measured.times]
            theirs.append(times_ns)

    low, center, high = show_interval("zoo bench", ours)
    other_low, other_center, other_high = show_interval("torch.utils.benchmark", theirs)
    is_theirs_in_ours = low <= other_center <= high
    is_ours_in_theirs = other_low <= center <= other_high
    return is_theirs_in_ours and is_ours_in_theirs


def show_interval(name: str, runs: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Print the median of all values and its interval; return low end, median and high end."""
    low, high = bootstrap_interval(runs)
    every = list(chain.from_iterable(runs))
    center = median(every)

    low_ms = low / MILLISECOND_NS
    center_ms = center / MILLISECOND_NS
    high_ms = high / MILLISECOND_NS
    interval = f"[{low_ms:.4f}, {high_ms:.4f}]"
    print(f"{name:22} {center_ms:.4f} ms, 95 % interval {interval}")
    return low, center, high


CHECKS = {"overhead": check_overhead, "agreement": check_agreement, "planted": check_planted}


def main() -> int:
    """Run the checks that are named, by default all."""
    parser = argparse.ArgumentParser(
        description="Check on this machine that zoo bench can be trusted."
    )
    known = ", ".join(CHECKS)
    parser.add_argument("checks", nargs="*", help=f"by default all: {known}")
    options = parser.parse_args()
    names = options.checks or list(CHECKS)
    for name in names:
        if name not in CHECKS:
            parser.error(f"no check is called {name}; there are {known}")

    folder = Path(__file__).parent
    os.environ["PYTHONPATH"] = str(folder)
    failed = []
    for name in names:
        check = CHECKS[name]
        if not check():
            failed.append(name)

    for name in names:
        outcome = "FAILED" if name in failed else "passed"
        print(f"{name}: {outcome}")
    if failed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
