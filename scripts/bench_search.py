"""Compare strategies with random search on two sets of images; on the digits, also with LeNet-5.

The sets are scikit-learn's digits and the larger one that ``scripts/draw_shapes.py`` draws. A seed
decides the split of the images, the first parameters and the strategy. Every search has the same
number of trials, so that a slow or busy machine changes nothing but the time. What is finished is
kept in the work folder, and a second run goes on from there; a search that is killed goes on from
its last epoch. ``--jobs`` searches run side by side, each on one core. After each seed the section
of the set is written anew into the page, between its two comments.

    python -m scripts.bench_search digits WORK_FOLDER docs/benchmarks/search.md
    python -m scripts.bench_search shapes WORK_FOLDER docs/benchmarks/search.md

The file is long because measuring, comparing and writing the page of results belong together.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import torch
from PIL import Image

from scripts.draw_shapes import write_shapes
from zoo import atomic
from zoo.images.preprocess import transform
from zoo.loader import load_checkpoint, load_model
from zoo.searcher.dataset import read_parts
from zoo.searcher.desk import Budget
from zoo.searcher.limits import Limits
from zoo.searcher.report import SearchReport, against, read_report
from zoo.searcher.search import FOUND, run_search
from zoo.searcher.setup import Setup
from zoo.searcher.space import Space
from zoo.searcher.stack import Stack
from zoo.trainer import checkpoints, data
from zoo.trainer.recipe import Recipe
from zoo.trainer.training import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.evaluator.results import ErrorRate

STRATEGIES = {
    "random": ("random", False),
    "evolution": ("evolution", False),
    "progressive": ("progressive", False),
    "evolution, warm start": ("evolution", True),
}
SPACE = Space(3, ("identity", "max_pool_3x3", "separable_3x3"))
LENET_PARAMETERS = 61_706
FINAL_EPOCHS = 12
COMMAND = "python -m scripts.bench_search"


@dataclass(frozen=True, slots=True)
class ImageSet:
    """A set of images, and how searches on it are done."""

    name: str
    write: Callable[[Path], Path]
    stack: Stack
    trials: int
    max_parameters: int
    seeds: tuple[int, ...]
    batch: int
    learning_rate: float
    story: str
    """For the page."""


def write_digits(folder: Path) -> Path:
    """Write the 1,797 digits as images of 8x8, one folder a class."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        file = folder / f"{digit}" / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        scaled = pixels * 255 / 16
        image = Image.fromarray(scaled.astype("uint8"))
        image.save(file)
    return folder


DIGITS = ImageSet(
    name="digits",
    write=write_digits,
    stack=Stack(channels=1, pixels=8, num_classes=10, filters=8),
    trials=300,
    max_parameters=LENET_PARAMETERS // 2,
    seeds=(0, 1, 2),
    batch=32,
    learning_rate=0.005,
    story="scikit-learn's 1,797 digits at 8x8, grey",
)
SHAPES = ImageSet(
    name="shapes",
    write=lambda folder: write_shapes(folder, images=4000),
    stack=Stack(channels=3, pixels=16, num_classes=10, filters=8),
    trials=170,
    max_parameters=30_000,
    seeds=(0, 1, 2),
    batch=64,
    learning_rate=0.01,
    story="4,000 colored images at 16x16 of ten shapes, drawn by `scripts/draw_shapes.py`",
)
IMAGE_SETS = {one.name: one for one in (DIGITS, SHAPES)}


def make_setup(
    images: ImageSet,
    folder: Path,
    name: str,
    seed: int,
) -> Setup:
    """Make the setup of one search."""
    strategy, is_warm_started = STRATEGIES[name]
    parts = read_parts(str(folder), seed)
    return Setup(
        dataset=str(folder),
        digest=parts.split.digest,
        strategy=strategy,
        space=SPACE,
        stack=images.stack,
        limits=Limits(max_parameters=images.max_parameters),
        seed=seed,
        final_epochs=FINAL_EPOCHS,
        batch=images.batch,
        learning_rate=images.learning_rate,
        is_warm_started=is_warm_started,
    )


def _cpu_s() -> float:
    """Sum the processor time of this process and of those that it has waited for."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


@dataclass(frozen=True, slots=True)
class Search:
    """A finished search, with what it took on this machine."""

    report: SearchReport
    cpu_s: float
    load: float
    """Mean of the machine's load at its beginning and its end: programs that wanted a core."""


Found = dict[str, list[Search]]
"""The searches of each strategy, one a seed."""


def search_one(
    work: Path,
    image_set: str,
    name: str,
    seed: int,
) -> Search:
    """Carry out a search, or go on with it."""
    images = IMAGE_SETS[image_set]
    words = name.replace(",", "").split()
    joined = "-".join(words)
    folder = work / f"{joined}-{seed}"
    setup = make_setup(images, work / "images", name, seed)
    kept = folder / "machine.jsonl"
    began_s = _cpu_s()
    load, *_ = os.getloadavg()
    is_new = not (folder / FOUND).exists()
    try:
        run_search(setup, folder, Budget(trials=images.trials), resume=True)
    finally:
        if is_new:
            spent_s = _cpu_s() - began_s
            last_load, *_ = os.getloadavg()
            session = {
                "cpu_s": spent_s,
                "load": mean([load, last_load]),
            }
            line = json.dumps(session)
            with kept.open("a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")

    text = kept.read_text(encoding="utf-8")
    sessions = [json.loads(line) for line in text.splitlines()]
    cpu_s = sum(session["cpu_s"] for session in sessions)
    load = mean(session["load"] for session in sessions)
    report = read_report(folder)
    return Search(report, cpu_s, load)


@dataclass(frozen=True, slots=True)
class Yardstick:
    """LeNet-5 on the images of one seed."""

    parameters: int
    errors: int
    images: int


def train_lenet(
    work: Path,
    digits: Path,
    seed: int,
) -> Yardstick:
    """Train LeNet-5 on the same images, with the same recipe; judge it once by the same."""
    kept = work / f"lenet5-{seed}.json"
    if kept.exists():
        text = kept.read_text(encoding="utf-8")
        facts = json.loads(text)
        return Yardstick(**facts)

    parts = read_parts(str(digits), seed)
    recipe = Recipe(
        epochs=FINAL_EPOCHS,
        learning_rate=0.005,
        warmup_epochs=0.5,
        augmentation="none",
        seed=seed,
    )
    torch.manual_seed(seed)
    model = load_model("lenet5", None)
    folder = work / f"lenet5-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    prepare = transform("lenet5")
    run = Run("lenet5", model, prepare, parts.split, recipe, folder)
    run.resume()
    for _ in run.epochs():
        pass

    best = load_checkpoint("lenet5", checkpoints.best_path(folder))
    images = data.Images(parts.test, prepare, None, 0)
    loader = data.make_loader(images, 64, 0)
    errors = 0
    with torch.inference_mode():
        for inputs, labels in data.batches(loader):
            logits = best(inputs)
            answers = logits.argmax(1)
            is_wrong = answers != labels
            errors += int(is_wrong.sum())
    sizes = [parameter.numel() for parameter in best.parameters()]
    parameters = sum(sizes)
    found = Yardstick(parameters, errors, len(parts.test))
    written = json.dumps(asdict(found))
    kept.write_text(written, encoding="utf-8")
    return found


def _rate(rate: ErrorRate | None) -> str:
    if rate is None:
        return "-"
    low, high = rate.interval
    interval = f"{low:.2f} to {high:.2f}"
    return f"{rate.percent:.2f} ({interval})"


def _row(
    name: str,
    search: Search,
) -> str:
    """Write the line of a search in the table."""
    report = search.report
    winner = report.winner
    outcomes = [trial.outcome for trial in report.trials]
    stopped = outcomes.count("stopped")
    trials = len(outcomes)
    parameters = "-"
    error = "-"
    if winner:
        parameters = f"{winner.parameters:,}"
        error = f"{winner.error_percent:.2f}"
    cells = (
        name,
        str(report.setup.seed),
        f"{trials}, {stopped} stopped",
        f"{report.spent_s:.0f}",
        f"{search.cpu_s:.0f}",
        f"{search.load:.1f}",
        parameters,
        error,
        _rate(report.test),
    )
    joined = " | ".join(cells)
    return f"| {joined} |"


def _mean_error(searches: Sequence[Search]) -> float:
    """Average the errors on held-out images."""
    percents = []
    for search in searches:
        rate = search.report.test
        if rate is not None:
            percents.append(rate.percent)
    return mean(percents)


def _comparisons(found: Found) -> list[str]:
    """Say of each strategy whether it was better than random search."""
    baseline = [search.report for search in found["random"]]
    lines = []
    for name, searches in found.items():
        reports = [search.report for search in searches]
        verdict = against(reports, baseline)
        if name != "random" and verdict is not None:
            error = _mean_error(searches)
            line = f"- **{name}**, {error:.2f} % on average: {verdict}."
            lines.append(line)
    return lines


def _against_lenet(found: Found, lenet: Sequence[Yardstick]) -> str:
    """Say by how much the found networks are above or below LeNet-5."""
    rates = [one.errors / one.images for one in lenet]
    percents = [100 * rate for rate in rates]
    shown = [f"{percent:.2f}" for percent in percents]
    lines = []
    for name, searches in found.items():
        error = _mean_error(searches)
        difference = error - mean(percents)
        place = "below it" if difference <= 0 else "above it"
        amount = f"{abs(difference):.2f} points"
        line = f"- **{name}**: {error:.2f} % on average, {amount} {place}."
        lines.append(line)
    return LENET.format(
        parameters=lenet[0].parameters,
        errors=", ".join(shown),
        mean=mean(percents),
        lines="\n".join(lines),
    )


SECTION = """<!-- {name}: scripts/bench_search.py -->

## {title}

Measured on {date} with `{command}`
on one core of a shared machine; *load* says how many programs wanted one of its {cores} cores meanwhile.

Images: {story}.
A seed sets a fifth aside that judges the winner alone, once, and divides the rest into images to learn from and images to compare trials by.

Space: one cell of {blocks} blocks of {operations}, stacked with N = {stages} and F = {filters}, at most
{max_parameters:,} parameters. Every search has {trials} trials of at most {epochs} epochs, compared
after {rungs} (eta = {eta}); the winner is trained anew for {final_epochs} epochs{augmented}.
{finished}
| strategy | seed | trials | seconds | CPU seconds | load | parameters | validation error % | error % on held-out images (95 %) |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{rows}

### Better than random search?

An exact permutation test on the held-out errors of the seeds. Random search: {random_mean:.2f} % on average.

{comparisons}
{lenet}
<!-- end of {name} -->"""  # noqa: E501 - a page of Markdown

UNFINISHED = """
Seeds finished when this was written: {finished} of {seeds}. The same command goes on with the rest.
"""

LENET = """
### Against LeNet-5

LeNet-5 ({parameters:,} parameters, images of 32x32, the same recipe on the same images) has {errors} % on the
seeds, {mean:.2f} % on average; the recipe was not tuned for it. The found networks have at most half of its parameters:

{lines}
"""  # noqa: E501 - a page of Markdown


def section_of(
    images: ImageSet,
    found: Found,
    lenet: Sequence[Yardstick],
    date: str,
) -> str:
    """Write the section of a set."""
    searches = found["random"]
    setup = searches[0].report.setup
    rows = []
    for name, of_strategy in found.items():
        rows += [_row(name, search) for search in of_strategy]
    random_mean = _mean_error(searches)
    recipe = setup.recipe(is_final=True)
    augmented = ""
    if recipe.augmentation != "none":
        augmented = " on random crops and mirrored images, which trials do without"
    finished = ""
    if len(searches) < len(images.seeds):
        finished = UNFINISHED.format(finished=len(searches), seeds=len(images.seeds))
    return SECTION.format(
        name=images.name,
        title=images.name.capitalize(),
        date=date,
        command=f"{COMMAND} {images.name} WORK_FOLDER docs/benchmarks/search.md",
        cores=os.cpu_count(),
        story=images.story,
        blocks=setup.space.blocks,
        operations=", ".join(setup.space.operations),
        stages=setup.stack.cells_per_stage,
        filters=setup.stack.filters,
        max_parameters=images.max_parameters,
        trials=images.trials,
        epochs=setup.epochs,
        rungs=", ".join(map(str, setup.rungs)),
        eta=setup.eta,
        final_epochs=setup.final_epochs,
        rows="\n".join(rows),
        random_mean=random_mean,
        finished=finished,
        augmented=augmented,
        comparisons="\n".join(_comparisons(found)),
        lenet=_against_lenet(found, lenet) if lenet else "",
    )


def put_section(
    page: str,
    name: str,
    section: str,
) -> str:
    """Replace the section of a set in a page, or add it at the end."""
    end = f"<!-- end of {name} -->"
    before, begin, rest = page.partition(f"<!-- {name}:")
    if not begin:
        return f"{page.rstrip()}\n\n{section}\n"
    _, _, after = rest.partition(end)
    return f"{before}{section}{after}"


def main() -> None:
    """Search, train the yardstick, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", choices=list(IMAGE_SETS))
    parser.add_argument("work", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d", time.gmtime()))
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = IMAGE_SETS[arguments.images]
    folder = arguments.work / "images"
    if not folder.is_dir():
        images.write(folder)

    lenet = []
    if images is DIGITS:
        lenet = [train_lenet(arguments.work, folder, seed) for seed in images.seeds]
    file: Path = arguments.page
    found: Found = {name: [] for name in STRATEGIES}
    workers = ProcessPoolExecutor(
        arguments.jobs,
        mp_context=get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(1,),
    )
    with workers as pool:
        running = {
            (name, seed): pool.submit(search_one, arguments.work, images.name, name, seed)
            for seed in images.seeds
            for name in STRATEGIES
        }
        for seed in images.seeds:
            for name, searches in found.items():
                search = running[name, seed].result()
                searches.append(search)
                result = f"{search.report.test}, CPU {search.cpu_s:.0f} s"
                print(f"{name}, seed {seed}: {result}", flush=True)

            section = section_of(images, found, lenet, arguments.date)
            page = ""
            if file.exists():
                page = file.read_text(encoding="utf-8")
            renewed = put_section(page, images.name, section)
            atomic.write_text(file, renewed)


if __name__ == "__main__":
    main()
