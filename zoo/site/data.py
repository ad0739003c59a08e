"""The one adapter between the registry and the pages: records in, plain JSON out.

Pages read two kinds of documents. ``data/rows.json`` holds what the table, the plot and the choice
need of every model, column by column. ``data/records/N.json`` hold what a model's own page shows,
some models a file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.catalog.query import Selection, select
from zoo.catalog.resolver import find_architecture
from zoo.inspector.layers import load_table, table_file
from zoo.models.published_cells import GENOTYPES
from zoo.site.columns import COLUMNS, HELD, MEASURED, SiteColumn, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo.bench.sharing import Shared
    from zoo.catalog.entries import Entry
    from zoo.catalog.records import Architecture, HubFile, Paper, Weights, WeightsFile
    from zoo.catalog.registry import Registry
    from zoo.catalog.rows import Row, Value
    from zoo.inspector.layers import LayerTable

BYTES_OF_A_PARAMETER = 4
MOSTLY_COUNTED = "one image; heads as the weights have them"
"""What most records say of how they were counted; the page says it where a record does not."""
MODELS_A_FILE = 200
"""How many models' records share a file: a page fetches one, and a site of 2,000 has few."""


def shipped_table(name: str) -> LayerTable | None:
    """Read the table of layers that ships with zoo, if there is one."""
    is_plain = "/" not in name
    return load_table(name) if is_plain and table_file(name).is_file() else None


@dataclass(frozen=True, slots=True)
class Held:
    """Which weights lie close at hand, and where."""

    title: str
    """Heading of the column: ``"cached"``, ``"on this mirror"``."""
    has: Callable[[Entry], bool]


@dataclass(frozen=True, slots=True)
class Content:
    """What a site is built from."""

    registry: Registry | None = None
    """By default all that zoo knows, of every source."""
    held: Held | None = None
    measured: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """What ``zoo bench`` measured, as :func:`zoo.bench.results.columns_by_model` gives it."""
    gallery: Sequence[Shared] = ()
    """Signed results of any number of machines, which have a page of their own."""
    layers: Callable[[str], LayerTable | None] = shipped_table
    """Gives the layers of an architecture, where they are known."""
    links: tuple[tuple[str, str], ...] = ()
    """More places for the navigation: what each is called, and its address beside the pages."""

    @property
    def columns(self) -> tuple[SiteColumn, ...]:
        """The columns that this site has."""
        columns = COLUMNS
        if self.held:
            titled = replace(HELD, title=self.held.title)
            columns += (titled,)
        if self.measured:
            columns += MEASURED
        return columns

    def rows(self) -> list[Row]:
        """List one row for each set of weights, in the registry's order, which settles ties."""
        every = Selection(has_all_weights=True)
        is_held = self.held.has if self.held else None
        return select(every, self.registry, is_cached=is_held, extra=self.measured)

    def architectures(self, rows: Sequence[Row]) -> list[Architecture]:
        """Read the records behind some rows, those of a family together, which packs well."""
        names = dict.fromkeys(row.name for row in rows)
        records = [find_architecture(name, self.registry) for name in names]
        return sorted(records, key=lambda record: (record.provider, record.family, record.name))


def rows_document(
    content: Content, rows: Sequence[Row], architectures: Sequence[Architecture]
) -> dict[str, Any]:
    """Write what every model needs in the table, column by column.

    Args:
        content: What the site is built from.
        rows: Its rows.
        architectures: Their records, in the order in which :func:`record_documents` writes them.
    """
    numbers = {architecture.name: number for number, architecture in enumerate(architectures)}
    return {
        "count": len(rows),
        "models_a_file": MODELS_A_FILE,
        "models": [numbers[row.name] for row in rows],
        "default": [int(row.entry.is_default) for row in rows],
        "buffer_bytes": [_buffer_bytes(row) for row in rows],
        "columns": [pack(column, rows) for column in content.columns],
    }


def _buffer_bytes(row: Row) -> int | None:
    """Give what a file of unknown length holds beside its parameters: small numbers pack well."""
    about = row.entry.about_size_bytes
    parameters = row.entry.parameters
    if about is None or parameters is None:
        return None
    return about - BYTES_OF_A_PARAMETER * parameters


def record_documents(
    architectures: Sequence[Architecture], layer_files: Mapping[str, int] | None = None
) -> list[list[dict[str, Any]]]:
    """Write the records of all architectures, some a document.

    Args:
        architectures: Of the whole site.
        layer_files: For each architecture whose layers the site has, the number of their file.
    """
    layer_files = layer_files or {}
    records = []
    for architecture in architectures:
        record = architecture_record(architecture)
        if architecture.name in layer_files:
            record["layer_file"] = layer_files[architecture.name]
        records.append(record)

    starts = range(0, len(records), MODELS_A_FILE)
    return [records[start : start + MODELS_A_FILE] for start in starts]


_ARCHITECTURE_IN_ROWS = (
    "title",
    "family",
    "task",
    "year",
    "provider",
)
"""What a page takes from any row of an architecture."""


def architecture_record(architecture: Architecture) -> dict[str, Any]:
    """Write what is known about an architecture and its weights, beyond what the rows say."""
    # What is written below in its own way would take most of the time here.
    bare = replace(architecture, weights={}, published=())
    record = _known_members(bare)
    for name in _ARCHITECTURE_IN_ROWS:
        record.pop(name, None)

    if architecture.paper:
        record["paper"] = _paper_record(architecture.paper)
    record["published"] = [_known_members(entry) for entry in architecture.published]
    weights = architecture.weights.values()
    record["weights"] = [weights_record(each, architecture) for each in weights]

    if architecture.counted == MOSTLY_COUNTED:
        record.pop("counted")
    if not architecture.auxiliary_parameters:
        record.pop("auxiliary_parameters")
    default = architecture.default
    if default and default.parameters == architecture.parameters:
        # Most figures stand in the rows already; twice, they would be a tenth of the whole site.
        record.pop("parameters")
        record.pop("multiply_adds", None)

    genotype = GENOTYPES.get(architecture.name)
    if genotype:
        record["cells"] = json.loads(genotype.to_json())
    return record


_IN_ROWS = (
    "parameters",
    "multiply_adds",
    "activations",
    "license",
    "dataset",
    "pretraining",
)
"""What a page takes from the row of some weights."""
_SAME_AS_ARCHITECTURE = (
    "input_size",
    "preprocessing",
    "num_classes",
)
"""What a page takes from the architecture where the weights say the same."""


def weights_record(weights: Weights, architecture: Architecture) -> dict[str, Any]:
    """Write what is known about a set of weights, beyond what its row and architecture say."""
    bare = replace(weights, files=(), published=())
    record = _known_members(bare)
    for name in (*_IN_ROWS, "category_set", "recipe_url", "state_bytes"):
        record.pop(name, None)
    for name in _SAME_AS_ARCHITECTURE:
        own, usual = getattr(weights, name), getattr(architecture, name)
        if own == usual:
            record.pop(name, None)
        elif own is None:
            record[name] = None

    recipe_url = web_address(weights.recipe_url)
    if recipe_url:
        record["recipe_url"] = recipe_url
    if weights.published:
        record["published"] = _claim_records(weights)

    usual_repository = f"{architecture.name}.{weights.tag}"
    record["files"] = [_file_record(file, usual_repository) for file in weights.files]
    if len(weights.files) == 1:
        # The row says the length of all files together.
        record["files"][0].pop("size_bytes", None)
    return record


def _claim_records(weights: Weights) -> list[dict[str, Any]]:
    """Write what publishers state: for each source and protocol its figures, each in four parts.

    They are the test set, the input size where it is not the weights' own, and the top-1 and top-5
    errors where the row does not say them: it has the headline's, and the top-1 errors of every
    test set at the own size.
    """
    grouped: dict[tuple[Any, ...], list[list[Any]]] = {}
    for claim in weights.published:
        protocol = (claim.source, claim.split, claim.crops)
        is_own_size = claim.input_size in (None, weights.input_size)
        is_headline = claim == weights.headline
        is_in_row = is_headline or (is_own_size and claim.test_set != "imagenet1k")

        figures = [
            claim.test_set,
            0 if is_own_size else claim.input_size,
            0 if is_in_row else claim.top1_error_percent,
            0 if is_headline else claim.top5_error_percent,
        ]
        grouped.setdefault(protocol, []).append(figures)

    records = []
    for (source, split, crops), lines in grouped.items():
        record = {"source": source, "split": split, "crops": crops}
        records.append(_known(record) | {"figures": lines})
    return records


def _file_record(file: WeightsFile, usual_repository: str) -> dict[str, Any]:
    """Write a file, with an address only where a browser may follow it.

    The page knows how timm calls the repository of some weights.
    """
    record = _known_members(file)
    record.pop("alternates", None)
    if not file.size_tolerance_bytes:
        record.pop("size_tolerance_bytes")
    if web_address(file.url) is None:
        record.pop("url", None)

    if file.hub and file.url == _hub_address(file.hub):
        # The page makes both from where the file lies on the Hub.
        record.pop("url")
        record.pop("file_name")
    if file.hub and file.hub.repository == usual_repository:
        record["hub"].pop("repository")
    return record


def _hub_address(hub: HubFile) -> str:
    revision = hub.revision or "main"
    return f"https://huggingface.co/{hub.repository}/resolve/{revision}/{hub.path}"


def _paper_record(paper: Paper) -> dict[str, Any]:
    """Write a paper's title; the row says its reference, from which the page makes an address."""
    record = {"title": paper.title}
    address = paper_address(paper)
    if address and not (paper.arxiv or paper.doi):
        record["url"] = address
    return record


def paper_address(paper: Paper) -> str | None:
    """Find where a paper can be read."""
    if paper.arxiv:
        return f"https://arxiv.org/abs/{paper.arxiv}"
    if paper.doi:
        return f"https://doi.org/{paper.doi}"
    return web_address(paper.url)


def web_address(address: str | None) -> str | None:
    """Keep an address only if a browser may follow it: a script in a link is none.

    >>> web_address("https://pytorch.org/"), web_address("javascript:alert(1)")
    ('https://pytorch.org/', None)
    """
    if address is None:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    is_web = parts.scheme in {"https", "http"} and bool(parts.netloc)
    return address if is_web else None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is not known, and what is empty, at every depth."""
    return {
        name: _plain(value)
        for name, value in values.items()
        if value is not None and value not in ({}, (), [])
    }


def _known_members(record: Any) -> dict[str, Any]:
    """Write what is known of a record; ``asdict`` would copy all of it first."""
    members = {member.name: getattr(record, member.name) for member in fields(record)}
    return _known(members)


def _plain(value: Any) -> Any:
    """Write what stands in a record as JSON can hold it."""
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return _known(value)
    return _known_members(value) if is_dataclass(value) else value
