"""``zoo inspect``: one model's record and its layers, or what a weights file is."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsFormat, AsJson, Quiet, Subject, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.catalog.hub_repositories import HubRepository
    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable
    from zoo.inspector.weights_file import WeightsFileReport

app = new_app()


@app.command(
    epilog=examples(
        "zoo inspect resnet18",
        "zoo inspect resnet50:imagenet1k_v2",
        "zoo inspect vgg16 --layer features.3",
        "zoo inspect resnet18 --input 3x512x512 --depth 2",
        "zoo inspect resnet18 --repr",
        "zoo inspect resnet18 --format csv > layers.csv",
        "zoo inspect nasnet_a_large --cell",
        "zoo inspect hub/isl-org/MiDaS",
        "zoo inspect best.safetensors",
        "zoo inspect mine.pth --tensors",
    )
)
def inspect(
    name: Subject,
    depth: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Layers down to this depth; by default what fits a screen.",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="One layer and what is below it: features.3", show_default=False
        ),
    ] = None,
    input: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="CxHxW",
            help="Trace another input size, as 3x512x512.",
            show_default=False,
        ),
    ] = None,
    repr: Annotated[
        bool, typer.Option("--repr", help="Print what print(model) prints, and nothing else.")
    ] = False,
    tensors: Annotated[
        bool, typer.Option("--tensors", help="Of a file: list its tensors too.")
    ] = False,
    values: Annotated[
        bool,
        typer.Option(
            "--values/--no-values", help="Of a file: read the values, count NaN and infinite ones."
        ),
    ] = True,
    cell: Annotated[
        bool, typer.Option("--cell", help="Draw the cells that the network is built from.")
    ] = False,
    svg: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --cell: draw into an SVG file, with Graphviz.",
            show_default=False,
        ),
    ] = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show a model's record and layers, or say what a file is.

    Nothing is downloaded and no memory is taken for parameters. Shares are of the whole network;
    a multiply-add (MAC) is one multiply with its add, or two FLOPs. CSV and Markdown hold the
    layers alone, JSON holds the record as well.

    Of a repository of PyTorch Hub (zoo list --source hub) it says what is known before any of its
    code runs. Of a weights file it says what it is, how sure that is, what it was wrapped in, and
    what to type next. It is refused if it holds more than tensors.
    """
    from zoo.catalog.quantities import parse_shape
    from zoo.formats.files import names_a_file

    form = output.chosen_format(format, is_json=json)
    if svg is not None and not cell:
        raise UsageError("--svg draws cells: add --cell")

    view = _View(depth, layer, parse_shape("--input", input) if input else None, form, quiet)
    is_of_a_source = "/" in name
    if is_of_a_source:
        from zoo.catalog.local import file_of

        name = file_of(name)
    if names_a_file(name):
        _inspect_file(Path(name), view, has_tensors=tensors, has_values=values)
        return

    is_plain = not (view.asks_for_layers or repr or cell)
    if is_of_a_source and is_plain:
        from zoo.catalog.hub_repositories import repository_of_spec

        repository = repository_of_spec(name)
        if repository is not None:
            _show_repository(repository, form)
            return

    from zoo.catalog.resolver import resolve_loosely

    architecture, weights = resolve_loosely(name)
    if repr:
        from zoo.inspector import live

        output.write(live.represent(architecture, weights))
    elif cell:
        _show_cells(architecture, svg, is_quiet=quiet)
    else:
        _inspect_model(architecture, weights, view)


@dataclass(frozen=True, slots=True)
class _View:
    """Which layers are shown, and how."""

    depth: int | None
    layer: str | None
    input_size: tuple[int, ...] | None
    form: output.Format
    is_quiet: bool

    @property
    def asks_for_layers(self) -> bool:
        """Whether an option names layers."""
        return self.depth is not None or self.layer is not None or self.input_size is not None


def _inspect_model(architecture: "Architecture", weights: "Weights | None", view: _View) -> None:
    """Show a model of the registry."""
    from zoo.inspector.inspection import find_table

    table = find_table(architecture, weights, view.input_size)
    # What cannot be shown is refused before anything is printed.
    selected = table.select(depth=view.depth, layer=view.layer)
    if view.form == "json":
        output.write_json(_as_plain(architecture, weights, selected))
        return
    if view.form == "table" and view.layer is None:
        _show_record(architecture, weights)
    _show_layers(table, view)


def _inspect_file(path: Path, view: _View, *, has_tensors: bool, has_values: bool) -> None:
    """Say what a file is; show its tensors or its network's layers where they are asked for."""
    from zoo.cli.terminal import file_text
    from zoo.inspector.weights_file import report_file

    report = report_file(path, values=has_values)
    if view.form == "json":
        content = file_text.report_as_dict(report)
        if view.asks_for_layers:
            table = _trace_file(report, view.input_size)
            content["layers"] = table.select(depth=view.depth, layer=view.layer).as_dict()["layers"]
        output.write_json(content)
        return
    if view.form != "table":
        output.write_table(file_text.tensors_table(report.contents), view.form)
        return

    output.write_painted(file_text.describe_file(path, report))
    if has_tensors:
        output.write("")
        left_out = output.write_table(file_text.tensors_table(report.contents), "table")
        remedy = "a wider terminal or --json shows them"
        output.talk_left_out(left_out, remedy, is_quiet=view.is_quiet)
    if view.asks_for_layers:
        output.write("")
        _show_layers(_trace_file(report, view.input_size), view)

    commands = "\n".join(f"  {line}" for line in file_text.next_commands(path, report))
    output.talk(f"next:\n{commands}", is_quiet=view.is_quiet)


def _trace_file(report: "WeightsFileReport", input_size: "tuple[int, ...] | None") -> "LayerTable":
    """Tabulate the layers of the network that a file belongs to.

    Raises:
        UsageError: It belongs to none that is known.
    """
    from zoo.catalog.resolver import find_architecture
    from zoo.inspector import live

    identity = report.identity
    if identity.model is None:
        raise UsageError("no model of the registry has these tensors: leave --depth, --layer out")
    architecture = find_architecture(identity.model)
    return live.trace(architecture, None, input_size, identity.options.get("num_classes"))


def _show_record(architecture: "Architecture", weights: "Weights | None") -> None:
    from zoo.cache.presence import Presence
    from zoo.cli.terminal.record_text import describe

    output.write_painted(describe(architecture, weights, Presence()) + "\n\n")


def _show_repository(repository: "HubRepository", form: output.Format) -> None:
    """Show a repository of PyTorch Hub: none of its code runs."""
    from dataclasses import asdict

    from zoo.cli.terminal.hub_text import describe

    if form == "json":
        output.write_json({"repository": asdict(repository)})
    elif form == "table":
        output.write_painted(describe(repository) + "\n")
    else:
        raise UsageError(f"{repository.name} has no layers to write: leave --format {form} out")


def _show_cells(architecture: "Architecture", svg: Path | None, *, is_quiet: bool) -> None:
    from zoo.inspector import cells

    genotype = cells.find_genotype(architecture)
    if svg is None:
        output.write(genotype.to_text())
        return
    cells.draw_svg(genotype, svg)
    output.talk(f"drew {svg}", is_quiet=is_quiet)


def _show_layers(table: "LayerTable", view: _View) -> None:
    """Write the layers, as deep as was asked for or as fits a screen."""
    from zoo.cli.terminal.layer_tables import Extent, fitting_depth, layer_table

    is_table = view.form == "table"
    whole = table.select(layer=view.layer)
    depth = view.depth
    if depth is None and is_table:
        depth = fitting_depth(whole, output.terminal_lines())
    selected = table.select(depth=depth, layer=view.layer)

    extent = Extent.EVERYTHING if view.layer or not is_table else Extent.USUAL
    if extent is Extent.USUAL and output.terminal_width():
        extent = Extent.WHAT_FITS
    shown = layer_table(selected, as_tree=is_table, extent=extent)
    left_out = output.write_table(shown, view.form)

    hidden = len(whole.layers) - len(selected.layers)
    if hidden and view.depth is None:
        advice = "--depth N or --layer PATH shows more"
        text = f"down to depth {depth}, {hidden} layers lie deeper: {advice}"
        output.talk(text, is_quiet=view.is_quiet)
    output.talk_left_out(left_out, "a wider terminal or a pipe shows them", is_quiet=view.is_quiet)


def _as_plain(
    architecture: "Architecture", weights: "Weights | None", table: "LayerTable"
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "architecture": asdict(architecture),
        "weights": weights.tag if weights else None,
        **{key: value for key, value in table.as_dict().items() if key != "model"},
    }
