"""Measure our NASNet, PNASNet and MobileNet side by side with timm's, in one run of some minutes.

Usage: python scripts/bench_models.py [--models M ...] [--batches N ...] [--ways W ...] [--rounds N] [--json FILE]

Both libraries' networks get the same random weights (timm's initialisation, batch norms as of a trained network) and
the same pictures, at the size that the weights were trained for. The ways of running them take turns, one call each
per round, in one process with torch's number of threads:

    timm                 timm.create_model(NAME).eval(), as a user calls it
    timm channels-last   the same after .to(memory_format=torch.channels_last), with such pictures
    zoo                  our network, as a user calls it
    zoo folded           zoo.optimize(model, pictures, engine="eager")
    zoo compiled         zoo.optimize(model, pictures, engine="compile")
    zoo compiled bf16    the same with dtype=torch.bfloat16

A ratio is the median over the rounds of the quotient of two times of one round, so that a machine that becomes slower
in the middle favours nobody. An error is the distance of the first picture's logits from those of our network in
float64, over their length. "constructs" compares timm.create_model(NAME) with our builder without initialisation, which
is how zoo.load_model builds. Other work on the machine makes all numbers worse, and two threads worse than one.

"GFLOP/s" is the arithmetic of the network (two operations for each multiply-add of the registry) over the time; the
first line gives what this machine reaches on one large convolution, in both precisions: no way can be faster.

Promised, and the exit status is 1 where it is not kept: zoo is at least 1.2 times as fast as timm for the two large
networks and no slower for MobileNet (0.95: the layers are the same, and the clock is not); construction is at least 3
times as fast; for the two large networks the fastest way of zoo.optimize is at least 1.5 times as fast as zoo.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
import platform
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import timm
import torch

from zoo.bench.devices import measure_ceilings, open_clock
from zoo.bench.records import Cell
from zoo.catalog.query import model_info
from zoo.loader.construction import without_initialisation
from zoo.models import mobilenet_v1, nasnet, pnasnet
from zoo.optimizer import optimize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from zoo.bench.records import Precision


@dataclass(frozen=True)
class Subject:
    """One network of both libraries."""

    timm_name: str
    build: Callable[[], nn.Module]
    picture_size: int
    promised_speed: float
    """How many times as fast as timm's."""
    promised_gain: float
    """How many times as fast as the network itself the fastest way of zoo.optimize is."""


SUBJECTS = {
    "nasnet_a_large": Subject("nasnetalarge", nasnet.nasnet_a_large, 331, 1.2, 1.5),
    "pnasnet_5_large": Subject("pnasnet5large", pnasnet.pnasnet_5_large, 331, 1.2, 1.5),
    "mobilenet_v1_100": Subject("mobilenetv1_100", mobilenet_v1.mobilenet_v1_100, 224, 0.95, 1.0),
}
WAYS = ("timm", "timm channels-last", "zoo", "zoo folded", "zoo compiled", "zoo compiled bf16")
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
PROMISED_CONSTRUCTION = 3.0


@dataclass(frozen=True)
class Row:
    """What was measured of one way of running one network."""

    model: str
    batch: int
    way: str
    times_s: list[float]
    error: float
    prepare_s: float
    """Folding and compiling, both runs on the example included."""

    @property
    def images_per_second(self) -> float:
        """Pictures per second at the median."""
        return self.batch / statistics.median(self.times_s)

    @property
    def gigaflops(self) -> float:
        """Billions of operations per second at the median."""
        return 2e-9 * (model_info(self.model).multiply_adds or 0) * self.images_per_second


@dataclass(frozen=True)
class Construction:
    """How long it takes to make a network."""

    model: str
    timm_s: list[float]
    zoo_s: list[float]


def main() -> int:
    """Measure, print, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SUBJECTS, default=list(SUBJECTS), metavar="M")
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8], metavar="N")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), metavar="W")
    parser.add_argument("--rounds", type=int, default=9, help="calls of each way (default 9)")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if way in {"timm", "zoo", *arguments.ways}]
    rows, constructions, facts = [], [], machine_facts()
    print("; ".join(f"{key} {value}" for key, value in facts.items()))
    for name in arguments.models:
        constructions.append(measure_construction(name, arguments.rounds))
        models = same_weights(SUBJECTS[name])
        for batch in arguments.batches:
            rows += measure(name, models, batch, ways, arguments.rounds)
    if arguments.json:
        content = {
            "machine": facts,
            "rows": [asdict(row) for row in rows],
            "constructions": [asdict(construction) for construction in constructions],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return report(rows, constructions)


# --- measuring --------------------------------------------------------------------------------------------------------


def same_weights(subject: Subject) -> tuple[nn.Module, nn.Module]:
    """Build timm's network and ours with the same weights; no batch norm is left as it is initialised."""
    torch.manual_seed(0)
    theirs = timm.create_model(subject.timm_name).eval()
    with torch.no_grad():
        for norm in theirs.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.get_buffer("running_mean").uniform_(-0.5, 0.5)
                norm.get_buffer("running_var").uniform_(0.1, 2.0)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.uniform_(-0.5, 0.5)
    ours = subject.build().eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def measure(name: str, models: tuple[nn.Module, nn.Module], batch: int, ways: Sequence[str], rounds: int) -> list[Row]:
    """Time the ways in turn."""
    pictures = torch.randn(batch, 3, *[SUBJECTS[name].picture_size] * 2, generator=torch.Generator().manual_seed(1))
    truth = true_logits(models[1], pictures[:1])
    runs, errors, preparations = {}, {}, {}
    for way in ways:
        started = time.perf_counter()
        runs[way] = prepare(way, models, pictures)
        preparations[way] = time.perf_counter() - started
        with torch.inference_mode():
            logits = runs[way]()[:1].double()
        errors[way] = float((logits - truth).norm() / truth.norm())
    times: dict[str, list[float]] = {way: [] for way in ways}
    with torch.inference_mode():
        for _ in range(rounds):
            for way in ways:
                started = time.perf_counter()
                runs[way]()
                times[way].append(time.perf_counter() - started)
    return [Row(name, batch, way, times[way], errors[way], preparations[way]) for way in ways]


def prepare(way: str, models: tuple[nn.Module, nn.Module], pictures: Tensor) -> Callable[[], Tensor]:
    """Make one way ready to run."""
    theirs, ours = models
    if way == "timm":
        return lambda: theirs(pictures)
    if way == "zoo":
        return lambda: ours(pictures)
    if way == "timm channels-last":
        moved = copy.deepcopy(theirs).to(memory_format=torch.channels_last)
        moved_pictures = pictures.contiguous(memory_format=torch.channels_last)
        return lambda: moved(moved_pictures)
    dtype = torch.bfloat16 if way.endswith("bf16") else None
    optimized = optimize(ours, pictures, engine="eager" if way == "zoo folded" else "compile", dtype=dtype)
    return lambda: optimized(pictures)


def true_logits(model: nn.Module, picture: Tensor) -> Tensor:
    """Run a network in float64 and put it back."""
    with torch.inference_mode():
        logits: Tensor = model.double()(picture.double())
    model.float()
    return logits


def measure_construction(name: str, rounds: int) -> Construction:
    """Make both libraries' networks in turn."""
    timm_s, zoo_s = [], []
    for _ in range(rounds):
        gc.collect()
        started = time.perf_counter()
        timm.create_model(SUBJECTS[name].timm_name)
        timm_s.append(time.perf_counter() - started)
        gc.collect()
        started = time.perf_counter()
        with without_initialisation():
            SUBJECTS[name].build()
        zoo_s.append(time.perf_counter() - started)
    return Construction(name, timm_s, zoo_s)


def convolution_gigaflops(precision: Precision) -> float:
    """Measure what one large convolution reaches, channels-last."""
    cell = Cell("", "latency", "cpu", (), 1, precision=precision, memory_format="channels-last")
    return measure_ceilings(cell, open_clock("cpu")).convolution_flops * 1e-9


def machine_facts() -> dict[str, str]:
    """Say what the numbers depend on."""
    processors = Path("/proc/cpuinfo")
    lines = processors.read_text(encoding="utf-8").splitlines() if processors.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "CPU": names[0] if names else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "convolution ceiling": ", ".join(f"{convolution_gigaflops(name):.0f} GFLOP/s in {name}" for name in PRECISIONS),
        "load": f"{os.getloadavg()[0]:.1f}",
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


# --- reporting --------------------------------------------------------------------------------------------------------


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over the rounds of how many times as fast the second is."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def report(rows: Sequence[Row], constructions: Sequence[Construction]) -> int:
    """Print both tables and what is not kept."""
    broken = []
    print("\n| model | batch | way | images/s | GFLOP/s | x timm | x zoo | error | prepared in |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        beside = {other.way: other.times_s for other in rows if (other.model, other.batch) == (row.model, row.batch)}
        over_timm, over_zoo = ratio(beside["timm"], row.times_s), ratio(beside["zoo"], row.times_s)
        print(
            f"| {row.model} | {row.batch} | {row.way} | {row.images_per_second:.2f} | {row.gigaflops:.0f} "
            f"| {over_timm:.2f} | {over_zoo:.2f} | {row.error:.1e} | {row.prepare_s:.1f} s |"
        )
        promised = SUBJECTS[row.model].promised_speed
        if row.way == "zoo" and over_timm < promised:
            broken.append(f"{row.model}, batch {row.batch}: {over_timm:.2f} times timm's speed, promised {promised}")
        optimized = [times_s for way, times_s in beside.items() if way.startswith("zoo ")]
        if row.way == "zoo" and optimized:
            gain, wanted = max(ratio(row.times_s, times_s) for times_s in optimized), SUBJECTS[row.model].promised_gain
            if gain < wanted:
                broken.append(f"{row.model}, batch {row.batch}: optimized {gain:.2f} times as fast, promised {wanted}")
    print("\n| model | timm constructs in | zoo constructs in | x timm |\n|---|---:|---:|---:|")
    for made in constructions:
        quotient = ratio(made.timm_s, made.zoo_s)
        timm_s, zoo_s = statistics.median(made.timm_s), statistics.median(made.zoo_s)
        print(f"| {made.model} | {timm_s * 1e3:.0f} ms | {zoo_s * 1e3:.0f} ms | {quotient:.1f} |")
        if quotient < PROMISED_CONSTRUCTION:
            broken.append(f"{made.model}: constructed {quotient:.1f} times as fast, promised {PROMISED_CONSTRUCTION}")
    for line in broken:
        print(f"NOT KEPT: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
