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
over the time; the first line gives what this machine reaches on one large convolution, in the
precisions of the ways: no way can be faster.

Promised on a CPU, and the exit status is 1 where it is not kept: zoo is at least 1.2 times as fast
as timm for the two large networks and no slower for MobileNet (0.95: the layers are the same, and
the clock is not); construction is at least 3 times as fast; for the two large networks the fastest
way of zoo.optimize is at least 1.5 times as fast as zoo.

The file is long because the ways of running a network, and what each promises, are compared in it.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import os
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
from zoo.devices import cpu_title
from zoo.loader.construction import without_initialisation
from zoo.models import mobilenet_v1, nasnet, pnasnet
from zoo.optimizer import optimize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    from zoo.bench.records import Precision

    Pair = tuple[nn.Module, nn.Module]
    """timm's network and ours."""


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
        median_s = statistics.median(self.times_s)
        return self.batch / median_s

    @property
    def gigaflops(self) -> float:
        """Billions of operations per second at the median."""
        record = model_info(self.model)
        operations = 2 * (record.multiply_adds or 0)
        return 1e-9 * operations * self.images_per_second


@dataclass(frozen=True)
class Construction:
    """How long it takes to make a network."""

    model: str
    timm_s: list[float]
    zoo_s: list[float]


def main() -> int:
    """Measure, print, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    parser.add_argument(
        "--rounds",
        type=int,
        default=9,
        help="calls of each way (default 9)",
    )
    parser.add_argument("--device", default="cpu", help="cpu by default; cuda")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    arguments = parser.parse_args()
    wanted = {"timm", "zoo", *arguments.ways}
    ways = [way for way in WAYS if way in wanted]
    device = arguments.device
    rows = []
    constructions = []

    # The collections before each construction need not go through what was imported.
    gc.collect()
    gc.freeze()
    precisions = list(map(precision_of, ways))
    facts = machine_facts(device, precisions)
    shown = []
    for key, value in facts.items():
        fact = f"{key} {value}"
        shown.append(fact)
    print("; ".join(shown))
    for name in arguments.models:
        construction = measure_construction(name, arguments.rounds)
        constructions.append(construction)
        theirs, ours = same_weights(SUBJECTS[name])
        theirs.to(device)
        ours.to(device)
        for batch in arguments.batches:
            measured = measure(
                name,
                (theirs, ours),
                batch,
                ways,
                arguments.rounds,
            )
            rows += measured

    if arguments.json:
        content = {
            "machine": facts,
            "rows": list(map(asdict, rows)),
            "constructions": list(map(asdict, constructions)),
        }
        text = json.dumps(content, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")

    broken = report(rows, constructions)
    if not broken or device != "cpu":
        return 0
    for line in broken:
        print(f"NOT KEPT: {line}")
    return 1


# --- measuring
# --------------------------------------------------------------------------------------------------


def same_weights(subject: Subject) -> Pair:
    """Build timm's network and ours with the same weights.

    No batch norm is left as it is initialised.
    """
    torch.manual_seed(0)
    theirs = timm.create_model(subject.timm_name).eval()
    with torch.no_grad():
        for norm in theirs.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                mean = norm.get_buffer("running_mean")
                variance = norm.get_buffer("running_var")
                mean.uniform_(-0.5, 0.5)
                variance.uniform_(0.1, 2.0)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.uniform_(-0.5, 0.5)

    ours = subject.build().eval()
    weights = theirs.state_dict()
    ours.load_state_dict(weights, strict=True)
    return theirs, ours


def measure(
    name: str,
    models: Pair,
    batch: int,
    ways: Sequence[str],
    rounds: int,
) -> list[Row]:
    """Time the ways in turn."""
    _, ours = models
    side = SUBJECTS[name].image_size
    chance = torch.Generator().manual_seed(1)
    images = torch.randn(batch, 3, side, side, generator=chance)

    device = next(ours.parameters()).device
    images = images.to(device)
    truth = true_logits(ours, images[:1])
    length = truth.norm()
    runs = {}
    errors = {}
    preparations = {}
    for way in ways:
        started = time.perf_counter()
        runs[way] = prepare(way, models, images)
        preparations[way] = time.perf_counter() - started
        with torch.inference_mode():
            answer = runs[way]()
            logits = answer[:1].double()
        distance = (logits - truth).norm()
        errors[way] = float(distance / length)

    times: dict[str, list[float]] = {way: [] for way in ways}
    with torch.inference_mode():
        for _ in range(rounds):
            for way in ways:
                started = time.perf_counter()
                runs[way]()
                wait_for(device)
                taken_s = time.perf_counter() - started
                times[way].append(taken_s)

    rows = []
    for way in ways:
        row = Row(
            model=name,
            batch=batch,
            way=way,
            times_s=times[way],
            error=errors[way],
            prepare_s=preparations[way],
        )
        rows.append(row)
    return rows


def wait_for(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU has."""
    if device.type != "cpu":
        torch.accelerator.synchronize()


def prepare(
    way: str,
    models: Pair,
    images: Tensor,
) -> Callable[[], Tensor]:
    """Make one way ready to run."""
    theirs, ours = models
    if way == "timm":
        return lambda: theirs(images)
    if way == "zoo":
        return lambda: ours(images)
    if way == "timm channels-last":
        copied = copy.deepcopy(theirs)
        moved = copied.to(memory_format=torch.channels_last)
        moved_images = images.contiguous(memory_format=torch.channels_last)
        return lambda: moved(moved_images)
    dtype = None
    if precision_of(way) == "bf16":
        dtype = torch.bfloat16
    engine = "eager" if way == "zoo folded" else "compile"
    optimized = optimize(ours, images, engine=engine, dtype=dtype)
    return lambda: optimized(images)


def true_logits(model: nn.Module, image: Tensor) -> Tensor:
    """Run a network in float64 and put it back."""
    with torch.inference_mode():
        logits: Tensor = model.double()(image.double())
    model.float()
    return logits


def measure_construction(name: str, rounds: int) -> Construction:
    """Make both libraries' networks in turn."""
    subject = SUBJECTS[name]
    timm_s = []
    zoo_s = []
    for _ in range(rounds):
        gc.collect()
        started = time.perf_counter()
        timm.create_model(subject.timm_name)
        taken_s = time.perf_counter() - started
        timm_s.append(taken_s)

        gc.collect()
        started = time.perf_counter()
        with without_initialisation():
            subject.build()
        taken_s = time.perf_counter() - started
        zoo_s.append(taken_s)
    return Construction(name, timm_s, zoo_s)


def convolution_gigaflops(precision: Precision, device: str) -> float:
    """Measure what one large convolution reaches, channels-last."""
    case = Case(
        "",
        "latency",
        device,
        (),
        1,
        precision=precision,
        memory_format="channels-last",
    )
    clock = open_clock(device)
    ceilings = measure_ceilings(case, clock)
    return 1e-9 * ceilings.convolution_flops


def precision_of(way: str) -> Precision:
    """Name the precision that a way computes in."""
    if way.endswith("bf16"):
        return "bf16"
    return "fp32"


def machine_facts(
    device: str,
    precisions: Sequence[Precision],
) -> dict[str, str]:
    """Say what the numbers depend on; the ceilings are those of some precisions."""
    ceilings = []
    for name in dict.fromkeys(precisions):
        reached = convolution_gigaflops(name, device)
        ceilings.append(f"{reached:.0f} GFLOP/s in {name}")

    threads = torch.get_num_threads()
    load, *_ = os.getloadavg()
    return {
        "CPU": cpu_title(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": str(threads),
        "convolution ceiling": ", ".join(ceilings),
        "load": f"{load:.1f}",
        "torch": torch.__version__,
        "timm": timm.__version__,
    }


# --- reporting
# --------------------------------------------------------------------------------------------------


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median over the rounds of how many times as fast the second is."""
    pairs = zip(slow, fast, strict=True)
    ratios = [slower / faster for slower, faster in pairs]
    return statistics.median(ratios)


def report(rows: Sequence[Row], constructions: Sequence[Construction]) -> list[str]:
    """Print both tables; return what is promised of a CPU and not kept."""
    broken = []
    print("\n| model | batch | way | images/s | GFLOP/s | x timm | x zoo | error | prepared in |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|")
    for row in rows:
        beside = _beside(row, rows)
        over_timm = ratio(beside["timm"], row.times_s)
        over_zoo = ratio(beside["zoo"], row.times_s)
        cells = (
            row.model,
            f"{row.batch}",
            row.way,
            f"{row.images_per_second:.2f}",
            f"{row.gigaflops:.0f}",
            f"{over_timm:.2f}",
            f"{over_zoo:.2f}",
            f"{row.error:.1e}",
            f"{row.prepare_s:.1f} s",
        )
        joined = " | ".join(cells)
        print(f"| {joined} |")
        if row.way == "zoo":
            broken += _broken(row, beside)

    print("\n| model | timm constructs in | zoo constructs in | x timm |")
    print("|---|---:|---:|---:|")
    for made in constructions:
        quotient = ratio(made.timm_s, made.zoo_s)
        timm_ms = 1e3 * statistics.median(made.timm_s)
        zoo_ms = 1e3 * statistics.median(made.zoo_s)
        times = f"{timm_ms:.0f} ms | {zoo_ms:.0f} ms"
        print(f"| {made.model} | {times} | {quotient:.1f} |")
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

    optimized = [way for way in beside if way.startswith("zoo ")]
    gains = [ratio(row.times_s, beside[way]) for way in optimized]
    best = max(gains, default=subject.promised_gain)
    if best < subject.promised_gain:
        fact = f"{place}: optimized {best:.2f} times as fast"
        broken.append(f"{fact}, promised {subject.promised_gain}")
    return broken


if __name__ == "__main__":
    raise SystemExit(main())
