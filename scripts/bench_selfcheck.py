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
from pathlib import Path
from statistics import median

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
    blocks = int(os.environ.get(BLOCKS_VARIABLE, str(BLOCKS)))
    return nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(blocks)))


def add_runs(
    store: Store,
    blocks: int,
    count: int,
) -> None:
    """Measure the network of so many blocks until the store holds so many runs."""
    os.environ[BLOCKS_VARIABLE] = str(blocks)
    grid = Grid(["bench_selfcheck.network"], modes=("latency",), input_size=INPUT)
    session.run_plan(plan(grid, CPU), CPU, replace(EFFORT, runs=count), store)
    for result in store.results.values():
        if result.failure:
            raise SystemExit(result.failure.message)


def take_turns() -> tuple[list[Comparison], Store]:
    """Measure a network, the same again and one that does a tenth more, a run of each in turn.

    Ends when neither comparison is unsure, or after :data:`MOST_RUNS`.

    Returns:
        The network compared with itself and with the slower one, and its own results.
    """
    stores = Store(None), Store(None), Store(None)
    verdicts: list[Comparison] = []
    for count in range(1, MOST_RUNS + 1):
        for store, blocks in zip(stores, (BLOCKS, BLOCKS, BLOCKS + EXTRA_BLOCKS), strict=True):
            add_runs(store, blocks, count)
        if count >= LEAST_RUNS and count % MORE_RUNS == 0:
            base, *others = (list(store.results.values()) for store in stores)
            verdicts = [comparison for other in others for comparison in compare(base, other)]
            if not any(comparison.verdict == "unsure" for comparison in verdicts):
                break
    return verdicts, stores[0]


def check_planted() -> bool:
    """Find what was planted, every time, and next to nothing else."""
    found = alarms = 0
    for trial in range(1, TRIALS + 1):
        with session.hold(CPU, wait_s=600):
            (same, slower), store = take_turns()
        alarms += same.verdict in ("slower", "faster")
        found += slower.verdict == "slower"
        (base,) = store.results.values()
        print(
            f"{trial:2}  {len(base.runs)} runs  same: {describe(same):47}  "
            f"a tenth more: {describe(slower)}",
            flush=True,
        )
    print(f"planted slow-down found {found} of {TRIALS} times, false alarms {alarms} of {TRIALS}")
    return found == TRIALS and alarms <= 1


def describe(comparison: Comparison) -> str:
    """Write a comparison in one line."""
    shift = comparison.shift
    interval = f"[{shift.low:.3f}, {shift.high:.3f}]" if shift else "[]"
    return f"{comparison.ratio:.3f} {interval} by {comparison.basis}: {comparison.verdict}"


def check_overhead() -> bool:
    """Time a call that does nothing: all that is left is the harness."""
    values = take_values(lambda _: None, [None, None], HostClock(), Effort(), least_ns=0).values_ns
    overhead_ns = median(values)
    percent = overhead_ns / MILLISECOND_NS * 100
    print(
        f"overhead of a timed call: {overhead_ns:.0f} ns, {percent:.3f} % of 1 ms "
        f"({len(values)} values)"
    )
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
        timer = benchmark.Timer("model(x)", globals={"model": model, "x": x}, num_threads=1)
        for _ in range(TRIALS):
            ours.append(take_values(model, [x], HostClock(), EFFORT, least_ns=0).values_ns)
            theirs.append(
                [time_s * 1e9 for time_s in timer.blocked_autorange(min_run_time=0.5).times]
            )
    intervals = []
    for name, runs in (("zoo bench", ours), ("torch.utils.benchmark", theirs)):
        low, high = bootstrap_interval(runs)
        centre = median([value for run in runs for value in run])
        intervals.append((low, centre, high))
        print(f"{name:22} {centre / 1e6:.4f} ms, 95 % interval [{low / 1e6:.4f}, {high / 1e6:.4f}]")
    (low, centre, high), (other_low, other_centre, other_high) = intervals
    return low <= other_centre <= high and other_low <= centre <= other_high


CHECKS = {"overhead": check_overhead, "agreement": check_agreement, "planted": check_planted}


def main() -> int:
    """Run the checks that are named, by default all."""
    parser = argparse.ArgumentParser(
        description="Check on this machine that zoo bench can be trusted."
    )
    parser.add_argument("checks", nargs="*", help=f"by default all: {', '.join(CHECKS)}")
    names = parser.parse_args().checks or list(CHECKS)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        parser.error(f"no check is called {unknown[0]}; there are {', '.join(CHECKS)}")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    failed = [name for name in names if not CHECKS[name]()]
    for name in names:
        print(f"{name}: {'FAILED' if name in failed else 'passed'}")
    if failed:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
