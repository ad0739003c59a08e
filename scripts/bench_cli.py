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
            return f"`{self.faster}` at least {self.at_least:g} times faster than {self.slower}"
        return f"`{self.faster}` within {1 / self.at_least:g} times of {self.slower}"


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
    (folder / "bare_help.py").write_text(BARE_HELP, encoding="utf-8")
    (folder / "bare_table.py").write_text(BARE_TABLE, encoding="utf-8")
    installed = Path(sys.executable).with_name("zoo")
    zoo = [str(installed)] if installed.is_file() else [sys.executable, "-m", "zoo"]
    rows = subprocess.run(
        [*zoo, "list", "--format", "csv"], capture_output=True, text=True, check=True
    )
    count = len(rows.stdout.splitlines()) - 1
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "bare help": [sys.executable, str(folder / "bare_help.py"), "--help"],
        "bare table": [sys.executable, str(folder / "bare_table.py"), str(count)],
        "zoo --help": [*zoo, "--help"],
        "zoo list": [*zoo, "list"],
        "zoo inspect resnet18": [*zoo, "inspect", "resnet18"],
        SLOW: [sys.executable, "-c", LIST_MODELS],
    }


def measure(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Time each command in each round, after one round that does not count; seconds."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            if name == SLOW and number > SLOW_ROUNDS:
                continue
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            if number:
                times[name].append(time.perf_counter() - start)
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
        shown = f"{ratio:.1f} times faster" if promise.at_least >= 1 else f"{1 / ratio:.2f} times"
        lines.append(
            f"| {promise.wording()} | {shown} | {'yes' if ratio >= promise.at_least else 'NO'} |"
        )
    return "\n".join(lines)


def ratio_of(promise: Promise, times: dict[str, list[float]]) -> float:
    """Divide the medians."""
    return statistics.median(times[promise.slower]) / statistics.median(times[promise.faster])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=12, help="runs of each program; the slow one has fewer"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every time here")
    parser.add_argument("--sizes", action="store_true", help="registries of three sizes instead")
    arguments = parser.parse_args()
    if arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            folders = registry_sizes.make_folders(Path(folder))
            print(registry_sizes.report(registry_sizes.measure(folders, arguments.rounds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        times = measure(programs(Path(folder)), arguments.rounds)

    load, *_ = os.getloadavg()
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, load {load:.1f}\n")
    print(report(times))

    if arguments.json:
        ratios = [{**asdict(promise), "ratio": ratio_of(promise, times)} for promise in PROMISES]
        arguments.json.write_text(
            json.dumps({"seconds": times, "promises": ratios}, indent=1), encoding="utf-8"
        )
    sys.exit(any(ratio_of(promise, times) < promise.at_least for promise in PROMISES))


if __name__ == "__main__":
    main()
