"""``zoo bench``: measure models on a device, show and compare what was measured.

The file is long because it holds one function a command, and most of a function is its options.
"""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from zoo.catalog.quantities import shape, text
from zoo.cli import bench_fleet
from zoo.cli.terminal import output, stopping
from zoo.cli.terminal.options import AsFormat, AsJson, Quiet, complete_models, examples
from zoo.cli.terminal.tables import Column, Table
from zoo.engines import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from zoo.bench.plan import Plan
    from zoo.bench.records import Case
    from zoo.bench.session import Progress


class _WithDefault(TyperGroup):
    """A group whose command ``run`` needs no name.

    So ``zoo bench resnet18`` is ``zoo bench run resnet18``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the default command before arguments that name no other."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Show the usual form beside that of a group."""
        return ["NAME... [OPTIONS]", "|", *super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """List how to measure before the other commands: most who ask for help want that."""
        measuring = self.commands["run"]
        records = [option.get_help_record(ctx) for option in measuring.get_params(ctx)]
        with formatter.section("Measuring, zoo bench NAME"):
            formatter.write_dl([record for record in records if record is not None])
        super().format_options(ctx, formatter)


app = typer.Typer(
    cls=_WithDefault,
    help="Measure latency, throughput and memory of models.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=examples(
        "zoo bench resnet18 mobilenet_v2",
        "zoo bench resnet50 --engine eager,compile --precision fp32,bf16 --output sweep",
        "zoo bench show sweep --plot sweep.html",
        "zoo bench compare before.json after.json --fail-above 5%",
    ),
)


@app.callback()
def bench() -> None:
    """Measure latency, throughput and memory of models."""


@app.command(
    epilog=examples(
        "zoo bench resnet18 mobilenet_v2",
        "zoo bench resnet50 --device cuda --mode throughput --batch 1,8,64",
        "zoo bench resnet18 --runs 5 --output before.json",
        "zoo bench --all --precision fp32,bf16 --output sweep --resume",
        "zoo bench resnet50 --executor ray --address 10.0.0.1:6379 --output fleet",
    )
)
def run(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Models, NAME:TAG, or weights files of your own.",
            autocompletion=complete_models,
        ),
    ] = None,
    is_all: Annotated[
        bool, typer.Option("--all", help="Every model that takes one tensor.")
    ] = False,
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1 or mps.")
    ] = "auto",
    mode: Annotated[
        str,
        typer.Option(metavar="NAMES", help="latency, throughput, training, first-inference, load."),
    ] = "latency,throughput",
    batch: Annotated[
        str | None,
        typer.Option(
            metavar="SIZES",
            help="For throughput and training, as 1,8,64; best looks for it.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAMES", help="fp32, tf32, fp16, bf16, fp16-autocast, bf16-autocast, int8."
        ),
    ] = "fp32",
    memory_format: Annotated[
        str, typer.Option(metavar="NAMES", help="contiguous, channels-last.")
    ] = "contiguous",
    engine: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help=f"{', '.join(NAMES)}; zoo bench engines lists their modes.",
        ),
    ] = "eager",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="COUNT", help="On the CPU; by default all CPUs.", show_default=False
        ),
    ] = None,
    input_size: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="SHAPE", help="Of one item, as 3x384x384.", show_default=False
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option(min=1, metavar="COUNT", help="Fresh processes for each case; 5 to compare."),
    ] = 1,
    measure_s: Annotated[
        float, typer.Option("--time", metavar="SECONDS", min=0.01, help="Of values in each run.")
    ] = 1.0,
    retakes: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="COUNT",
            help="Maximum of disturbed runs of a case to take again; by default twice --runs, "
            "for one run none.",
            show_default=False,
        ),
    ] = None,
    stable_limit_s: Annotated[
        float | None,
        typer.Option(
            "--until-stable",
            min=1,
            help="Add runs, not --retakes, until a result is stable, for this long at most.",
            metavar="SECONDS",
            show_default=False,
        ),
    ] = None,
    timeout_s: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="End a run after.")
    ] = 900.0,
    wait_s: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="For a device that is busy.")
    ] = 60.0,
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="Keep results in a .json file, or in a folder, a file each.",
        ),
    ] = None,
    is_resume: Annotated[
        bool, typer.Option("--resume", help="Keep what --output holds and measure the rest.")
    ] = False,
    is_as_is: Annotated[
        bool,
        typer.Option("--as-is", help="Leave the memory allocator of the C library as it is."),
    ] = False,
    is_warm: Annotated[
        bool,
        typer.Option("--warm", help="Let runs share a process: quicker, not independent."),
    ] = False,
    executor: Annotated[
        Literal["local", "ray"],
        typer.Option(help="This machine, or every kind of machine of a Ray cluster."),
    ] = "local",
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Of the Ray cluster; auto finds it.")
    ] = "auto",
    node_memory: bench_fleet.NodeMemory = None,
    is_dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be measured.")
    ] = False,
    is_json: AsJson = False,
    form: AsFormat = None,
    is_quiet: Quiet = False,
) -> None:
    """Measure models; run may be left out.

    Every combination of the modes, batches, precisions, memory formats and engines is a case, and
    every run of a case is a fresh process; several words are joined by commas.
    """
    from zoo.bench import files, plan, session
    from zoo.bench.records import Effort, usual_retakes
    from zoo.bench.results import to_rows
    from zoo.devices import usable_cpus

    chosen = output.chosen_format(form, is_json=is_json)
    grid = plan.Grid(
        models=plan.expand(models or [], is_all=is_all),
        modes=_words(mode),
        batches=plan.parse_batches(batch),
        precisions=_words(precision),
        memory_formats=_words(memory_format),
        engines=_words(engine),
        # On a cluster, each machine has its own number of CPUs.
        threads=threads or (usable_cpus() if executor == "local" else 0),
        input_size=_shape(input_size),
    )
    plan.check(grid)  # a typo is told at once, before torch is asked for its devices
    effort = Effort(
        runs=runs,
        measure_s=measure_s,
        timeout_s=timeout_s,
        stable_limit_s=stable_limit_s,
        retakes=usual_retakes(runs) if retakes is None else retakes,
        is_as_is=is_as_is,
        is_warm=is_warm,
    )
    if executor == "ray":
        measured = bench_fleet.measure_on_cluster(
            grid,
            effort,
            bench_fleet.require_folder(output_path, effort, is_dry_run=is_dry_run),
            address=address,
            device=device,
            node_memory=node_memory,
            wait_s=wait_s,
            is_resume=is_resume,
            is_quiet=is_quiet,
        )
        if chosen == "json":
            output.write_json(files.to_json(measured))
        else:
            _write_rows(to_rows(measured), chosen, is_quiet=is_quiet)
        return
    found = session.find_device(device)
    planned = plan.plan(grid, found)
    if is_dry_run:
        _write_plan(planned, chosen)
        return
    store = files.Store(output_path)
    (store.resume if is_resume else store.begin)()
    is_interrupted = False
    try:
        with session.hold(found, wait_s, output.warn), _progress(is_quiet=is_quiet) as tell:
            session.run_plan(planned, found, effort, store, tell)
    except KeyboardInterrupt:
        is_interrupted = True
    finally:
        if chosen == "json":
            output.write_json(files.to_json(store.results.values()))
        elif store.results:
            _write_rows(to_rows(store.results.values()), chosen, is_quiet=is_quiet)
    if is_interrupted:
        output.fail(
            f"interrupted; {output_path} is kept, and --resume goes on"
            if output_path
            else "interrupted"
        )
        raise typer.Exit(stopping.exit_code())


@app.command(
    epilog=examples(
        "zoo bench show sweep", "zoo bench show cpu.json --format markdown --plot cpu.html"
    )
)
def show(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A result file, or a folder of them.")
    ],
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw error against latency: .png, .svg or .html.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Literal["latency", "throughput"],
        typer.Option(help="What the drawing weighs against the error."),
    ] = "latency",
    by: Annotated[
        Literal["case", "machine"],
        typer.Option(help="A row for each case, or the machines side by side."),
    ] = "case",
    stable: Annotated[
        bool, typer.Option("--stable", help="Leave out what is unstable or failed, and count it.")
    ] = False,
    is_json: AsJson = False,
    form: AsFormat = None,
    is_quiet: Quiet = False,
) -> None:
    """Show what was measured."""
    from zoo.bench import files
    from zoo.bench.results import to_rows
    from zoo.errors import UsageError

    measured = files.read(path)
    if not measured:
        raise UsageError(
            f'{path} holds no results: measure some with "zoo bench NAME --output {path} --resume"'
        )
    if plot is not None:
        from zoo.bench.chart import chart_of
        from zoo.plots.drawing import draw

        draw(chart_of(measured, against), plot)
        output.talk(f"drew {plot}", is_quiet=is_quiet)
    chosen = output.chosen_format(form, is_json=is_json)
    rows = to_rows(measured)
    pairs = zip(measured, rows, strict=True)
    kept = [pair for pair in pairs if pair[1]["status"] == "ok" or not stable]
    if not kept:
        raise UsageError(f"{path} holds no stable result: leave --stable out to see all")
    if by == "machine":
        bench_fleet.write_side_by_side([result for result, _ in kept], chosen)
    else:
        _write_rows([row for _, row in kept], chosen, is_quiet=is_quiet)
    if len(kept) < len(rows):
        text = f"{len(rows) - len(kept)} of {len(rows)} results are unstable or failed: left out"
        output.talk(text, is_quiet=is_quiet)


@app.command(epilog=examples("zoo bench engines", "zoo bench engines --json"))
def engines(is_json: AsJson = False, form: AsFormat = None) -> None:
    """List engines, their devices and precisions."""
    from zoo.cli.terminal.bench_tables import engine_table

    output.write_table(engine_table(), output.chosen_format(form, is_json=is_json))


@app.command(
    epilog=examples(
        "zoo bench compare before.json after.json", "zoo bench compare a b --fail-above 5%"
    )
)
def compare(
    first: Annotated[
        Path, typer.Argument(metavar="BEFORE", help="A result file, or a folder of them.")
    ],
    second: Annotated[Path, typer.Argument(metavar="AFTER", help="Another.")],
    fail_above: Annotated[
        str | None,
        typer.Option(
            metavar="PERCENT", help="Exit with 1 if a result is slower by more.", show_default=False
        ),
    ] = None,
    is_forced: Annotated[
        bool, typer.Option("--force", help="Compare what was not measured alike.")
    ] = False,
    is_json: AsJson = False,
    form: AsFormat = None,
    is_quiet: Quiet = False,
) -> None:
    """Compare two results, with confidence intervals.

    Each ratio has an interval over the runs. Refuses to compare what was not measured alike:
    another device, version, precision, batch and so on.
    """
    from zoo.bench import compare as comparing
    from zoo.bench import files
    from zoo.cli.terminal.bench_tables import comparison_table, parse_percent

    threshold = parse_percent("--fail-above", fail_above or "5%")
    before, after = files.read(first), files.read(second)
    compared = comparing.compare(before, after, threshold_percent=threshold, is_forced=is_forced)
    failing = comparing.regressions(compared) if fail_above else []
    output.write_table(comparison_table(compared), output.chosen_format(form, is_json=is_json))
    pairing = comparing.pair(before, after)
    for file, alone in ((first, pairing.only_first), (second, pairing.only_second)):
        for result in alone:
            output.warn(f"only {file} has {result.case.label}")
    if fail_above and pairing.only_first:
        output.fail(f"{second} lacks {len(pairing.only_first)} of the results that {first} has")
        raise typer.Exit(1)
    if failing:
        share = f"{len(failing)} of {len(compared)} results"
        output.fail(f"{share} are slower by more than {threshold:g} % or broken")
        raise typer.Exit(1)
    output.talk(f"{len(compared)} compared", is_quiet=is_quiet)
    if any(comparison.verdict == "unsure" for comparison in compared):
        output.talk(
            "where it is unsure more runs tell: --runs 20 --resume, both sides in turns",
            is_quiet=is_quiet,
        )


def _words(given: str) -> tuple[str, ...]:
    """Cut an option at its commas; repeats are dropped."""
    return tuple(dict.fromkeys(word.strip() for word in given.split(",") if word.strip()))


def _shape(given: str | None) -> tuple[int, ...] | None:
    from zoo.catalog.quantities import parse_shape

    return None if given is None else parse_shape("--input", given)


def _write_rows(
    rows: "Sequence[Mapping[str, Any]]", form: output.Format, *, is_quiet: bool
) -> None:
    from zoo.cli.terminal.bench_tables import result_table, shared_settings

    if form in ("json", "csv"):
        columns = tuple(Column(key, key, str) for key in rows[0])
        output.write_table(Table(columns, [list(row.values()) for row in rows]), form)
        return
    left_out = output.write_table(result_table(rows), form)
    settings = ", ".join(
        f"{key.replace('_', ' ')} {value}" for key, value in shared_settings(rows).items() if value
    )
    output.talk(f"all: {settings}", is_quiet=is_quiet)
    output.talk_left_out(
        left_out, "a wider terminal, or --format csv, shows them", is_quiet=is_quiet
    )
    if any(row["status"] == "unstable" for row in rows):
        hint = (
            "unstable figures may be another next time: take --runs 5, "
            "leave CPUs free with --threads, or add --until-stable 60"
        )
        output.talk(hint, is_quiet=is_quiet)


def _write_plan(planned: "Plan", form: output.Format) -> None:
    """Print each case of a plan, and why it cannot be measured."""
    cases = [(case, None) for case in planned.cases] + planned.refused
    names = (
        "model",
        "mode",
        "device",
        "engine",
        "precision",
        "memory_format",
        "batch",
        "input",
        "threads",
        "refused",
    )
    columns = tuple(Column(name, name.replace("_", " "), text) for name in names)
    rows = [
        (
            *(case.model, case.mode, case.device, case.engine, case.precision, case.memory_format),
            *(case.batch or "best", shape(case.input_size), case.threads, reason),
        )
        for case, reason in cases
    ]
    output.write_table(Table(columns, rows), form)


@contextmanager
def _progress(*, is_quiet: bool) -> "Iterator[Callable[[Progress], None] | None]":
    """Show on stderr how far a session is.

    On a terminal it is a line that changes, elsewhere a line for each result.
    """
    if is_quiet:
        yield None
        return
    console = output.progress_console()
    with console.status("starting") as status:
        from zoo.cli.terminal.bench_tables import describe_result

        def tell(progress: "Progress") -> None:
            if progress.next_case is not None:
                status.update(_describe_next(progress, progress.next_case))
            elif progress.result is not None:
                output.talk(describe_result(progress.result))

        yield tell


def _describe_next(progress: "Progress", case: "Case") -> str:
    """Say how far a session is: ``resnet18, latency, batch 1, fp32, eager: run 2 of 3``."""
    from zoo.cli.terminal.bench_tables import describe_duration

    place = f"run {progress.done + 1} of {progress.total}"
    if progress.left_s is not None:
        place += f", about {describe_duration(progress.left_s)} left"
    return f"{case.words}: {place}"


bench_fleet.add_to(app)
