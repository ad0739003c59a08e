"""Check this checkout on a machine with a GPU.

Most valuable parts first, over in time, results kept.

Usage: scripts/gpu_check.sh [--wheels DIR] [--output DIR] [--seconds N] [--device cuda]
    [--models M ...] [--only STEP ...] [--small]

The steps, in this order; each has a limit, and what one does not use is there for the next:

    facts         driver, card, versions
    tests         pytest -m cuda
    latency       zoo bench: batch 1; fp32, tf32, bf16, fp16; eager, CUDA graphs
    throughput    zoo bench: best batch; the same precisions; eager
    training      zoo train in bf16 and fp16, one of them killed and resumed
    using         zoo predict and zoo evaluate, the device's answers held against the CPU's
    timm          our NASNet, PNASNet and MobileNet in turns with timm's
    compile       zoo bench: torch.compile, batch 1, bf16 and fp32, until the time is over

The result folder gets index.md (facts, tables), results.json (raw values), latency.svg,
throughput.svg, timm.json, nvml.csv (clocks, power, temperature of the whole time), steps.json and
log.txt. Raw values and steps are written after each step, so that they are there whatever ends it.
``--device cpu --small`` does the same in a minute on a machine without a GPU: that is how its test
runs it. The exit status is 1 if a step failed; a step that was cut short is no failure.

The script itself needs the standard library only. What torch's Python lacks, or has older
than it was tried with, is unpacked from --wheels for this run and removed afterwards.

The file is long because it goes to a machine where nothing else may be wrong: it has each step
whole.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Work = Callable[["Check", float], str]

REPOSITORY = Path(__file__).parents[1]
MODELS = (
    "resnet50",
    "squeezenet1_1",
    "mobilenet_v3_large",
    "nasnet_a_large",
    "pnasnet_5_large",
    "nasnet_a_mobile",
    "densenet121",
    "googlenet",
    "vgg16",
    "alexnet",
    "resnet18",
    "resnet152",
)
"""The networks of the chapter that this registry goes with; the ones that tell most come first."""
TESTS = ("tests/bench/test_cuda.py", "tests/test_optimizer.py")
"""Where the tests that need a device are: others import packages that are not carried along."""
LIMIT_S = 480.0
_REPORT_S = 25.0
"""Kept back for tables and plots."""
_GRACE_S = 6.0
"""What a step that was told to stop may still take."""
_CPU_PATIENCE = 5
"""How much longer a step may take where this is only tried out."""
_POLL_S = 0.05
_CLASSES = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (40, 60, 220),
}
_IMAGES_PER_CLASS = 24


@dataclass
class Step:
    """One part of the check and how it went."""

    name: str
    limit_s: float
    outcome: str = "not reached"
    """``done``, ``failed``, ``cut short`` or ``not reached``."""
    seconds: float = 0.0
    note: str = ""


@dataclass
class Check:
    """What the steps share."""

    options: argparse.Namespace
    folder: Path
    scratch: Path
    log: IO[str]
    environment: Mapping[str, str]
    until_s: float
    """``time.monotonic()`` at which no step may run any more."""
    end_s: float
    """``time.monotonic()`` at which all is over, the report too."""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def sweep(self) -> Path:
        """Folder that the sweeps write to."""
        return self.scratch / "sweep"

    @property
    def is_trial(self) -> bool:
        """Whether there is no device, and the check itself is tried out."""
        return str(self.options.device) == "cpu"

    def left_s(self) -> float:
        """Seconds left for steps."""
        return self.until_s - time.monotonic()

    def report_left_s(self) -> float:
        """Seconds left for a command of the report."""
        return self.end_s - _GRACE_S - time.monotonic()


class CutShortError(Exception):
    """The time of a step is over; what it has done is kept."""


class StepFailedError(Exception):
    """A command of a step ended with a fault."""


# --- running commands -----------------------------------------------------------------------------


def run(
    check: Check,
    command: Sequence[str],
    limit_s: float,
    *,
    is_fault: bool = True,
) -> str:
    """Run a command and return what it prints; its stderr goes to the log.

    Raises:
        CutShortError: The time was over; it was interrupted as Ctrl-C does, then ended.
        StepFailedError: It ended with another status than 0.
    """
    line = " ".join(command)
    check.log.write(f"\n$ {line}\n")
    check.log.flush()
    with tempfile.TemporaryFile("w+") as printed:
        process = start(check, command, printed)
        try:
            status = process.wait(max(0.1, limit_s))
        except subprocess.TimeoutExpired:
            stop(process)
            raise CutShortError(f"stopped after {limit_s:.0f} s") from None
        except BaseException:
            # Ctrl-C reaches this process only; the command has a session of its own.
            stop(process)
            raise
        finally:
            printed.seek(0)
            text = printed.read()
            check.log.write(text)
            check.log.flush()
    if status and is_fault:
        beginning = " ".join(command[:4])
        raise StepFailedError(f"{beginning} ended with {status}")
    return text


def start(
    check: Check,
    command: Sequence[str],
    stdout: IO[str],
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    arguments = [sys.executable, *command]
    return subprocess.Popen(
        arguments,
        stdout=stdout,
        stderr=check.log,
        stdin=subprocess.DEVNULL,
        env=check.environment,
        cwd=REPOSITORY,
        text=True,
        start_new_session=True,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """Ask a process to stop; end it and all that it started if it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process group; nothing happens if it is gone."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    process.wait()


def zoo(*arguments: str) -> list[str]:
    """Make a command of zoo."""
    return ["-m", "zoo", *arguments]


# --- the steps ------------------------------------------------------------------------------------


def look_at_machine(check: Check, limit_s: float) -> str:
    """Ask torch and the driver what is there."""
    program = (
        "import json\n"
        "from importlib.metadata import version\n"
        "from zoo.bench.environment import describe_environment\n"
        f"facts = describe_environment({check.options.device!r})\n"
        "print(json.dumps({'card': facts.device.title, 'driver': facts.device.driver,\n"
        "    'memory': facts.device.memory_bytes, 'cpu': facts.cpu, 'cpus': facts.cpus,\n"
        "    'system': facts.system, 'commit': facts.commit, 'timm': version('timm'),\n"
        "    **facts.versions}))"
    )
    printed = run(check, ["-c", program], limit_s)
    *_, last = printed.splitlines()
    facts = json.loads(last)
    for key, value in facts.items():
        if value:
            check.facts[key] = str(value)
    return check.facts["card"]


def run_tests(check: Check, limit_s: float) -> str:
    """Run the tests that need a device."""
    words = ["-m", "cuda", "-q", "-p", "no:cacheprovider"]
    text = run(check, ["-m", "pytest", *words, *TESTS], limit_s)
    lines = text.strip().splitlines()
    if lines:
        return lines[-1].strip("= ")
    return ""


def measure_latency(check: Check, limit_s: float) -> str:
    """Measure every model at batch 1."""
    engines = "eager" if check.is_trial else "eager,cudagraphs"
    words = ["--mode", "latency", "--engine", engines, "--time", "0.2"]
    return _bench(check, words, limit_s)


def measure_throughput(check: Check, limit_s: float) -> str:
    """Measure every model at its best batch."""
    batch = "2" if check.options.small else "best"
    words = ["--mode", "throughput", "--batch", batch, "--time", "0.3"]
    return _bench(check, words, limit_s)


def measure_compiled(check: Check, limit_s: float) -> str:
    """Measure what torch.compile makes, as far as the time goes."""
    words = ["--mode", "latency", "--engine", "compile", "--time", "0.2"]
    return _bench(check, words, limit_s, precisions="bf16,fp32")


def _bench(
    check: Check,
    words: Sequence[str],
    limit_s: float,
    precisions: str = "",
) -> str:
    """Add results to the sweep; what is measured when the time is over stays."""
    options = check.options
    usual = "fp32" if check.is_trial else "fp32,tf32,bf16,fp16"
    shared = ["--warm", "--device", options.device]
    shared += ["--precision", precisions or usual]
    if check.is_trial:
        shared += ["--threads", "1"]
    places = ["--output", str(check.sweep), "--resume", "--wait", "5", "--quiet"]
    command = zoo("bench", *options.models)
    command += [*words, *shared, *places]

    before = _count_results(check)
    try:
        run(check, command, limit_s)
    except CutShortError as error:
        made = _count_results(check) - before
        raise CutShortError(f"{made} cases, {error}") from None
    made = _count_results(check) - before
    return f"{made} cases"


def _count_results(check: Check) -> int:
    results = check.sweep.glob("*.json")
    listed = list(results)
    return len(listed)


def train(check: Check, limit_s: float) -> str:
    """Train in two precisions; the first run is killed after an epoch and resumed."""
    until_s = time.monotonic() + limit_s
    images = make_images(check.scratch / "images", check)
    first = "bf16"
    precisions = (first,) if check.is_trial else (first, "fp16")
    for precision in precisions:
        folder = check.scratch / f"run-{precision}"
        command = _training(check, images, folder, precision)
        if precision == first:
            last = folder / "last.pt"
            _kill_after_an_epoch(check, command, last, until_s)
            command = [*command, "--resume"]

        left_s = until_s - time.monotonic()
        run(check, command, left_s)
        best = folder / "best.safetensors"
        if not best.is_file():
            raise StepFailedError(f"training in {precision} left no best.safetensors")

    trained = " and ".join(precisions)
    return f"trained in {trained}; {first} killed after an epoch and resumed"


def _training(
    check: Check,
    images: Path,
    folder: Path,
    precision: str,
) -> list[str]:
    """Make the command; the device is the one that accelerate takes."""
    network = "lenet5" if check.options.small else "resnet18"
    places = [str(images), "--output", str(folder)]
    words = ["--epochs", "3", "--batch", "16", "--precision", precision, "--quiet"]
    return zoo("train", network, *places, *words)


def _kill_after_an_epoch(
    check: Check,
    command: Sequence[str],
    checkpoint: Path,
    until_s: float,
) -> None:
    """Start a training and end it as a power cut would, as soon as it has something to go on from.

    Raises:
        CutShortError: The time was over before.
        StepFailedError: It ended by itself first, which it must not.
    """
    process = start(check, command, check.log)
    try:
        while not checkpoint.is_file():
            if time.monotonic() > until_s:
                raise CutShortError("training had not finished an epoch")
            if process.poll() is not None:
                raise StepFailedError(f"training ended with {process.returncode}")
            time.sleep(_POLL_S)
    finally:
        end(process)


def use_models(check: Check, limit_s: float) -> str:
    """Predict and evaluate on the device, and hold the labels against those of the CPU."""
    until_s = time.monotonic() + limit_s
    runs = sorted(check.scratch.glob("run-*/best.safetensors"))
    if not runs:
        raise StepFailedError("there is no trained network, because the training was not done")
    first, *_ = runs
    network = str(first)
    images = str(check.scratch / "images" / "val")
    device = check.options.device
    labels = {}
    for one in dict.fromkeys([device, "cpu"]):
        words = ["--top", "1", "--json", "-q", "--device", one]
        command = zoo("predict", network, images, *words)
        left_s = until_s - time.monotonic()
        text = run(check, command, left_s)
        found = json.loads(text)
        best = [image["predictions"][0] for image in found]
        labels[one] = [prediction["label"] for prediction in best]

    here = labels[device]
    count = len(here)
    pairs = zip(here, labels["cpu"], strict=True)
    alike = sum(one == other for one, other in pairs)

    command = zoo("evaluate", network, images, "--json", "-q", "--device", device)
    left_s = until_s - time.monotonic()
    text = run(check, command, left_s)
    result = json.loads(text)
    error = result["top1"]["error_percent"]
    labels_alike = f"{alike} of {count} labels as on the CPU"
    note = f"{labels_alike}; top-1 error {error:.1f} %"
    if alike < count:
        raise StepFailedError(note)
    return note


def compare_with_timm(check: Check, limit_s: float) -> str:
    """Time our networks and timm's in turns."""
    options = check.options
    ways = ["timm", "zoo"]
    if not options.small:
        ways += ["timm channels-last", "zoo folded"]
    values = check.folder / "timm.json"
    words = ["--device", options.device, "--json", str(values)]
    words += ["--ways", *ways]
    if options.small:
        words += ["--models", "mobilenet_v1_100", "--batches", "1", "--rounds", "2"]

    command = ["-m", "scripts.bench_models", *words]
    text = run(check, command, limit_s, is_fault=False)
    table = check.scratch / "timm.md"
    table.write_text(text, encoding="utf-8")
    broken = [line for line in text.splitlines() if line.startswith("NOT KEPT")]
    return "; ".join(broken) or "in index.md"


STEPS: Mapping[str, tuple[float, Work]] = {
    "facts": (30, look_at_machine),
    "tests": (75, run_tests),
    "latency": (130, measure_latency),
    "throughput": (80, measure_throughput),
    "training": (60, train),
    "using": (30, use_models),
    "timm": (50, compare_with_timm),
    "compile": (LIMIT_S, measure_compiled),
}


def carry_out(
    check: Check,
    step: Step,
    work: Work,
) -> None:
    """Do a step and say how it went."""
    patience = _CPU_PATIENCE if check.is_trial else 1
    left_s = check.left_s() - _GRACE_S
    limit_s = min(step.limit_s * patience, left_s)
    if limit_s < 1:
        step.note = "the time was over"
        return
    started_s = time.monotonic()
    try:
        step.note = work(check, limit_s)
        step.outcome = "done"
    except CutShortError as error:
        step.outcome = "cut short"
        step.note = str(error)
    except Exception as error:  # noqa: BLE001 - a step must not end the others
        step.outcome = "failed"
        step.note = str(error) or type(error).__name__
    taken_s = time.monotonic() - started_s
    step.seconds = round(taken_s, 1)
    how = f"{step.outcome} in {step.seconds:.0f} s"
    print(f"{step.name}: {how}. {step.note}", flush=True)


def make_images(folder: Path, check: Check) -> Path:
    """Make an image folder: noise in three colors, which a network learns in an epoch or two."""
    program = (
        "import sys, numpy\n"
        "from pathlib import Path\n"
        "from PIL import Image\n"
        "folder, classes, count = Path(sys.argv[1]), eval(sys.argv[2]), int(sys.argv[3])\n"
        "chance = numpy.random.default_rng(0)\n"
        "for split in ('train', 'val'):\n"
        "    for name, color in classes.items():\n"
        "        (folder / split / name).mkdir(parents=True, exist_ok=True)\n"
        "        for number in range(count):\n"
        "            noise = chance.normal(color, 60, (96, 96, 3)).clip(0, 255)\n"
        "            image = Image.fromarray(noise.astype('uint8'))\n"
        "            image.save(folder / split / name / f'{number}.png')\n"
    )
    count = 8 if check.options.small else _IMAGES_PER_CLASS
    words = [str(folder), repr(_CLASSES), str(count)]
    command = ["-c", program, *words]
    run(check, command, check.left_s())
    return folder


# --- the report -----------------------------------------------------------------------------------


def report(check: Check, steps: Sequence[Step]) -> None:
    """Write the tables and plots of whatever was measured."""
    keep_raw(check, steps)
    card = check.facts.get("card", "an unknown machine")
    date = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [f"# {card}", "", f"Made by `scripts/gpu_check.sh` on {date}.", ""]
    lines += ["| fact | value |", "|---|---|"]
    for key, value in check.facts.items():
        lines.append(f"| {key} | {value} |")
    lines += ["", "| step | outcome | seconds | |", "|---|---|---:|---|"]
    for step in steps:
        how = f"{step.outcome} | {step.seconds:.0f}"
        lines.append(f"| {step.name} | {how} | {step.note} |")
    lines += ["", *_describe_sweep(check)]

    table = check.scratch / "timm.md"
    if table.is_file():
        printed = table.read_text(encoding="utf-8")
        rows = [line for line in printed.splitlines() if "|" in line]
        lines += ["", "## Beside timm", "", *_separated(rows)]

    text = "\n".join(lines) + "\n"
    page = check.folder / "index.md"
    page.write_text(text, encoding="utf-8")


def keep_raw(check: Check, steps: Sequence[Step]) -> None:
    """Write how the steps went, and all values that were measured so far."""
    raw = list(map(asdict, steps))
    content = json.dumps(raw, indent=1)
    values = check.folder / "steps.json"
    values.write_text(content + "\n", encoding="utf-8")
    if _count_results(check):
        gather(check.sweep, check.folder / "results.json")


def _separated(rows: Iterable[str]) -> list[str]:
    """Put an empty line before the second table: its header begins like a row."""
    lines: list[str] = []
    for row in rows:
        if lines and row.startswith("| model"):
            lines.append("")
        lines.append(row)
    return lines


def _describe_sweep(check: Check) -> list[str]:
    """Make the plots of the sweep, and its table."""
    if not _count_results(check):
        return []
    results = check.folder / "results.json"
    lines = ["## Measured", ""]
    table = ""
    for mode in ("latency", "throughput"):
        plot = check.folder / f"{mode}.svg"
        shown = zoo("bench", "show", str(results), "--format", "markdown", "-q")
        try:
            drawn = [*shown, "--against", mode, "--plot", str(plot)]
            table = run(check, drawn, check.report_left_s())
        except (StepFailedError, CutShortError) as error:
            check.log.write(f"no plot of {mode}: {error}\n")
            continue
        link = f"![Top-5 error against {mode}]({plot.name})"
        lines += [link, ""]
    return [*lines, *(table or _table_alone(check, results)).splitlines()]


def _table_alone(check: Check, results: Path) -> str:
    """Make the table of a sweep that cannot be drawn."""
    command = zoo("bench", "show", str(results), "--format", "markdown", "-q")
    try:
        return run(check, command, check.report_left_s())
    except (StepFailedError, CutShortError) as error:
        return f"The table could not be made: {error}."


def gather(folder: Path, file: Path) -> None:
    """Make one result file of a folder of them."""
    results = []
    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        results += content["results"]
        version = content["schema_version"]

    whole = {"schema_version": version, "results": results}
    joined = json.dumps(whole)
    file.write_text(joined + "\n", encoding="utf-8")


# --- setting up -----------------------------------------------------------------------------------


def unpack_wheels(wheels: Path, site: Path) -> list[str]:
    """Unpack the wheels of packages that this Python lacks or has older.

    What is carried along was tried together, and one of it may need a newer one of another.

    Returns:
        The names of their packages.
    """
    unpacked = []
    for wheel in sorted(wheels.glob("*.whl")):
        name, version, *_ = wheel.name.split("-")
        if _has(name, version):
            continue
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        unpacked.append(name)
    return unpacked


def _has(name: str, version: str) -> bool:
    """Tell whether a package is installed, in this version or a newer one."""
    try:
        installed = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return _numbers(installed) >= _numbers(version)


def _numbers(version: str) -> list[int]:
    """Read the release of a version: 2, 11, 0 of ``2.11.0+cu128``."""
    release, _, _ = version.partition("+")
    return [int(number) for number in re.findall(r"\d+", release)]


def prepare_environment(options: argparse.Namespace, scratch: Path) -> dict[str, str]:
    """Let every command find this checkout, the wheels, and caches that are removed afterwards."""
    site = scratch / "site"
    if options.wheels:
        names = unpack_wheels(options.wheels, site)
        joined = ", ".join(names) or "no wheel"
        print(f"unpacked {joined}", flush=True)

    inherited = os.environ.get("PYTHONPATH", "")
    paths = filter(None, [str(REPOSITORY), str(site), inherited])
    # Others may be at work on a machine where this is only tried out.
    threads = {}
    if options.device == "cpu":
        threads["OMP_NUM_THREADS"] = "1"
    return {
        **os.environ,
        **threads,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TORCH_HOME": str(scratch / "torch"),
        "TMPDIR": str(scratch),
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }


def folder_of(options: argparse.Namespace) -> Path:
    """Choose where results go: a folder named after the card."""
    if options.output:
        return Path(options.output).absolute()
    title = platform.machine()
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
        )
        first, _, _ = done.stdout.strip().partition("\n")
        title = first or title

    lowered = title.lower()
    name = re.sub(r"[^a-z0-9]+", "-", lowered)
    folder = name.strip("-")
    return REPOSITORY / "docs" / "benchmarks" / folder


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="unpack what is missing",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="docs/benchmarks/CARD by default",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=LIMIT_S,
        help="for everything together",
    )
    parser.add_argument("--device", default="cuda:0", help="cuda:0 by default; cpu to try this out")
    parser.add_argument(
        "--models",
        nargs="+",
        default=list(MODELS),
        metavar="M",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=STEPS,
        default=list(STEPS),
        metavar="STEP",
    )
    parser.add_argument("--small", action="store_true", help="the least of everything")
    options = parser.parse_args()
    if options.wheels and not any(options.wheels.glob("*.whl")):
        parser.error(f"--wheels {options.wheels}: there is no wheel in {options.wheels.absolute()}")
    if not options.seconds > 0:
        parser.error("--seconds takes a number above 0")
    return options


def main() -> int:
    """Do the steps, write the report, and return 1 if one failed."""
    began_s = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = parse()
    folder = folder_of(options)
    folder.mkdir(parents=True, exist_ok=True)
    steps = []
    for name in options.only:
        limit_s, _ = STEPS[name]
        step = Step(name, limit_s)
        steps.append(step)

    with (
        tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch,
        (folder / "log.txt").open("w", encoding="utf-8") as log,
    ):
        place = Path(scratch)
        check = Check(
            options=options,
            folder=folder,
            scratch=place,
            log=log,
            environment=prepare_environment(options, place),
            until_s=began_s + options.seconds - _REPORT_S,
            end_s=began_s + options.seconds,
        )
        watching = watch_device(check)
        try:
            for step in steps:
                _, work = STEPS[step.name]
                carry_out(check, step, work)
                keep_raw(check, steps)
        except KeyboardInterrupt:
            print("interrupted; what was measured is kept", flush=True)
        finally:
            if watching is not None:
                end(watching)
            report(check, steps)
    taken_s = time.monotonic() - began_s
    print(f"results are in {folder}; it took {taken_s:.0f} s")
    if any(step.outcome == "failed" for step in steps):
        return 1
    return 0


def watch_device(check: Check) -> subprocess.Popen[str] | None:
    """Write the clocks, power and temperature of the whole time, if the driver's tool is there."""
    tool = shutil.which("nvidia-smi")
    if tool is None or check.is_trial:
        return None
    columns = "timestamp,index,clocks.sm,clocks.mem,power.draw,temperature.gpu,utilization.gpu"
    command = [tool, f"--query-gpu={columns}", "--format=csv", "--loop-ms=500"]
    file = check.folder / "nvml.csv"
    with file.open("w", encoding="utf-8") as table:
        return subprocess.Popen(
            command,
            stdout=table,
            text=True,
            start_new_session=True,
        )


if __name__ == "__main__":
    raise SystemExit(main())
