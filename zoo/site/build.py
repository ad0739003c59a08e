"""All files of a site by name, and writing them into a folder.

The same content gives the same bytes: nothing knows the time, the machine or the order of a set.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from zoo import atomic
from zoo.documents import without_odd_numbers
from zoo.errors import UsageError, WriteError
from zoo.site import data, history, pages, plain
from zoo.site.layers import pack_layers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo.catalog.records import Architecture
    from zoo.catalog.rows import Row
    from zoo.inspector.layers import LayerTable
    from zoo.site.data import Content

GALLERY_PAGE = f"{pages.MEASURED.name}.html"
"""The page of a gallery."""
LIST = "site-files.txt"
"""Names the files of a site, so that the next build knows which of them are its own."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a build put into a folder."""

    files: int
    size_bytes: int
    compressed_bytes: int
    """What a browser that takes gzip would fetch, all files together."""
    removed: int
    """Files of an earlier build that this one does not have."""


def render_site(content: Content) -> dict[str, bytes]:
    """Make every file of a site: its path below the site's address, and its bytes."""
    rows = content.rows()
    architectures = content.architectures(rows)
    tables = plain.plain_pages(rows)
    footer = _footer(rows, has_measured=bool(content.measured))
    links = content.links
    if content.gallery:
        links += (("Measured", GALLERY_PAGE),)
    frame = pages.Frame(footer, links)

    files = _pages(architectures, plain.links(tables), frame)
    if content.gallery:
        # Imported here: few sites have one, and the bench is a package of its own.
        from zoo.site import gallery

        text = gallery.render(content.gallery, rows, frame)
        files[GALLERY_PAGE] = text.encode()
    for table in tables:
        text = plain.render(table, frame)
        files[f"plain/{table.file_name}"] = text.encode()

    files["data/rows.json"] = _json(data.rows_document(content, rows, architectures))
    files |= _records(content, architectures)
    for asset in sorted(pages.ASSETS.iterdir()):
        files[f"assets/{asset.name}"] = asset.read_bytes()

    names = sorted(files)
    files[LIST] = "".join(f"{name}\n" for name in names).encode()
    return files


def _pages(
    architectures: Sequence[Architecture], plain_links: str, frame: pages.Frame
) -> dict[str, bytes]:
    """Make the pages that scripts bring to life."""
    shown = history.networks(architectures)
    texts = {
        "plain_links": plain_links,
        "drawing": history.draw(shown) if shown else "",
        "history": history.render_table(shown),
    }
    files = {}
    for page in pages.PAGES:
        text = pages.render(page, frame, **texts)
        files[f"{page.name}.html"] = text.encode()
    return files


def _records(content: Content, architectures: Sequence[Architecture]) -> dict[str, bytes]:
    """Make what only the pages of models read: layers and records."""
    files = {}
    layer_files: dict[str, int] = {}
    for number, family in enumerate(_tables_by_family(content, architectures)):
        files[f"data/layers/{number}.json"] = _json(pack_layers(family))
        layer_files |= dict.fromkeys(family, number)

    documents = data.record_documents(architectures, layer_files)
    for number, document in enumerate(documents):
        files[f"data/records/{number}.json"] = _json(document)
    return files


def _tables_by_family(
    content: Content, architectures: Sequence[Architecture]
) -> list[dict[str, LayerTable]]:
    """Read the layers of all architectures, and put those together that share most texts."""
    families: dict[str, dict[str, LayerTable]] = {}
    for architecture in architectures:
        table = content.layers(architecture.name)
        if table is not None:
            family = families.setdefault(architecture.family, {})
            family[architecture.name] = table
    return [families[family] for family in sorted(families)]


def _json(value: Any) -> bytes:
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text = encoder.encode(value)
    except ValueError:
        # Only now: few documents have such numbers, and looking for them takes longer than writing.
        text = encoder.encode(without_odd_numbers(value))
    return text.encode()


def _footer(rows: Sequence[Row], *, has_measured: bool) -> str:
    """Say what the figures are, at the foot of every page."""
    models = len({row.name for row in rows})
    weights = sum(row.entry.tag is not None for row in rows)
    measured = (
        " Figures marked measured come from zoo bench and are never mixed with published ones."
        if has_measured
        else ""
    )
    made_by = escape(version("torch-zoo"))
    return (
        f"{models:,} models, {weights:,} sets of weights. Errors are published ones, "
        f"each with its source on the model's page.{measured} Made by zoo {made_by}."
    )


def write_site(files: Mapping[str, bytes], folder: Path) -> Written:
    """Write a site into a folder, which is empty, new, or holds an earlier site.

    Raises:
        UsageError: The folder holds something else.
        WriteError: The file system refuses.
    """
    before = _files_before(folder)
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or path.read_bytes() != content:
                atomic.write_bytes(path, content)

        gone = sorted(before - set(files))
        for name in gone:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(str(folder), error.strerror or str(error)) from error

    return Written(
        files=len(files),
        size_bytes=sum(map(len, files.values())),
        compressed_bytes=sum(len(compress(content)) for content in files.values()),
        removed=len(gone),
    )


def compress(content: bytes) -> bytes:
    """Compress as a web server would, the same each time."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def _files_before(folder: Path) -> set[str]:
    """Name the files of the site that stands in a folder.

    Raises:
        UsageError: Something else stands there.
    """
    try:
        is_empty = not folder.exists() or not any(folder.iterdir())
        if is_empty:
            return set()
        names = (folder / LIST).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        advice = "name a new folder"
        raise UsageError(
            f"{folder} is neither empty nor a site of zoo; nothing was written; {advice}"
        ) from error

    root = folder.resolve()
    return {name for name in names if (root / name).resolve().is_relative_to(root)}
