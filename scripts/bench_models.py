"""Measure our NASNet, PNASNet and MobileNet side by side with timm's, in one run of some minutes.

Usage: python scripts/bench_models.py [--models M ...] [--batches N ...] [--ways W ...] [--rounds N]
    [--device D] [--json FILE]

Both libraries' networks get the same random weights (timm's initialisation, batch norms as of a
trained network) and the same images, at the size that the weights were trained for. The ways of
running them take turns, one call each per round, in one process with torch's number of threads:

    timm                 timm.create_model(NAME).eval(), as a user calls it
    timm channels-last   the same after .to(memory_format=torch.channels_last), with such images
    zoo                  our network, as a user calls it
    zoo folded           zoo.optimize(model, images, engine="eager")
    zoo compiled         zoo.optimize(model, images, engine="compile")
    zoo compiled bf16    the same with dtype=torch.bfloat16

A ratio is the median over the rounds of the quotient of two times of one round, so that a machine
that becomes slower in the middle favours nobody. An error is the distance of the first image's
logits from those of our network in float64, over their length. "constructs" compares
timm.create_model(NAME) with our builder without initialisation, which is how zoo.load_model builds.
Other work on the machine makes all numbers worse, and two threads worse than one.

"GFLOP/s" is the arithmetic of the network (two operations for each multiply-add of the registry)
over the time; the first line gives what this machine reaches on one large convolution, in both
precisions: no way can be faster.

Promised on a CPU, and the exit status is 1 where it is not kept: zoo is at least 1.2 times as fast
as timm for the two large networks and no slower for MobileNet (0.95: the layers are the same, and
the clock is not); construction is at least 3 times as fast; for the two large networks the fastest
way of zoo.optimize is at least 1.5 times as fast as zoo.
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

from zoo.bench.ceilings import measure_ceilings
from zoo.bench.clocks import open_clock
from zoo.bench.records import Case
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
    image_size: int
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
        """Images per second at the median."""
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models",
        nargs="+",
        choices=SUBJECTS,
        default=list(SUBJECTS),
        metavar="M",
    )
    parser.add_argument(
        "--batches",
        nargs="+",
        type=int,
        default=[1, 8],
        metavar="N",
    )
    parser.add_argument(
        "--ways",
        nargs="+",
        choices=WAYS,
        default=list(WAYS),
        metavar="W",
    )
    parser.add_argument("--rounds", type=int, default=9, help="calls of each way (default 9)")
    parser.add_argument("--device", default="cpu", help="cpu by default; cuda")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    arguments = parser.parse_args()
    ways = [way for way in WAYS if way in {"timm", "zoo", *arguments.ways}]
    device = arguments.device
    rows = []
    constructions = []
    facts = machine_facts(device)
    print("; ".join(f"{key} {value}" for key, value in facts.items()))
    for name in arguments.models:
        constructions.append(measure_construction(name, arguments.rounds))
        models = same_weights(SUBJECTS[name])
        for batch in arguments.batches:
            moved = (models[0].to(device), models[1].to(device))
            rows += measure(name, moved, batch, ways, arguments.rounds)
    if arguments.json:
        content = {
            "machine": facts,
            "rows": [asdict(row) for row in rows],
            "constructions": [asdict(construction) for construction in constructions],
        }
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    broken = report(rows, constructions)
    for line in broken if device == "cpu" else ():
        print(f"NOT KEPT: {line}")
    if broken and device == "cpu":
        return 1
    return 0


# --- measuring
# --------------------------------------------------------------------------------------------------


def same_weights(subject: Subject) -> tuple[nn.Module, nn.Module]:
    """Build timm's network and ours with the same weights.

    No batch norm is left as it is initialised.
    """
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


def measure(
    name: str,
    models: tuple[nn.Module, nn.Module],
    batch: int,
    ways: Sequence[str],
    rounds: int,
) -> list[Row]:
    """Time the ways in turn."""
    images = torch.randn(
        batch, 3, *[SUBJECTS[name].image_size] * 2, generator=torch.Generator().manual_seed(1)
    )
    device = next(models[1].parameters()).device
    images = images.to(device)
    truth = true_logits(models[1], images[:1])
    runs = {}
    errors = {}
    preparations = {}
    for way in ways:
        started = time.perf_counter()
        runs[way] = prepare(way, models, images)
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
                wait_for(device)
                times[way].append(time.perf_counter() - started)
    return [Row(name, batch, way, times[way], errors[way], preparations[way]) for way in ways]


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU has."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def prepare(
    way: str,
    models: tuple[nn.Module, nn.Module],
    images: Tensor,
) -> Callable[[], Tensor]:
    """Make one way ready to run."""
    theirs, ours = models
    if way == "timm":
        return lambda: theirs(images)
    if way == "zoo":
        return lambda: ours(images)
    if way == "timm channels-last":
        moved = copy.deepcopy(theirs).to(memory_format=torch.channels_last)
        moved_images = images.contiguous(memory_format=torch.channels_last)
        return lambda: moved(moved_images)
    dtype = torch.bfloat16 if way.endswith("bf16") else None
    optimized = optimize(
        ours, images, engine="eager" if way == "zoo folded" else "compile", dtype=dtype
    )
    return lambda: optimized(images)


def true_logits(model: nn.Module, image: Tensor) -> Tensor:
    """Run a network in float64 and put it back."""
    with torch.inference_mode():
        logits: Tensor = model.double()(image.double())
    model.float()
    return logits


def measure_construction(name: str, rounds: int) -> Construction:
    """Make both libraries' networks in turn."""
    timm_s = []
    zoo_s = []
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


def convolution_gigaflops(precision: Precision, device: str) -> float:
    """Measure what one large convolution reaches, channels-last."""
    case = Case("", "latency", device, (), 1, precision=precision, memory_format="channels-last")
    return measure_ceilings(case, open_clock(device)).convolution_flops * 1e-9


def machine_facts(device: str) -> dict[str, str]:
    """Say what the numbers depend on."""
    processors = Path("/proc/cpuinfo")
    lines = processors.read_text(encoding="utf-8").splitlines() if processors.exists() else []
    names = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    return {
        "CPU": names[0] if names else platform.processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "convolution ceiling": ", ".join(
            f"{convolution_gigaflops(name, device):.0f} GFLOP/s in {name}" for name in PRECISIONS
        ),
        "load": f"{os.getloadavg()[0]:.1f}",
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


# --- reporting
# --------------------------------------------------------------------------------------------------


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over the rounds of how many times as fast the second is."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def report(rows: Sequence[Row], constructions: Sequence[Construction]) -> list[str]:
    """Print both tables; return what is promised of a CPU and not kept."""
    broken = []
    print("\n| model | batch | way | images/s | GFLOP/s | x timm | x zoo | error | prepared in |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        beside = _beside(row, rows)
        over_timm = ratio(beside["timm"], row.times_s)
        over_zoo = ratio(beside["zoo"], row.times_s)
        subject = f"| {row.model} | {row.batch} | {row.way}"
        speed = f"| {row.images_per_second:.2f} | {row.gigaflops:.0f}"
        ratios = f"| {over_timm:.2f} | {over_zoo:.2f}"
        print(f"{subject} {speed} {ratios} | {row.error:.1e} | {row.prepare_s:.1f} s |")
        if row.way == "zoo":
            broken += _broken(row, beside)

    print("\n| model | timm constructs in | zoo constructs in | x timm |\n|---|---:|---:|---:|")
    for made in constructions:
        quotient = ratio(made.timm_s, made.zoo_s)
        timm_ms = 1e3 * statistics.median(made.timm_s)
        zoo_ms = 1e3 * statistics.median(made.zoo_s)
        print(f"| {made.model} | {timm_ms:.0f} ms | {zoo_ms:.0f} ms | {quotient:.1f} |")
        if quotient < PROMISED_CONSTRUCTION:
            fact = f"{made.model}: constructed {quotient:.1f} times as fast"
            broken.append(f"{fact}, promised {PROMISED_CONSTRUCTION}")
    return broken


def _beside(row: Row, rows: Sequence[Row]) -> dict[str, list[float]]:
    """Give the times of every way for the same network and batch."""
    found = {}
    for other in rows:
        if (other.model, other.batch) == (row.model, row.batch):
            found[other.way] = other.times_s
    return found


def _broken(row: Row, beside: dict[str, list[float]]) -> list[str]:
    """Say which promises a row of ``zoo`` does not keep."""
    broken = []
    subject = SUBJECTS[row.model]
    place = f"{row.model}, batch {row.batch}"

    over_timm = ratio(beside["timm"], row.times_s)
    if over_timm < subject.promised_speed:
        fact = f"{place}: {over_timm:.2f} times timm's speed"
        broken.append(f"{fact}, promised {subject.promised_speed}")

    gains = [ratio(row.times_s, times_s) for way, times_s in beside.items() if way[:4] == "zoo "]
    if gains and max(gains) < subject.promised_gain:
        fact = f"{place}: optimized {max(gains):.2f} times as fast"
        broken.append(f"{fact}, promised {subject.promised_gain}")
    return broken


if __name__ == "__main__":
    raise SystemExit(main())
