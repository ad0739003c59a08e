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

from zoo.catalog.index import index_of, index_text, read_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.catalog.entries import Entry

REPOSITORY = Path(__file__).parents[1]
SYNTHETIC_ROWS = 8_000
SMALL, SHIPPED, LARGE = "133 models", "as it ships", f"{SYNTHETIC_ROWS:,} sets"
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
    index, registry_sha256 = read_index(REPOSITORY / "registry" / "index.json")
    small = [entry for entry in index.entries if entry.source in {"torchvision", "zoo"}]
    chosen = {
        SMALL: small,
        SHIPPED: list(index.entries),
        LARGE: list(_multiplied(index.entries)),
    }
    folders = {}
    for number, (name, entries) in enumerate(chosen.items()):
        folder = place / str(number)
        (folder / "registry").mkdir(parents=True)
        (folder / "zoo").symlink_to(REPOSITORY / "zoo")
        shutil.copy(REPOSITORY / "registry.json", folder)
        text = index_text(index_of(entries, index.families, index.aliases), registry_sha256, {})
        (folder / "registry" / "index.json").write_text(text, encoding="utf-8")
        folders[name] = folder
    return folders


def _multiplied(entries: tuple[Entry, ...]) -> Iterator[Entry]:
    """Repeat entries under other names until there are enough."""
    made = 0
    for round_number in count():
        for entry in entries:
            if made == SYNTHETIC_ROWS:
                return
            suffix = f"_{hashlib.sha256(entry.spec.encode()).hexdigest()[:4]}_{round_number}"
            yield entry._replace(name=entry.name + suffix) if round_number else entry
            made += 1


def measure(folders: dict[str, Path], rounds: int) -> dict[tuple[str, str], float]:
    """Give the median processor time of each command with each registry, in turns; seconds."""
    times: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):
        for command, arguments in COMMANDS.items():
            for name, folder in folders.items():
                seconds = _processor_time(arguments, folder)
                if number:  # the first round fills the caches
                    times.setdefault((command, name), []).append(seconds)
    return {key: statistics.median(values) for key, values in times.items()}


def _processor_time(arguments: tuple[str, ...], folder: Path) -> float:
    extra = {} if arguments else COMPLETION
    environment = {**os.environ, **extra, "PYTHONPATH": str(folder), "ZOO_HOME": str(folder)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        capture_output=True,
        env=environment,
        cwd=folder,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    user_s = after.ru_utime - before.ru_utime
    return user_s + after.ru_stime - before.ru_stime


def report(medians: dict[tuple[str, str], float]) -> str:
    """Write the times and their ratios to the small registry as Markdown."""
    names = (SMALL, SHIPPED, LARGE)
    lines = [f"| processor time, ms | {' | '.join(names)} |", "|---|---:|---:|---:|"]
    for command in COMMANDS:
        small = medians[command, SMALL]
        cells = []
        for name in names:
            seconds = medians[command, name]
            cells.append(f"{1e3 * seconds:.0f} ({seconds / small:.2f} times)")
        lines.append(f"| `{command}` | {' | '.join(cells)} |")
    return "\n".join(lines)
