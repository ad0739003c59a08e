"""Measure how long a cached model takes to load, side by side with torchvision, in minutes.

Usage: python scripts/bench_load.py [--rounds N] [--json FILE] [MODEL...]

Files with the right names and layout but random values are written into a temporary TORCH_HOME (the
real ones need the network). torchvision checks digests only while it downloads, so it takes them as
they are. ``zoo`` gets a copy of its registry with the digests of these files, has read each of them
once (as it does when it downloads one), and trusts that reading as ``verify="quick"`` does.
Measured are, in a fresh process each, one after another in turn:

    torchvision   torchvision.models.get_model(NAME, weights="DEFAULT")
    zoo           zoo.load_model(NAME) from the same pickle file
    zoo, twin     zoo.load_model(NAME) from the safetensors twin that ``zoo convert`` made of it

A clock starts when all imports are done and what they left for the garbage collector is collected,
and stops when the model is there; the files are in the page cache. A memory-mapped file is read
when its values are first used, so that is measured, too: "read" is the time until every value has
been read once, and "memory" the most that was resident until then, beyond what was before the call.

Promised: zoo with its twin is at least 5 times faster for resnet152 and 10 times for vgg16, and
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
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

WAYS = ("torchvision", "zoo", "zoo, twin")
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
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=list(PROMISED_SPEED), metavar="MODEL")
    parser.add_argument(
        "--rounds", type=int, default=7, help="measurements of each way (default 7)"
    )
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(asdict(measure(*arguments.child))))
        return 0
    results = {}
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder:
        for model in arguments.models:
            results[model] = measure_model(model, Path(folder), arguments.rounds)
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(results), indent=2) + "\n", encoding="utf-8")
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
        return statistics.median(sample.load_s for sample in self.samples[way])

    def read_s(self, way: str) -> float:
        """Median time until every value has been read."""
        return statistics.median(sample.read_s for sample in self.samples[way])

    def memory_bytes(self, way: str) -> int:
        """Largest amount of memory that any load took."""
        return max(sample.memory_bytes for sample in self.samples[way])


def measure_model(
    model: str,
    folder: Path,
    rounds: int,
) -> Measured:
    """Prepare the files of one model and measure all ways in turn."""
    place = folder / model
    file_bytes = prepare(model, place)
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    for number in range(rounds):
        for way in WAYS[number % len(WAYS) :] + WAYS[: number % len(WAYS)]:
            samples[way].append(run_child(way, model, place))
    sums = [sample.checksum for way in WAYS for sample in samples[way]]
    if not math.isclose(min(sums), max(sums), rel_tol=1e-4):  # threads add in any order
        raise SystemExit(f"{model}: the ways have loaded different values: {sums}")
    return Measured(file_bytes, samples)


def prepare(model: str, place: Path) -> int:
    """Write weights with random values, a registry that knows their digest, and the twin.

    Return the file's length.
    """
    import torch
    import torchvision

    from zoo.catalog.places import find_registry

    checkpoints = place / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    registry = json.loads(find_registry().read_text(encoding="utf-8"))
    architecture = registry["architectures"][model]
    record = architecture["weights"][architecture["default_weights"]]["files"][0]
    path = checkpoints / str(record["file_name"])
    torch.save(torchvision.models.get_model(model, weights=None).state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    record |= {
        "sha256_prefix": digest[:8],
        "size_bytes": path.stat().st_size,
        "size_tolerance_bytes": 0,
    }
    (place / "registry.json").write_text(json.dumps(registry), encoding="utf-8")
    for child in ("convert", "zoo"):  # the second reads the pickle once, as a download would
        subprocess.run(
            child_command(child, model),
            env=environment(place, child),
            check=True,
            capture_output=True,
        )
    return path.stat().st_size


def run_child(
    way: str,
    model: str,
    place: Path,
) -> Sample:
    """Measure one way in a fresh process."""
    done = subprocess.run(
        child_command(way, model), env=environment(place, way), check=True, capture_output=True
    )
    return Sample(**json.loads(done.stdout))


def child_command(way: str, model: str) -> list[str]:
    """Return the command that measures one way."""
    return [sys.executable, __file__, "--child", way, model]


def environment(place: Path, way: str) -> dict[str, str]:
    """Point a child to the prepared files; only with the lock file does zoo use the twin."""
    lock = "zoo.lock" if way in ("zoo, twin", "convert") else "empty.lock"
    own = {
        "TORCH_HOME": place / "torch",
        "XDG_CACHE_HOME": place / "cache",
        "XDG_CONFIG_HOME": place / "config",
        "ZOO_LOCK": place / lock,
        "BENCH_REGISTRY": place / "registry.json",
    }
    return {**os.environ, **{name: str(value) for name, value in own.items()}}


def report(results: dict[str, Measured]) -> int:
    """Print a table and the promises; return 1 if one is broken."""
    print(f"{'model':12} {'way':12} {'load':>10} {'read':>10} {'memory':>10} {'faster':>8}")
    for model, measured in results.items():
        usual_s = measured.load_s("torchvision")
        for way in WAYS:
            load_s = measured.load_s(way)
            read_s = measured.read_s(way)
            ratio = usual_s / load_s
            memory_mib = measured.memory_bytes(way) / MIB
            times = f"{load_s * 1000:7.1f} ms {read_s * 1000:7.1f} ms"
            print(f"{model:12} {way:12} {times} {memory_mib:6.0f} MiB {ratio:7.1f}x")

    is_kept = True
    for model, measured in results.items():
        wanted = PROMISED_SPEED.get(model, 1.0)
        ratio = measured.load_s("torchvision") / measured.load_s("zoo, twin")
        plain_bytes = measured.memory_bytes("zoo")
        twin_bytes = measured.memory_bytes("zoo, twin")
        memory = max(plain_bytes, twin_bytes) / measured.file_bytes

        is_kept &= ratio >= wanted
        is_kept &= memory < PROMISED_MEMORY
        speed = f"{ratio:.1f} times faster (promised {wanted:g})"
        print(f"{model}: {speed}, memory {memory:.2f} of the file (promised {PROMISED_MEMORY:g})")

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
    return {
        **machine,
        "torchvision": torchvision.__version__,
        "models": {n: asdict(m) for n, m in results.items()},
    }


# --- the child
# --------------------------------------------------------------------------------------------------


def measure(way: str, model: str) -> Sample:
    """Load a model once, in this process."""
    import torch
    import torchvision.models

    import zoo
    import zoo.cache.safetensors_copies
    import zoo.download.fetcher
    import zoo.download.progress
    import zoo.loader
    from zoo.catalog import registry

    place = Path(os.environ["BENCH_REGISTRY"])
    names = vars(registry)
    names["find_registry"] = lambda: place
    if way == "convert":
        from zoo.loader.converter import convert_model

        convert_model(model)
    gc.collect()
    before_bytes = reset_peak()
    start = time.perf_counter()
    is_theirs = way == "torchvision"
    network = (
        torchvision.models.get_model(model, weights="DEFAULT")
        if is_theirs
        else zoo.load_model(model)
    )
    loaded = time.perf_counter()
    torch.set_num_threads(
        1
    )  # 932 small sums on a busy machine measure nothing but waiting for threads
    checksum = sum(float(tensor.sum()) for tensor in network.state_dict().values())
    read = time.perf_counter()
    return Sample(loaded - start, read - start, peak_bytes() - before_bytes, checksum)


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
