"""``zoo search``: find an architecture for a data set, show what was found.

The file is long because the options of a search are half of it.
"""

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.catalog import quantities
from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Quiet, examples, new_app
from zoo.cli.terminal.tables import Column, Table
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.executors.cluster import RayExecutor
    from zoo.searcher.desk import Trial
    from zoo.searcher.report import SearchReport
    from zoo.searcher.setup import Setup

app = new_app(
    help="Search for an architecture for your images. To find a model of the registry: zoo list."
)

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The --output of a search.", show_default=False)
]
_DEFAULT_BUDGET = "10m"
_LARGEST_COUNT = 1e15


@app.command(
    epilog=examples(
        "zoo search run digits/ --output found/",
        (
            "zoo search run digits/ --strategy evolution --budget 20m "
            "--max-parameters 300k --output found/"
        ),
        "zoo search run digits/ --trials 30 --seed 1 --output found/",
        "zoo search run digits/ --budget 1h --output found/ --resume",
    )
)
def run(
    dataset: Annotated[
        Path,
        typer.Argument(
            help="One folder a class, or train and test folders of such.", show_default=False
        ),
    ],
    folder: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder of the search.")
    ] = Path("found"),
    strategy: Annotated[
        Literal["random", "evolution", "progressive"], typer.Option(help="What proposes cells.")
    ] = "evolution",
    warm_start: Annotated[
        bool,
        typer.Option(
            "--warm-start",
            help="Begin with cells that score well untrained (synflow, naswot, jacob_cov).",
        ),
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When to stop proposing: 90s, 20m, 1h; 10m unless --trials is given.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(help="Maximum number of cells to train.", min=1, show_default=False),
    ] = None,
    blocks: Annotated[int, typer.Option(help="Blocks of a cell.")] = 3,
    operations: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Of a block, joined by commas; all by default.",
            show_default=False,
        ),
    ] = None,
    two_cells: Annotated[
        bool,
        typer.Option("--two-cells", help="Search normal and reduction cell apart, as for NASNet."),
    ] = False,
    cells_per_stage: Annotated[int, typer.Option(help="Normal cells in each stage; N.")] = 1,
    filters: Annotated[int, typer.Option(help="Channels in the first stage; F.")] = 8,
    image_size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Height and width; by default those of the images, 64 at most.",
            show_default=False,
        ),
    ] = None,
    max_parameters: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Maximum, e.g. 300k.", show_default=False),
    ] = None,
    max_multiply_adds: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="Maximum for one image, e.g. 4M.", show_default=False),
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Maximum time for one image on this CPU, e.g. 5ms.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Of a trial that is not stopped.")] = 4,
    eta: Annotated[
        int, typer.Option(help="One trial in so many goes on at each rung; 1 stops none.")
    ] = 2,
    final_epochs: Annotated[int, typer.Option(help="Of the winner.")] = 20,
    batch: Annotated[int, typer.Option(help="Images in one step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="At its peak.")] = 0.005,
    seed: Annotated[int, typer.Option(help="Decides everything random.", min=0)] = 0,
    workers: Annotated[int, typer.Option(help="Trials at a time.", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="Of each trial.", min=1)] = 1,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="The longest that a trial may take.")
    ] = "1h",
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Train here, or on a Ray cluster that shares these folders."),
    ] = "local",
    address: Annotated[
        str, typer.Option(metavar="ADDRESS", help="With --executor ray: of the cluster.")
    ] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the search in --output.")
    ] = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Search for cells, train the best network, judge it once.

    A fifth of the images (or the test folder) is set aside and judges the winner alone, at the end.
    Trials are short trainings; the worse half ends early. Every step is in a journal on the disk,
    so that --resume goes on after any interruption. One worker with the same seed finds the same.
    """
    from zoo.mirror.schedule import parse_duration
    from zoo.models.genotype import OPERATIONS
    from zoo.searcher.dataset import guess_size, read_parts
    from zoo.searcher.desk import Budget
    from zoo.searcher.limits import Limits
    from zoo.searcher.report import read_report
    from zoo.searcher.search import Means, run_search
    from zoo.searcher.setup import Setup
    from zoo.searcher.space import Space
    from zoo.searcher.stack import Stack

    names = tuple(operations.split(",")) if operations is not None else OPERATIONS
    space = Space(blocks, names, two_cells)
    place = str(dataset.resolve())
    channels, pixels = guess_size(place)
    parts = read_parts(place, seed)
    stack = Stack(
        channels=channels,
        pixels=image_size if image_size is not None else pixels,
        num_classes=len(parts.split.labels),
        cells_per_stage=cells_per_stage,
        filters=filters,
    )
    limits = Limits(
        max_parameters=_count("--max-parameters", max_parameters),
        max_multiply_adds=_count("--max-multiply-adds", max_multiply_adds),
        max_latency_ms=_milliseconds("--max-latency", max_latency),
    )
    setup = Setup(
        dataset=place,
        digest=parts.split.digest,
        strategy=strategy,
        space=space,
        stack=stack,
        limits=limits,
        seed=seed,
        epochs=epochs,
        eta=eta,
        final_epochs=final_epochs,
        batch=batch,
        learning_rate=learning_rate,
        is_warm_started=warm_start,
    )
    if budget is None and trials is None:
        budget = _DEFAULT_BUDGET
    seconds = parse_duration("--budget", budget) if budget is not None else None
    means = Means(workers, threads, parse_duration("--timeout", timeout))
    if executor == "ray":
        means = replace(means, executor=_cluster(address))

    output.talk(_opening(setup, len(parts.test)), is_quiet=quiet)
    for note in parts.split.notes:
        output.warn(note)

    def report(trial: "Trial") -> None:
        if trial.is_ended:
            output.talk(_trial_line(trial, setup), is_quiet=quiet)

    try:
        limit = Budget(seconds, trials)
        is_exhausted = run_search(setup, folder, limit, means, resume=resume, report=report)
    except KeyboardInterrupt:
        again = "go on with the same options and --resume"
        raise KeyboardInterrupt(f"interrupted; {folder} keeps what is trained, {again}") from None
    if is_exhausted:
        ended = "the search ended before its budget: the strategy proposes nothing new any more"
        output.talk(ended, is_quiet=quiet)
    found = read_report(folder)
    if json:
        output.write_json(found.as_dict())
        return
    for line in _verdict_lines(found):
        output.talk(line, is_quiet=quiet)
    output.write(str(folder / "found.safetensors"))


def _cluster(address: str) -> "RayExecutor":
    """Join a cluster; each of its nodes trains a trial at a time."""
    from zoo.executors.cluster import RayExecutor
    from zoo.searcher.workshop import WORKSHOP

    return RayExecutor(WORKSHOP, address)


def _count(option: str, given: str | None) -> int | None:
    number = quantities.parse_quantity(option, given)
    if number is None:
        return None
    if number > _LARGEST_COUNT:
        raise UsageError(f"{option} is far above what any network has, got {given!r:.40}")
    return int(number)


def _milliseconds(option: str, given: str | None) -> float | None:
    """Read a time like ``5ms``.

    Raises:
        UsageError: It is none.
    """
    if given is None:
        return None
    number = given.removesuffix("ms")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf or number == given:
        raise UsageError(f"{option} takes milliseconds, for example 5ms, got {given!r}")
    return value


def _opening(setup: "Setup", test_images: int) -> str:
    """Say what begins."""
    space, stack = setup.space, setup.stack
    size = "x".join(map(str, stack.input_size))
    ways = f"{space.ways_to_write_a_cell:.2g}"
    cells = "two cells" if space.has_two_cells else "one cell"
    blocks = "1 block" if space.blocks == 1 else f"{space.blocks} blocks"
    return (
        f"{setup.strategy} over {cells} of {blocks} ({ways} ways to write one);"
        f" images {size}, {stack.num_classes} classes; {test_images} images judge the winner"
    )


def _trial_line(trial: "Trial", setup: "Setup") -> str:
    if trial.failure:
        return f"{trial.number:5d}  {trial.genotype.name}  {trial.failure}"
    stopped = "" if trial.epochs >= setup.epochs else ", stopped"
    noun = "epoch" if trial.epochs == 1 else "epochs"
    epochs = f"{trial.epochs} {noun}{stopped}"
    return f"{trial.number:5d}  {trial.genotype.name}  {trial.error_percent:6.2f} %  {epochs}"


def _verdict_lines(found: "SearchReport") -> list[str]:
    """Say what was found and how good it is."""
    count = len(found.trials)
    noun = "trial" if count == 1 else "trials"
    lines = [f"{count} {noun} in {found.spent_s:.0f} s"]
    winner, rate, judged = found.winner, found.test, found.judged
    lines += [
        f"trial {trial.number} could not be trained as the winner ({trial.unfit})"
        for trial in found.trials
        if trial.unfit and trial is not winner
    ]
    if winner is None or rate is None or judged is None:
        return [*lines, "not judged yet; to go on, give --resume to", "  zoo search run"]
    low, high = rate.interval
    lines.append(
        f"trial {winner.number}, {winner.genotype.name}: {winner.parameters:,} parameters,"
        f" {winner.multiply_adds:,} multiply-adds"
    )
    lines.append(
        f"{rate.percent:.2f} % error on held-out images"
        f" ({rate.errors} of {rate.images} wrong; 95 %: {low:.2f} to {high:.2f})"
    )
    return lines


@app.command(
    epilog=examples(
        "zoo search show found/",
        "zoo search show found/ --plot front.html --draw cell.svg",
        "zoo search show evo-0/ evo-1/ evo-2/ --against rnd-0/ --against rnd-1/ --against rnd-2/",
    )
)
def show(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER...",
            help="The --output of a search; of several seeds.",
            show_default=False,
        ),
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="A search to compare with, such as one of --strategy random.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="Show so many trials, the best first.", min=1)] = 10,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw error against parameters: .png, .svg or .html.",
            show_default=False,
        ),
    ] = None,
    draw: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw the best cells with Graphviz: .svg or .html.",
            show_default=False,
        ),
    ] = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what searches found, and whether it beats another search.

    Best cells, the front of error against parameters, progress, the winner's held-out error.

    With --against, says whether the searches were better than the others, by an exact permutation
    test on the winners' held-out errors.
    """
    from zoo.searcher import report as reports

    found = [reports.read_report(folder) for folder in folders]
    others = [reports.read_report(folder) for folder in against or ()]
    verdict = reports.against(found, others)
    is_drawn = plot is not None or draw is not None
    if is_drawn and len(found) > 1:
        raise UsageError(f"--plot and --draw take one search, got {len(found)}")
    if plot is not None:
        from zoo.plots.drawing import draw as draw_chart

        chart = reports.chart_of(found[0])
        if not chart.points:
            raise UsageError("there is nothing to draw: no trial has been compared yet")
        draw_chart(chart, plot)
        output.talk(f"drew {plot}", is_quiet=quiet)
    if draw is not None:
        _draw_cells(found[0], draw)
        output.talk(f"drew {draw}", is_quiet=quiet)

    if json:
        content: dict[str, Any] = {"searches": [one.as_dict() for one in found]}
        if verdict is not None:
            content["against"] = {
                "folders": [one.folder for one in others],
                "difference_points": verdict.difference,
                "p_value": verdict.p_value,
                "is_better": verdict.is_better,
            }
        output.write_json(content)
        return
    for one in found:
        _show_one(one, limit, is_quiet=quiet)
    _say_against(found, others, is_quiet=quiet)


def _draw_cells(found: "SearchReport", file: Path) -> None:
    """Draw the winner's cells, or those of the best trial so far.

    Raises:
        UsageError: No trial has ended.
    """
    from zoo.inspector.cells import draw_cells

    best = found.winner or next(iter(found.whole), None)
    if best is None:
        raise UsageError("there is nothing to draw: no trial was trained to its end")
    draw_cells(best.genotype, file)


def _show_one(found: "SearchReport", limit: int, *, is_quiet: bool) -> None:
    """Print the best trials of one search, its progress and its winner."""
    front = {trial.number for trial in found.front}
    columns = (
        Column("trial", "trial", str, is_number=True),
        Column("name", "cell", quantities.text),
        Column("error_percent", "error %", quantities.percent, is_number=True),
        Column("parameters", "parameters", quantities.count, is_number=True),
        Column("multiply_adds", "MACs", quantities.count, is_number=True),
        Column("is_front", "front", lambda is_front: "*" if is_front else ""),
    )
    rows = []
    for trial in found.whole[:limit]:
        row = [trial.number, trial.genotype.name, trial.error_percent]
        row += [trial.parameters, trial.multiply_adds, trial.number in front]
        rows.append(row)
    output.write_table(Table(columns, rows), "table")
    steps = [f"{one.error_percent:.2f} % after {one.ended_s:.0f} s" for one in found.progress]
    output.talk(f"progress: {', '.join(steps) or 'none yet'}", is_quiet=is_quiet)
    counts = _outcomes(found)
    output.talk(f"{found.folder}: {found.setup.strategy}; {counts}", is_quiet=is_quiet)
    for line in _verdict_lines(found):
        output.talk(line, is_quiet=is_quiet)
    best = found.winner or next(iter(found.whole), None)
    if best is not None:
        output.talk(best.genotype.to_text(), is_quiet=is_quiet)


def _outcomes(found: "SearchReport") -> str:
    """Count the trials by what became of them: ``3 crashed, 5 stopped, 2 whole``."""
    from collections import Counter

    counts: Counter[str] = Counter()
    for trial in found.trials:
        kind, _, _ = trial.outcome.partition(":")
        counts[kind] += 1
    counted = [f"{count} {outcome}" for outcome, count in sorted(counts.items())]
    return ", ".join(counted) or "nothing has begun"


def _say_against(
    found: "list[SearchReport]", others: "list[SearchReport]", *, is_quiet: bool
) -> None:
    """Say whether searches were better than others, or how to find out."""
    from zoo.searcher.report import against

    verdict = against(found, others)
    if verdict is not None:
        names = ", ".join(sorted({one.setup.strategy for one in others}))
        output.talk(f"against {names}: {verdict}", is_quiet=is_quiet)
        sides = f"{_judged_of(found)} against {_judged_of(others)}"
        output.talk(f"compared: {sides}", is_quiet=is_quiet)
    elif others:
        output.talk("not compared: on one side no search is judged yet", is_quiet=is_quiet)
    elif found[0].setup.strategy != "random":
        advice = "search with --strategy random and the same budget, then add --against"
        output.talk(f"not compared with random search: {advice}", is_quiet=is_quiet)


def _judged_of(searches: "list[SearchReport]") -> str:
    """Say how much went into the errors of one side: only like budgets can be compared."""
    judged = [one for one in searches if one.test]
    trials = sum(len(one.trials) for one in judged)
    spent_s = sum(one.spent_s for one in judged)
    noun = "search" if len(judged) == 1 else "searches"
    said = f"{len(judged)} judged {noun} ({trials} trials, {spent_s:.0f} s)"
    unjudged = len(searches) - len(judged)
    return f"{said}, {unjudged} not judged yet" if unjudged else said
