"""Check on this machine that ``zoo bench`` can be trusted; prints what was found and exits with 1 where it cannot.

    python scripts/bench_selfcheck.py                    # all of it, about 15 minutes on a quiet machine
    python scripts/bench_selfcheck.py overhead agreement

- ``planted``: a network with a tenth more work is called slower, ten of ten times; two measurements of the same
  network are called different at most once in ten.
- ``overhead``: what the harness adds to a timed call is less than 1 % of a call of 1 ms.
- ``agreement``: ``torch.utils.benchmark`` finds the same time for the same network, within both intervals.

Results depend on what else the machine does; the tests in ``tests/bench`` check the same code without a clock.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.utils import benchmark

from zoo.bench import session
from zoo.bench.compare import compare
from zoo.bench.devices import HostClock
from zoo.bench.files import Store
from zoo.bench.plan import Grid, plan
from zoo.bench.records import Effort, Result
from zoo.bench.stability import run_faults
from zoo.bench.statistics import bootstrap_interval
from zoo.bench.timing import take_values

TRIALS, RUNS = 10, 10
BLOCKS, EXTRA_BLOCKS = 20, 2
INPUT = (16, 32, 32)
BLOCKS_VARIABLE = "ZOO_SELFCHECK_BLOCKS"
EFFORT = Effort(runs=RUNS, measure_s=0.3, warmup_limit_s=1.0, has_ceilings=False)
MILLISECOND_NS = 1_000_000


def network() -> nn.Module:
    """Make a chain of equal convolutions, about a millisecond; the worker builds it by its dotted path."""
    blocks = int(os.environ.get(BLOCKS_VARIABLE, str(BLOCKS)))
    return nn.Sequential(*(nn.Conv2d(16, 16, 3, padding=1) for _ in range(blocks)))


def measure(blocks: int) -> Result:
    """Measure the network with so many blocks, in a session of its own."""
    os.environ[BLOCKS_VARIABLE] = str(blocks)
    cpu = session.choose_device("cpu", session.find_devices())
    grid = Grid(["bench_selfcheck.network"], modes=("latency",), input_size=INPUT)
    store = Store(None)
    with session.hold(cpu, wait_s=600):
        session.run_plan(plan(grid, cpu), cpu, EFFORT, store)
    (result,) = store.results.values()
    if result.failure:
        raise SystemExit(result.failure.message)
    return result


def check_planted() -> bool:
    """Compare the network with itself and with one that does a tenth more, each measured one after the other."""
    found = alarms = 0
    for trial in range(1, TRIALS + 1):
        base, same, slower = measure(BLOCKS), measure(BLOCKS), measure(BLOCKS + EXTRA_BLOCKS)
        verdicts = []
        for other in (same, slower):
            (comparison,) = compare([base], [other])
            shift = comparison.shift
            interval = f"[{shift.low:.3f}, {shift.high:.3f}]" if shift else "[]"
            verdicts.append(f"{comparison.ratio:.3f} {interval} by {comparison.basis}: {comparison.verdict}")
        alarms += verdicts[0].endswith(("slower", "faster"))
        found += verdicts[1].endswith("slower")
        disturbed = sum(bool(run_faults(run, result)) for result in (base, same, slower) for run in result.runs)
        print(f"{trial:2}  same: {verdicts[0]:42} a tenth more: {verdicts[1]:42} disturbed: {disturbed}/{3 * RUNS}")
    print(f"planted slow-down found {found} of {TRIALS} times, false alarms {alarms} of {TRIALS}")
    return found == TRIALS and alarms <= 1


def check_overhead() -> bool:
    """Time a call that does nothing: all that is left is the harness."""
    values = take_values(lambda _: None, [None, None], HostClock(), Effort(), least_ns=0).values_ns
    overhead_ns = median(values)
    percent = overhead_ns / MILLISECOND_NS * 100
    print(f"overhead of a timed call: {overhead_ns:.0f} ns, {percent:.3f} % of 1 ms ({len(values)} values)")
    return percent < 1


def check_agreement() -> bool:
    """Take turns with ``torch.utils.benchmark`` on one network, so that both see the same machine."""
    torch.set_num_threads(1)
    model, x = network().eval(), torch.randn(1, *INPUT)
    ours: list[tuple[int, ...]] = []
    theirs: list[list[float]] = []
    with torch.inference_mode():
        timer = benchmark.Timer("model(x)", globals={"model": model, "x": x}, num_threads=1)
        for _ in range(TRIALS):
            ours.append(take_values(model, [x], HostClock(), EFFORT, least_ns=0).values_ns)
            theirs.append([time_s * 1e9 for time_s in timer.blocked_autorange(min_run_time=0.5).times])
    intervals = []
    for name, runs in (("zoo bench", ours), ("torch.utils.benchmark", theirs)):
        low, high = bootstrap_interval(runs)
        centre = median([value for run in runs for value in run])
        intervals.append((low, centre, high))
        print(f"{name:22} {centre / 1e6:.4f} ms, 95 % interval [{low / 1e6:.4f}, {high / 1e6:.4f}]")
    (low, _, high), (other_low, _, other_high) = intervals
    return low <= other_high and other_low <= high


CHECKS = {"overhead": check_overhead, "agreement": check_agreement, "planted": check_planted}


def main() -> int:
    """Run the checks that are named, by default all."""
    parser = argparse.ArgumentParser(description="Check on this machine that zoo bench can be trusted.")
    parser.add_argument("checks", nargs="*", help=f"by default all: {', '.join(CHECKS)}")
    names = parser.parse_args().checks or list(CHECKS)
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        parser.error(f"no check is called {unknown[0]}; there are {', '.join(CHECKS)}")
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    failed = [name for name in names if not CHECKS[name]()]
    for name in names:
        print(f"{name}: {'FAILED' if name in failed else 'passed'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
