"""``zoo inspect``: one model's record and its layers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import output
from zoo.cli.options import AsFormat, AsJson, Model, Quiet, examples, new_app
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.catalog.records import Architecture, Weights
    from zoo.inspector.layers import LayerTable

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
        "zoo inspect lenet5 --checkpoint runs/lenet5/best.safetensors",
    )
)
def inspect(
    name: Model,
    depth: Annotated[
        int | None,
        typer.Option(metavar="N", help="Layers down to this depth; by default what fits a screen.", show_default=False),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(metavar="PATH", help="One layer and what is below it: features.3", show_default=False)
    ] = None,
    input: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Trace another input size, as 3x512x512.", show_default=False),
    ] = None,
    repr: Annotated[bool, typer.Option("--repr", help="Print what print(model) prints, and nothing else.")] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file of zoo train: show its record and its layers.", show_default=False),
    ] = None,
    cell: Annotated[bool, typer.Option("--cell", help="Draw the cells that the network is built from.")] = False,
    svg: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --cell: draw into an SVG file, with Graphviz.", show_default=False),
    ] = None,
    format: AsFormat = None,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show a model's record and its layers.

    Nothing is downloaded and no memory is taken for parameters. Shares are of the whole network; one multiply with its
    add counts once. CSV and Markdown hold the layers alone, JSON holds the record as well.
    """
    from zoo.catalog.resolver import find_architecture, find_weights

    form = output.chosen_format(format, is_json=json)
    model, _, tag = name.partition(":")
    architecture = find_architecture(model)
    weights = find_weights(architecture, tag) if tag else None
    if svg is not None and not cell:
        raise UsageError("--svg draws cells: add --cell")
    if repr:
        from zoo.inspector import live

        output.write(live.represent(architecture, weights))
    elif cell:
        _show_cells(architecture, svg, is_quiet=quiet)
    else:
        from zoo.catalog.quantities import parse_shape
        from zoo.inspector.inspection import find_table

        size = parse_shape("--input", input) if input else None
        if checkpoint is not None:
            _show_trained(architecture, checkpoint, size, depth, layer, form, is_quiet=quiet)
            return
        table = find_table(architecture, weights, size)
        selected = table.select(depth=depth, layer=layer)
        if form == "json":
            output.write_json(_as_plain(architecture, weights, selected))
            return
        if form == "table" and layer is None:
            _show_record(architecture, weights)
        _show_layers(table, depth, layer, form, is_quiet=quiet)


def _show_record(architecture: "Architecture", weights: "Weights | None") -> None:
    from zoo.cli.presence import Presence
    from zoo.cli.record_text import describe

    output.write_painted(describe(architecture, weights, Presence()) + "\n\n")


def _show_trained(
    architecture: "Architecture",
    checkpoint: Path,
    input_size: "tuple[int, ...] | None",
    depth: int | None,
    layer: str | None,
    form: output.Format,
    *,
    is_quiet: bool,
) -> None:
    """Show what a file of ``zoo train`` says about itself, then its layers."""
    from dataclasses import asdict

    from zoo.inspector import live
    from zoo.weights.own_record import require_own_record

    record = require_own_record(checkpoint, architecture.name)
    table = live.trace(architecture, None, input_size, len(record.labels))
    if form == "json":
        layers = table.select(depth=depth, layer=layer).as_dict()
        output.write_json({"trained": asdict(record), **{key: layers[key] for key in layers if key != "model"}})
        return
    if form == "table":
        shown = ", ".join(record.labels[:8]) + (", ..." if len(record.labels) > 8 else "")
        output.write(
            f"{checkpoint.name}: {record.model}, trained here\n"
            f"  classes     {len(record.labels)}: {shown}\n"
            f"  pictures    {record.validation_images} held out\n"
            f"  validation  {record.validation_error_percent:.2f} % top-1 error\n"
            f"  epoch       {record.epoch}\n"
            f"  data set    {record.data}\n"
            f"  recipe      {', '.join(f'{name} {value}' for name, value in record.recipe.items())}\n"
        )
    _show_layers(table, depth, layer, form, is_quiet=is_quiet)


def _show_cells(architecture: "Architecture", svg: Path | None, *, is_quiet: bool) -> None:
    from zoo.inspector import cells

    genotype = cells.find_genotype(architecture)
    if svg is None:
        output.write(genotype.to_text())
        return
    cells.draw_svg(genotype, svg)
    output.talk(f"drew {svg}", is_quiet=is_quiet)


def _show_layers(
    table: "LayerTable", depth: int | None, layer: str | None, form: output.Format, *, is_quiet: bool
) -> None:
    from zoo.cli.layer_tables import Extent, fitting_depth, layer_table

    whole = table.select(layer=layer)
    shown_depth = fitting_depth(whole, output.terminal_lines()) if depth is None and form == "table" else depth
    selected = table.select(depth=shown_depth, layer=layer)
    extent = Extent.EVERYTHING if layer or form != "table" else Extent.USUAL
    if extent is Extent.USUAL and output.terminal_width():
        extent = Extent.WHAT_FITS
    left_out = output.write_table(layer_table(selected, as_tree=form == "table", extent=extent), form)
    hidden = len(whole.layers) - len(selected.layers)
    if hidden and depth is None:
        advice = "--depth N or --layer PATH shows more"
        output.talk(f"down to depth {shown_depth}, {hidden} layers lie deeper: {advice}", is_quiet=is_quiet)
    output.talk_left_out(left_out, "a wider terminal or a pipe shows them", is_quiet=is_quiet)


def _as_plain(architecture: "Architecture", weights: "Weights | None", table: "LayerTable") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "architecture": asdict(architecture),
        "weights": weights.tag if weights else None,
        **{key: value for key, value in table.as_dict().items() if key != "model"},
    }
