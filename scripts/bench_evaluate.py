"""Measure zoo evaluate against the loop that one would write with torchvision, in one run.

Usage: python scripts/bench_evaluate.py [--data DIR] [--checkpoint FILE] [--engines E ...]
    [--rounds N] [--json FILE]

SqueezeNet 1.1 on a folder of images, by default the 272 of ../shared/data: decoding, preprocessing
and the network, from the first file to the last label. The plain loop is ImageFolder with the
weights' own transform, a DataLoader, and model(images).argmax(1) under inference_mode, with 0, 1,
... as many workers as there are CPUs; its best count is what zoo is held against. zoo is
zoo.evaluator.run_pass, which counts the errors as well. All ways take turns, so that a slow minute
of the machine touches each; a figure is the median over the rounds. Making a network ready is not
in the figures, and is printed.

Promised, and the exit status is 1 where it is not kept: the fastest engine is at least 1.5 times as
fast as the plain loop, and every way names the same label for every image.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.utils.data import DataLoader
from torchvision import datasets, models

from zoo.classifier import load_classifier
from zoo.devices import cpu_title, usable_cpus
from zoo.errors import ZooError
from zoo.evaluator.evaluation import run_pass

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from zoo.classifier import Classifier

    Ways = dict[str, Callable[[], Tensor]]
REPOSITORY = Path(__file__).parents[1]
SHARED = REPOSITORY.parent / "shared" / "data"
PROMISED_SPEED = 1.5
BATCH = 32
ENGINES = ("eager", "optimize", "onnxruntime", "openvino")


def main() -> int:
    """Measure, print, and return 1 if a promise is broken."""
    options = parse()
    ways = plain_ways(options) | zoo_ways(options)
    cpu = cpu_title()
    cpus = usable_cpus()
    load, *_ = os.getloadavg()
    version = torch.__version__
    machine = f"{cpu}, {cpus} CPUs, load {load:.1f}"
    print(f"{machine}, torch {version}")

    times, labels = take_turns(ways, options.rounds)
    first, *_ = labels.values()
    count = len(first)
    speeds = {}
    for way, seconds in times.items():
        speeds[way] = count / statistics.median(seconds)
    plain = [way for way in speeds if way.startswith("plain")]
    best_plain = max(plain, key=speeds.__getitem__)
    usual_speed = speeds[best_plain]
    usual_labels = labels[best_plain]

    print("\n| way | images/s | x plain | other labels |\n|---|---:|---:|---:|")
    broken = []
    for way, speed in speeds.items():
        is_other = labels[way] != usual_labels
        differing = int(is_other.sum())
        ratio = speed / usual_speed
        figures = f"{speed:.1f} | {ratio:.2f}"
        print(f"| {way} | {figures} | {differing} of {count} |")
        if differing:
            broken.append(f"{way}: {differing} labels are other than those of the plain loop")

    fastest = max(speeds, key=speeds.__getitem__)
    ratio = speeds[fastest] / usual_speed
    if ratio < PROMISED_SPEED:
        fact = f"{fastest} is {ratio:.2f} times as fast"
        broken.append(f"{fact}, promised {PROMISED_SPEED}")
    for line in broken:
        print(f"NOT KEPT: {line}")

    if options.json:
        content = {
            "images": count,
            "times_s": times,
            "cpu": cpu,
            "cpus": cpus,
        }
        text = json.dumps(content, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    if broken:
        return 1
    return 0


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    images = SHARED / "imagenet-sample" / "val"
    weights = SHARED / "weights" / "squeezenet1_1.pth"
    parser.add_argument(
        "--data",
        type=Path,
        default=images,
        metavar="DIR",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=weights,
        metavar="FILE",
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        default=list(ENGINES),
        metavar="E",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=5,
        metavar="N",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write every time",
    )
    return parser.parse_args()


def plain_ways(options: argparse.Namespace) -> Ways:
    """Write the loop that one would write, once for each count of workers."""
    weights = models.SqueezeNet1_1_Weights.IMAGENET1K_V1
    model = models.squeezenet1_1()
    parameters = torch.load(options.checkpoint, weights_only=True)
    model.load_state_dict(parameters)
    model.eval()

    folder = str(options.data)
    data = datasets.ImageFolder(folder, weights.transforms())
    most_workers = usable_cpus()
    ways: Ways = {}
    for workers in range(most_workers + 1):
        way = f"plain, {workers} workers"
        ways[way] = partial(plain_loop, model, data, workers)
    return ways


def plain_loop(
    model: nn.Module,
    data: datasets.ImageFolder,
    workers: int,
) -> Tensor:
    """Name the label of each image."""
    answers = []
    with torch.inference_mode():
        loader = DataLoader(data, BATCH, num_workers=workers)
        for images, _ in loader:
            logits = model(images)
            answer = logits.argmax(1)
            answers.append(answer)
    return torch.cat(answers)


def zoo_ways(options: argparse.Namespace) -> Ways:
    """Make every engine ready that can be used here."""
    classifier = load_classifier("squeezenet1_1", checkpoint=options.checkpoint)
    ways: Ways = {}
    for engine in options.engines:
        began_s = time.perf_counter()
        try:
            prepared = classifier.on_engine(engine, BATCH)
        except ZooError as error:
            print(f"without {engine}: {error}")
            continue
        taken_s = time.perf_counter() - began_s
        print(f"{engine} ready in {taken_s:.1f} s")
        ways[f"zoo, {engine}"] = partial(zoo_loop, prepared, options.data)
    return ways


def zoo_loop(classifier: Classifier, data: Path) -> Tensor:
    """Evaluate; return the label of each image."""
    done = run_pass(
        classifier,
        data,
        batch=BATCH,
        workers=None,
        progress=say_nothing,
    )
    return done.best


def say_nothing(
    _path: str,
    _done: int,
    _all: int,
) -> None:
    """Show no progress."""


def take_turns(ways: Ways, rounds: int) -> tuple[dict[str, list[float]], dict[str, Tensor]]:
    """Time each way once a round, after a round that does not count."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    labels: dict[str, Tensor] = {}
    for round_number in range(rounds + 1):
        for way, run in ways.items():
            began_s = time.perf_counter()
            labels[way] = run()
            taken_s = time.perf_counter() - began_s
            if round_number:
                times[way].append(taken_s)
    return times, labels


if __name__ == "__main__":
    raise SystemExit(main())
