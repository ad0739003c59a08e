"""Measure how long a cached model takes to load, side by side with torchvision, in minutes.

Usage: python scripts/bench_load.py [--rounds N] [--json FILE] [MODEL...]

Files with the right names and layout but random values are written into a temporary TORCH_HOME (the
real ones need the network). torchvision checks digests only while it downloads, so it takes them as
they are. ``zoo`` gets a copy of its registry with the digests of these files, has read each of them
once (as it does when it downloads one), and trusts that reading as ``verify="quick"`` does.
Measured are, one after another in turn, in a process each that is forked from one which has
imported everything and done nothing:

    torchvision   torchvision.models.get_model(NAME, weights="DEFAULT")
    zoo           zoo.load_model(NAME) from the same pickle file
    zoo, copy     zoo.load_model(NAME) from the safetensors copy that ``zoo convert`` made of it

A clock starts when what the imports left for the garbage collector is collected, and stops when the
model is there; the files are in the page cache. A memory-mapped file is read when its values are
first used, so that is measured, too: "read" is the time until every value has been read once, and
"memory" the most that was resident until then, beyond what was before the call: some MiB of
libraries, which are first used then, included.

Promised: zoo with its copy is at least 5 times faster for resnet152 and 10 times for vgg16, and
takes less memory than 1.2 times the file.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Given = TypeVar("Given")

WAYS = ("torchvision", "zoo", "zoo, copy")
IMPORTED = (
    "torch",
    "torchvision.models",
    "zoo",
    "zoo.cache.safetensors_copies",
    "zoo.download.fetcher",
    "zoo.download.progress",
    "zoo.loader.converter",
)
"""By the process that the others are forked from."""
PROMISED_SPEED = {"resnet152": 5.0, "vgg16": 10.0}
PROMISED_MEMORY = 1.2
MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """One load in one fresh process."""

    load_s: float
    read_s: float
    """Until every value has been read once, the load included."""
    memory_bytes: int
    """The most that was resident beyond what was before the call."""
    checksum: float
    """Sum of all values, to see that all ways load the same."""


def main() -> int:
    """Measure, print, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "models",
        nargs="*",
        default=list(PROMISED_SPEED),
        metavar="MODEL",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=7,
        help="measurements of each way (default 7)",
    )
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    arguments = parser.parse_args()

    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-load-") as name:
        folder = Path(name)
        for model in arguments.models:
            results[model] = measure_model(model, folder, arguments.rounds)

    if arguments.json:
        content = as_json(results)
        text = json.dumps(content, indent=2)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    return report(results)


# --- the parent
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Everything about one model."""

    file_bytes: int
    samples: dict[str, list[Sample]]

    def load_s(self, way: str) -> float:
        """Median time of a load."""
        samples = self.samples[way]
        return statistics.median(sample.load_s for sample in samples)

    def read_s(self, way: str) -> float:
        """Median time until every value has been read."""
        samples = self.samples[way]
        return statistics.median(sample.read_s for sample in samples)

    def memory_bytes(self, way: str) -> int:
        """Largest amount of memory that any load took."""
        samples = self.samples[way]
        return max(sample.memory_bytes for sample in samples)


def measure_model(
    model: str,
    folder: Path,
    rounds: int,
) -> Measured:
    """Prepare the files of one model and measure all ways in turn."""
    place = folder / model
    file_bytes = in_a_process(prepare, model, place)
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    for number in range(rounds):
        turn = number % len(WAYS)
        in_turn = WAYS[turn:] + WAYS[:turn]
        for way in in_turn:
            sample = in_a_process(measure, way, model, place)
            samples[way].append(sample)

    every = chain.from_iterable(samples.values())
    sums = [sample.checksum for sample in every]
    least = min(sums)
    most = max(sums)
    if not math.isclose(least, most, rel_tol=1e-4):  # threads add in any order
        raise SystemExit(f"{model}: the ways have loaded different values: {sums}")
    return Measured(file_bytes, samples)


def prepare(model: str, place: Path) -> int:
    """Write weights with random values, a registry that knows their digest, and the copy.

    Return the file's length.
    """
    import torch
    import torchvision

    from zoo.catalog.places import find_registry
    from zoo.loader.converter import convert_model

    checkpoints = place / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    text = find_registry().read_text(encoding="utf-8")
    registry = json.loads(text)
    architecture = registry["architectures"][model]
    tag = architecture["default_weights"]
    weights = architecture["weights"][tag]
    record = weights["files"][0]

    path = checkpoints / str(record["file_name"])
    network = torchvision.models.get_model(model, weights=None)
    torch.save(network.state_dict(), path)
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    record |= {
        "sha256_prefix": digest[:8],
        "size_bytes": len(data),
        "size_tolerance_bytes": 0,
    }
    file = place / "registry.json"
    changed = json.dumps(registry)
    file.write_text(changed, encoding="utf-8")

    begin("convert", place)
    convert_model(model)
    return len(data)


def in_a_process(work: Callable[..., Given], *arguments: object) -> Given:
    """Call a function in a process that has imported everything and done nothing."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with ProcessPoolExecutor(1, mp_context=context) as processes:
        return processes.submit(work, *arguments).result()


def environment(place: Path, way: str) -> dict[str, str]:
    """Point a process to the prepared files; only with the lock file does zoo use the copy."""
    lock = "zoo.lock" if way in ("zoo, copy", "convert") else "empty.lock"
    own = {
        "TORCH_HOME": place / "torch",
        "XDG_CACHE_HOME": place / "cache",
        "XDG_CONFIG_HOME": place / "config",
        "ZOO_LOCK": place / lock,
    }
    return {name: str(value) for name, value in own.items()}


def report(results: dict[str, Measured]) -> int:
    """Print a table and the promises; return 1 if one is broken."""
    titles = ("load", "read", "memory")
    shown = "".join(f"{title:>11}" for title in titles)
    print(f"{'model':12} {'way':12}{shown} {'faster':>8}")
    for model, measured in results.items():
        usual_s = measured.load_s("torchvision")
        for way in WAYS:
            load_s = measured.load_s(way)
            read_s = measured.read_s(way)
            ratio = usual_s / load_s
            memory_mib = measured.memory_bytes(way) / MIB
            load_ms = 1000 * load_s
            read_ms = 1000 * read_s
            times = f"{load_ms:7.1f} ms {read_ms:7.1f} ms"
            subject = f"{model:12} {way:12}"
            print(f"{subject} {times} {memory_mib:6.0f} MiB {ratio:7.1f}x")

    is_kept = True
    for model, measured in results.items():
        wanted = PROMISED_SPEED.get(model, 1.0)
        usual_s = measured.load_s("torchvision")
        ratio = usual_s / measured.load_s("zoo, copy")
        plain_bytes = measured.memory_bytes("zoo")
        copy_bytes = measured.memory_bytes("zoo, copy")
        memory = max(plain_bytes, copy_bytes) / measured.file_bytes

        is_kept &= ratio >= wanted
        is_kept &= memory < PROMISED_MEMORY
        speed = f"{ratio:.1f} times faster (promised {wanted:g})"
        share = f"memory {memory:.2f} of the file (promised {PROMISED_MEMORY:g})"
        print(f"{model}: {speed}, {share}")

    if is_kept:
        return 0
    return 1


def as_json(results: dict[str, Measured]) -> dict[str, object]:
    """Return every measurement, and what it was measured on."""
    import torch
    import torchvision

    machine = {
        "machine": platform.platform(),
        "processors": os.cpu_count(),
        "torch": torch.__version__,
    }
    models = {model: asdict(measured) for model, measured in results.items()}
    return {
        **machine,
        "torchvision": torchvision.__version__,
        "models": models,
    }


# --- the child
# --------------------------------------------------------------------------------------------------


def begin(way: str, place: Path) -> None:
    """Let this process find the prepared files alone."""
    from zoo.catalog import registry

    os.environ.update(environment(place, way))
    known = place / "registry.json"
    names = vars(registry)
    names["find_registry"] = lambda: known


def measure(
    way: str,
    model: str,
    place: Path,
) -> Sample:
    """Load a model once, in this process."""
    import torch
    import torchvision.models

    import zoo

    begin(way, place)
    gc.collect()
    before_bytes = reset_peak()
    start = time.perf_counter()
    is_theirs = way == "torchvision"
    if is_theirs:
        network = torchvision.models.get_model(model, weights="DEFAULT")
    else:
        network = zoo.load_model(model)
    loaded = time.perf_counter()

    # 932 small sums on a busy machine measure nothing but waiting for threads.
    torch.set_num_threads(1)
    tensors = network.state_dict().values()
    checksum = sum(float(tensor.sum()) for tensor in tensors)
    read = time.perf_counter()
    return Sample(
        load_s=loaded - start,
        read_s=read - start,
        memory_bytes=peak_bytes() - before_bytes,
        checksum=checksum,
    )


def reset_peak() -> int:
    """Let the kernel forget the peak of this process's memory; return what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return status_bytes("VmRSS")


def peak_bytes() -> int:
    """Return the most that was resident since :func:`reset_peak`."""
    return status_bytes("VmHWM")


def status_bytes(name: str) -> int:
    """Read one figure from the kernel's account of this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1024
    raise SystemExit(f"/proc/self/status has no {name}; this measurement needs Linux")


if __name__ == "__main__":
    sys.exit(main())
