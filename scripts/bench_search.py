"""Compare strategies with random search on scikit-learn's digits, and what they find with LeNet-5.

Three seeds of each; a seed decides the split of the images, the first parameters and the strategy.
Every search has the same number of trials, so that a slow or busy machine changes nothing but the
time. What is finished is kept in the work folder, and a second run goes on from there.

    python -m scripts.bench_search WORK_FOLDER docs/benchmarks/search.md
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

import torch
from PIL import Image

from zoo import atomic
from zoo.images.preprocess import transform
from zoo.loader import load_checkpoint, load_model
from zoo.searcher.dataset import read_parts
from zoo.searcher.desk import Budget
from zoo.searcher.limits import Limits
from zoo.searcher.report import SearchReport, against, read_report
from zoo.searcher.search import run_search
from zoo.searcher.setup import Setup
from zoo.searcher.space import Space
from zoo.searcher.stack import Stack
from zoo.trainer import checkpoints, data
from zoo.trainer.recipe import Recipe
from zoo.trainer.training import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.evaluator.results import ErrorRate

SEEDS = (0, 1, 2)
STRATEGIES = {
    "random": ("random", False),
    "evolution": ("evolution", False),
    "progressive": ("progressive", False),
    "evolution, warm start": ("evolution", True),
}
TRIALS = 30
LENET_PARAMETERS = 61_706
MOST_PARAMETERS = LENET_PARAMETERS // 2
FINAL_EPOCHS = 12
COMMAND = "python -m scripts.bench_search WORK_FOLDER docs/benchmarks/search.md"


def write_digits(folder: Path) -> Path:
    """Write the 1,797 digits as images of 8x8, one folder a class."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        file = folder / str(digit) / f"{number:04}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype("uint8")).save(file)
    return folder


def make_setup(
    digits: Path,
    name: str,
    seed: int,
) -> Setup:
    """Make the setup of one search."""
    strategy, is_warm_started = STRATEGIES[name]
    parts = read_parts(str(digits), seed)
    return Setup(
        dataset=str(digits),
        digest=parts.split.digest,
        strategy=strategy,
        space=Space(3, ("identity", "max_pool_3x3", "separable_3x3")),
        stack=Stack(channels=1, pixels=8, num_classes=10, filters=8),
        limits=Limits(max_parameters=MOST_PARAMETERS),
        seed=seed,
        final_epochs=FINAL_EPOCHS,
        is_warm_started=is_warm_started,
    )


def search_all(work: Path, digits: Path) -> dict[str, list[SearchReport]]:
    """Carry out every search that is not finished yet."""
    found: dict[str, list[SearchReport]] = {name: [] for name in STRATEGIES}
    for seed in SEEDS:
        for name in STRATEGIES:
            began_s = time.monotonic()
            folder = work / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            setup = make_setup(digits, name, seed)
            run_search(setup, folder, Budget(trials=TRIALS), resume=True)
            report = read_report(folder)
            found[name].append(report)
            took_s = time.monotonic() - began_s
            print(f"{name}, seed {seed}: {report.test} in {took_s:.0f} s", flush=True)
    return found


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
        return Yardstick(**json.loads(kept.read_text(encoding="utf-8")))
    parts = read_parts(str(digits), seed)
    recipe = Recipe(
        epochs=FINAL_EPOCHS, learning_rate=0.005, warmup_epochs=0.5, augmentation="none", seed=seed
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
    loader = data.make_loader(data.Images(parts.test, prepare, None, 0), 64, 0)
    with torch.inference_mode():
        errors = sum(
            int((best(inputs).argmax(1) != labels).sum()) for inputs, labels in data.batches(loader)
        )
    parameters = sum(parameter.numel() for parameter in best.parameters())
    found = Yardstick(parameters, errors, len(parts.test))
    kept.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _rate(rate: ErrorRate | None) -> str:
    if rate is None:
        return "-"
    low, high = rate.interval
    return f"{rate.percent:.2f} ({low:.2f} to {high:.2f})"


def _rows(found: dict[str, list[SearchReport]]) -> list[str]:
    rows = []
    for name, reports in found.items():
        for report in reports:
            winner = report.winner
            if winner is None:
                continue
            stopped = sum(trial.outcome == "stopped" for trial in report.trials)
            cells = (
                name,
                str(report.setup.seed),
                f"{len(report.trials)}, {stopped} stopped",
                f"{report.spent_s:.0f}",
                f"{winner.parameters:,}",
                f"{winner.error_percent:.2f}",
                _rate(report.test),
            )
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def _comparisons(found: dict[str, list[SearchReport]]) -> list[str]:
    lines = []
    for name, reports in found.items():
        verdict = against(reports, found["random"])
        if name != "random" and verdict is not None:
            lines.append(f"- **{name}** against random search: {verdict}.")
    return lines


def _against_lenet(found: dict[str, list[SearchReport]], lenet: Sequence[Yardstick]) -> list[str]:
    """Say by how much the found networks are above or below LeNet-5."""
    percents = [100 * one.errors / one.images for one in lenet]
    lines = []
    for name, reports in found.items():
        errors = [report.test.percent for report in reports if report.test]
        difference = mean(errors) - mean(percents)
        place = "below it" if difference <= 0 else "above it"
        amount = f"{abs(difference):.2f} points"
        lines.append(f"- **{name}**: {mean(errors):.2f} % on average, {amount} {place}.")
    return lines


PAGE = """# Architecture search

Measured on {date} with `{command}`
on one core of a shared machine. Written by the script.

Images: scikit-learn's 1,797 digits at 8x8. A seed sets a fifth aside that judges the winner alone, once, and divides
the rest into images to learn from and images to compare trials by.

Space: one cell of {blocks} blocks of {operations}, stacked with N = {stages} and F = {filters}, at most
{most_parameters:,} parameters (half of LeNet-5's). Every search has {trials} trials of at most {epochs} epochs, compared
after {rungs} (eta = {eta}); the winner is trained anew for {final_epochs} epochs.

What was shortened: five minutes a run on two cores were planned, and a second, larger set of images. Here a run ends
after {trials} trials on one core, in the time that the table says, and the space is the smaller one of three
operations. So few trials favor strategies that need few: evolution draws its first population of 20 at random
before it begins to select, and progressive search trains up to 21 cells of one block before the first larger one.

| strategy | seed | trials | seconds | parameters | validation error % | error % on held-out images (95 %) |
|---|---:|---:|---:|---:|---:|---:|
{rows}

## Better than random search?

An exact permutation test on the held-out errors of the three seeds. Three against three can give no smaller p than
0.05, so only a clean sweep counts as better.

{comparisons}

## Against LeNet-5

LeNet-5 ({lenet_parameters:,} parameters, images of 32x32, the same recipe on the same images) has {lenet_errors} % on the
three seeds, {lenet_mean:.2f} % on average; the recipe was not tuned for it. The found networks have at most half of its parameters:

{against_lenet}
"""  # noqa: E501 - a page of Markdown


def page_of(
    found: dict[str, list[SearchReport]],
    lenet: Sequence[Yardstick],
    date: str,
) -> str:
    """Write the page."""
    setup = found["random"][0].setup
    percents = [100 * one.errors / one.images for one in lenet]
    return PAGE.format(
        date=date,
        command=COMMAND,
        blocks=setup.space.blocks,
        operations=", ".join(setup.space.operations),
        stages=setup.stack.cells_per_stage,
        filters=setup.stack.filters,
        most_parameters=MOST_PARAMETERS,
        trials=TRIALS,
        epochs=setup.epochs,
        rungs=", ".join(map(str, setup.rungs)),
        eta=setup.eta,
        final_epochs=setup.final_epochs,
        rows="\n".join(_rows(found)),
        comparisons="\n".join(_comparisons(found)),
        lenet_parameters=lenet[0].parameters,
        lenet_errors=", ".join(f"{percent:.2f}" for percent in percents),
        lenet_mean=mean(percents),
        against_lenet="\n".join(_against_lenet(found, lenet)),
    )


def main() -> None:
    """Search, train the yardstick, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("page", type=Path)
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d", time.gmtime()))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    digits = write_digits(arguments.work / "digits")
    lenet = [train_lenet(arguments.work, digits, seed) for seed in SEEDS]
    found = search_all(arguments.work, digits)
    atomic.write_text(arguments.page, page_of(found, lenet, arguments.date))


if __name__ == "__main__":
    main()
