"""Time the command line with registries of three sizes: 133 models, what ships, 8,000 sets.

Run by ``python -m scripts.bench_cli --sizes``. Each registry lies in a folder of its own beside a
link to the package, which finds it there. Times are of the processor, which a busy machine changes
least.
"""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalog.index import MAIN_SOURCES, index_of, index_text, read_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.catalog.entries import Entry

REPOSITORY = Path(__file__).parents[1]
Medians = dict[tuple[str, str], float]
"""Command and size of registry -> seconds."""
SYNTHETIC_ROWS = 8_000
SMALL = "133 models"
SHIPPED = "as it ships"
LARGE = f"{SYNTHETIC_ROWS:,} sets"
COMMANDS = {
    "zoo list": ("list",),
    "zoo list --limit 15": ("list", "--limit", "15"),
    "zoo inspect resnet18": ("inspect", "resnet18"),
    "completion of a name": (),
}
COMPLETION = {
    "_ZOO_COMPLETE": "complete_bash",
    "COMP_WORDS": "zoo inspect timm/resnet50",
    "COMP_CWORD": "2",
}


def make_folders(place: Path) -> dict[str, Path]:
    """Make a folder for each size of registry."""
    path = REPOSITORY / "registry" / "index.json"
    index, registry_sha256 = read_index(path)
    small = [entry for entry in index.entries if entry.source in MAIN_SOURCES]
    chosen = {
        SMALL: small,
        SHIPPED: list(index.entries),
        LARGE: list(_multiplied(index.entries)),
    }
    folders = {}
    for number, (name, entries) in enumerate(chosen.items()):
        folder = place / str(number)
        beside = folder / "registry"
        beside.mkdir(parents=True)
        package = folder / "zoo"
        package.symlink_to(REPOSITORY / "zoo")
        shutil.copy(REPOSITORY / "registry.json", folder)

        sized = index_of(entries, index.families, index.aliases)
        text = index_text(sized, registry_sha256, {})
        file = beside / "index.json"
        file.write_text(text, encoding="utf-8")
        folders[name] = folder
    return folders


def _multiplied(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    """Repeat entries under other names until there are enough."""
    made = 0
    for round_number in count():
        for entry in entries:
            if made == SYNTHETIC_ROWS:
                return
            made += 1
            if round_number == 0:
                yield entry
                continue
            spec = entry.spec.encode()
            digest = hashlib.sha256(spec).hexdigest()
            name = f"{entry.name}_{digest[:4]}_{round_number}"
            yield entry._replace(name=name)


def measure(folders: dict[str, Path], rounds: int) -> Medians:
    """Give the median processor time of each command with each registry, in turns; seconds."""
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for command, arguments in COMMANDS.items():
            for name, folder in folders.items():
                seconds = _processor_time(arguments, folder)
                if number == 0:  # the first round fills the caches
                    continue
                taken = times.setdefault((command, name), [])
                taken.append(seconds)

    medians = {}
    for key, values in times.items():
        medians[key] = statistics.median(values)
    return medians


def _processor_time(arguments: tuple[str, ...], folder: Path) -> float:
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "ZOO_HOME": str(folder),
    }
    if not arguments:
        environment.update(COMPLETION)

    command = [sys.executable, "-m", "zoo", *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        capture_output=True,
        env=environment,
        cwd=folder,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user_s = after.ru_utime - before.ru_utime
    system_s = after.ru_stime - before.ru_stime
    return user_s + system_s


def report(medians: Medians) -> str:
    """Write the times and their ratios to the small registry as Markdown."""
    names = (SMALL, SHIPPED, LARGE)
    titles = " | ".join(names)
    lines = [
        f"| processor time, ms | {titles} |",
        "|---|---:|---:|---:|",
    ]
    for command in COMMANDS:
        small = medians[command, SMALL]
        cells = []
        for name in names:
            seconds = medians[command, name]
            milliseconds = 1e3 * seconds
            ratio = seconds / small
            cells.append(f"{milliseconds:.0f} ({ratio:.2f} times)")
        joined = " | ".join(cells)
        lines.append(f"| `{command}` | {joined} |")
    return "\n".join(lines)
