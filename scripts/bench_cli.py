"""Measure how fast the command line starts, beside bare programs, in less than a minute.

Usage: python -m scripts.bench_cli [--rounds N] [--json FILE] [--sizes]

The programs are run in turn, round after round, so that a busy machine slows all of them alike.
Each is a fresh process whose output goes to a pipe. Reported is the median of each, and the ratios
that the project promises:

    zoo list              at least 20 times faster than torchvision's list_models()
    zoo list              within 1.5 times of a bare Typer and Rich program that prints as many rows
    zoo inspect resnet18  within 2 times of that program
    zoo --help            within 1.2 times of a bare Typer program's

``--sizes`` times list, inspect and completion with registries of three sizes instead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts import registry_sizes

BARE_HELP = '''
import typer

app = typer.Typer()


@app.command()
def main(name: str = "world", loud: bool = False):
    """Greet somebody."""
    print(f"hello {name}")


app()
'''
BARE_TABLE = '''
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer()


@app.command()
def main(rows: int, columns: int = 10):
    """Print a table."""
    table = Table()
    for column in range(columns):
        table.add_column(f"column {column}")
    for row in range(rows):
        table.add_row(*(f"{row} in {column}" for column in range(columns)))
    Console().print(table)


app()
'''
LIST_MODELS = "import torchvision.models as m; m.list_models()"


@dataclass(frozen=True)
class Promise:
    """A ratio of two medians."""

    faster: str
    slower: str
    at_least: float
    """Smallest allowed ``median of slower / median of faster``."""

    def wording(self) -> str:
        """Say what is promised."""
        if self.at_least >= 1:
            how = f"at least {self.at_least:g} times faster than"
        else:
            most = 1 / self.at_least
            how = f"within {most:g} times of"
        return f"`{self.faster}` {how} {self.slower}"


PROMISES = (
    Promise("zoo list", "torchvision's list_models()", 20),
    Promise("zoo list", "bare table", 1 / 1.5),
    Promise("zoo inspect resnet18", "bare table", 1 / 2),
    Promise("zoo --help", "bare help", 1 / 1.2),
)
SLOW = "torchvision's list_models()"
SLOW_ROUNDS = 4


def programs(folder: Path) -> dict[str, list[str]]:
    """Write the bare programs and list every command line by its name."""
    bare_help = folder / "bare_help.py"
    bare_help.write_text(BARE_HELP, encoding="utf-8")
    bare_table = folder / "bare_table.py"
    bare_table.write_text(BARE_TABLE, encoding="utf-8")

    python = sys.executable
    installed = Path(python).with_name("zoo")
    zoo = [python, "-m", "zoo"]
    if installed.is_file():
        zoo = [str(installed)]

    rows = subprocess.run(
        [*zoo, "list", "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    _, *lines = rows.stdout.splitlines()
    count = len(lines)
    return {
        "python -c pass": [python, "-c", "pass"],
        "bare help": [python, str(bare_help), "--help"],
        "bare table": [python, str(bare_table), str(count)],
        "zoo --help": [*zoo, "--help"],
        "zoo list": [*zoo, "list"],
        "zoo inspect resnet18": [*zoo, "inspect", "resnet18"],
        SLOW: [python, "-c", LIST_MODELS],
    }


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Time each command in each round, after one round that does not count; seconds.

    The slow one is not run in the latter: the median of its few runs leaves out the first as well.
    """
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            if name == SLOW and not 0 < number <= SLOW_ROUNDS:
                continue
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            taken_s = time.perf_counter() - start
            if number:
                times[name].append(taken_s)
    return times


def report(times: dict[str, list[float]]) -> str:
    """Write the times and the promised ratios as Markdown."""
    lines = ["| program | median, ms | fastest, ms | runs |", "|---|---:|---:|---:|"]

    for name, values in times.items():
        median_ms = 1e3 * statistics.median(values)
        fastest_ms = 1e3 * min(values)
        lines.append(f"| {name} | {median_ms:.0f} | {fastest_ms:.0f} | {len(values)} |")

    lines += ["", "| promise | measured | kept |", "|---|---:|---|"]
    for promise in PROMISES:
        ratio = ratio_of(promise, times)
        shown = f"{ratio:.1f} times faster"
        if promise.at_least < 1:
            slower = 1 / ratio
            shown = f"{slower:.2f} times"
        words = promise.wording()
        verdict = "yes" if ratio >= promise.at_least else "NO"
        lines.append(f"| {words} | {shown} | {verdict} |")
    return "\n".join(lines)


def ratio_of(promise: Promise, times: dict[str, list[float]]) -> float:
    """Divide the medians."""
    slower_s = statistics.median(times[promise.slower])
    faster_s = statistics.median(times[promise.faster])
    return slower_s / faster_s


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=12,
        help="runs of each program; the slow one has fewer",
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="also write every time here",
    )
    parser.add_argument("--sizes", action="store_true", help="registries of three sizes instead")
    arguments = parser.parse_args()
    if arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            folders = registry_sizes.make_folders(Path(folder))
            medians = registry_sizes.measure(folders, arguments.rounds)
        print(registry_sizes.report(medians))
        return

    with tempfile.TemporaryDirectory() as folder:
        commands = programs(Path(folder))
        times = measure(commands, arguments.rounds)

    version = platform.python_version()
    cpus = os.cpu_count()
    load, *_ = os.getloadavg()
    print(f"Python {version}, {cpus} processors, load {load:.1f}\n")
    print(report(times))

    if arguments.json:
        ratios = []
        for promise in PROMISES:
            facts = asdict(promise)
            facts["ratio"] = ratio_of(promise, times)
            ratios.append(facts)
        content = {"seconds": times, "promises": ratios}
        text = json.dumps(content, indent=1)
        arguments.json.write_text(text, encoding="utf-8")

    broken = [promise for promise in PROMISES if ratio_of(promise, times) < promise.at_least]
    sys.exit(bool(broken))


if __name__ == "__main__":
    main()
