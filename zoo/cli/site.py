"""``zoo site``: the registry as a web site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli.terminal import output
from zoo.cli.terminal.options import AsJson, Measured, Quiet, examples, new_app

if TYPE_CHECKING:
    from zoo.site.data import Content

app = new_app(help="Show the registry as a web site.")

Cached = Annotated[
    bool, typer.Option("--cached", help="Mark the weights that lie in this machine's cache.")
]
Gallery = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Show the gallery of zoo bench export on a page of its own.",
        show_default=False,
    ),
]


@app.command(
    epilog=examples(
        "zoo site build catalog",
        "zoo site build catalog --bench sweep",
        "zoo site build catalog --gallery gallery",
        "zoo site build --json out",
    )
)
def build(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A new folder, or one with an earlier site.")
    ],
    bench: Measured = None,
    gallery: Gallery = None,
    cached: Cached = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the site into a folder, for any web server and any path.

    The same registry and results give the same bytes. Browsers run no scripts from files: opened as
    a file, the site shows its plain tables.
    """
    from dataclasses import asdict

    from zoo.catalog.quantities import size
    from zoo.site.build import render_site, write_site

    files = render_site(_content(bench, gallery, is_cached=cached))
    written = write_site(files, folder)

    if json:
        output.write_json({"folder": str(folder), **asdict(written)})
        return
    whole, compressed = size(written.size_bytes), size(written.compressed_bytes)
    output.talk(f"{written.files} files, {whole}, {compressed} compressed", is_quiet=quiet)
    if written.removed:
        output.talk(f"removed {written.removed} files of an earlier site", is_quiet=quiet)
    output.write(str(folder))


@app.command(epilog=examples("zoo site serve", "zoo site serve --cached --bench sweep"))
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8400,
    bench: Measured = None,
    gallery: Gallery = None,
    cached: Cached = False,
    json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show the site to this machine, until Ctrl-C.

    Nothing is written. The address is printed when connections are accepted.
    """
    from zoo.site.build import render_site
    from zoo.site.server import SiteServer

    files = render_site(_content(bench, gallery, is_cached=cached))
    with SiteServer(files, host, port) as server:
        if json:
            output.write_json({"url": server.url})
        else:
            output.write(server.url)
        output.talk("Ctrl-C ends it", is_quiet=quiet)
        server.serve_forever()


def _content(bench: Path | None, gallery: Path | None, *, is_cached: bool) -> "Content":
    """Gather what the site shows."""
    from zoo.cache.presence import Presence
    from zoo.cli.terminal.row_tables import measured_columns
    from zoo.site.data import Content, Held

    _, measured = measured_columns(bench)
    held = Held("cached", Presence().has_entry) if is_cached else None
    if gallery is None:
        return Content(None, held, measured)

    from zoo.bench.sharing import read_gallery

    return Content(None, held, measured, read_gallery(gallery))
