"""``zoo bench`` on many machines: measure on a cluster, rank machines, share results."""

from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from zoo.catalog.quantities import digits, text
from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsFormat, AsJson, Quiet, examples
from zoo.cli.terminal.tables import Column, Table
from zoo.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from zoo.bench.fleet import FleetProgress
    from zoo.bench.plan import Grid
    from zoo.bench.ranking import Standing
    from zoo.bench.records import Effort, Result
    from zoo.executors.record import Needs

_KINDS = ("auto", "cpu", "cuda")
"""What a cluster can be asked for; a node itself has its devices numbered."""
NodeMemory = Annotated[
    str | None,
    typer.Option(
        "--node-memory",
        metavar="BYTES",
        help="Of each node of the cluster, reserved, as 16GB.",
        show_default=False,
    ),
]
Results = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="A result file, or a folder of them.")
]


def require_folder(
    path: Path | None,
    effort: "Effort",
    *,
    is_dry_run: bool,
) -> Path:
    """Return the folder for the results of a cluster.

    Raises:
        UsageError: None is named, or what a cluster cannot do is asked for.
    """
    if path is None or path.suffix == ".json":
        raise UsageError("--executor ray keeps results in a folder: name it with --output")
    if is_dry_run:
        raise UsageError("--dry-run plans for this machine: leave --executor ray out to see it")
    if effort.stable_limit_s is not None:
        raise UsageError("--until-stable is for this machine: a cluster takes --retakes")
    return path


def measure_on_cluster(
    grid: "Grid",
    effort: "Effort",
    folder: Path,
    *,
    address: str,
    device: str,
    node_memory: str | None,
    wait_s: float,
    is_resume: bool,
    is_quiet: bool,
) -> "list[Result]":
    """Measure a grid on every kind of machine of a Ray cluster; return what the folder holds."""
    from zoo.bench.fleet import FleetDesk, run_fleet
    from zoo.bench.stations import WORKSHOP
    from zoo.executors.cluster import RayExecutor

    needs = needs_of(device, node_memory)
    models = [on_every_node(model) for model in grid.models]
    try:
        with _progress(is_quiet=is_quiet) as tell, output.quiet_stdout():
            shared = replace(grid, models=models)
            desk = FleetDesk(shared, effort, folder, tell, is_resume=is_resume)
            executor = RayExecutor(WORKSHOP, address, needs)
            run_fleet(desk, executor, waiting_limit_s=wait_s)
    except KeyboardInterrupt:
        kept = f"interrupted; {folder} is kept, and --resume goes on"
        raise KeyboardInterrupt(kept) from None
    return desk.results


def needs_of(device: str, node_memory: str | None) -> "Needs":
    """Say what each place of a cluster reserves.

    Raises:
        UsageError: No such kind of device, or one single device of this machine.
    """
    from zoo.catalog.quantities import parse_quantity
    from zoo.executors.record import Needs

    if device not in _KINDS:
        known = ", ".join(_KINDS)
        raise UsageError(
            f"--device {device} is of one machine: --executor ray takes {known}, "
            "and gives each GPU to one task"
        )
    size = parse_quantity("--node-memory", node_memory)
    return Needs(device, None if size is None else int(size))


def on_every_node(model: str) -> str:
    """Return a model as other machines find it: a file by its whole path."""
    from zoo.formats.files import names_a_file

    return str(Path(model).absolute()) if names_a_file(model) else model


@contextmanager
def _progress(*, is_quiet: bool) -> "Iterator[Callable[[FleetProgress], None] | None]":
    """Show all nodes in one view on a terminal, and a line for each result elsewhere."""
    from zoo.cli.terminal.bench_tables import describe_result

    if is_quiet:
        yield None
        return
    console = output.progress_console()
    with console.status("waiting for the cluster") as status:

        def tell(progress: "FleetProgress") -> None:
            if progress.note:
                output.warn(progress.note)
            if progress.result is not None:
                output.talk(f"{progress.node}: {describe_result(progress.result)}")
            status.update("\n".join(_view(progress)))

        yield tell


def _view(progress: "FleetProgress") -> list[str]:
    """Say how far the fleet is, and what each place does."""
    from zoo.cli.terminal.bench_tables import describe_duration

    line = f"{progress.done} of {progress.total} runs"
    if progress.left_s is not None:
        line += f", about {describe_duration(progress.left_s)} left"
    line += f"; {progress.machine_hours:.2f} machine-hours"
    if progress.machine_hours_left is not None:
        line += f", {progress.machine_hours_left:.2f} to come"
    return [line, *(f"  {place}" for place in progress.at_work)]


def fleet(
    path: Results,
    by: Annotated[
        Literal["model", "machine"],
        typer.Option(help="Rank machines for each model, or models for each machine."),
    ] = "model",
    mode: Annotated[
        Literal["latency", "throughput"], typer.Option(help="What decides.")
    ] = "latency",
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="LIMIT",
            help="Only what is below: p50<5ms, p99<20ms.",
            show_default=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw the standings: .png, .svg or .html.", show_default=False
        ),
    ] = None,
    is_json: AsJson = False,
    form: AsFormat = None,
    is_quiet: Quiet = False,
) -> None:
    """Rank machines per model and models per machine.

    Of several engines and precisions of a model on a machine, the best counts. Figures of unlike
    machines are never joined.
    """
    from zoo.bench import files, ranking
    from zoo.bench.results import parse_latency

    measured = files.read(path)
    limit = parse_latency(latency) if latency else None
    standings = ranking.rank(measured, by, mode=mode, limit=limit)
    if plot is not None:
        from zoo.plots.drawing import draw

        draw(ranking.draw_fleet(standings, ranking.machines_of(measured)), plot)
        output.talk(f"drew {plot}", is_quiet=is_quiet)
    kept = [one for one in standings if one.is_within]
    output.write_table(_standings_table(kept, by), output.chosen_format(form, is_json=is_json))
    if limit is not None:
        left_out = len(standings) - len(kept)
        output.talk(f"{len(kept)} within {latency}, {left_out} above", is_quiet=is_quiet)


def _standings_table(standings: "Sequence[Standing]", by: str) -> Table:
    """Begin each row with what the groups are."""
    other = "machine" if by == "model" else "model"
    columns = (
        Column(by, by, text),
        Column("rank", "rank", text, is_number=True),
        Column(other, other, text),
        Column("p50_ms", "p50 ms", digits, is_number=True),
        Column("items_per_s", "items/s", digits, is_number=True),
        Column("engine", "engine", text),
        Column("precision", "precision", text),
        Column("is_stable", "stable", lambda value: "yes" if value else "no"),
    )
    rows: list[list[Any]] = []
    for one in standings:
        values = asdict(one)
        rows.append([values[column.key] for column in columns])
    return Table(columns, rows)


def export(
    path: Results,
    file: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A .json file, or a gallery: a folder with a file for each machine.",
        ),
    ] = Path("gallery"),
    by: Annotated[
        str, typer.Option(metavar="NAME", help="Who vouches for the results.", show_default=False)
    ] = "",
    note: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="What others should know: cooling, power limit, what else ran.",
            show_default=False,
        ),
    ] = "",
    machine: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Only results of this machine.", show_default=False),
    ] = None,
    is_json: AsJson = False,
    is_quiet: Quiet = False,
) -> None:
    """Write results to share, with machine facts and sign-off."""
    from zoo.bench import files, ranking, sharing
    from zoo.bench.comparability import machine_key
    from zoo.catalog.nearness import nearest
    from zoo.errors import UnknownNameError

    measured = files.read(path)
    if machine is not None:
        known = list(ranking.machines_of(measured))
        if machine not in known:
            advice = f"{path} has {', '.join(known)}"
            raise UnknownNameError("machine", machine, nearest(machine, known), advice=advice)
        measured = [one for one in measured if machine_key(one.environment) == machine]
    files_written = sharing.export(measured, file, by, note)
    for written in files_written:
        output.talk(f"written to {written}", is_quiet=is_quiet)
    if is_json:
        output.write_json([str(written) for written in files_written])


def import_(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Exported files, or folders of them.")
    ],
    folder: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="DIR", help="Where to, a folder for each machine."),
    ] = Path("results"),
    is_json: AsJson = False,
    is_quiet: Quiet = False,
) -> None:
    """Add results of others to a folder, apart by machine."""
    from zoo.bench import ranking, sharing

    taken = sharing.import_results(paths, folder)
    machines = ranking.machines_of(taken)
    for key, title in machines.items():
        output.talk(f"{folder / key}: {title}", is_quiet=is_quiet)
    output.talk(f"{len(taken)} results of {len(machines)} machines", is_quiet=is_quiet)
    if is_json:
        output.write_json([{"machine": key, "title": title} for key, title in machines.items()])


def add_to(app: typer.Typer) -> None:
    """Register the commands with their group."""
    app.command(
        epilog=examples(
            "zoo bench fleet results",
            "zoo bench fleet results --latency 'p50<5ms'",
            "zoo bench fleet results --by machine --mode throughput --plot fleet.html",
        )
    )(fleet)
    app.command(
        epilog=examples(
            "zoo bench export sweep --by 'A. Turing' --output h200.json",
            "zoo bench export results --by 'A. Turing' --output gallery",
        )
    )(export)
    app.command("import", epilog=examples("zoo bench import h200.json a100.json --output results"))(
        import_
    )


def write_side_by_side(results: "Sequence[Result]", form: output.Format) -> None:
    """Print a row for each case and a column for each machine."""
    from zoo.bench.ranking import pivot

    machines, rows = pivot(results)
    shared = [name for name in rows[0] if name not in machines]
    columns = tuple(Column(name, name.replace("_", " "), text) for name in shared)
    figures = tuple(
        Column(machine, f"{machine} p50 ms", _figure, is_number=True) for machine in machines
    )
    values = [list(row.values()) for row in rows]
    output.write_table(Table((*columns, *figures), values), form)


def _figure(value: object) -> str:
    return digits(value) if isinstance(value, float) else text(value)
